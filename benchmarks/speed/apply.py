"""Pooling with given weights against SciPy, torch and JAX, each set up as well as it can be.

The limit reads the M arrays and writes one. Everybody has the same arrays, at addresses that
torch and JAX take without a copy; stacking them for ``tensordot`` is not counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import opinionpool as op
from opinionpool.kernels import fused

from .data import Labels, Logits, aligned
from .memory import moving, reading
from .options import Options
from .race import NotHereError, race, rows
from .sizes import APPLIED, raced

LIMIT, READ, OURS = "read M, write 1", "read M", "opinionpool kernel, out="
#: Bytes beyond which no second copy of the data is made for ``tensordot``.
STACKED = 2e9
#: Rows whose result is compared with float64.
CHECKED = 50


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Yield a race at every size."""
    yield from raced(APPLIED, options, one_race, show)


def contestants(arrays: Logits, y: Labels, options: Options) -> dict[str, Callable[[], Any]]:
    """Return who races; each returns its result."""
    m, threads = len(arrays), options.threads
    v = np.full(m, 1.2 / m)
    out = aligned(*arrays[0].shape)
    models = {f"m{i}": x for i, x in enumerate(arrays)}
    some = np.arange(len(y)) < 1000
    pool = op.fit(
        {name: x[some] for name, x in models.items()},
        y[some],
        weighting="uniform",
        temperature=1 / 1.2,
        classes=list(range(arrays[0].shape[1])),
    )
    return {
        LIMIT: moving(arrays, out, threads),
        READ: reading(arrays, threads),
        OURS: lambda: fused.apply(arrays, v, out=out, threads=threads)[0],
        "opinionpool kernel": lambda: fused.apply(arrays, v, threads=threads)[0],
        "Pool.apply, all checks, out=": lambda: pool.apply(models, out=out),
        "Pool.apply, all checks": lambda: pool.apply(models),
        "SciPy, softmax of a running sum": lambda: in_scipy(arrays, v),
        **tensordots(arrays, v),
        **in_torch(arrays, v, threads),
        **in_jax(arrays, v),
    }


def in_scipy(arrays: Logits, v: NDArray[np.float64]) -> Any:
    """Softmax of a weighted sum that needs no stack."""
    narrow = v.astype(np.float32)
    z = narrow[0] * arrays[0]
    for weight, x in zip(narrow[1:], arrays[1:], strict=True):
        z += weight * x
    return softmax(z, axis=1)


def tensordots(arrays: Logits, v: NDArray[np.float64]) -> dict[str, Callable[[], Any]]:
    """Return SciPy's softmax of a ``tensordot``, where a stacked copy fits."""
    name = "SciPy, softmax of tensordot"
    if sum(x.nbytes for x in arrays) > STACKED:
        return {name: _absent("a stacked copy of the data is too large")}
    stacked, narrow = np.stack(arrays), v.astype(np.float32)
    return {name: lambda: softmax(np.tensordot(narrow, stacked, 1), axis=1)}


def in_torch(arrays: Logits, v: NDArray[np.float64], threads: int) -> dict[str, Callable[[], Any]]:
    """Torch: eager by a running sum and by ``tensordot``, and compiled."""
    names = ("torch, running sum", "torch, tensordot", "torch, compiled")
    try:
        import torch
    except ImportError:
        return dict.fromkeys(names, _absent("torch is not installed"))
    torch.set_num_threads(threads)
    tensors = [torch.from_numpy(x) for x in arrays]
    weights = torch.from_numpy(v.astype(np.float32))

    def running(xs: Any, w: Any) -> Any:
        z = xs[0] * w[0]
        for a in range(1, len(xs)):
            z = z + xs[a] * w[a]
        return torch.softmax(z, dim=1)

    race: dict[str, Callable[[], Any]] = {names[0]: lambda: running(tensors, weights).numpy()}
    if sum(x.nbytes for x in arrays) > STACKED:
        race[names[1]] = _absent("a stacked copy of the data is too large")
    else:
        stacked = torch.stack(tensors)
        race[names[1]] = lambda: torch.softmax(
            torch.tensordot(weights, stacked, dims=1), dim=1
        ).numpy()
    torch.compiler.reset()  # another size is not to be compiled for any size
    compiled = torch.compile(running)
    race[names[2]] = lambda: compiled(tensors, weights).numpy()
    return race


def in_jax(arrays: Logits, v: NDArray[np.float64]) -> dict[str, Callable[[], Any]]:
    """JAX, compiled; it uses as many threads as it likes."""
    try:
        import jax
    except ImportError:
        return {"JAX, jit": _absent("jax is not installed")}
    xs = [jax.numpy.asarray(x) for x in arrays]
    weights = jax.numpy.asarray(v.astype(np.float32))

    @jax.jit
    def pooled(xs: Any, w: Any) -> Any:
        return jax.nn.softmax(sum(x * own for x, own in zip(xs, w, strict=True)), axis=1)

    return {"JAX, jit": lambda: pooled(xs, weights).block_until_ready()}


def _absent(reason: str) -> Callable[[], Any]:
    def run() -> None:
        raise NotHereError(reason)

    return run


def one_race(arrays: Logits, y: Labels, options: Options) -> dict[str, Any]:
    """Race and return figures."""
    size, written = sum(x.nbytes for x in arrays), arrays[0].nbytes
    entered = contestants(arrays, y, options)
    expected = reference(arrays)
    errors: dict[str, float] = {}

    def checked(name: str, run: Callable[[], Any]) -> Callable[[], Any]:
        # Only rows that are compared are kept: results would pile up. Freeing them is timed.
        def checking() -> None:
            p = run()
            if name not in errors and p is not None:
                errors[name] = float(np.abs(np.asarray(p[:CHECKED]) - expected).max())

        return checking

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about how it compiles
        records = race(
            {name: checked(name, run) for name, run in entered.items()},
            options.rounds,
            patience=options.patience,
            compiling=list(entered),
        )
    moved = dict.fromkeys(entered, size + written) | {READ: size}
    table = rows(records, LIMIT, moved, READ)
    for row in table:
        if row["name"] in errors and row["name"] not in (LIMIT, READ):
            row["error"] = errors[row["name"]]
    return {"bytes": size + written, "limit": LIMIT, "ours": OURS, "contestants": table}


def reference(arrays: Logits) -> NDArray[np.float64]:
    """Return the first rows in float64."""
    z = 1.2 * np.mean([x[:CHECKED].astype(np.float64) for x in arrays], axis=0)
    return np.asarray(softmax(z, axis=1))


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(f"\napply {found['title']}: {found['bytes'] / 1e6:,.0f} MB")
    for row in found["contestants"]:
        if row["median"] is None:
            print(f"  {row['name']:32} {row['note']}")
            continue
        text = f"  {row['name']:32} {1e3 * row['median']:9.1f} ms  x {row['ratio']:6.2f}"
        text += f"  {row['gb_per_s']:5.1f} GB/s = {100 * row['of_bandwidth']:3.0f} %"
        print(text + (f"  error {row['error']:.0e}" if "error" in row else ""), flush=True)
