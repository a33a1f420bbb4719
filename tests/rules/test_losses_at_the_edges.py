"""What a weight costs at the edges: missing outputs, convexity, extremes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import (
    KINDS,
    evidence_kind,
    make_evidence,
    total,
)
from tolerance import tolerance, ulps

from opinionpool.rules import RULES
from opinionpool.rules.base import answering
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss

F8 = np.float64
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
#: Not uniform; neither sums to one.
V = {"above one": np.array([0.9, 0.3, 0.5]), "below one": np.array([0.1, 0.35, 0.2])}
every_v = pytest.mark.parametrize("v", V.values(), ids=V)


def close(n_rows: int) -> dict[str, float]:
    """Rounding of a sum over so many rows."""
    return {"rtol": ulps(F8, 64), "atol": ulps(F8, 8) * n_rows}


@every_rule
def test_a_row_that_one_model_answers_costs_what_it_says(rule):
    evidence = evidence_kind("hard")
    only = np.arange(40) % 3
    present = np.arange(3)[:, None] == only
    lone = replace(
        evidence,
        parameters=np.where(present[:, :, None], evidence.parameters, np.nan),
        present=present,
        fallback=np.zeros(4),
    )
    found = total(rule, np.array([0.6, 0.3, 0.1]), lone)
    said = evidence.log_likelihood()[only, np.arange(40)]
    assert found.value == pytest.approx(-said.sum(), rel=ulps(F8, 64))
    differences = found.gradient - found.gradient.mean()
    assert_allclose(differences, 0, atol=ulps(F8, 64) * 40)


@every_rule
@pytest.mark.parametrize("soft", [False, True])
def test_rows_nobody_with_weight_answers_cost_their_fallback(rule, soft):
    evidence = make_evidence(3, soft=soft, missing=0.5, weighted=True)
    evidence = replace(evidence, fallback=np.log([0.1, 0.2, 0.3, 0.4]))
    w = np.array([1.0, 0.0, 0.0])
    dead = ~evidence.present[0]
    assert 5 < dead.sum() < 35
    answered = total(rule, w, evidence.take(~dead))
    found = total(rule, w, evidence)
    q = evidence.outcomes.probabilities(4)[dead]
    cost = -float(evidence.weight[dead] @ (q @ evidence.fallback))
    assert found.value == pytest.approx(answered.value + cost, rel=ulps(F8, 64))
    assert_allclose(found.gradient[0], answered.gradient[0], **close(40))


@pytest.mark.parametrize(
    ("name", "soft"),
    [(name, soft) for name in RULES for soft in (False, True)],
)
def test_without_a_fallback_rows_nobody_with_weight_answers_cost_infinity(name, soft):
    rule, evidence = RULES[name], replace(make_evidence(3, soft=soft, missing=0.5), fallback=None)
    block = rule.prepare(evidence)
    assert rule.value(np.array([1.0, 0.0, 0.0]), block) == np.inf
    assert np.isfinite(rule.value(np.array([0.5, 0.2, 0.3]), block))


def test_a_fallback_that_rules_the_outcome_out_costs_nothing_where_it_is_not_needed():
    evidence = make_evidence(3, missing=0.3)
    fallback = np.array([-np.inf, *np.log([0.5, 0.25, 0.25])])
    for rule in RULES.values():
        plain = total(rule, V["above one"], evidence)
        assert (
            total(rule, V["above one"], replace(evidence, fallback=fallback)).value == plain.value
        )


def test_weights_over_those_who_answered():
    v = np.array([0.5, 0.0, 0.3])
    present = np.array([[True, False, False], [True, True, False], [True, True, True]])
    w, share, alive = answering(v, present, 3)
    assert_allclose(w, [[0.625, 0, 0], [0, 0, 0], [0.375, 1, 1]], **tolerance(F8))
    expected = [[1.25, 0, 0], [1.25, 1 / 0.3, 0], [1.25, 1 / 0.3, 1 / 0.3]]
    assert_allclose(share, expected, **tolerance(F8))
    assert_array_equal(alive, [True, True, True])
    w, share, alive = answering(np.array([0, 0, 1.0]), ~present, 3)  # only those without weight
    for nothing in (w, share, alive):
        assert not nothing.any()


# -------------------------------------------------------------------- convexity

positive = st.lists(st.floats(0.0, 3.0), min_size=3, max_size=3)


@every_rule
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    a=positive,
    b=positive,
    t=st.floats(0.0, 1.0),
    kind=st.sampled_from([k for k in KINDS if "missing" not in KINDS[k]]),
)
def test_the_loss_is_convex(rule, seed, a, b, t, kind):
    evidence = evidence_kind(kind, seed=seed, n=10)
    a, b = np.array(a) + 1e-3, np.array(b) + 1e-3
    block = rule.prepare(evidence)
    ends = [rule.value(v, block) for v in (a, b)]
    middle = rule.value((1 - t) * a + t * b, block)
    slack = ulps(F8, 32) * (10 + max(map(abs, ends)))
    assert middle <= (1 - t) * ends[0] + t * ends[1] + slack
    # and it lies above its tangents
    tangent = ends[0] + rule.evaluate(a, block).gradient @ (b - a)
    assert ends[1] >= tangent - 10 * slack


@every_rule
def test_with_missing_outputs_the_loss_is_not_convex(rule):
    """That is why such a fit has no gap (maths.md §6)."""
    evidence = make_evidence(0, m=3, n=12, missing=0.5, spread=2.0)
    block = rule.prepare(evidence)
    ends = np.random.default_rng(0).dirichlet([0.2, 0.2, 0.2], (200, 2))
    t = np.linspace(0.01, 0.99, 50)[:, None]
    bends = [np.diff([rule.value(v, block) for v in (1 - t) * a + t * b], 2).min() for a, b in ends]
    assert min(bends) < -1e-3
    assert not PooledLoss(rule, evidence).convex


def test_separable_is_said_where_the_favourite_is_always_right():
    log = RULES["log"]
    right = make_evidence(2, signal=9.0, spread=0.3)
    wrong = make_evidence(2, signal=0.1)
    for evidence, expected in ((right, True), (wrong, False)):
        found = total(log, V["above one"], evidence)
        assert log.separable(V["above one"], found) is expected
        assert log.separable(np.zeros(3), total(log, np.zeros(3), evidence)) is False
    linear = RULES["linear"]
    assert linear.separable(V["above one"], total(linear, V["above one"], right)) is False


# --------------------------------------------------------------------- extremes


@every_rule
def test_a_row_at_minus_800_nats_costs_800_nats(rule):
    log_p = np.array([[[-800.0, 0.0]], [[-801.0, 0.0]]])
    evidence = Evidence(log_p, Outcomes(classes=np.array([0])), np.ones(1))
    found = total(rule, np.array([0.5, 0.5]), evidence)
    # as in test_pools.py; linear: r = (2/(1 + e⁻¹), 2/(e + 1))
    expected = {
        "linear": (800.37988549304172248, [-2 / (1 + np.exp(-1)), -2 / (1 + np.e)]),
        "log": (800.5, [800.0, 801.0]),
    }[rule.name]
    assert found.value == pytest.approx(expected[0], rel=ulps(F8, 4))
    assert_allclose(found.gradient, expected[1], rtol=800 * ulps(F8, 4), atol=0)


def test_the_linear_loss_where_every_likely_model_has_no_weight():
    """Scaled by the row's largest likelihood, the only model with weight underflows to 0."""
    log_p = np.array([[[-900.0, 0.0]], [[np.log(0.5), np.log(0.5)]]])
    evidence = Evidence(log_p, Outcomes(classes=np.array([0])), np.ones(1))
    linear = RULES["linear"]
    block = linear.prepare(evidence)
    assert linear.value(np.array([1.0, 0.0]), block) == pytest.approx(900, rel=ulps(F8, 4))
    assert linear.value(np.array([0.5, 0.5]), block) == pytest.approx(
        2 * np.log(2), rel=ulps(F8, 4)
    )


@every_rule
def test_huge_log_probabilities_cost_no_nan(rule):
    """Logits of 1e308, normalised, where what happened was likely and where it was not."""
    log_p = np.array([[[0.0, -1e308], [-1e307, 0.0]], [[-5e307, 0.0], [-1e308, 0.0]]])
    w = np.array([0.5, 0.5])
    for y in (0, 1):
        evidence = Evidence(log_p, Outcomes(classes=np.array([y, 1])), np.ones(2))
        found = total(rule, w, evidence)
        assert np.isfinite(found.value)
        assert not np.isnan(found.gradient).any()
        assert not np.isnan(found.curvature).any()
        naive = -rule.pooled(w, log_p)[[0, 1], [y, 1]].sum()
        assert found.value == pytest.approx(naive, rel=ulps(F8, 16))


def test_the_linear_curvature_where_a_model_without_weight_is_far_likelier():
    log_p = np.array([[[-500.0, 0.0], [0.0, -500.0]], [[0.0, -500.0], [-500.0, 0.0]]])
    evidence = Evidence(log_p, Outcomes(classes=np.array([0, 0])), np.ones(2))
    found = total(RULES["linear"], np.array([1.0, 0.0]), evidence)
    assert found.value == pytest.approx(500, rel=ulps(F8, 4))
    assert not np.isnan(found.curvature).any()


def test_a_soft_outcome_of_weight_0_may_be_impossible_for_the_linear_rule():
    """0 times an infinite loss was NaN."""
    evidence = make_evidence(4, soft=True)
    weight = evidence.weight.copy()
    weight[5] = 0.0
    evidence = replace(evidence, weight=weight)
    impossible = evidence.parameters.copy()
    impossible[:, 5] = -np.inf
    w = np.array([0.5, 0.3, 0.2])
    expected = total(RULES["linear"], w, evidence)
    found = total(RULES["linear"], w, replace(evidence, parameters=impossible))
    assert found.value == pytest.approx(expected.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, expected.gradient, **close(40))
