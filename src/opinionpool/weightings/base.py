"""Weighting: a way of choosing one weight per model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from ..families import Family
from ..families.lazy import Lazy
from ..rules.base import AnyRule
from ..rules.evidence import Evidence
from ..rules.fused import BENT
from ..rules.objective import ROUGH, PooledLoss
from ..solvers.evaluation import Solution
from ..solvers.feasible import SHARPEST, FeasibleSet
from ..solvers.few_reads import minimise_with_few_reads
from ..solvers.newton import minimise

Array = NDArray[np.float64]


#: Smaller weights are what rounding left of a zero.
TRACE = 1e-12
#: Certified distance to the optimum, nats per row, that is enough where every pass reads a lot:
#: the sampling error of the weights themselves costs more (M/2N) below half a million rows a model.
ENOUGH = 1e-6
#: Share of that which may be left after a step by the curvature of some rows: a bound is some
#: multiple of what is left, and another reading costs more than the curvature of all.
BRIEFLY = 0.125


@dataclass(frozen=True)
class Task:
    """What a weighting is given.

    Attributes
    ----------
    rule, evidence
        How to combine, and the labelled rows to choose the weights on.
    temperature
        ``"fit"``, or the pool's given temperature.
    penalty
        Scale of the shrinkage, 0 for none.
    seed
        For whatever is random.
    enough
        Instead of :data:`ENOUGH`: less where results are to be compared with one another.
    """

    rule: AnyRule
    evidence: Evidence
    temperature: float | Literal["fit"] = "fit"
    penalty: float = 1.0
    seed: int = 0
    enough: float | None = None

    @property
    def joint(self) -> bool:
        """Whether the temperature is to be fitted together with the weights."""
        return self.temperature == "fit" and self.rule.joint_temperature

    def feasible(self, size: int, lower: float = 0.0) -> FeasibleSet:
        """Return where ``v`` lives for so many models: the simplex, scaled, or the cone."""
        if not self.rule.joint_temperature:
            return FeasibleSet(size, lower=lower)
        if self.temperature == "fit":
            return FeasibleSet(size, SHARPEST, capped=True, lower=lower)
        return FeasibleSet(size, 1.0 / self.temperature, lower=lower)


@dataclass(frozen=True)
class Choice:
    """Weights that sum to one, and what is known about them.

    ``inverse_temperature`` is None where the weighting leaves the temperature to be fitted
    afterwards; ``gamma`` is the power of confidence, None where that plays no part; ``loss`` the
    mean loss without the penalty, None where nobody knows it yet; ``untempered`` that at T = 1,
    NaN where nobody does; ``tempered`` that at the temperature which was fitted afterwards, None
    where nobody does.
    """

    weights: Array
    inverse_temperature: float | None
    gap: float
    status: Status
    n_evaluations: int
    gamma: float | None = None
    loss: float | None = None
    untempered: float = np.nan
    tempered: float | None = None


class Weighting(ABC):
    """One way of choosing weights. A new one is one subclass and one registry line."""

    name: ClassVar[str]
    #: Whether the weights depend on the rows: then they are optimistic there.
    learns: ClassVar[bool] = True
    #: Whether models of weight 0 stay in the pool and veto: where the weights come from the
    #: closure of the log rule's objective (maths.md §2).
    closure: ClassVar[bool] = False
    #: Whether the weights depend on the temperature, where the rule fits both together.
    joint: ClassVar[bool] = False
    #: Names of the rules it is for; None for any.
    rules: ClassVar[frozenset[str] | None] = None
    #: Whether it needs positive probabilities everywhere: exact zeros are an error, use a floor.
    needs_positive: ClassVar[bool] = False
    #: Whether weights follow the models' confidence in each row.
    confident: ClassVar[bool] = False
    #: Whether it only ever looks at blocks of rows, or at likelihoods of what happened.
    by_blocks: ClassVar[bool] = False
    #: Whether it solves for weights again and again: rows that every pass converts are then better
    #: converted once, where memory affords it.
    many_passes: ClassVar[bool] = False
    #: Whether it resamples: a row of weight 2 is then drawn as one row, not as two.
    stochastic: ClassVar[bool] = False

    @abstractmethod
    def choose(self, task: Task) -> Choice:
        """Choose weights for the task's models on the task's rows."""


def settled(total: float, family: Family) -> float:
    """Return Σv, 0 where it is what rounding left of that.

    Of densities there is no uniform: a small total is a unit there, not a zero.
    """
    return total if total > TRACE or family.uniform(1) is None else 0.0


def fixed(weights: Array, n_evaluations: int = 0) -> Choice:
    """Return weights that were not optimised; :func:`certify` says how far off they are."""
    return Choice(weights, None, np.nan, Status.FIXED, n_evaluations)


def solved(
    problem: PooledLoss,
    feasible: FeasibleSet,
    seed: int,
    enough: float | None = None,
    near: Array | None = None,
) -> Solution:
    """Minimise a convex problem; with the help of a sample where reading all rows is work.

    From ``near`` the optimum, where somebody knows such a point, that is two steps of Newton's.
    """
    if near is not None:
        return minimise(problem, feasible, near)
    lazy = isinstance(problem.evidence.parameters, Lazy)
    if not lazy or not problem.rule.joint_temperature:
        return minimise(problem, feasible)
    sample, rough = problem.sample(seed), problem.sample(seed, ROUGH)
    tolerance = ENOUGH if enough is None else enough
    m, n = problem.evidence.n_models, problem.evidence.n_rows
    # The sample's optimum is off by M/2n nats. A step by the curvature of n' rows leaves of that
    # what it has got wrong, squared: about M/n'.
    left = m / (2 * sample.evidence.n_rows) * m / (n / BENT)
    briefly = left <= BRIEFLY * tolerance
    return minimise_with_few_reads(
        problem, sample, rough, feasible=feasible, tolerance=tolerance, briefly=briefly
    )


def certify(task: Task, weights: Array, inverse_temperature: float) -> tuple[float, int]:
    """Bound how far weights chosen in any way are above the rule's (penalised) optimum.

    The optimum itself is solved for: nothing is below its value less its own gap, which is a
    far tighter bound than the duality gap at weights that are not optimal. Returns the bound,
    NaN where the problem is not convex (missing outputs renormalised), and the evaluations.
    """
    problem = PooledLoss(task.rule, task.evidence, task.penalty)
    if not problem.convex:
        return float(np.nan), 0
    v = weights * (inverse_temperature if task.rule.joint_temperature else 1.0)
    value = problem.value(v)
    if not np.isfinite(value):
        return float(np.inf), 1
    best = solved(problem, task.feasible(len(v)), task.seed, task.enough)
    excess = value - (best.evaluation.value - best.gap)
    return max(float(excess), best.gap), best.n_evaluations + 1
