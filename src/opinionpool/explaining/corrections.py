"""Refits on a sample, moved to where refits on all rows would be, by a Newton step per reading.

The slope is of all rows. So is the curvature where it comes with it; for log pools of classes it
is the sample's, known to about one over the root of its size, and a step takes away all but about
that share of the sample's error. What the last step gains is taken from the quadratic model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.many_pools import bends, log_slopes
from ..diagnostics.pareto import Models
from ..families import CATEGORICAL
from ..options import penalty_scale
from ..pool import Pool
from ..rules import LOG
from ..rules.objective import Penalty, PooledLoss
from ..solvers.feasible import FeasibleSet
from ..solvers.quadratic import newton_step
from ..weightings.base import TRACE, Task
from ..weightings.missing import INSIDE
from .at_once import at_once, candidates, tempered_after
from .betas import stepped
from .case import Case
from .refits import Refits

Array = NDArray[np.float64]


class Corrections:
    """Slopes of all rows at the weights and temperatures of pools that were refitted on a sample.

    Parameters
    ----------
    refits
        On the sample.
    pools
        To be moved: those of ``refits``, or what came of them.
    spared
        Sets of models whose pool is of all rows already.
    same
        Whether these are the rows of the explained pool's fit.
    before
        The corrections on an earlier reading, whose slopes tell the curvature in the direction
        that was gone; then only steps are taken whose gain is known.
    """

    def __init__(
        self,
        refits: Refits,
        pools: Mapping[Models, Pool],
        spared: frozenset[Models],
        *,
        same: bool,
        before: Corrections | None = None,
    ) -> None:
        self.refits, self.rule, self.pools = refits, refits.case.rule, dict(pools)
        pool, m = refits.case.pool, len(refits.case.names)
        self._joint = self.rule.joint_temperature
        after = tempered_after(pool, refits.temperature)
        able = correctable(pool)
        if before is not None and not self._joint:
            # The loss is known as a function of weights at T = 1 only.
            able &= refits.temperature == 1.0
        # A single model has nothing but a temperature to fit, if that.
        fewest = 1 if self._joint and refits.temperature == "fit" else 2
        self._sets = [s for s in pools if able and s not in spared and len(s) >= fewest]
        self._at = candidates({s: pools[s] for s in self._sets}, m)
        self._slope = np.zeros((len(self._sets), m))
        self._before = before
        #: Weights, slope and curvature where a set was read, per row.
        self._read: dict[Models, tuple[Array, Array, Array]] = {}
        self._curvature = np.zeros((len(self._sets), m, m))
        self._weight, self._total = np.zeros(len(self._sets)), 0.0
        self._of_classes = self.rule is LOG and refits.case.known.family is CATEGORICAL
        self._tempered = [s for s in pools if after and s not in spared]
        some = {s: pools[s] for s in self._tempered}
        self._warm = at_once(some, pool, same=same)
        self._bends = np.zeros((2, len(some)))

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        evidence = block.evidence
        self._total += evidence.total_weight
        if self._warm is not None:
            self._bends += bends(self.rule, replace(self._warm, fixed=False), evidence)
        if not self._sets:
            return
        if evidence.present is None:
            self._weight += evidence.total_weight
        else:
            some = [evidence.present[own].any(axis=0) for own in self._at.members]
            self._weight += np.stack(some) @ evidence.weight
        if self._of_classes:
            self._slope += log_slopes(self._at, evidence)
            return
        v = self._at.w * (self._at.s[:, None] if self._joint else 1.0)
        for part in evidence.blocks():
            prepared = self.rule.prepare(part)
            for c in range(len(v)):
                sums = self.rule.evaluate(v[c], prepared)
                self._slope[c] += sums.gradient
                self._curvature[c] += sums.curvature

    def applied(self) -> dict[Models, tuple[Pool, float]]:
        """Return all pools, moved if they can be, and how much lower the loss is for the step."""
        moved = {models: (pool, 0.0) for models, pool in self.pools.items()}
        for c, models in enumerate(self._sets):
            moved[models] = self._moved(c, models)
        if self._warm is None:
            return moved
        for models, own in zip(self._tempered, self._bends.T, strict=True):
            pool, _ = moved[models]
            beta, scale = pool.inverse_temperature, penalty_scale(pool.settings.penalty)
            beta, less = stepped(beta, own, scale, self._total)
            if beta > 0:
                moved[models] = replace(pool, temperature=1 / beta), less
        return moved

    def _moved(self, c: int, models: Models) -> tuple[Pool, float]:
        pool, chosen, n = self.pools[models], list(models), float(self._weight[c])
        evidence = self.refits.case.evidence.models(chosen)
        v = self._at.w[c, chosen] * (self._at.s[c] if self._joint else 1.0)
        slope = self._slope[c, chosen] / n
        if not self._of_classes:
            bend = self._curvature[c][np.ix_(chosen, chosen)] / n
        elif self._before is None:
            bend = PooledLoss(self.rule, evidence).evaluate(v).curvature
        else:
            bend = _secant(v, slope, *self._before._read[models])
        self._read[models] = v, slope, bend
        penalty = Penalty(penalty_scale(pool.settings.penalty), n, np.ones(len(v)))
        _, pull, stiff = penalty.evaluate(v)
        convex = evidence.attendance is None
        # Where outputs are missing, a model of weight 0 does not answer: that is another problem.
        free = np.ones(len(v), bool) if convex else v > 0
        feasible = Task(self.rule, evidence, self.refits.temperature).feasible(
            int(free.sum()), 0.0 if convex else INSIDE
        )
        step = _step(v, slope + pull, bend + stiff, free, feasible)
        if step is None:
            return pool, 0.0
        less = -float(slope @ step + 0.5 * (step @ bend @ step))
        return self._with(pool, v + step), less

    def _with(self, pool: Pool, v: Array) -> Pool:
        s = float(v.sum())
        w = np.where(v < TRACE * s, 0.0, v)
        w /= w.sum()
        if self._joint and self.refits.temperature == "fit":
            return replace(pool, weights=w, temperature=1 / s)
        return replace(pool, weights=w)


def correctable(pool: Pool) -> bool:
    """Whether a pool's weights are an optimum of its loss alone, on members as they are."""
    return (
        pool.weighting == "optimal"
        and not pool.settings.resample
        and pool.settings.floor != "learned"
        and pool.model_temperatures is None
    )


def _secant(v: Array, g: Array, v0: Array, g0: Array, H: Array) -> Array:
    """Return a curvature that explains how the slope has changed (BFGS).

    Nocedal & Wright 2006, *Numerical Optimization*, eq. 6.19.
    """
    moved, change = v - v0, g - g0
    Hm = H @ moved
    if moved @ change <= 1e-8 * np.abs(moved) @ np.abs(change) or moved @ Hm <= 0:
        return H
    return np.asarray(
        H - np.outer(Hm, Hm) / (moved @ Hm) + np.outer(change, change) / (moved @ change)
    )


def _step(
    v: Array, g: Array, H: Array, free: NDArray[np.bool_], feasible: FeasibleSet
) -> Array | None:
    """Return the constrained Newton step of the free weights; None where there is none."""
    if not feasible.contains(v[free]) or not np.isfinite(g[free]).all():
        return None
    moved = v.copy()
    step = newton_step(v[free], g[free], H[np.ix_(free, free)], feasible)
    moved[free] = feasible.tidy(v[free] + step)
    return moved - v if moved.sum() > TRACE else None
