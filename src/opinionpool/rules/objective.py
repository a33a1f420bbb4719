"""The objective of choosing weights: a rule's mean loss on evidence, plus shrinkage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from math import isqrt
from operator import add
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..families.lazy import Lazy
from ..solvers.evaluation import ROUNDING, Evaluation
from ..solvers.self_concordance import Landmark
from .base import AnyRule, Sums
from .evidence import Evidence
from .stretches import Stretch

Array = NDArray[np.float64]
T = TypeVar("T", Sums, float)

#: ``"auto"`` of maths.md §5, chosen on eight sets of real predictions; others: docs/penalty.md.
TEMPERATURE_SHRINKAGE = 3.0
WEIGHT_SHRINKAGE = 0.15
#: Of so many rows one is in a sample, but not fewer than so many, up to a twelfth of all: half a
#: dozen evaluations of it then cost less than half of one of all rows. (Of 2,000 rows of 128,000
#: classes a sixteenth saved as much and cost half a reading on average, 15 fits each.) A rough
#: sample has so many times fewer.
SAMPLED, FEWEST, MOST_SHARE, ROUGH = 32, 2048, 12, 8


@dataclass(frozen=True)
class Penalty:
    """Shrinkage towards equal weights and T = 1 that vanishes as rows are added.

    ``scale·(3(s − 1 − ln s) + 0.15·M‖v − (s/M)1‖²)/N`` with ``s = Σv`` (maths.md §5). A model
    that stands for ``size`` identical ones spreads its weight evenly over them.
    """

    scale: float
    n: float
    sizes: Array

    def evaluate(self, v: Array) -> tuple[float, Array, Array]:
        """Return value, gradient and Hessian."""
        m, s = self.sizes.sum(), v.sum()
        if self.scale == 0:
            return 0.0, np.zeros_like(v), np.zeros((len(v), len(v)))
        if s <= 0:
            return np.inf, np.zeros_like(v), np.eye(len(v))
        a, b = (self.scale * c / self.n for c in (TEMPERATURE_SHRINKAGE, WEIGHT_SHRINKAGE * m))
        spread = v / self.sizes - s / m
        value = a * (s - 1 - np.log(s)) + b * float(self.sizes @ spread**2)
        # Σ_g c_g·spread_g = 0, so the derivative through s drops out of the second term.
        gradient = a * (1 - 1 / s) + 2 * b * spread
        hessian = a / s**2 + 2 * b * (np.diag(1 / self.sizes) - 1 / m)
        return float(value), gradient, hessian

    @property
    def quadratic(self) -> Array:
        """The Hessian of the second term, which is the same everywhere."""
        b = self.scale * WEIGHT_SHRINKAGE * self.sizes.sum() / self.n
        return np.asarray(2 * b * (np.diag(1 / self.sizes) - 1 / self.sizes.sum()))


def _prime(most: int) -> int:
    """Return the largest prime that is not larger; 1 where there is none."""
    return next((p for p in range(most, 1, -1) if all(p % d for d in range(2, isqrt(p) + 1))), 1)


class PooledLoss:
    """Mean loss of a pool on evidence plus a penalty: what a solver minimises.

    Parameters
    ----------
    rule, evidence
        How to combine, and on which rows. Rows nobody answered are left out: they cost the
        same whatever the weights.
    scale
        Of the penalty; 0 for none.
    sizes
        (M,) how many identical models each one stands for.
    """

    def __init__(
        self, rule: AnyRule, evidence: Evidence, scale: float = 0.0, sizes: Array | None = None
    ) -> None:
        self.rule = rule
        self.evidence = evidence.answered()
        self.n = self.evidence.total_weight
        self.penalty = Penalty(
            scale, self.n, np.ones(evidence.n_models) if sizes is None else sizes
        )
        self.family = self.evidence.family
        self.entropy = self.evidence.entropy()
        self._blocks = [] if self.evidence.stretches else rule.blocks(self.evidence)
        #: How often all rows were gone over.
        self.passes = 0

    def sample(self, seed: int, share: float = 1, fewest: int = 1) -> PooledLoss:
        """Return the problem on some of the rows, in memory; ``share`` times fewer than usual.

        But no fewer than so many, if there are.

        They are a prime number of rows apart, so that hours, days and weeks in the order of the
        rows are all met, and begin at random. Arrays in memory are read in place.
        """
        counts = self.evidence.weight > 0
        n = int(np.count_nonzero(counts))
        size = int(max(1, n // SAMPLED, min(n // MOST_SHARE, FEWEST)) / share)
        apart = _prime(n // max(1, size, min(n, fewest)))
        rows = slice(int(np.random.default_rng(seed).integers(apart)), n, apart)
        every = n == self.evidence.n_rows
        some = self.evidence.take(rows if every else np.flatnonzero(counts)[rows])
        if some.present is not None and some.present.all():
            some = replace(some, present=None)
        held = cast(Lazy, some.parameters).held(some.threads)
        some = replace(some, parameters=held).answered()
        scale = self.penalty.scale * some.total_weight / self.n
        return PooledLoss(self.rule, some, scale, self.penalty.sizes)

    @property
    def convex(self) -> bool:
        """Whether every row has the same weights: renormalising them row by row is not convex."""
        return self.evidence.even

    def evaluate(self, v: Array) -> Evaluation:
        """Return penalised value, gradient and curvature per row, and the rule's own bound."""
        return self._evaluation(v, self._sums(v, self.rule.evaluate, Stretch.evaluate))

    def slope(self, v: Array) -> Evaluation:
        """Return value, gradient and bound; the curvature may be a lower bound."""
        return self._evaluation(v, self._sums(v, self.rule.slope, Stretch.slope))

    def landmark(self, v: Array, evaluation: Evaluation) -> Landmark | None:
        """Return what the curvature at ``v`` says of points nearby, where logits are bounded."""
        spread = getattr(self.evidence.parameters, "spread", None)
        if spread is None or not self.convex or not self.rule.joint_temperature:
            return None
        bend = self.penalty.evaluate(v)[2]
        return Landmark(v, evaluation.curvature - bend, spread, self.penalty.quadratic)

    def _sums(
        self,
        v: Array,
        of_block: Callable[[Array, Any], T],
        of_stretch: Callable[[Stretch, AnyRule, Array], T],
    ) -> T:
        """Add up what the rows say, asking those that are shared what others may know already."""
        self.passes += 1
        if self.evidence.stretches:
            return reduce(add, (of_stretch(s, self.rule, v) for s in self.evidence.stretches))
        return reduce(add, (of_block(v, block) for block in self._blocks))

    def _evaluation(self, v: Array, sums: Sums) -> Evaluation:
        rule, mean = self.rule, sums.per_row(self.n)
        value, slope, bend = self.penalty.evaluate(v)
        return Evaluation(
            mean.value + value,
            mean.gradient + slope,
            mean.curvature + bend,
            rule.excess(v, mean, slope, self.entropy, self.family) if self.convex else np.inf,
            separable=self.penalty.scale == 0 and rule.separable(v, mean, self.family),
            untempered=mean.untempered,
            rounding=max(ROUNDING, mean.rounding),
            likely=mean.curvature / mean.share + bend if 0 < mean.share < 1 else None,
        )

    def value(self, v: Array) -> float:
        """Return the penalised value alone."""
        return self.loss(v) + float(self.penalty.evaluate(v)[0])

    def loss(self, v: Array) -> float:
        """Return the mean loss without the penalty."""
        return float(self._sums(v, self.rule.value, Stretch.value) / self.n)
