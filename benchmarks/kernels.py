"""The kernels against memory, NumPy, SciPy and torch, in alternating rounds of one process.

    python -P benchmarks/kernels.py [--rounds 9] [--threads 2] [--scale 1] [--only TEXT]

Every round runs every contestant once, so that a busy machine is busy for all. Printed are
medians over the rounds of the ratio to a limit that was measured in the same round, with the
same threads: for applying, reading the M arrays and writing one; for sums, adding the arrays up.
``--scale 0.1`` takes a tenth of the rows; surveys are of one model after another. The first use
in a fresh process is measured with an empty and with a filled compile cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from opinionpool.kernels import fused

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.speed.memory import moving

SIZES = {
    "8 x 50,000 x 1,000": (8, 50_000, 1_000),
    "16 x 500,000 x 10": (16, 500_000, 10),
    "3 x 2,000 x 128,000": (3, 2_000, 128_000),
    "8 x 200,000 x 131": (8, 200_000, 131),
}
STACKING = (20, 1_000_000)

Race = dict[str, Callable[[], object]]


def logits(m: int, n: int, k: int, dtype: Any = np.float32) -> list[NDArray[Any]]:
    """Models of random logits."""
    rng = np.random.default_rng(0)
    arrays = []
    for _ in range(m):
        x = rng.standard_normal((n, k), dtype=dtype)
        x *= 3
        arrays.append(x)
    return arrays


def applying(arrays: list[NDArray[Any]], threads: int) -> tuple[str, Race]:
    """Pool with given weights into an array that is there already."""
    m = len(arrays)
    v = np.full(m, 1.2 / m)
    out = np.empty_like(arrays[0])
    race: Race = {
        "read M, write 1": moving(arrays, out, threads),
        "opinionpool": lambda: fused.apply(arrays, v, out=out, threads=threads),
        "opinionpool, no out": lambda: fused.apply(arrays, v, threads=threads),
        "opinionpool, logs": lambda: fused.apply(arrays, v, out=out, log=True, threads=threads),
        "plain kernels": lambda: fused.apply(
            arrays, v, out=out, threads=threads, kernels="reference"
        ),
    }
    narrow = v.astype(arrays[0].dtype)

    def scipy() -> object:
        z = narrow[0] * arrays[0]
        for own, x in zip(narrow[1:], arrays[1:], strict=True):
            z += own * x
        return softmax(z, axis=1)

    race["SciPy, softmax of a sum"] = scipy
    race |= torch_contestants(arrays, narrow, threads)
    race["add up the M alone"] = moving(arrays, None, threads)
    return "read M, write 1", race


def torch_contestants(arrays: list[NDArray[Any]], v: NDArray[Any], threads: int) -> Race:
    """Torch eager (tensordot of a stack, and a running sum), and compiled if that works."""
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(threads)
    tensors, weights = [torch.from_numpy(x) for x in arrays], torch.from_numpy(v)

    def running(xs: Any, w: Any) -> Any:
        z = xs[0] * w[0]
        for a in range(1, len(xs)):
            z = z + xs[a] * w[a]
        return torch.softmax(z, dim=1)

    race: Race = {"torch, running sum": lambda: running(tensors, weights)}
    if arrays[0].nbytes * len(arrays) < 4e9:
        stacked = torch.stack(tensors)  # a copy that is not counted against it
        race["torch, tensordot"] = lambda: torch.softmax(
            torch.tensordot(weights, stacked, dims=1), dim=1
        )
    compiled = torch.compile(running)
    try:
        compiled(tensors, weights)
        race["torch, compiled"] = lambda: compiled(tensors, weights)
    except Exception as problem:
        print(f"  torch.compile does not work here: {type(problem).__name__}")
    return race


def summing(arrays: list[NDArray[Any]], threads: int) -> tuple[str, Race]:
    """Loss, gradient and curvature of the log rule."""
    n, k = arrays[0].shape
    m = len(arrays)
    v, u = np.full(m, 1.2 / m), np.ones(n)
    y = np.random.default_rng(1).integers(0, k, n)

    def ours(order: int, **options: Any) -> Callable[[], object]:
        return lambda: fused.log_sums(arrays, v, y, u, order=order, threads=threads, **options)

    return "add up", {
        "add up": moving(arrays, None, threads),
        "loss": ours(0),
        "loss, gradient": ours(1),
        "loss, gradient, curvature": ours(2),
        "plain kernels, all three": ours(2, kernels="reference"),
    }


def surveying(arrays: list[NDArray[Any]], threads: int) -> tuple[str, Race]:
    """Check every model and find its normalisers and its own losses."""
    n, k = arrays[0].shape
    y = np.random.default_rng(1).integers(0, k, n)
    adding = [moving([x], None, threads) for x in arrays]

    def ours(**options: Any) -> Callable[[], object]:
        return lambda: [fused.survey(x, y, threads=threads, **options) for x in arrays]

    return "add up", {
        "add up": lambda: [add() for add in adding],
        "survey": ours(),
        "survey, no checksum": ours(checksum=False),
        "plain kernels": ours(kernels="reference"),
    }


def stacking(m: int, n: int, threads: int) -> tuple[str, Race]:
    """Sum the linear rule's loss over likelihoods that are scaled already."""
    rng = np.random.default_rng(0)
    log_f, w, u = rng.normal(size=(m, n)), np.full(m, 1 / m), np.ones(n)
    f, top = fused.scaled_likelihoods(log_f)

    def ours(order: int, **options: Any) -> Callable[[], object]:
        return lambda: fused.linear_sums(
            log_f, w, u, f=f, top=top, order=order, threads=threads, **options
        )

    return "add up", {
        "add up": moving([own[None] for own in f], None, 1)
        if threads == 1
        else moving([own.reshape(1000, -1) for own in f], None, threads),
        "loss": ours(0),
        "loss, gradient": ours(1),
        "loss, gradient, curvature": ours(2),
        "plain kernels, all three": ours(2, kernels="reference"),
    }


def run(limit: str, race: Race, rounds: int, moved: int) -> dict[str, Any]:
    """Run rounds, print medians of ratios, return the seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in race}
    for turn in range(rounds + 1):  # the first warms up
        for name, contestant in race.items():
            began = time.perf_counter()
            contestant()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    for name, took in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(took, seconds[limit], strict=True))
        median = statistics.median(took)
        print(
            f"  {name:28} {median * 1e3:9.1f} ms  x {ratio:6.2f}  {moved / median / 1e9:6.1f} GB/s"
        )
    return seconds


FIRST_USE = """
import time, numpy as np
began = time.perf_counter()
from opinionpool.kernels import fused
x = [np.zeros((100, {k}), np.float32)] * 3
fused.{what}
print(time.perf_counter() - began)
"""


def first_use(rounds: int) -> dict[str, dict[str, float]]:
    """Time the first call in a fresh process: nothing cached, and everything."""
    calls = {
        "apply": "apply(x, np.ones(3))",
        "sums": "log_sums(x, np.ones(3), np.zeros(100, int))",
    }
    results: dict[str, dict[str, float]] = {}
    for name, what in calls.items():
        for k in (10, 1000):
            with tempfile.TemporaryDirectory() as cache:
                environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
                took = [
                    float(
                        subprocess.run(
                            [sys.executable, "-c", FIRST_USE.format(k=k, what=what)],
                            env=environment,
                            capture_output=True,
                            text=True,
                            check=True,
                        ).stdout
                    )
                    for _ in range(rounds + 1)
                ]
            cold, warm = took[0], statistics.median(took[1:])
            results[f"{name}, K = {k}"] = {"cold": cold, "warm": warm}
            print(f"  {name}, K = {k:<5} cold {cold:6.2f} s   warm {warm:6.2f} s")
    return results


def main() -> None:
    """Race and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--only", default="", help="sizes whose name contains this")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not fused.compiled("auto"):
        parser.exit(2, "numba is not installed: pip install 'opinionpool[fast]'\n")
    results: dict[str, Any] = {}
    for size, (m, n, k) in SIZES.items():
        if options.only not in size:
            continue
        n = max(1, round(n * options.scale))
        arrays = logits(m, n, k)
        moved = m * n * k * 4
        for job, extra in ((applying, n * k * 4), (summing, 0), (surveying, 0)):
            title = f"{job.__name__}, {size}" + (
                f", {options.scale:g} of the rows" * (options.scale != 1)
            )
            print(f"\n{title}: {moved / 1e6:.0f} MB, {options.threads} threads")
            limit, race = job(arrays, options.threads)
            results[title] = run(limit, race, options.rounds, moved + extra)
            del race
        del arrays
    if options.only in "stacking":
        m, n = STACKING[0], round(STACKING[1] * options.scale) // 1000 * 1000
        print(f"\nstacking, {m} x {n}: {m * n * 8 / 1e6:.0f} MB, {options.threads} threads")
        results["stacking"] = run(*stacking(m, n, options.threads), options.rounds, m * n * 8)
    if options.only in "first use":
        print("\nfirst use in a fresh process")
        results["first use"] = first_use(3)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
