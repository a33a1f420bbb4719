"""Minima against SciPy's, and certificates that are never below the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import make_evidence, varied
from scipy_optimum import independent, objective_of, slsqp
from tolerance import ulps

from opinionpool.errors import Status
from opinionpool.rules import RULES
from opinionpool.solvers.evaluation import Evaluation
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet
from opinionpool.solvers.log_newton import descend
from opinionpool.solvers.newton import TOLERANCE, certified_gap, minimise
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task

F8 = np.float64
SEEDS = range(50)
#: Every problem that weights pose: a rule, its temperature, with and without shrinkage.
POSED = {
    f"{name}, T {temperature}, penalty {penalty:g}": (rule, temperature, penalty)
    for name, rule in RULES.items()
    for temperature in ((1.0, "fit", 2.0) if rule.joint_temperature else (1.0,))
    for penalty in (0.0, 1.0)
}
every_problem = pytest.mark.parametrize("posed", POSED.values(), ids=POSED)


def task_of(posed, seed, **more):
    rule, temperature, penalty = posed
    return Task(rule, varied(seed, **more), temperature, penalty)


def chosen(task):
    """The optimal choice, its v and its value."""
    problem, feasible = objective_of(task)
    choice = WEIGHTINGS["optimal"].choose(task)
    s = feasible.total if choice.inverse_temperature is None else choice.inverse_temperature
    return choice, s * choice.weights, problem.value(s * choice.weights)


def rounding(value):
    return ulps(F8, 16) * max(1, abs(value))


@every_problem
@pytest.mark.parametrize("seed", SEEDS)
def test_the_optimum_is_scipys(posed, seed):
    task = task_of(posed, seed)
    choice, v, value = chosen(task)
    reference = slsqp(*objective_of(task))
    assert value == pytest.approx(reference, rel=0, abs=1e-6)
    assert value <= reference + choice.gap + rounding(value)
    if choice.status is Status.SEPARABLE:
        assert (task.temperature, task.penalty) == ("fit", 0)
        assert v.sum() == pytest.approx(SHARPEST, rel=1e-9)
        assert choice.gap <= 1e3 * TOLERANCE
    else:
        assert choice.status is Status.CONVERGED
        assert choice.gap <= TOLERANCE


def test_the_problems_above_are_of_both_kinds():
    posed = (RULES["log"], "fit", 0.0)
    ends = [chosen(task_of(posed, seed))[0].status for seed in SEEDS]
    assert ends.count(Status.SEPARABLE) >= 5
    assert ends.count(Status.CONVERGED) >= 20


@every_problem
@pytest.mark.parametrize("seed", [0, 3, 8])
def test_the_optimum_is_the_one_of_a_formula_of_its_own(posed, seed):
    """L-BFGS on free numbers through a softmax, formulas written afresh, finite differences."""
    task = task_of(posed, seed, plain=True)
    reference, _ = independent(task.rule.name, task.evidence, task.temperature, task.penalty)
    _, _, value = chosen(task)
    assert value == pytest.approx(reference, rel=0, abs=1e-6)
    assert value <= reference + 2 * TOLERANCE


# ------------------------------------------------------------------ certificates


def places(feasible, found, seed):
    """Points all over a feasible set, and close to an optimum."""
    rng = np.random.default_rng(seed)
    m = feasible.size
    directions = [*rng.dirichlet(np.full(m, 0.5), 6), np.full(m, 1 / m)]
    sizes = 10.0 ** rng.uniform(-2, 2, 7) if feasible.capped else np.full(7, feasible.total)
    some = [s * w for s, w in zip(sizes, directions, strict=True)]
    near = [feasible.tidy(found + e * (v - found)) for e in (1e-2, 1e-4) for v in some[:3]]
    return some + near


@every_problem
@pytest.mark.parametrize("seed", range(0, 50, 2))
def test_a_certificate_is_never_below_the_truth(posed, seed):
    task = task_of(posed, seed)
    problem, feasible = objective_of(task)
    _, optimum, value = chosen(task)
    long_run = minimise(problem, feasible, tolerance=1e-15)
    least = min(value, slsqp(problem, feasible), long_run.evaluation.value)
    for v in places(feasible, optimum, seed):
        now = problem.evaluate(v)
        if not np.isfinite(now.value):
            continue
        excess = now.value - least
        bounds = (feasible.gap(v, now.gradient), now.excess, certified_gap(now, v, feasible))
        assert min(bounds) >= excess - rounding(now.value)


def test_the_rules_own_bound_is_worth_having():
    """For a fitted temperature Frank–Wolfe pays for the whole cap."""
    better = []
    for seed in SEEDS:
        task = task_of((RULES["log"], "fit", 0.0), seed)
        problem, feasible = objective_of(task)
        choice, optimum, _ = chosen(task)
        if choice.status is Status.CONVERGED and optimum.any():
            v = 0.98 * optimum
            now = problem.evaluate(v)
            better.append(now.excess / feasible.gap(v, now.gradient))
    assert np.median(better) < 0.1


def test_what_maths_md_says_is_no_bound_is_none():
    """g·v − Σv·min(0, min g) is below the excess at some point: the test above can fail."""
    short = []
    for seed in SEEDS:
        task = task_of((RULES["log"], "fit", 0.0), seed)
        problem, feasible = objective_of(task)
        _, optimum, value = chosen(task)
        for v in places(feasible, optimum, seed):
            now = problem.evaluate(v)
            claimed = now.gradient @ v - v.sum() * min(0, now.gradient.min())
            short.append(claimed - (now.value - value))
    assert min(short) < -0.01


# ------------------------------------------------------------ problems of other kinds


class Parabola:
    """A solver knows nothing of pools: ½(v − c)ᵀ Q (v − c)."""

    def __init__(self, Q, centre, convex=True):
        self.Q, self.centre, self.convex = Q, np.asarray(centre), convex
        self.evaluations = 0

    def evaluate(self, v):
        self.evaluations += 1
        d = v - self.centre
        return Evaluation(0.5 * d @ self.Q @ d, self.Q @ d, self.Q)

    def value(self, v):
        return self.evaluate(v).value


def test_a_parabola_takes_one_step():
    Q = np.array([[2.0, 0.3, 0], [0.3, 1.0, 0.2], [0, 0.2, 3.0]])
    inside = Parabola(Q, [0.2, 0.5, 0.3])
    found = minimise(inside, FeasibleSet(3))
    assert_allclose(found.v, inside.centre, atol=1e-9)
    assert found.n_evaluations == inside.evaluations <= 3
    assert found.status is Status.CONVERGED
    outside = Parabola(np.eye(3), [2.0, 0.5, -4.0])
    assert_allclose(minimise(outside, FeasibleSet(3)).v, [1, 0, 0], atol=1e-12)
    cone = FeasibleSet(3, 10.0, capped=True)
    assert_allclose(minimise(outside, cone).v, [2.0, 0.5, 0], atol=1e-9)


@pytest.mark.parametrize("start", [[1.0, 0, 0], [0, 0, 1.0], [0.3, 0.3, 0.4]])
def test_where_a_search_starts_does_not_matter(start):
    task = task_of((RULES["log"], "fit", 1.0), 4)
    problem, feasible = objective_of(task)
    start = np.resize(start, feasible.size)
    found = minimise(problem, feasible, start)
    assert found.status is Status.CONVERGED
    assert_allclose(found.v, minimise(problem, feasible).v, rtol=0, atol=1e-5)


@every_problem
def test_a_solver_that_was_stopped_says_so(posed):
    task = task_of(posed, 6)
    problem, feasible = objective_of(task)
    stopped = minimise(problem, feasible, max_evaluations=2)
    assert stopped.n_evaluations == 2
    assert stopped.status is Status.NOT_CONVERGED
    _, _, value = chosen(task)
    assert stopped.gap >= stopped.evaluation.value - value > TOLERANCE


def test_the_number_of_evaluations_is_the_number_of_evaluations():
    task = task_of((RULES["log"], "fit", 0.0), 12)
    problem, feasible = objective_of(task)
    calls, evaluate = [], problem.evaluate
    problem.evaluate = lambda v: calls.append(v) or evaluate(v)
    found = minimise(problem, feasible)
    assert found.n_evaluations == len(calls)


def test_without_convexity_there_is_no_gap():
    found = minimise(Parabola(np.eye(3), [0.2, 0.5, 0.3], convex=False), FeasibleSet(3))
    assert np.isnan(found.gap)
    assert found.status is Status.STATIONARY


def test_descending_in_log_weights_sees_light_weights():
    """A minimum at 1e-6 of the others is a minimum like any other."""

    class Barrier:
        """Σ n_α(−ln v_α) + v: minimum at v_α = n_α (the cone), n_α/Σn (the simplex)."""

        convex = False
        n = np.array([1e-6, 0.4, 0.6 - 1e-6])

        def evaluate(self, v):
            value = float(self.n @ -np.log(v) + v.sum())
            return Evaluation(value, 1 - self.n / v, np.diag(self.n / v**2))

        def value(self, v):
            return self.evaluate(v).value

    start = np.array([0.8, 0.1, 0.1])
    for feasible in (FeasibleSet(3), FeasibleSet(3, SHARPEST, capped=True)):
        found = descend(Barrier(), feasible, start, 200)
        assert found.status is Status.STATIONARY
        assert_allclose(found.v, Barrier.n, rtol=2e-2)
        assert np.isnan(found.gap)
        assert found.evaluation.value <= Barrier().value(Barrier.n) + 1e-9
    stopped = descend(Barrier(), FeasibleSet(3), start, 2)
    assert stopped.n_evaluations <= 2
    assert stopped.status is Status.NOT_CONVERGED


# ------------------------------------------------------------------------- EM


@pytest.mark.parametrize("seed", range(6))
def test_expectation_maximisation_climbs_to_newtons_weights(seed):
    """w_α ← w_α E r_α never makes the linear rule's loss larger, and ends at the optimum."""
    evidence = make_evidence(seed, m=4, n=60, k=3, soft=seed % 2 == 1, weighted=seed > 2)
    task = Task(RULES["linear"], evidence, 1.0, 0.0)
    problem, _ = objective_of(task)
    w = np.full(4, 0.25)
    losses = []
    for _ in range(20000):
        now = problem.evaluate(w)
        losses.append(now.value)
        w = w * -now.gradient  # the gradient is −E r
        assert w.sum() == pytest.approx(1, abs=1e-12)
        if len(losses) > 2 and losses[-2] - losses[-1] < 1e-14:
            break
    assert np.diff(losses).max() <= ulps(F8, 16)
    choice, _, value = chosen(task)
    assert losses[-1] == pytest.approx(value, rel=0, abs=1e-8)
    assert losses[-1] >= value - choice.gap
    assert_allclose(w, choice.weights, rtol=0, atol=2e-3)


# --------------------------------------------------------------- experts beyond doubt


def test_a_fit_of_experts_at_a_million_nats_does_no_worse_than_knowing_nothing():
    """v = 0 is feasible: the uniform distribution costs log K, the fit costs thousands."""
    for seed in range(5):
        evidence = make_evidence(seed, m=4, n=40, k=3, spread=1e6, signal=1e6)
        _, _, value = chosen(Task(RULES["log"], evidence, "fit", 0.0))
        assert value <= np.log(3) + 1e-9


def test_an_unsure_end_is_said_and_bounded_whatever_the_scale():
    for spread in (1e2, 1e4, 1e6):
        evidence = make_evidence(1, m=3, n=30, k=3, spread=spread, signal=spread)
        for rule in RULES.values():
            task = Task(rule, evidence, 1.0, 0.0)
            choice, _, value = chosen(task)
            least = slsqp(*objective_of(task))
            assert value - least <= choice.gap + rounding(value)
            assert (choice.gap <= TOLERANCE) == (choice.status is Status.CONVERGED)
            assert choice.status in (Status.CONVERGED, Status.NOT_CONVERGED)


class _Blurred:
    """A parabola whose values and slopes are wrong by about a float32's last digits."""

    convex = True

    def __init__(self, rounding):
        self.rng, self.rounding, self.asked = np.random.default_rng(0), rounding, 0

    def evaluate(self, v):
        self.asked += 1
        d = v - np.array([0.2, 0.3, 0.5])
        blur = 1e-9 * self.rng.normal(size=4)
        value = 1.0 + 0.5 * float(d @ d) + blur[0]
        return Evaluation(value, d + 1e3 * blur[1:], np.eye(3), rounding=self.rounding)

    def value(self, v):
        return self.evaluate(v).value


def test_what_rounding_makes_is_not_searched_in():
    """A sample of few float32 rows was once evaluated forty times in its own noise."""
    problem = _Blurred(1e-8)
    found = minimise(problem, FeasibleSet(3), tolerance=1e-9)
    assert problem.asked <= 5
    assert found.gap >= 1e-8  # no smaller one could be trusted
    blind = _Blurred(0.0)
    minimise(blind, FeasibleSet(3), tolerance=1e-9)
    assert blind.asked > 3 * problem.asked
