"""The log pool's mean loss and gradient on raw logits, as three kinds of users would write them.

``loss_of`` is the judge: float64 NumPy, nothing of ours. All go through the rows in chunks, with
threads, because whole-array temporaries of gigabytes would be a poor rival.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opinionpool.kernels import fused
from opinionpool.kernels.threads import in_threads

Array = NDArray[np.float64]
Logits = Sequence[NDArray[Any]]
Labels = NDArray[np.int64]
Objective = Callable[[Array], tuple[float, Array]]

#: Cells of a chunk: its temporaries stay in a core's second-level cache.
CHUNK = 1 << 16


def chunks(n: int, k: int) -> list[tuple[int, int]]:
    """Cut the rows into chunks, at least as many as there may be threads."""
    step = max(1, min(CHUNK // k, -(-n // 8)))
    return [(i, min(n, i + step)) for i in range(0, n, step)]


def loss_of(arrays: Logits, y: Labels, v: Array, threads: int) -> float:
    """Return the mean loss in float64 throughout: everybody's result is judged by this."""
    n, k = arrays[0].shape

    def part(first: int, last: int) -> float:
        z = np.zeros((last - first, k))
        for weight, x in zip(v, arrays, strict=True):
            if weight:
                z += weight * x[first:last].astype(np.float64)
        at_outcome = z[np.arange(last - first), y[first:last]].sum()
        top = z.max(axis=1, keepdims=True)
        z -= top
        np.exp(z, out=z)
        return float((np.log(z.sum(axis=1)) + top[:, 0]).sum() - at_outcome)

    return sum(in_threads(part, chunks(n, k), threads)) / n


def in_numpy(arrays: Logits, y: Labels, threads: int) -> Objective:
    """Return loss and gradient in NumPy: float32 where the data are, float64 between rows."""
    n, k = arrays[0].shape
    dtype = arrays[0].dtype

    def part(v: Array, first: int, last: int) -> Array:
        xs = [x[first:last] for x in arrays]
        rows, labels = np.arange(last - first), y[first:last]
        z, scaled = np.empty((2, last - first, k), dtype)
        np.multiply(xs[0], dtype.type(v[0]), out=z)
        for weight, x in zip(v[1:], xs[1:], strict=True):
            np.multiply(x, dtype.type(weight), out=scaled)
            z += scaled
        top = z.max(axis=1, keepdims=True)
        at_outcome = (z[rows, labels] - top[:, 0]).sum(dtype=np.float64)
        z -= top
        np.exp(z, out=z)
        total = z.sum(axis=1)
        z /= total[:, None]
        loss = np.log(total).sum(dtype=np.float64) - at_outcome
        gradient = [
            (np.einsum("nk,nk->n", z, x) - x[rows, labels]).sum(dtype=np.float64) for x in xs
        ]
        return np.array([loss, *gradient])

    def objective(v: Array) -> tuple[float, Array]:
        parts = in_threads(lambda first, last: part(v, first, last), chunks(n, k), threads)
        mean = reduce(add, parts) / n
        return float(mean[0]), mean[1:]

    return objective


def in_our_kernels(arrays: Logits, y: Labels, threads: int) -> Objective:
    """Return loss and gradient by this library's compiled kernels: the strongest rival's."""
    n = len(y)

    def objective(v: Array) -> tuple[float, Array]:
        found = fused.log_sums(list(arrays), v, y, np.ones(n), order=1, threads=threads)
        assert found.gradient is not None
        return found.value / n, found.gradient / n

    return objective


class OutOfTimeError(Exception):
    """A rival's patience is over; its trace tells how far it came."""


class Watched:
    """An objective that notes when it found which loss, and stops a rival that takes too long.

    Attributes
    ----------
    trace
        Seconds since the start and the loss, by evaluation.
    best
        The weights of least loss so far.
    """

    def __init__(self, objective: Objective, patience: float) -> None:
        self._objective, self._patience = objective, patience
        self._began = time.perf_counter()
        self.trace: list[tuple[float, float]] = []
        self.best: tuple[float, Array] = (np.inf, np.zeros(0))

    def __call__(self, v: Array) -> tuple[float, Array]:
        """Return loss and gradient, or stop."""
        loss, gradient = self._objective(v)
        self.note(v, loss)
        return loss, gradient

    def note(self, v: Array, loss: float) -> None:
        """Take down an evaluation."""
        seconds = time.perf_counter() - self._began
        self.trace.append((seconds, loss))
        if loss < self.best[0]:
            self.best = (loss, np.array(v))
        if seconds > self._patience:
            raise OutOfTimeError
