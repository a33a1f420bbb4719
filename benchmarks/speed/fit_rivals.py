"""Rivals of ``opinionpool.fit``: general optimisers and greedy selection, set up with care.

Each returns what it :class:`Found`. With ``fitted`` the temperature is free: v ≥ 0 instead of
v ≥ 0, Σv = 1. Tolerances are tight enough to come within 1e-6 of the optimum, and the trace says
when a rival was there first, so that none is charged for not knowing when to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from opinionpool.kernels.threads import in_threads

from .objectives import Array, Labels, Logits, Objective, OutOfTimeError, Watched, chunks
from .race import NotHereError

#: As of the library (1/T at most), so that everybody has the same feasible set.
SHARPEST = 100.0


@dataclass(frozen=True)
class Found:
    """A rival's weights over temperature, and how it came there.

    ``note`` says where it was stopped.
    """

    v: Array
    trace: list[tuple[float, float]]
    note: str = ""


def watched(run: Callable[[Watched], Any], objective: Objective, patience: float) -> Found:
    """Run a rival until it ends or its time is over; its best point counts."""
    watch = Watched(objective, patience)
    try:
        run(watch)
    except OutOfTimeError:
        return Found(watch.best[1], watch.trace, f"stopped after {patience:.0f} s")
    return Found(watch.best[1], watch.trace)


def slsqp(objective: Objective, m: int, fitted: bool, patience: float) -> Found:
    """SciPy's SLSQP with bounds and a linear constraint."""
    total = {"type": "eq", "fun": lambda v: v.sum() - 1, "jac": lambda v: np.ones(m)}
    cap = {"type": "ineq", "fun": lambda v: SHARPEST - v.sum(), "jac": lambda v: -np.ones(m)}

    def run(watch: Watched) -> None:
        minimize(
            watch,
            np.full(m, 1 / m),
            jac=True,
            method="SLSQP",
            bounds=[(0, None)] * m,
            constraints=[cap if fitted else total],
            options={"ftol": 1e-10, "maxiter": 1000},
        )

    return watched(run, objective, patience)


def l_bfgs_b(objective: Objective, m: int, fitted: bool, patience: float) -> Found:
    """SciPy's L-BFGS-B: bounds if T is fitted, a softmax of free parameters if Σv = 1."""
    options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 10_000, "maxfun": 100_000}

    def run(watch: Watched) -> None:
        if fitted:
            minimize(
                watch,
                np.full(m, 1 / m),
                jac=True,
                method="L-BFGS-B",
                bounds=[(0, None)] * m,
                options=options,
            )
            return

        def of_free(a: Array) -> tuple[float, Array]:
            w = np.exp(a - a.max())
            w /= w.sum()
            loss, g = watch(w)
            return loss, w * (g - w @ g)

        minimize(of_free, np.zeros(m), jac=True, method="L-BFGS-B", options=options)

    return watched(run, objective, patience)


def torch_lbfgs(arrays: Logits, y: Labels, fitted: bool, threads: int, patience: float) -> Found:
    """Torch's LBFGS with autograd in float32, chunk by chunk; weights are exp or softmax."""
    try:
        import torch
    except ImportError:
        raise NotHereError("torch is not installed") from None
    torch.set_num_threads(threads)
    m, (n, k) = len(arrays), arrays[0].shape
    tensors, labels = [torch.from_numpy(x) for x in arrays], torch.from_numpy(y)
    step = max(1, (1 << 22) // k)  # larger than NumPy's: torch spreads one chunk over threads

    def unused(v: Array) -> tuple[float, Array]:
        raise NotImplementedError

    def run(watch: Watched) -> None:
        a = torch.full((m,), -float(np.log(m)), requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [a], max_iter=500, tolerance_grad=1e-7, tolerance_change=1e-10,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def weights() -> Any:
            return a.exp() if fitted else torch.softmax(a, 0)

        def closure() -> Any:
            optimiser.zero_grad()
            loss = 0.0
            for first in range(0, n, step):
                v = weights()
                z = tensors[0][first : first + step] * v[0]
                for i in range(1, m):
                    z = z + tensors[i][first : first + step] * v[i]
                part = torch.nn.functional.cross_entropy(
                    z, labels[first : first + step], reduction="none"
                )
                part = part.double().sum() / n
                part.backward()
                loss += float(part.detach())
            v = weights().detach().double().numpy()
            watch.note(v if fitted else v / v.sum(), loss)  # float32 sums to 1 to 1e-7 only
            return torch.tensor(loss, dtype=torch.float64)

        optimiser.step(closure)

    return watched(run, unused, patience)


def greedy(arrays: Logits, y: Labels, rounds: int, threads: int, patience: float) -> Found:
    """Select with replacement (Caruana et al. 2004), by the loss of the log pool itself.

    A running sum of the chosen models' logits makes a candidate cost one pass over two arrays.
    """
    n, k = arrays[0].shape
    chosen = np.zeros_like(arrays[0])
    counts = np.zeros(len(arrays))

    def candidate(x: NDArray[Any], size: int, first: int, last: int) -> float:
        z = (chosen[first:last] + x[first:last]) / size
        at_outcome = z[np.arange(last - first), y[first:last]].sum(dtype=np.float64)
        top = z.max(axis=1, keepdims=True)
        z -= top
        np.exp(z, out=z)
        return float((np.log(z.sum(axis=1)) + top[:, 0]).sum(dtype=np.float64) - at_outcome)

    def loss_of(v: Array) -> tuple[float, Array]:
        raise NotImplementedError

    def run(watch: Watched) -> None:
        spans = chunks(n, k)
        for size in np.arange(1, rounds + 1, dtype=chosen.dtype):
            losses = [
                sum(
                    in_threads(
                        lambda i, j, x=x, size=size: candidate(x, size, i, j), spans, threads
                    )
                )
                for x in arrays
            ]
            best = int(np.argmin(losses))
            counts[best] += 1
            np.add(chosen, arrays[best], out=chosen)
            watch.note(counts / counts.sum(), losses[best] / n)

    return watched(run, loss_of, patience)
