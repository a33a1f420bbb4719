"""Weights that follow confidence row by row: ``w_nα ∝ w_α c_nα^γ`` (maths.md §5, *others*).

``c`` is one minus the normalised entropy of what a model says, or a score that the caller brings.
γ ≥ 0 is fitted: 0 is the pool of fixed weights, which is one of the starts, so that the fit is
never worse than it on its own rows. For a given γ the weights are the problem of missing outputs
with shares m = c^γ instead of presence; that is not convex, so the end is a stationary point.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, Status
from ..families.lazy import Lazy
from ..rules.evidence import Evidence
from ..rules.objective import FEWEST, PooledLoss
from ..solvers.newton import minimise
from .base import TRACE, Choice, Task, Weighting, settled
from .missing import INSIDE, polished
from .optimal import Optimal, identical_models
from .temperature import fit_temperature

Array = NDArray[np.float64]

#: Powers tried first; the best is refined between its neighbours.
POWERS = (0.25, 0.5, 1.0, 2.0, 4.0)
#: Beyond this the surest model takes its rows almost alone, and the loss has many minima.
LARGEST = 8.0
#: Width of the bracket of γ, relative to it, and searches at most, at which refining stops.
_WIDTH, _REFINEMENTS = 1e-3, 15
#: How far the best γ of all rows may be from a sample's, as a factor; of how many times fewer rows
#: a sample has to be.
_APART, _FEWER = 1.5, 4
#: Brackets tried at most, each beside the one before.
_BRACKETS = 4
#: Evaluations of a search on the way, and of the last one.
_EVALUATIONS, _POLISHING = 20, 200


class Confidence(Weighting):
    """Optimal weights together with the power of each row's confidence."""

    name = "confidence"
    closure = True
    joint = True
    by_blocks = True
    many_passes = True
    confident = True

    def choose(self, task: Task) -> Choice:
        """Profile the loss over γ: for each, weights from those of the neighbour.

        Of many rows a sample says where to look.
        """
        task = replace(task, evidence=with_confidence(task.evidence))
        if task.evidence.confidence is None:
            raise InputError(
                f"weighting='confidence': {task.evidence.family.name} predictions have no entropy "
                "to tell confidence from; pass confidence= with scores in [0, 1]"
            )
        # The static pool, from its own exact solver; also where every search starts.
        static = Optimal().choose(replace(task, evidence=replace(task.evidence, gamma=0.0)))
        search = _Search.of(task, static)
        sample = search.sample()
        if sample is None:
            search.profile()
        else:
            sample.profile()
            search.follow(sample)
        return self._better(task, search.result(), static)

    def _better(self, task: Task, found: Choice, static: Choice) -> Choice:
        """Return the static pool where the temperature, fitted afterwards, turns the tables."""
        fixed = replace(static, gamma=0.0, gap=np.nan, n_evaluations=found.n_evaluations)
        if found.gamma == 0 or task.temperature != "fit" or task.joint:
            return found
        losses = []
        for choice in (found, fixed):
            evidence = replace(task.evidence, gamma=choice.gamma or 0.0)
            weights, rule = choice.weights, task.rule
            tempered = fit_temperature(rule, evidence, weights, task.penalty, closure=self.closure)
            losses.append(tempered.solution.evaluation.value)
        if losses[0] <= losses[1]:
            return found
        return replace(fixed, status=_uncertified(fixed.status))


def with_confidence(evidence: Evidence) -> Evidence:
    """Return evidence with its scores, or else what its distributions themselves say."""
    if evidence.confidence is not None:
        return evidence
    known = evidence.family.confidence(evidence.parameters, evidence.threads)
    return replace(evidence, confidence=known)


class _Search:
    """Fits of the weights at different γ, each from the best so far."""

    def __init__(
        self,
        task: Task,
        groups: tuple[Array, NDArray[np.int64]],
        start: Array,
        status: Status,
        n_evaluations: int = 0,
    ) -> None:
        self.task, self.evidence = task, task.evidence
        self.sizes, self.group = groups
        self.start = start
        self.best = (self._problem(0.0).value(start), 0.0, start, status)
        self.n_evaluations = n_evaluations + 1

    @classmethod
    def of(cls, task: Task, static: Choice) -> _Search:
        """Begin at the static pool's weights, with one of every group of identical models."""
        first, group, sizes = identical_models(task.evidence)
        start: Array = np.bincount(group, static.weights).astype(np.float64) * _total(task, static)
        distinct = replace(task, evidence=task.evidence.models(first))
        return cls(distinct, (sizes, group), start, static.status, static.n_evaluations)

    def sample(self) -> _Search | None:
        """Return the same search on a sample; None where all rows are few, or in memory."""
        if not isinstance(self.evidence.parameters, Lazy):
            return None
        some = self._problem(0.0).sample(self.task.seed, fewest=FEWEST)
        if some.evidence.n_rows > self.evidence.n_rows // _FEWER:
            return None
        task = replace(self.task, evidence=some.evidence, penalty=some.penalty.scale)
        return _Search(task, (self.sizes, self.group), self.start, self.best[3])

    def profile(self) -> None:
        """Try all powers, from several weights each, and refine the best."""
        values = [self.values_from_all(gamma) for gamma in POWERS]
        at = int(np.argmin(values))
        low = POWERS[at - 1] if at else 0.0
        high = POWERS[at + 1] if at + 1 < len(POWERS) else LARGEST
        if self.gamma > 0 or at == 0:
            self.refine(low, high)

    def follow(self, sample: _Search) -> None:
        """Refine what a sample found."""
        self.value(sample.gamma, start=sample.best[2])
        high = min(LARGEST, _APART * sample.gamma) if sample.gamma > 0 else POWERS[0]
        self.refine(sample.gamma / _APART, high)

    def refine(self, low: float, high: float) -> None:
        """Look for a better γ between two others."""
        from scipy.optimize import minimize_scalar

        for _ in range(_BRACKETS):
            minimize_scalar(
                self.value,
                bounds=(low, high),
                method="bounded",
                options={"xatol": _WIDTH * high, "maxiter": _REFINEMENTS},
            )
            # The weights improve on the way, which can move the best γ out of its bracket.
            if 0.98 * high < self.gamma < 0.98 * LARGEST:
                low, high = self.gamma, min(2 * self.gamma, LARGEST)
            elif 0 < self.gamma < 1.02 * low:
                low, high = self.gamma / 2, self.gamma
            else:
                break

    @property
    def gamma(self) -> float:
        """The best γ so far."""
        return self.best[1]

    def values_from_all(self, gamma: float) -> float:
        """Return the least of several starts: static weights, equal ones, the best so far."""
        equal = self.sizes * (self.start.sum() / self.sizes.sum())
        return min(self.value(gamma, start=v) for v in (self.start, equal, self.best[2]))

    def value(
        self, gamma: float, evaluations: int = _EVALUATIONS, start: Array | None = None
    ) -> float:
        """Return the least penalised loss found for a γ."""
        problem = self._problem(gamma)
        # Where outputs are missing too, weight 0 is a jump (weightings/missing.py).
        lower = INSIDE if self.evidence.present is not None else 0.0
        feasible = self.task.feasible(len(self.sizes), lower)
        start = self.best[2] if start is None else start
        found = minimise(problem, feasible, start, max_evaluations=evaluations)
        self.n_evaluations += found.n_evaluations
        if found.evaluation.value < self.best[0] or (
            gamma == self.gamma and found.evaluation.value == self.best[0]
        ):
            self.best = (found.evaluation.value, float(gamma), found.v, found.status)
        return found.evaluation.value

    def result(self) -> Choice:
        """Return the best point found."""
        if self.gamma > 0:
            self.value(self.gamma, _POLISHING)
        if self.gamma > 0 and self.best[3] is Status.NOT_CONVERGED:
            problem = self._problem(self.gamma)
            end = polished(problem, self.task.feasible(len(self.sizes)), self.best[2])
            self.n_evaluations += end.n_evaluations
            if end.evaluation.value <= self.best[0]:
                self.best = (end.evaluation.value, self.gamma, end.v, end.status)
        _, gamma, v, status = self.best
        status = _uncertified(status)
        s = settled(float(v.sum()), self.evidence.family)
        w = v / s if s > 0 else self.sizes / self.sizes.sum()
        w = np.where(w < TRACE, 0.0, w)
        w = (w / self.sizes)[self.group]
        return Choice(
            w / w.sum(),
            s if self.task.joint else None,
            np.nan,
            status,
            self.n_evaluations,
            gamma,
        )

    def _problem(self, gamma: float) -> PooledLoss:
        evidence = replace(self.evidence, gamma=gamma)
        return PooledLoss(self.task.rule, evidence, self.task.penalty, self.sizes)


def _uncertified(status: Status) -> Status:
    """Return what is left of a status where γ is fitted too: of that there is no bound."""
    certified = status in (Status.CONVERGED, Status.SEPARABLE)
    return Status.STATIONARY if certified else status


def _total(task: Task, choice: Choice) -> float:
    """Return Σv of a choice in the weights' own problem."""
    if choice.inverse_temperature is not None:
        return choice.inverse_temperature
    return task.feasible(1).total
