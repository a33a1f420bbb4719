"""Blocks of rows that compiled kernels sum in one pass, for evidence that is worth it.

The same sums as the plain blocks of ``rules.log`` and ``rules.linear``, to rounding; a test holds
them together. Compiled kernels want all rows at once: they share them out to threads themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Sums
from ..kernels import fused
from ..kernels.status import UNANSWERED
from .evidence import Evidence

Array = NDArray[np.float64]

#: Cells from which loading the compiled kernels (about 0.4 s in a new process) pays: half a dozen
#: plain passes over as many take as long. Measured by benchmarks/fit_race.py.
WORTHWHILE = 1 << 22


def worthwhile(cells: int) -> bool:
    """Whether compiled kernels are there, and the evidence is large enough for them."""
    return cells >= WORTHWHILE and fused.compiled()


@dataclass(frozen=True)
class FusedLogBlock:
    """All rows of categorical evidence for the log rule."""

    evidence: Evidence
    fallback_loss: Array | None

    @classmethod
    def of(cls, evidence: Evidence) -> FusedLogBlock | None:
        """Return the block, None where plain NumPy is to do it."""
        if evidence.family is not CATEGORICAL or not worthwhile(evidence.parameters.size):
            return None
        missing = evidence.attendance is not None
        return cls(evidence, evidence.fallback_loss() if missing else None)

    def sums(self, v: Array) -> Sums:
        """Sum loss, gradient, curvature and ``r⁰_α = ℓ_α(k_n) − ℓ_α(y_n)``."""
        found = self._sums(v, 2)
        return _complete(found, self._value(found))

    def value(self, v: Array) -> float:
        """Sum the loss alone."""
        return self._value(self._sums(v, 0))

    def _sums(self, v: Array, order: int) -> fused.Sums:
        e = self.evidence
        return fused.log_sums(
            list(e.parameters),
            v,
            e.outcomes.classes,
            e.weight,
            soft=e.outcomes.soft,
            present=e.attendance,
            order=order,
            threads=e.threads,
        )

    def _value(self, found: fused.Sums) -> float:
        bad = found.status != 0
        if not bad.any():
            return found.value
        lost = found.status == UNANSWERED
        if (bad & ~lost & (self.evidence.weight > 0)).any() or self.fallback_loss is None:
            return np.inf
        return found.value + float(self.evidence.weight[lost] @ self.fallback_loss[lost])


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


def _complete(found: fused.Sums, value: float) -> Sums:
    """Return the kernels' sums of second order as the rules'."""
    assert found.gradient is not None
    assert found.curvature is not None
    assert found.reach is not None
    return Sums(value, found.gradient, found.curvature, found.reach)
