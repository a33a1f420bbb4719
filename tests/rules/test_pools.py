"""What every rule's pool must be: the contract of `Rule.pooled`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import NAIVE, evidence_kind, log_softmax, naive_pool
from tolerance import tolerance, ulps

from opinionpool.rules import RULES

F8 = np.float64
W = np.array([0.5, 0.2, 0.3])
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)

LOGITS = np.array([[2, 1, 0.5], [1.5, 2.5, 0], [0.8, 1.2, 2]])

# import mpmath as mp; mp.mp.dps = 30
# Z = [[2, 1, mp.mpf(1)/2], [mp.mpf(3)/2, mp.mpf(5)/2, 0], [mp.mpf(4)/5, mp.mpf(6)/5, 2]]
# soft = lambda z: [mp.exp(x)/sum(mp.exp(t) for t in z) for x in z]
# P = [soft(z) for z in Z]; w = [mp.mpf(8)/20, mp.mpf(7)/20, mp.mpf(5)/20]
# log:    soft([sum(w[a]*Z[a][k] for a in range(3)) for k in range(3)])
# linear: [sum(w[a]*P[a][k] for a in range(3)) for k in range(3)]
# second missing: the same with w2 = [w[0]/(w[0]+w[2]), 0, w[2]/(w[0]+w[2])]
REFERENCE = {
    "log": (
        [0.40168610331279202786, 0.42228099022865173720, 0.17603290645855623494],
        [0.44235527456373304220, 0.27882236271813347890, 0.27882236271813347890],
    ),
    "linear": (
        [0.38322823618344869427, 0.39804545689196322642, 0.21872630692458807931],
        [0.45296549632490750129, 0.24101573345905691365, 0.30601877021603558506],
    ),
}


@every_rule
def test_reference_values(rule):
    if rule.name not in REFERENCE:
        pytest.fail(f"work out reference values for the rule {rule.name!r}")
    log_p = log_softmax(LOGITS)[:, None]
    w = np.array([0.4, 0.35, 0.25])
    full, second_missing = REFERENCE[rule.name]
    assert_allclose(np.exp(rule.pooled(w, log_p))[0], full, **tolerance(F8, 8))
    present = np.array([[True], [False], [True]])
    assert_allclose(np.exp(rule.pooled(w, log_p, present))[0], second_missing, **tolerance(F8, 8))


@every_rule
@pytest.mark.parametrize("w", [W, np.array([0.4, 0.0, 0.6]), np.eye(3)[2]])
@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("kind", ["hard", "vetoes", "missing", "everything"])
def test_a_pool_is_what_plain_loops_say(rule, w, closure, kind):
    if rule.name not in NAIVE:
        pytest.fail(f"write the plain loop of the rule {rule.name!r} in problems.py")
    evidence = evidence_kind(kind)
    fast = rule.pooled(w, evidence.parameters, evidence.present, closure=closure)
    naive = naive_pool(
        rule.name, w, evidence.parameters, evidence.present, closure=closure and rule.vetoes
    )
    assert_allclose(fast, naive, rtol=ulps(F8, 32), atol=ulps(F8, 32))


@every_rule
@pytest.mark.parametrize("kind", ["hard", "vetoes", "everything"])
def test_pools_are_distributions(rule, kind):
    evidence = evidence_kind(kind)
    pooled = rule.pooled(W, evidence.parameters, evidence.present)
    possible = pooled.max(axis=1) > -np.inf
    assert possible.sum() > 20
    assert_allclose(np.exp(pooled[possible]).sum(axis=1), 1, **tolerance(F8, 16))
    assert not np.isnan(pooled).any()


@every_rule
def test_the_order_of_models_does_not_matter(rule):
    evidence, order = evidence_kind("everything"), np.array([2, 0, 1])
    shuffled = evidence.models(order)
    assert_allclose(
        rule.pooled(W[order], shuffled.parameters, shuffled.present),
        rule.pooled(W, evidence.parameters, evidence.present),
        rtol=ulps(F8, 32),
        atol=ulps(F8, 32),
    )


@every_rule
def test_the_order_of_classes_does_not_matter(rule):
    evidence, order = evidence_kind("everything"), np.array([3, 1, 0, 2])
    assert_allclose(
        rule.pooled(W, evidence.parameters[:, :, order], evidence.present),
        rule.pooled(W, evidence.parameters, evidence.present)[:, order],
        rtol=ulps(F8, 32),
        atol=ulps(F8, 32),
    )


@every_rule
@pytest.mark.parametrize("kind", ["hard", "vetoes"])
def test_identical_experts_are_reproduced(rule, kind):
    log_p = evidence_kind(kind).parameters[:1]
    pooled = rule.pooled(W, np.repeat(log_p, 3, axis=0))
    assert_allclose(pooled, log_p[0], rtol=ulps(F8, 16), atol=ulps(F8, 16))


@every_rule
def test_a_row_that_one_model_answers_is_that_model(rule):
    evidence = evidence_kind("hard")
    only = np.arange(evidence.n_rows) % 3
    present = np.arange(3)[:, None] == only
    log_p = np.where(present[:, :, None], evidence.parameters, np.nan)
    expected = evidence.parameters[only, np.arange(evidence.n_rows)]
    pooled = rule.pooled(W, log_p, present)
    assert_allclose(pooled, expected, rtol=ulps(F8, 16), atol=ulps(F8, 16))


@every_rule
def test_a_model_split_in_two_pools_alike(rule):
    evidence = evidence_kind("everything")
    halves = evidence.models([0, 1, 1, 2])
    assert_allclose(
        rule.pooled(np.array([0.5, 0.15, 0.05, 0.3]), halves.parameters, halves.present),
        rule.pooled(W, evidence.parameters, evidence.present),
        rtol=ulps(F8, 32),
        atol=ulps(F8, 32),
    )


@every_rule
def test_a_mask_without_absences_changes_nothing(rule):
    evidence = evidence_kind("vetoes")
    full = np.ones(evidence.parameters.shape[:2], dtype=bool)
    assert_allclose(
        rule.pooled(W, evidence.parameters, full),
        rule.pooled(W, evidence.parameters),
        rtol=ulps(F8, 32),
        atol=ulps(F8, 32),
    )


@every_rule
def test_rows_nobody_with_weight_answers_are_impossible(rule):
    evidence = evidence_kind("hard")
    present = np.ones((3, evidence.n_rows), dtype=bool)
    present[:, 4] = False
    present[:2, 5] = False
    pooled = rule.pooled(np.array([0.5, 0.5, 0.0]), evidence.parameters, present)
    assert_array_equal(np.flatnonzero(pooled.max(axis=1) == -np.inf), [4, 5])


def test_the_log_pool_takes_any_logits():
    evidence = evidence_kind("missing")
    shift = np.random.default_rng(0).normal(scale=30, size=(3, evidence.n_rows, 1))
    log = RULES["log"]
    assert_allclose(
        log.pooled(W, evidence.parameters + shift, evidence.present),
        log.pooled(W, evidence.parameters, evidence.present),
        rtol=0,
        atol=ulps(F8, 4) * 100,  # what the shift costs, at |shift| ≤ 100
    )


def test_the_log_pool_is_externally_bayesian():
    """Updating every expert by a common likelihood and pooling = pooling, then updating."""
    log_p, log = evidence_kind("vetoes").parameters, RULES["log"]
    news = np.random.default_rng(1).normal(scale=2, size=log_p.shape[1:])
    one_possible = log.pooled(W, log_p).max(axis=1) > -np.inf
    log_p, news = log_p[:, one_possible], news[one_possible]
    first = log.pooled(W, log_softmax(log_p + news))
    last = log_softmax(log.pooled(W, log_p) + news)
    assert_allclose(first, last, rtol=ulps(F8, 32), atol=ulps(F8, 32))


def test_the_linear_pool_is_not_externally_bayesian():
    """The test above can fail."""
    log_p, linear = evidence_kind("hard").parameters, RULES["linear"]
    news = np.random.default_rng(1).normal(scale=2, size=log_p.shape[1:])
    first = linear.pooled(W, log_softmax(log_p + news))
    assert np.abs(first - log_softmax(linear.pooled(W, log_p) + news)).max() > 0.01


def _merged(log_p):
    """Classes 0 and 2 become one."""
    p = np.exp(log_p)
    with np.errstate(divide="ignore"):
        return np.log(np.stack([p[..., 0] + p[..., 2], p[..., 1], p[..., 3]], axis=-1))


def test_the_linear_pool_commutes_with_marginalisation():
    log_p, linear = evidence_kind("vetoes").parameters, RULES["linear"]
    assert_allclose(
        linear.pooled(W, _merged(log_p)),
        _merged(linear.pooled(W, log_p)),
        rtol=ulps(F8, 32),
        atol=ulps(F8, 32),
    )
    log = RULES["log"]
    hard = evidence_kind("hard").parameters
    assert np.abs(log.pooled(W, _merged(hard)) - _merged(log.pooled(W, hard))).max() > 0.01


# ------------------------------------------------------------------- extremes

HALF = np.log(0.5)


def test_under_the_closure_a_model_without_weight_still_vetoes():
    log_p = np.log([[[0.5, 0.2, 0.3]], [[0.1, 0.9, 1.0]]])  # maths.md §2; the second is
    log_p[1, 0, 2] = -np.inf  # made (.1, .9, 0)
    first, log = np.array([1.0, 0.0]), RULES["log"]
    assert_allclose(np.exp(log.pooled(first, log_p))[0], [0.5, 0.2, 0.3], **tolerance(F8))
    vetoed = np.exp(log.pooled(first, log_p, closure=True))[0]
    assert_allclose(vetoed, [5 / 7, 2 / 7, 0], **tolerance(F8, 8))
    # The limit of a vanishing weight is what the closure says: .336 nats, not .693.
    nearly = np.exp(log.pooled(np.array([1 - 1e-12, 1e-12]), log_p))[0]
    assert_allclose(nearly, vetoed, rtol=1e-11, atol=0)
    assert_allclose(-np.log(vetoed[0]), 0.336, rtol=0, atol=5e-4)


def test_a_row_that_all_outcomes_are_vetoed_in_is_impossible_under_log_only():
    log_p = np.array([[[0.0, -np.inf]], [[-np.inf, 0.0]]])
    w = np.array([0.5, 0.5])
    assert_array_equal(RULES["log"].pooled(w, log_p), [[-np.inf, -np.inf]])
    assert_allclose(RULES["linear"].pooled(w, log_p), [[HALF, HALF]], **tolerance(F8))


@every_rule
def test_log_probabilities_far_below_exp_underflow(rule):
    """exp(−800) is 0, but the pool of −800 and −801 nats is not."""
    log_p = np.array([[[-800.0, 0.0]], [[-801.0, 0.0]]])
    pooled = rule.pooled(np.array([0.5, 0.5]), log_p)[0]
    # mp.log((mp.exp(-800) + mp.exp(-801))/2), log: −800.5 (the normaliser is 1 to 10⁻³⁴⁷)
    expected = {"linear": -800.37988549304172248, "log": -800.5}[rule.name]
    assert_allclose(pooled, [expected, 0.0], **tolerance(F8))


@every_rule
def test_a_likely_model_without_weight_does_not_hide_the_others(rule):
    log_p = np.array([[[-900.0, 0.0]], [[HALF, HALF]]])
    assert_allclose(rule.pooled(np.array([1.0, 0.0]), log_p), log_p[0], **tolerance(F8))


@every_rule
def test_log_probabilities_of_huge_logits(rule):
    """Logits of ±1e308 are normalised to −2e308 at most; half of that is in range."""
    log_p = np.array([[[-1e308, 0.0]], [[0.0, -1e308]], [[-5e307, 0.0]]])
    pooled = rule.pooled(np.array([0.3, 0.2, 0.5]), log_p)[0]
    expected = {"linear": np.log([0.2, 0.8]), "log": [-3.5e307, 0.0]}[rule.name]
    assert_allclose(pooled, expected, **tolerance(F8, 8))
