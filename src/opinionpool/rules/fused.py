"""Blocks of rows that compiled kernels sum in one pass, for evidence that is worth it.

The same sums as the plain blocks of ``rules.log`` and ``rules.linear``, to rounding; a test holds
them together. Compiled kernels want all rows at once: they share them out to threads themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Sums
from ..families.lazy import Lazy, logits_in
from ..families.logits import Logits
from ..kernels import fused
from ..kernels.status import UNANSWERED
from .evidence import Evidence

Array = NDArray[np.float64]

#: Cells from which loading the compiled kernels (about 0.4 s in a new process) pays: half a dozen
#: plain passes over as many take as long. Measured by benchmarks/run.py fit.
WORTHWHILE = 1 << 22


#: Of so many blocks of rows one adds to the curvature where a lower bound will do: of 8 models it
#: costs a third of loss and gradient, and four times the bound is still tiny (solvers/few_reads).
BENT = 4


def worthwhile(cells: int) -> bool:
    """Whether compiled kernels are there, and the evidence is large enough for them."""
    return cells >= WORTHWHILE and fused.compiled()


def worth_kernels(evidence: Evidence) -> bool:
    """Whether compiled kernels are worth it for evidence in memory, or for that it is part of."""
    return fused.compiled() if evidence.large else worthwhile(evidence.parameters.size)


@dataclass(frozen=True)
class FusedLogBlock:
    """All rows of categorical evidence for the log rule, in memory or read part by part."""

    evidence: Evidence
    fallback_loss: Array | None

    @classmethod
    def of(cls, evidence: Evidence) -> FusedLogBlock | None:
        """Return the block, None where plain NumPy is to do it."""
        if evidence.family is not CATEGORICAL:
            return None
        if not (isinstance(evidence.parameters, Lazy) or worth_kernels(evidence)):
            return None
        return cls(evidence, None if evidence.even else evidence.fallback_loss())

    def sums(self, v: Array) -> Sums:
        """Sum loss, gradient, ``r⁰_α = ℓ_α(k_n) − ℓ_α(y_n)`` and curvature."""
        return reduce(add, (_complete(*part) for part in self._parts(v, order=2)))

    def slope(self, v: Array) -> Sums:
        """Sum the same, curvature over some blocks of rows only, and the loss at T = 1."""
        s = v.sum()
        by = 0.0 if s <= 0 or s == 1 else 1 / s
        parts = list(self._parts(v, order=2, every=BENT, by=by))
        share = sum(found.bent for found, _ in parts) / max(1, self.evidence.n_rows)
        return replace(reduce(add, (_complete(*part, by) for part in parts)), share=share)

    def value(self, v: Array) -> float:
        """Sum the loss alone."""
        return sum(value for _, value in self._parts(v, order=0))

    def slopes(self, points: Array) -> Array:
        """Sum the gradient at several points, (P, M) for (P, M), over one reading of the rows.

        Rows that a point leaves unanswered add nothing to its sum.
        """
        total = np.zeros_like(points)
        for some in self._readings():
            for own, v in zip(total, points, strict=True):
                own += some.sums(v, order=1).gradient
        return total

    def _parts(self, v: Array, **asked: Any) -> Iterator[tuple[fused.Sums, float]]:
        """Yield the sums of consecutive rows, and their loss with that of unanswered rows."""
        for some in self._readings():
            found = some.sums(v, **asked)
            yield found, self._value(found, some.rows)

    def _readings(self) -> Iterator[_Reading]:
        """Yield consecutive rows, as far as they are in memory together."""
        e, attendance = self.evidence, self._attendance
        for rows, arrays in logits_in(e.parameters, e.threads):
            here = None if attendance is None else attendance[:, rows]
            yield _Reading(rows, arrays, e.without_parameters(rows), here)

    @cached_property
    def _attendance(self) -> Array | NDArray[np.bool_] | None:
        """The evidence's, which takes a power of every row's confidence to tell."""
        return self.evidence.attendance

    def _value(self, found: fused.Sums, rows: slice) -> float:
        bad = found.status != 0
        if not bad.any():
            return found.value
        lost, weight = found.status == UNANSWERED, self.evidence.weight[rows]
        if (bad & ~lost & (weight > 0)).any() or self.fallback_loss is None:
            return np.inf
        return found.value + float(weight[lost] @ self.fallback_loss[rows][lost])


class _Reading(NamedTuple):
    """Rows that are in memory: their logits, and what is known beside."""

    rows: slice
    arrays: Logits
    evidence: Evidence
    attendance: Array | NDArray[np.bool_] | None

    def sums(self, v: Array, **asked: Any) -> fused.Sums:
        """Return the kernels' sums at ``v``."""
        e = self.evidence
        return fused.log_sums(
            self.arrays,
            v,
            e.outcomes.classes,
            e.weight,
            soft=e.outcomes.soft,
            present=self.attendance,
            threads=e.threads,
            **asked,
        )


@dataclass(frozen=True)
class FusedLinearBlock:
    """Likelihoods of what happened, (M, R), for the linear rule; every model answered."""

    log_f: Array
    f: Array
    top: Array
    weight: Array
    threads: int

    @classmethod
    def of(cls, log_f: Array, weight: Array, threads: int = 1) -> FusedLinearBlock:
        """Scale the likelihoods once for every evaluation."""
        log_f = np.ascontiguousarray(log_f)
        f, top = fused.scaled_likelihoods(log_f)
        return cls(log_f, f, top, weight, threads)

    def sums(self, v: Array) -> Sums:
        """Sum loss, gradient ``−r``, curvature ``r rᵀ`` and r."""
        found = self._sums(v, 2)
        return _complete(found, found.value)

    def value(self, v: Array) -> float:
        """Sum the loss alone."""
        return self._sums(v, 0).value

    def _sums(self, v: Array, order: int) -> fused.Sums:
        return fused.linear_sums(
            self.log_f,
            v,
            self.weight,
            f=self.f,
            top=self.top,
            order=order,
            threads=self.threads,
        )


def _complete(found: fused.Sums, value: float, by: float = 0.0) -> Sums:
    """Return the kernels' sums as the rules'; of good rows alone ``by`` gave the loss at T = 1."""
    assert found.gradient is not None
    assert found.reach is not None
    assert found.curvature is not None
    untempered = found.rescaled if by > 0 and not found.status.any() else np.nan
    return Sums(
        value, found.gradient, found.curvature, found.reach, untempered, rounding=found.rounding
    )
