"""Minimising what is expensive to read, with the help of a sample of it.

A sample's objective, corrected to have the gradient of the whole at the last point and its
curvature at the first, is a far better model than a parabola: its third derivatives are right up to
the error of sampling. So the whole, or some rows of it, is read once for the curvature and then a
few times for the gradient alone, each time gaining a factor of about the square root of the
sample's size. Value, gradient and gap at the end are those of the whole: what is certified needs no
more of the curvature than a lower bound, such as that of some of the rows. (The gradient is
corrected as by Shamir, Srebro and Zhang, "Communication-efficient distributed optimization using an
approximate Newton-type method", ICML 2014; the curvature by a control variate.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from .evaluation import Evaluation, Problem, Solution
from .feasible import FeasibleSet
from .newton import (
    MAX_EVALUATIONS,
    TOLERANCE,
    certified_gap,
    conclude,
    minimise,
    optimal,
)
from .quadratic import newton_step
from .self_concordance import Landmark

Vector = NDArray[np.float64]

#: A reading for the gradient alone that leaves more than this share of the gap was a poor one:
#: the next one is for the curvature too.
_POOR = 0.2
#: Readings of the whole before ordinary Newton steps take over.
MAX_READS = 12
#: A model is minimised until a step promises less than this share of what the first one did: it
#: is wrong by more than that.
_CLOSER = 1e-4
#: A step that promises less than this share is the last, and taken on trust: Newton's method
#: squares what is left, and the whole is asked next.
_LAST = 0.03
MOST_STEPS = 8
#: Excess over the sample's own optimum that is good enough to start from, nats per row: far less
#: than what tells that from the whole's (M/2n, 2e-3 for 8 models and 2,000 rows). It is also
#: what two steps from a rough sample's optimum leave; one where the weights' total is given.
_ROUGH = 1e-5


class Readable(Problem, Protocol):
    """A problem whose gradient costs less than its curvature."""

    def slope(self, v: Vector) -> Evaluation:
        """Return value, gradient and bound at ``v``; the curvature may be a lower bound."""
        ...

    def landmark(self, v: Vector, evaluation: Evaluation) -> Landmark | None:
        """Return what an evaluation, or its bound, says of points nearby, None for nothing."""
        ...


class _Corrected:
    """A sample's objective with the whole's gradient at a point, and a correction of curvature."""

    def __init__(
        self,
        sample: Problem,
        at: Vector,
        there: Evaluation,
        gradient: Vector,
        bend: NDArray[np.float64],
    ) -> None:
        self.sample, self.at, self.bend = sample, at, bend
        self.lift = gradient - there.gradient

    def evaluate(self, v: Vector) -> tuple[Evaluation, Evaluation]:
        """Return the model's value, gradient and curvature, and the sample's own."""
        own = self.sample.evaluate(v)
        return self.corrected(v, own), own

    def corrected(self, v: Vector, own: Evaluation) -> Evaluation:
        """Return the model where the sample's own evaluation is known."""
        t = v - self.at
        pull = self.bend @ t
        return Evaluation(
            own.value + float(self.lift @ t + 0.5 * t @ pull),
            own.gradient + self.lift + pull,
            _positive(own.curvature + self.bend),
            rounding=own.rounding,
        )


def minimise_with_few_reads(
    whole: Readable,
    sample: Problem,
    rough: Problem | None = None,
    *,
    feasible: FeasibleSet,
    tolerance: float = TOLERANCE,
    briefly: bool = False,
) -> Solution:
    """Minimise ``whole`` over ``feasible`` starting from, and helped by, a sample of it.

    All must be convex; ``rough`` is a sample of the sample's kind, much smaller. Where the whole is
    large enough for that the first reading is done ``briefly``: some of its rows then say what the
    curvature of all is likely to be. The result is certified on the whole; where the sample
    misleads, ordinary Newton steps finish the work.
    """
    first = _first(rough, feasible)
    most = MAX_EVALUATIONS if first is None else 3 if feasible.capped else 2
    start = minimise(sample, feasible, first, max(tolerance, _ROUGH), most)
    v, own = start.v, start.evaluation
    now, mark = _surveyed(whole, v, feasible, briefly)
    n_reads, gap = 1, certified_gap(now, v, feasible)
    done = optimal(now, v, feasible, tolerance)
    bend = _correction(now, own)
    while bend is not None and not done and n_reads < MAX_READS:
        model = _Corrected(sample, v, own, now.gradient, bend)
        there, own, known = _improved(model, feasible, v, own)
        found = whole.slope(there)
        n_reads += 1
        if not found.value <= now.value + now.noise:
            break
        trial = replace(found, curvature=_positive(own.curvature + bend))
        for here in (whole.landmark(there, found), mark):
            if here is not None and not optimal(trial, there, feasible, tolerance):
                trial = _bounded(trial, here.excess(there, trial.gradient, feasible))
        before, gap = gap, certified_gap(trial, there, feasible)
        v, now = there, trial
        done = optimal(now, v, feasible, tolerance)
        if done:
            break
        own = own if known else sample.evaluate(v)
        if not own.finite:
            break
        if gap > _POOR * before:
            # The curvature there is another one, or all that is left is rounding.
            now, mark = _surveyed(whole, v, feasible)
            n_reads += 1
            bend = _correction(now, own)
            done = optimal(now, v, feasible, tolerance)
            if gap > 0.9 * before:
                break
    if done and not (now.separable and feasible.capped):
        return conclude(whole, feasible, v, now, n_reads, tolerance)
    found_anyway = minimise(whole, feasible, v, tolerance)
    return replace(found_anyway, n_evaluations=found_anyway.n_evaluations + n_reads)


def _correction(now: Evaluation, own: Evaluation) -> NDArray[np.float64] | None:
    """Return what the whole's curvature is above a sample's; None where one of them is none."""
    if not (now.finite and own.finite):
        return None
    return (now.curvature if now.likely is None else now.likely) - own.curvature


def _first(rough: Problem | None, feasible: FeasibleSet) -> Vector | None:
    """Return where to start: the optimum of few rows, unless they are too few to have one."""
    if rough is None:
        return None
    found = minimise(rough, feasible, tolerance=_ROUGH)
    return found.v if found.status is Status.CONVERGED else None


def _surveyed(
    whole: Readable, v: Vector, feasible: FeasibleSet, briefly: bool = False
) -> tuple[Evaluation, Landmark | None]:
    """Read the whole for its curvature; return what that says of points nearby too."""
    now = whole.slope(v) if briefly else whole.evaluate(v)
    mark = whole.landmark(v, now)
    if mark is None:
        return now, None
    return _bounded(now, mark.excess(v, now.gradient, feasible)), mark


def _bounded(now: Evaluation, excess: float) -> Evaluation:
    return replace(now, excess=min(now.excess, excess))


def _improved(
    model: _Corrected, feasible: FeasibleSet, v: Vector, own: Evaluation
) -> tuple[Vector, Evaluation, bool]:
    """Take Newton steps on a model until they promise next to nothing.

    Returns where that is, the sample's own last evaluation, and whether it is of that point.
    """
    now, first = model.corrected(v, own), 0.0
    for _ in range(MOST_STEPS):
        step = newton_step(v, now.gradient, now.curvature, feasible)
        promise = -feasible.slope(v, now.gradient, step)
        if not promise > _CLOSER * first:
            break
        if promise < _LAST * first:
            return feasible.tidy(v + step), own, False
        first = first or promise
        length, trial = 1.0, now
        while length > 1e-3:
            there = feasible.tidy(v + length * step)
            trial, tried = model.evaluate(there)
            if trial.value <= now.value + now.noise:  # slopes know better than values
                break
            length /= 4
        if not trial.value <= now.value + now.noise:
            break
        v, now, own = there, trial, tried
    return v, own, True


def _positive(H: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest positive semi-definite matrix: steps are taken by it."""
    spectrum, vectors = np.linalg.eigh(H)
    if spectrum[0] >= 0:
        return H
    result: NDArray[np.float64] = (vectors * np.maximum(spectrum, 0)) @ vectors.T
    return result
