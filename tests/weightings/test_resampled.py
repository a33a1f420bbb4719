"""The optimum averaged over row bootstraps."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_evidence

import opinionpool as op
from opinionpool.errors import InputError, Status
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.resampled import ResampledOptimal

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
def test_few_rows_are_hedged_between_the_optimum_and_equal_weights(rule):
    """On average over small samples: one sample may go either way."""
    away = []
    for seed in range(10):
        task = Task(rule, make_evidence(seed, n=12), 1.0, 0.0, seed=seed)
        choices = WEIGHTINGS["optimal"].choose(task), ResampledOptimal(20).choose(task)
        away.append([np.abs(c.weights - 1 / 3).max() for c in choices])
    optimal, resampled = np.mean(away, axis=0)
    assert 0 < resampled < optimal


@every_rule
def test_many_rows_leave_nothing_to_resample(rule):
    task = Task(rule, make_evidence(0, n=20_000), 1.0, 0.0)
    a, b = WEIGHTINGS["optimal"].choose(task), ResampledOptimal(5).choose(task)
    assert_allclose(a.weights, b.weights, atol=0.05)


@every_rule
def test_a_seed_makes_it_reproducible(rule):
    evidence = make_evidence(1, n=20, missing=0.2)
    first, again, other = (
        ResampledOptimal(2).choose(Task(rule, evidence, 1.0, seed=s)).weights for s in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.sum() == pytest.approx(1, abs=1e-14)


@every_rule
def test_a_model_absent_from_a_bootstrap_gets_nothing_from_it(rule):
    evidence = make_evidence(1, n=20)
    present = np.ones((3, 20), bool)
    present[2, 1:] = False  # in 36 of 100 bootstraps it has no row
    evidence = replace(evidence, present=present, fallback=np.full(4, -np.log(4)))
    weights = ResampledOptimal(6).choose(Task(rule, evidence, 1.0)).weights
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 5 / 6


def test_rows_of_weight_zero_are_not_drawn():
    evidence = replace(make_evidence(1, n=20), weight=np.r_[1.0, 1.0, np.zeros(18)])
    weights = ResampledOptimal(10).choose(Task(RULES["log"], evidence, 1.0)).weights
    few = ResampledOptimal(10).choose(Task(RULES["log"], evidence.take(np.arange(20) < 2), 1.0))
    assert_array_equal(weights, few.weights)


MODELS = {n: np.random.default_rng(i).dirichlet(np.ones(3), 30) for i, n in enumerate("abc")}
Y = np.arange(30) % 3


def test_through_the_door():
    pool = op.fit(MODELS, Y, resample=np.int64(5), seed=3)
    assert pool.status is Status.FIXED
    assert pool.gap >= 0
    assert_array_equal(pool.weights, op.fit(MODELS, Y, resample=5, seed=3).weights)
    assert not np.array_equal(pool.weights, op.fit(MODELS, Y).weights)


@pytest.mark.parametrize("draws", [1, -3, 2.5, True, False, "20", None])
def test_too_few_draws_are_refused(draws):
    with pytest.raises(InputError, match=r"resample: found .* at least 2"):
        op.fit(MODELS, Y, resample=draws)


@pytest.mark.parametrize("weighting", [*(w for w in WEIGHTINGS if w != "optimal"), [1, 1, 1]])
def test_it_belongs_to_the_optimum(weighting):
    with pytest.raises(InputError, match="resample: belongs to weighting='optimal'"):
        op.fit(MODELS, Y, weighting=weighting, resample=5)


def test_learned_floors_need_the_optimum_itself():
    with pytest.raises(InputError, match="resample: not together with floor='learned'"):
        op.fit(MODELS, Y, resample=5, floor="learned")


@pytest.mark.parametrize("weighting", [*(w for w in WEIGHTINGS if w != "score"), [1, 1, 1]])
def test_a_metric_belongs_to_scores(weighting):
    with pytest.raises(InputError, match="metric: belongs to weighting='score'"):
        op.fit(MODELS, Y, weighting=weighting, metric="auc")
