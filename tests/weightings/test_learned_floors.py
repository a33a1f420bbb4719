"""Floors learned with the weights: exact gradients, and never worse than what they start from."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import make_evidence

import opinionpool as op
from opinionpool.errors import Status
from opinionpool.families.floors import mixed
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Outcomes
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.learned_floors import (
    STARTS,
    _value_and_slope,
    floored_evidence,
    learn_floors,
)

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def with_zeros(seed=0, *, missing=False, soft=False):
    """Evidence in which models give 0 to some cells, now and then to what happened."""
    rng = np.random.default_rng(seed)
    evidence = make_evidence(seed, m=3, n=60, k=4)
    log_p = evidence.parameters.copy()
    log_p[rng.random(log_p.shape) < 0.1] = -np.inf
    log_p[:, :, 0] = np.maximum(log_p[:, :, 0], -5)  # never nothing at all
    log_p -= np.logaddexp.reduce(log_p, axis=-1, keepdims=True)
    changes = {"parameters": log_p}
    if soft:
        changes["outcomes"] = Outcomes(soft=rng.dirichlet(np.ones(4), 60))
    if missing:
        present = rng.random((3, 60)) < 0.8
        present[0] |= ~present.any(axis=0)
        changes |= {"present": present, "fallback": np.full(4, -np.log(4))}
    return replace(evidence, **changes)


@every_rule
@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"missing": True}], ids=str)
def test_the_slope_in_each_floor_is_that_of_finite_differences(rule, kind):
    task = Task(rule, with_zeros(**kind), "fit", 1.0)
    v, epsilon = np.array([0.5, 0.2, 0.3]), np.array([0.01, 0.2, 0.003])
    _, slope = _value_and_slope(task, floored_evidence(task.evidence, epsilon), v, epsilon)
    for model, step in enumerate(1e-6 * np.eye(3)):
        up, down = (
            PooledLoss(rule, floored_evidence(task.evidence, e), 1.0).value(v)
            for e in (epsilon + step, epsilon - step)
        )
        assert slope[model] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-8)


@every_rule
def test_learned_floors_are_never_worse_than_their_starts(rule):
    task = Task(rule, with_zeros(3), "fit", 0.0)
    floors, choice = learn_floors(task, WEIGHTINGS["optimal"])

    def loss(epsilon, chosen):
        s = chosen.inverse_temperature if rule.joint_temperature else 1.0
        return PooledLoss(rule, floored_evidence(task.evidence, epsilon)).value(chosen.weights * s)

    for start in STARTS:
        epsilon = np.full(3, start)
        fixed = replace(task, evidence=floored_evidence(task.evidence, epsilon))
        rival = WEIGHTINGS["optimal"].choose(fixed)
        assert loss(floors, choice) <= loss(epsilon, rival) + 1e-12
    assert choice.status is Status.STATIONARY
    assert np.isnan(choice.gap)
    assert ((floors > 0) & (floors <= 0.5)).all()


def test_a_mixture_with_the_uniform():
    p = np.array([[0.0, 0.3, 0.7]])
    with np.errstate(divide="ignore"):
        found = mixed(np.log(p), 0.3)
    assert_allclose(np.exp(found), 0.7 * p + 0.1, rtol=1e-15)


def test_a_pool_with_learned_floors_is_saved_and_scores_as_it_was_fitted(tmp_path):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 80)
    p = np.stack([rng.dirichlet(1 + 4 * np.eye(3)[label]) for label in y])
    rough = np.round(p, 1)
    models = {"fine": p, "rough": rough / rough.sum(axis=1, keepdims=True)}
    pool = op.fit(models, y, floor="learned")
    pool.save(tmp_path / "pool.json")
    loaded = op.load(tmp_path / "pool.json")
    assert (pool.floors > 0).all()
    assert op.score(models, y, pool=loaded)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)
    with pytest.raises(op.OpinionPoolError, match="fitted together with weighting='optimal'"):
        op.fit(models, y, floor="learned", weighting="greedy")
