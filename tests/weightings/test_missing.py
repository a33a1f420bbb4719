"""Optimal weights where outputs are missing: a search among stationary points (maths.md §6)."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from problems import make_evidence
from scipy_optimum import objective_of, slsqp

from opinionpool.errors import Status
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.missing import INSIDE

OPTIMAL = WEIGHTINGS["optimal"]
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def patchy(seed):
    rng = np.random.default_rng(3000 + seed)
    return make_evidence(
        seed,
        m=int(rng.integers(2, 7)),
        n=int(rng.integers(20, 100)),
        k=int(rng.integers(2, 5)),
        missing=float(rng.choice([0.1, 0.4, 0.7])),
        soft=seed % 4 == 1,
        weighted=seed % 3 == 1,
        spread=float(rng.choice([0.5, 1, 2])),
    )


def starts(feasible, seed):
    rng = np.random.default_rng(seed)
    w = [np.full(feasible.size, 1 / feasible.size), *rng.dirichlet(np.ones(feasible.size), 4)]
    total = feasible.start().sum()
    return [np.maximum(total * x, feasible.lower) for x in w]


def excess_over_scipy(task, seed):
    """Check what a search must always say, and return how far SciPy's best of five is below."""
    choice = OPTIMAL.choose(task)
    problem, feasible = objective_of(task)
    s = feasible.total if choice.inverse_temperature is None else choice.inverse_temperature
    assert choice.status in (Status.STATIONARY, Status.NOT_CONVERGED)
    assert np.isnan(choice.gap)
    assert choice.weights.sum() == pytest.approx(1)
    inside = replace(feasible, lower=INSIDE)
    best = min(slsqp(problem, inside, start) for start in starts(inside, seed))
    return problem.value(s * choice.weights) - best


@pytest.mark.parametrize(
    ("name", "temperature", "penalty"),
    [
        (name, t, penalty)
        for name, rule in RULES.items()
        for t in ((1.0, "fit") if rule.joint_temperature else (1.0,))
        for penalty in (0.0, 1.0)
    ],
)
def test_a_search_is_hardly_ever_worse_than_scipy_from_five_starts(name, temperature, penalty):
    """Which of several ends it finds can hang on rounding, and so on BLAS's threads."""
    above = [
        excess_over_scipy(Task(RULES[name], patchy(seed), temperature, penalty, seed=seed), seed)
        for seed in range(12)
    ]
    worse = [x for x in above if x > 1e-7]
    assert len(worse) <= 1
    assert max(above) < 0.01


def test_a_search_that_scipy_beat_when_it_had_three_random_starts():
    assert excess_over_scipy(Task(RULES["log"], patchy(3), 1.0, 0.0, seed=3), 3) <= 1e-7


@every_rule
def test_most_searches_end_at_a_stationary_point(rule):
    ends = [OPTIMAL.choose(Task(rule, patchy(seed), "fit", 1.0)).status for seed in range(12)]
    assert ends.count(Status.STATIONARY) >= 10


@every_rule
def test_a_mask_without_absences_is_a_convex_problem(rule):
    evidence = make_evidence(0)
    full = replace(evidence, present=np.ones((3, 40), dtype=bool), fallback=np.zeros(4))
    a, b = (OPTIMAL.choose(Task(rule, e)) for e in (evidence, full))
    assert_array_equal(a.weights, b.weights)
    assert a.gap == b.gap
    assert b.status is Status.CONVERGED


@every_rule
def test_a_model_that_only_harms_is_left_out_where_others_answer(rule):
    """A jump at weight 0: whoever answers a row alone counts fully however light."""
    evidence = make_evidence(1, m=3, n=90, missing=0.0)
    log_p = evidence.parameters.copy()
    rows, y = np.arange(90), evidence.outcomes.classes
    log_p[2] = np.log(0.98 / 3)
    log_p[2, rows, y] = np.log(0.02)  # always wrong
    present = np.ones((3, 90), dtype=bool)
    present[:2, :30] = False  # the wrong one answers these alone; the fallback is better
    harmed = replace(evidence, parameters=log_p, present=present, fallback=np.full(4, -np.log(4)))
    choice = OPTIMAL.choose(Task(rule, harmed, 1.0, 0.0))
    assert choice.weights[2] == 0
    # Where it is right there, it is worth a weight that is all but nothing.
    log_p = log_p.copy()
    log_p[2, :30] = np.log(0.01 / 3)
    log_p[2, rows[:30], y[:30]] = np.log(0.99)
    choice = OPTIMAL.choose(Task(rule, replace(harmed, parameters=log_p), 1.0, 0.0))
    assert 0 < choice.weights[2] < 1e-3


@every_rule
def test_seeds_are_for_starts_alone(rule):
    task = Task(rule, patchy(2), "fit", 1.0, seed=1)
    problem, feasible = objective_of(task)
    found = []
    for seed in (1, 2):
        choice = OPTIMAL.choose(replace(task, seed=seed))
        s = feasible.total if choice.inverse_temperature is None else choice.inverse_temperature
        found.append(problem.value(s * choice.weights))
    assert found[0] == pytest.approx(found[1], abs=1e-7)
