"""Weights that follow confidence, w_nα ∝ w_α c_nα^γ, against a naive pool and the static one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import derivative, evidence_kind, log_softmax, make_evidence, naive_pool
from tolerance import ulps

from opinionpool.errors import InputError, Status
from opinionpool.families import FAMILIES
from opinionpool.rules import RULES
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose

F8 = np.float64
KINDS = ("hard", "soft", "weighted", "vetoes", "missing", "everything")
CONFIDENCE, OPTIMAL = WEIGHTINGS["confidence"], WEIGHTINGS["optimal"]


def sure(kind, gamma=0.7, seed=3, **more):
    """Evidence whose rows count in proportion to c^γ."""
    evidence = evidence_kind(kind, seed=seed, **more)
    filled = np.nan_to_num(evidence.parameters, nan=-np.log(evidence.n_parameters))
    confidence = evidence.family.confidence(log_softmax(filled))
    return replace(evidence, confidence=confidence, gamma=gamma)


def names(evidence):
    return tuple(f"m{i}" for i in range(evidence.n_models))


def test_confidence_is_one_minus_the_normalised_entropy():
    p = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]])
    with np.errstate(divide="ignore"):
        found = evidence_kind("hard").family.confidence(np.log(p))
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(2)
    assert_allclose(found, [0, 1, 1 - entropy], rtol=ulps(F8, 8), atol=ulps(F8, 8))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_pool_in_proportion_to_a_power_of_confidence(kind, rule):
    """Each row on its own, with weights written out and renormalised by hand."""
    evidence = sure(kind)
    w = np.array([0.2, 0.5, 0.3])
    loss = RULES[rule].row_losses(w, 1.3, evidence, closure=True)
    for n in range(evidence.n_rows):
        row = evidence.take(slice(n, n + 1))
        own = w * row.confidence[:, 0] ** 0.7
        pooled = naive_pool(rule, own, row.parameters, row.present, 1.3, closure=rule == "log")
        assert_allclose(
            loss[n], -row.outcomes.expectation(pooled)[0], rtol=ulps(F8, 64), atol=ulps(F8, 64)
        )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_finite_differences(kind, rule):
    evidence = sure(kind)
    problem = PooledLoss(RULES[rule], evidence)
    v = np.array([0.2, 0.5, 0.3])
    assert not problem.convex
    tangent = np.array([[1.0, -1, 0], [0, 1, -1]])
    slope = derivative(lambda t: problem.value(v + t @ tangent), np.zeros(2))
    assert_allclose(tangent @ problem.evaluate(v).gradient, slope, atol=1e-9)
    assert_allclose(problem.value(v), problem.evaluate(v).value, rtol=ulps(F8, 64))


@pytest.mark.parametrize("rule", RULES)
def test_gamma_zero_is_the_static_pool(rule):
    evidence = sure("hard", gamma=0.0)
    static = replace(evidence, confidence=None)
    w = np.array([0.2, 0.5, 0.3])
    assert PooledLoss(RULES[rule], evidence).value(w) == PooledLoss(RULES[rule], static).value(w)


@pytest.mark.parametrize("temperature", [1.0, "fit", 2.0])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_it_never_loses_to_the_static_pool_on_its_own_rows(seed, rule, temperature):
    evidence = make_evidence(seed, m=4, n=60, missing=0.2 * (seed % 3 == 2))
    plain = evidence.present is None
    filled = np.nan_to_num(evidence.parameters, nan=-np.log(4))
    evidence = replace(evidence, confidence=evidence.family.confidence(log_softmax(filled)))
    task = Task(RULES[rule], evidence, temperature, 0.0)
    found, static = (choose(task, w, names(evidence)) for w in (CONFIDENCE, OPTIMAL))

    def loss(choice):
        there = replace(evidence, gamma=choice.gamma or 0.0)
        s = choice.inverse_temperature
        rows = RULES[rule].row_losses(choice.weights, s, there, closure=True)
        return float(rows.mean())

    assert found.gamma >= 0
    assert np.isnan(found.gap)
    assert found.status in (Status.STATIONARY, Status.NOT_CONVERGED)
    assert_allclose(found.weights.sum(), 1, rtol=ulps(F8, 8))
    assert loss(found) <= loss(static) + (1e-9 if plain else 1e-6)


def test_it_finds_a_power_that_was_there():
    """Labels drawn from a pool whose weights follow confidence with γ = 1.5."""
    rng = np.random.default_rng(5)
    n, k = 20_000, 3
    log_p = log_softmax(rng.normal(scale=rng.uniform(0.2, 4, size=(3, n, 1)), size=(3, n, k)))
    evidence = make_evidence(0, m=3, n=n, k=k)
    evidence = replace(evidence, parameters=log_p, confidence=evidence.family.confidence(log_p))
    truth = replace(evidence, gamma=1.5)
    w = np.array([0.5, 0.3, 0.2])
    p = np.exp(RULES["log"].pooled(w, log_p, truth.attendance))
    y = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    evidence = replace(evidence, outcomes=replace(evidence.outcomes, classes=y))
    found = choose(Task(RULES["log"], evidence, 1.0, 0.0), CONFIDENCE, names(evidence))
    assert found.gamma == pytest.approx(1.5, abs=0.15)
    assert_allclose(found.weights, w, atol=0.03)


def test_identical_models_share_and_order_does_not_matter():
    evidence = sure("hard", gamma=0.0)
    twins = replace(
        evidence,
        parameters=evidence.parameters[[0, 1, 1, 2]],
        confidence=evidence.confidence[[0, 1, 1, 2]],
    )
    found = choose(Task(RULES["log"], twins, 1.0, 0.0), CONFIDENCE, names(twins))
    assert found.weights[1] == pytest.approx(found.weights[2], abs=1e-12)
    alone = choose(Task(RULES["log"], evidence, 1.0, 0.0), CONFIDENCE, names(evidence))
    assert found.weights[1] * 2 == pytest.approx(alone.weights[1], abs=1e-3)


def test_without_scores_there_must_be_an_entropy():
    values = replace(evidence_kind("hard").outcomes, classes=None, values=np.zeros(40))
    evidence = replace(evidence_kind("hard"), outcomes=values, family=FAMILIES["gaussian"])
    with pytest.raises(InputError, match="no entropy"):
        CONFIDENCE.choose(Task(RULES["log"], evidence, 1.0))
