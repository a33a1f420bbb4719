"""The loss of vector scaling, its slope and its curvature: sums over blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..families.by_rows import PARTS
from ..families.outcomes import Outcomes
from ..kernels.threads import blocks, in_threads

Array = NDArray[np.float64]

RIDGE = 1.0


class _Scaled(NamedTuple):
    """A block of rows: ``p = e/Σe`` is what scaling makes of ℓ."""

    log_p: Array  # (n, K), 0 where ruled out
    e: Array  # (n, K)
    mass: Array  # (n,), Σe
    log_z: Array  # (n,)
    u: Array  # (n,)


class VectorLoss:
    """Mean loss of ``p ∝ exp(a_k ℓ_k + b_k)``, plus the ridge ``(|a − 1|² + |b|²)/N``.

    Of x = (a, b), 2K numbers. It is ``E log Z − c·x + ridge``, with ``c = E(q_k ℓ_k, q_k)`` for
    outcomes q, which no x changes.

    Parameters
    ----------
    log_p
        (N, K) log-probabilities ℓ; classes of −inf are ruled out.
    outcomes, weight
        What happened in the rows, and what they count.
    threads
        How many may share the rows out.
    """

    def __init__(self, log_p: Array, outcomes: Outcomes, weight: Array, threads: int = 1) -> None:
        self.log_p, self.outcomes, self.threads = log_p, outcomes, threads
        self.u, self.ridge = weight / weight.sum(), RIDGE / float(weight.sum())
        self.neutral = np.repeat([1.0, 0.0], log_p.shape[1])
        self._happened = self._sum(self._at_outcomes)

    def every(self, apart: int) -> VectorLoss:
        """Return the loss on one row in so many, with the same ridge."""
        some = slice(None, None, apart)
        if apart == 1 or not self.u[some].any():
            return self
        own = VectorLoss(self.log_p[some], self.outcomes.take(some), self.u[some], self.threads)
        own.ridge = self.ridge
        return own

    def evaluate(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient, (2K,)."""

        def sums(rows: slice) -> Array:
            block = self._scaled(x, rows)
            of_row = block.u / block.mass
            mass = _weighed(of_row, block.e)
            block.e[:] *= block.log_p
            return np.concatenate([_weighed(of_row, block.e), mass, [block.u @ block.log_z]])

        total = self._sum(sums)
        away = x - self.neutral
        value = total[-1] - self._happened @ x + self.ridge * (away @ away)
        return float(value), total[:-1] - self._happened + 2 * self.ridge * away

    def loss(self, x: Array) -> float:
        """Return the mean loss without the ridge."""
        away = x - self.neutral
        return self.evaluate(x)[0] - float(self.ridge * (away @ away))

    def curvatures(self, x: Array) -> Array:
        """Return the curvature in each number by itself, (2K,)."""

        def sums(rows: slice) -> Array:
            block = self._scaled(x, rows)
            p = block.e / block.mass[:, None]
            p *= 1 - p
            return np.concatenate([_weighed(block.u, p * block.log_p**2), _weighed(block.u, p)])

        return self._sum(sums) + 2 * self.ridge

    def curvature(self, x: Array) -> Array:
        """Return the curvature ``E[Σ_k p_k f_k f_kᵀ − m mᵀ]``, (2K, 2K), f_k = (ℓ_k, 1) of class k.

        ``m = (p_k ℓ_k, p_k)``; the first sum has entries where classes meet themselves alone.
        """
        k = self.log_p.shape[1]
        H, own = np.zeros((2 * k, 2 * k)), np.zeros((3, k))
        for first, last in self._spans():
            block = self._scaled(x, slice(first, last))
            p = block.e / block.mass[:, None]
            m = np.concatenate([p * block.log_p, p], axis=1)
            own += [
                _weighed(block.u, m[:, :k] * block.log_p),
                _weighed(block.u, m[:, :k]),
                _weighed(block.u, p),
            ]
            m *= np.sqrt(block.u)[:, None]
            H -= m.T @ m
        a, b = np.arange(k), np.arange(k, 2 * k)
        H[a, a] += own[0] + 2 * self.ridge
        H[a, b] += own[1]
        H[b, a] += own[1]
        H[b, b] += own[2] + 2 * self.ridge
        return H

    def _scaled(self, x: Array, rows: slice) -> _Scaled:
        log_p, k = self.log_p[rows], self.log_p.shape[1]
        ruled_out = np.isneginf(log_p)
        some = ruled_out.any()
        if some:
            log_p = np.where(ruled_out, 0.0, log_p)
        z = log_p * x[:k]
        z += x[k:]
        if some:
            z[ruled_out] = -np.inf
        top = z.max(axis=1)
        z -= top[:, None]
        np.exp(z, out=z)
        mass = z.sum(axis=1)
        return _Scaled(log_p, z, mass, top + np.log(mass), self.u[rows])

    def _at_outcomes(self, rows: slice) -> Array:
        """Return ``Σ_n u_n (q_k ℓ_k, q_k)``."""
        log_p, happened, u = self.log_p[rows], self.outcomes.take(rows), self.u[rows]
        if happened.classes is not None:
            k, y = log_p.shape[1], happened.classes
            at = u * np.where(u > 0, happened.expectation(log_p), 0.0)
            return np.concatenate([np.bincount(y, at, k), np.bincount(y, u, k)])
        q = happened.probabilities(log_p.shape[1])
        with np.errstate(invalid="ignore"):  # 0·(−inf) = 0
            at = np.where((q > 0) & (u > 0)[:, None], q * log_p, 0.0)
        return np.concatenate([_weighed(u, at), _weighed(u, q)])

    def _spans(self) -> list[tuple[int, int]]:
        n, k = self.log_p.shape
        return blocks(n, 8 * k, PARTS)

    def _sum(self, of: Callable[[slice], Array]) -> Array:
        """Add up what a function finds in blocks of rows."""

        def work(first: int, last: int) -> Array:
            return of(slice(first, last))

        return reduce(add, in_threads(work, self._spans(), self.threads))


def _weighed(u: Array, values: Array) -> Array:
    """Return ``Σ_n u_n values_nk``; not by BLAS, whose threads would wait for ours."""
    return np.asarray(np.einsum("n,nk->k", u, values))
