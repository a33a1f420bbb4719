"""The optimum of all rows with the help of a sample: the same point, in a handful of readings."""

from dataclasses import replace

import numpy as np
import pytest
from problems import make_evidence, varied
from scipy_optimum import slsqp

from opinionpool.errors import Status
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers import self_concordance
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet
from opinionpool.solvers.few_reads import minimise_with_few_reads
from opinionpool.solvers.newton import TOLERANCE, minimise
from opinionpool.solvers.self_concordance import Landmark
from opinionpool.weightings.base import Task

LOG = RULES["log"]
POSED = {
    f"{name}, T {temperature}, penalty {penalty:g}": (rule, temperature, penalty)
    for name, rule in RULES.items()
    for temperature in ((1.0, "fit", 2.0) if rule.joint_temperature else (1.0,))
    for penalty in (0.0, 1.0)
}


def sample_of(problem: PooledLoss, size: int, seed: int = 0) -> PooledLoss:
    rows = np.sort(np.random.default_rng(seed).choice(problem.evidence.n_rows, size, False))
    some: Evidence = problem.evidence.take(rows)
    scale = problem.penalty.scale * some.total_weight / problem.n
    return PooledLoss(problem.rule, some, scale, problem.penalty.sizes)


def fitted(whole, sample, feasible, tolerance=TOLERANCE):
    return minimise_with_few_reads(whole, sample, feasible=feasible, tolerance=tolerance)


@pytest.mark.parametrize("posed", POSED.values(), ids=POSED)
@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_the_solvers_however_small_the_sample(posed, seed):
    rule, temperature, penalty = posed
    task = Task(rule, varied(seed), temperature, penalty)
    whole = PooledLoss(task.rule, task.evidence, task.penalty)
    feasible = task.feasible(task.evidence.n_models)
    expected = minimise(whole, feasible)
    found = fitted(whole, sample_of(whole, whole.evidence.n_rows // 4), feasible)
    value = found.evaluation.value
    assert value == pytest.approx(expected.evaluation.value, rel=0, abs=1e-8)
    assert feasible.contains(found.v)
    if expected.status is Status.CONVERGED:
        assert found.status is Status.CONVERGED
        assert found.gap <= TOLERANCE
        assert value <= slsqp(whole, feasible) + found.gap + 1e-14


class Bounded(PooledLoss):
    """A problem that knows the spread of its logits."""

    def landmark(self, v, evaluation):
        spread = np.ptp(self.evidence.parameters, axis=2).max(axis=1)
        bend = self.penalty.evaluate(v)[2]
        return Landmark(v, evaluation.curvature - bend, spread, self.penalty.quadratic)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_few_readings_are_enough(seed, joint, penalty):
    evidence = make_evidence(seed, m=6, n=20_000, k=5, signal=0.8)
    sample = sample_of(PooledLoss(LOG, evidence, penalty), 1000, seed)
    feasible = FeasibleSet(6, SHARPEST, capped=True) if joint else FeasibleSet(6)
    for kind, tolerance, most in (
        (PooledLoss, 1e-6, 5),
        (PooledLoss, TOLERANCE, 12),  # the last ones fight with rounding
        (Bounded, 1e-6, 3),
        (Bounded, TOLERANCE, 4),
    ):
        whole = kind(LOG, evidence, penalty)
        found = fitted(whole, sample, feasible, tolerance)
        assert found.status is Status.CONVERGED
        assert found.gap <= tolerance
        assert whole.passes == found.n_evaluations <= most


class SomeBounded(Bounded):
    """A problem that sums the curvature of a part of its rows along with the gradient."""

    def slope(self, v):
        now = self.evaluate(v)
        part = PooledLoss(self.rule, self.evidence.take(slice(0, None, 4))).evaluate(v)
        share = part.curvature * (-(-self.evidence.n_rows // 4) / self.evidence.n_rows)
        bend = self.penalty.evaluate(v)[2]
        return replace(now, curvature=share + bend, likely=part.curvature + bend)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("briefly", [False, True])
def test_curvature_of_some_rows_certifies(seed, joint, penalty, briefly):
    """After two readings, and never more than is true."""
    evidence = make_evidence(seed, m=6, n=20_000, k=5, signal=0.8)
    whole = SomeBounded(LOG, evidence, penalty)
    feasible = FeasibleSet(6, SHARPEST, capped=True) if joint else FeasibleSet(6)
    rough, sample = sample_of(whole, 150, seed), sample_of(whole, 1000, seed)
    full = []
    whole.evaluate = lambda v: full.append(v) or SomeBounded.evaluate(whole, v)
    whole.slope = lambda v: SomeBounded.slope(SomeBounded(LOG, evidence, penalty), v)
    found = minimise_with_few_reads(
        whole, sample, rough, feasible=feasible, tolerance=1e-6, briefly=briefly
    )
    assert found.status is Status.CONVERGED
    assert found.n_evaluations <= 3
    assert briefly == (not full)  # nobody asked for the curvature of all rows
    best = minimise(PooledLoss(LOG, evidence, penalty), feasible)
    assert found.evaluation.value - best.evaluation.value <= found.gap <= 1e-6


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_bound_is_never_below_the_excess(seed, joint, penalty):
    """At random points around and away from the minimum, with a landmark near or not."""
    rng = np.random.default_rng(seed)
    whole = Bounded(LOG, make_evidence(seed, m=4, n=500, k=4), penalty)
    feasible = FeasibleSet(4, SHARPEST, capped=True) if joint else FeasibleSet(4)
    best = minimise(whole, feasible)
    known = 0
    for size in (1e-4, 1e-3, 1e-2, 0.1, 0.5):
        for _ in range(20):
            mark, v = (
                feasible.tidy(np.abs(best.v + rng.normal(scale=size, size=4))) for _ in range(2)
            )
            landmark = whole.landmark(mark, whole.evaluate(mark))
            now = whole.evaluate(v)
            bound = landmark.excess(v, now.gradient, feasible)
            known += np.isfinite(bound)
            assert bound >= now.value - best.evaluation.value - 1e-14
            if size <= 1e-3:
                assert bound <= 4 * (now.value - best.evaluation.value + best.gap) + 1e-12
    assert known >= 40


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_radius_that_holds_bounds_best(seed, monkeypatch):
    whole = Bounded(LOG, make_evidence(seed, m=4, n=500, k=4), 1.0)
    feasible = FeasibleSet(4, SHARPEST, capped=True)
    start = feasible.tidy(minimise(whole, feasible).v * np.linspace(0.99, 1.02, 4))
    now = whole.evaluate(start)
    mark = whole.landmark(start, now)
    several = mark.excess(start, now.gradient, feasible)
    single = []
    for radius in self_concordance.RADII:
        monkeypatch.setattr(self_concordance, "RADII", (radius,))
        single.append(mark.excess(start, now.gradient, feasible))
    assert np.isfinite(single).any()
    assert several == min(single)


def test_what_is_nearly_flat_is_not_bounded():
    evidence = make_evidence(0, m=3, n=200, k=3)
    twins = replace(evidence, parameters=evidence.parameters[[0, 1, 1]])
    whole = Bounded(LOG, twins, 0.0)
    v = np.array([0.5, 0.3, 0.2])
    now = whole.evaluate(v)
    assert whole.landmark(v, now).excess(v, now.gradient, FeasibleSet(3)) == np.inf


def test_a_sample_that_misleads_costs_readings_but_not_the_optimum():
    evidence = make_evidence(3, m=4, n=3000, k=4)
    whole = PooledLoss(LOG, evidence, 1.0)
    feasible = FeasibleSet(4, SHARPEST, capped=True)
    # Rows of another world: the labels are those of the first class always.
    other = varied(1, plain=True)
    other = make_evidence(99, m=4, n=50, k=4, signal=-3.0)
    found = fitted(whole, PooledLoss(LOG, other, 1.0), feasible)
    assert found.status is Status.CONVERGED
    assert found.gap <= TOLERANCE
    expected = minimise(whole, feasible).evaluation.value
    assert found.evaluation.value == pytest.approx(expected, rel=0, abs=1e-9)


def test_a_rough_sample_without_an_optimum_is_no_start():
    evidence = make_evidence(4, m=3, n=3000, k=4)
    whole = PooledLoss(LOG, evidence, 0.0)
    # A model is right on every one of these rows: ever sharper is ever better.
    rough = PooledLoss(LOG, make_evidence(0, m=3, n=40, k=4, signal=8.0), 0.0)
    feasible = FeasibleSet(3, SHARPEST, capped=True)
    assert minimise(rough, feasible).status is Status.SEPARABLE
    found = minimise_with_few_reads(whole, sample_of(whole, 500), rough, feasible=feasible)
    assert found.status is Status.CONVERGED
    assert found.gap <= TOLERANCE


def test_separable_rows_are_said_to_be():
    evidence = make_evidence(0, m=2, n=400, k=3, signal=8.0)
    whole = PooledLoss(LOG, evidence, 0.0)
    feasible = FeasibleSet(2, SHARPEST, capped=True)
    assert minimise(whole, feasible).status is Status.SEPARABLE
    found = fitted(whole, sample_of(whole, 50), feasible)
    assert found.status is Status.SEPARABLE
    assert found.v.sum() == pytest.approx(SHARPEST)


def test_the_curvature_that_is_returned_is_the_whole_s():
    evidence = make_evidence(5, m=3, n=20_000, k=4)
    whole = PooledLoss(LOG, evidence, 0.0)
    found = fitted(whole, sample_of(whole, 1500), FeasibleSet(3))
    exact = whole.evaluate(found.v).curvature
    np.testing.assert_allclose(found.evaluation.curvature, exact, rtol=0.02)


class Rounded(PooledLoss):
    """A problem whose values are higher whenever they are asked for, by less than their noise."""

    asked = 0

    def evaluate(self, v):
        self.asked += 1
        found = super().evaluate(v)
        return replace(found, value=found.value + 1e-6 * self.asked, rounding=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_whose_values_are_rounded_up_has_its_steps_taken_all_the_same(seed):
    """They were cut to nothing, and the whole was read seven times: slopes know better."""
    evidence = make_evidence(seed, m=6, n=20_000, k=5, signal=0.8)
    whole, feasible = Bounded(LOG, evidence, 1.0), FeasibleSet(6, SHARPEST, capped=True)
    plain = sample_of(whole, 1000, seed)
    sample = Rounded(plain.rule, plain.evidence, plain.penalty.scale, plain.penalty.sizes)
    found = fitted(whole, sample, feasible)
    assert found.status is Status.CONVERGED
    assert found.n_evaluations <= 4


@pytest.mark.parametrize("curvature", [np.zeros((2, 2)), np.ones((2, 2)), 1e-300 * np.eye(2)])
@pytest.mark.parametrize(("v", "gradient"), [([0.5, 0.5], [1.0, 1.0]), ([1.0, 0.0], [0.0, 1.0])])
def test_nothing_is_below_a_minimum_that_is_flat(curvature, v, gradient):
    """A parabola without depth, however wide, was 0·∞, or the root of a negative rounding error."""
    mark = Landmark(np.array(v), curvature, np.ones(2), np.zeros((2, 2)))
    weights = FeasibleSet(2, 1.0, capped=False)
    assert 0 <= mark.excess(np.array(v), np.array(gradient), weights) < 1e-15
