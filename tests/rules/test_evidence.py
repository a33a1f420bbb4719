"""Evidence, outcomes and the penalised objective over them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import DIFFERENCES, KINDS, derivative, evidence_kind, make_evidence
from tolerance import tolerance, ulps

from opinionpool.rules import RULES
from opinionpool.rules.evidence import Outcomes
from opinionpool.rules.objective import Penalty, PooledLoss

F8 = np.float64
INF = np.inf


def test_an_expectation_takes_zero_times_minus_infinity_for_zero():
    values = np.array([[[-1.0, -INF], [-2.0, -3.0]]])
    hard = Outcomes(classes=np.array([1, 0]))
    assert_array_equal(hard.expectation(values), [[-INF, -2.0]])
    soft = Outcomes(soft=np.array([[1.0, 0.0], [0.25, 0.75]]))
    assert_array_equal(soft.expectation(values), [[-1.0, -2.75]])
    assert_array_equal(soft.expectation(values[0]), [-1.0, -2.75])
    ruled_out = Outcomes(soft=np.array([[0.5, 0.5], [0.0, 1.0]]))
    assert_array_equal(ruled_out.expectation(values), [[-INF, -3.0]])


def test_a_hard_label_is_a_soft_one_that_is_sure():
    hard = evidence_kind("weighted")
    soft = replace(hard, outcomes=Outcomes(soft=hard.outcomes.probabilities(4)))
    assert_array_equal(soft.outcomes.probabilities(4), hard.outcomes.probabilities(4))
    assert_array_equal(soft.outcomes.entropy(), np.zeros(40))
    assert_array_equal(hard.outcomes.entropy(), np.zeros(40))
    for rule in RULES.values():
        v = np.array([0.5, 0.2, 0.3])
        a, b = (PooledLoss(rule, e).evaluate(v) for e in (hard, soft))
        assert a.value == pytest.approx(b.value, rel=ulps(F8, 64))
        assert_allclose(a.gradient, b.gradient, rtol=0, atol=ulps(F8, 64))
        assert_allclose(a.curvature, b.curvature, rtol=0, atol=ulps(F8, 64))


def test_the_entropy_of_soft_outcomes():
    # mp.log(4); -(mp.mpf(9)/10*mp.log(mp.mpf(9)/10) + mp.mpf(1)/10*mp.log(mp.mpf(1)/10))
    soft = Outcomes(soft=np.array([[0.25] * 4, [0.9, 0.1, 0, 0]]))
    assert_allclose(
        soft.entropy(), [1.3862943611198906188, 0.32508297339144823951], **tolerance(F8, 8)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_taking_rows_and_models(kind):
    evidence = evidence_kind(kind)
    rows = np.array([5, 0, 39])
    some = evidence.take(rows).models([2, 0])
    assert (some.n_models, some.n_rows, some.n_parameters) == (2, 3, 4)
    assert some.total_weight == pytest.approx(evidence.weight[rows].sum(), rel=ulps(F8, 4))
    assert_array_equal(some.parameters, evidence.parameters[[2, 0]][:, rows])
    assert_array_equal(some.log_likelihood(), evidence.log_likelihood()[[2, 0]][:, rows])
    assert len(some.outcomes) == 3


def test_rows_nobody_answered_do_not_count():
    evidence = make_evidence(0, missing=0.4)
    dead = np.arange(40) < 5
    with_dead = replace(evidence, present=evidence.present & ~dead)
    for rule in RULES.values():
        a, b = PooledLoss(rule, with_dead), PooledLoss(rule, evidence.take(~dead))
        v = np.array([0.5, 0.2, 0.3])
        assert a.n == b.n == 35
        assert a.value(v) == b.value(v)
    none = make_evidence(0)
    assert none.answered() is none
    full = replace(none, present=np.ones((3, 40), dtype=bool))
    assert full.answered().present is None


def test_blocks_are_all_rows_in_order(monkeypatch):
    monkeypatch.setattr("opinionpool.rules.evidence.BLOCK_CELLS", 100)
    evidence = evidence_kind("everything")
    blocks = list(evidence.blocks())
    assert [b.n_rows for b in blocks] == [8] * 5
    assert_array_equal(np.concatenate([b.parameters for b in blocks], axis=1), evidence.parameters)
    assert_array_equal(np.concatenate([b.outcomes.soft for b in blocks]), evidence.outcomes.soft)
    monkeypatch.setattr("opinionpool.rules.evidence.BLOCK_CELLS", 1)
    assert len(list(evidence.blocks())) == 40


# ---------------------------------------------------------------------- penalty

V = np.array([0.9, 0.3, 0.5])


def test_the_penalty_is_the_one_in_maths_md():
    n, s = 50.0, V.sum()
    expected = (3 * (s - 1 - np.log(s)) + 0.15 * 3 * ((V - s / 3) ** 2).sum()) / n
    for scale in (1.0, 2.5):
        value, _, _ = Penalty(scale, n, np.ones(3)).evaluate(V)
        assert value == pytest.approx(scale * expected, rel=ulps(F8, 32))
    assert Penalty(0.0, n, np.ones(3)).evaluate(V)[0] == 0
    assert Penalty(1.0, n, np.ones(3)).evaluate(np.zeros(3))[0] == np.inf
    value, gradient, _ = Penalty(1.0, n, np.ones(3)).evaluate(np.full(3, 1 / 3))
    assert value == pytest.approx(0, abs=ulps(F8, 4))  # equal weights, T = 1: nothing
    assert_allclose(gradient, 0, atol=ulps(F8, 4))


@pytest.mark.parametrize("sizes", [np.ones(3), np.array([1.0, 3.0, 2.0])])
def test_the_penaltys_derivatives(sizes):
    penalty = Penalty(2.0, 5.0, sizes)
    _, gradient, hessian = penalty.evaluate(V)
    slope = derivative(lambda v: penalty.evaluate(v)[0], V)
    assert_allclose(gradient, slope, rtol=0, atol=10 * DIFFERENCES)
    bend = derivative(lambda v: penalty.evaluate(v)[1], V)
    assert_allclose(hessian, bend, rtol=0, atol=100 * DIFFERENCES)


def test_a_model_that_stands_for_three_is_penalised_as_three():
    merged, _, _ = Penalty(1.0, 9.0, np.array([1.0, 3.0, 1.0])).evaluate(V)
    apart, _, _ = Penalty(1.0, 9.0, np.ones(5)).evaluate(np.array([0.9, 0.1, 0.1, 0.1, 0.5]))
    assert merged == pytest.approx(apart, rel=ulps(F8, 32))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_the_objective_is_mean_loss_plus_penalty(rule, scale):
    evidence = evidence_kind("weighted")
    problem = PooledLoss(rule, evidence, scale)
    now = problem.evaluate(V)
    loss = rule.value(V, rule.prepare(evidence)) / evidence.weight.sum()
    extra = Penalty(scale, evidence.weight.sum(), np.ones(3)).evaluate(V)[0]
    assert problem.loss(V) == pytest.approx(loss, rel=ulps(F8, 32))
    assert problem.value(V) == pytest.approx(loss + extra, rel=ulps(F8, 32))
    assert now.value == pytest.approx(loss + extra, rel=ulps(F8, 32))
    slope = derivative(problem.value, V)
    assert_allclose(now.gradient, slope, rtol=0, atol=DIFFERENCES)
    bend = derivative(lambda v: problem.evaluate(v).gradient, V)
    assert_allclose(now.curvature, bend, rtol=0, atol=20 * DIFFERENCES)
