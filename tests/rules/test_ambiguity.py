"""Error minus ambiguity, row by row (maths.md §4)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import KINDS, evidence_kind, log_softmax
from tolerance import tolerance, ulps

from opinionpool.families.categorical import kullback_leibler, symmetric_divergence
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes

F8 = np.float64
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
every_w = pytest.mark.parametrize(
    "w", [np.array([0.5, 0.2, 0.3]), np.array([0.7, 0.0, 0.3]), np.eye(3)[1]]
)


def _answered(evidence, w):
    """Rows that the pool with these weights has an answer for."""
    if evidence.present is None:
        return evidence
    return evidence.take(evidence.present[w > 0].any(axis=0))


@every_rule
@pytest.mark.parametrize("kind", KINDS)
@every_w
def test_the_pools_loss_is_error_minus_ambiguity(rule, kind, w):
    evidence = _answered(evidence_kind(kind, n=200), w)
    error, ambiguity = rule.ambiguity(w, evidence)
    pooled = rule.pooled(w, evidence.parameters, evidence.present)
    loss = -evidence.outcomes.expectation(pooled)
    at_outcome = np.abs(evidence.log_likelihood())
    present = np.ones_like(at_outcome) if evidence.present is None else evidence.present
    scale = np.maximum(1, (w @ (present * at_outcome)) / (w @ present))
    assert len(loss) > 100
    assert (np.abs(error - ambiguity - loss) <= 1e-12 * scale).all()


@every_rule
@pytest.mark.parametrize("kind", KINDS)
@every_w
def test_error_is_the_answering_models_mean(rule, kind, w):
    evidence = _answered(evidence_kind(kind), w)
    error, _ = rule.ambiguity(w, evidence)
    present = np.ones((3, evidence.n_rows)) if evidence.present is None else evidence.present
    expected = -(w @ evidence.log_likelihood()) / (w @ present)
    assert_allclose(error, expected, rtol=ulps(F8, 16), atol=ulps(F8, 16))


@every_rule
@pytest.mark.parametrize("kind", KINDS)
@every_w
def test_ambiguity_is_not_negative(rule, kind, w):
    evidence = _answered(evidence_kind(kind), w)
    _, ambiguity = rule.ambiguity(w, evidence)
    assert ambiguity.min() >= -ulps(F8, 32)
    if (w > 0).sum() > 1 and "missing" not in KINDS[kind]:
        assert ambiguity.min() > 1e-6
    if (w > 0).sum() == 1:
        assert_allclose(ambiguity, 0, atol=ulps(F8, 32))


@every_w
@pytest.mark.parametrize("kind", ["hard", "soft", "vetoes"])
def test_the_log_rules_ambiguity_is_the_mean_divergence_from_the_pool(kind, w):
    """A = Σ w K(p̄, p_α), whatever happened (Heskes eq. 3)."""
    evidence, log = evidence_kind(kind), RULES["log"]
    _, ambiguity = log.ambiguity(w, evidence)
    pooled = log.pooled(w, evidence.parameters)
    divergences = sum(
        a * kullback_leibler(pooled, own)
        for a, own in zip(w, evidence.parameters, strict=True)
        if a
    )
    assert_allclose(ambiguity, divergences, rtol=ulps(F8, 64), atol=ulps(F8, 64))


@every_w
def test_the_linear_rules_ambiguity_is_the_divergence_of_the_responsibilities(w):
    """A = K(w‖ρ), ρ_α = w_α p_α(y)/p̄(y)."""
    evidence, linear = evidence_kind("hard"), RULES["linear"]
    _, ambiguity = linear.ambiguity(w, evidence)
    p = np.exp(evidence.log_likelihood())
    rho = w[:, None] * p / (w @ p)
    on = w > 0
    expected = (w[on, None] * np.log(w[on, None] / rho[on])).sum(axis=0)
    assert_allclose(ambiguity, expected, rtol=ulps(F8, 64), atol=ulps(F8, 64))


def test_ambiguity_is_a_quarter_of_the_symmetric_divergences_to_third_order():
    """Eq. 4: halving the differences between experts divides the error of ¼ΣwwJ by eight or so."""
    z = np.random.default_rng(2).normal(size=(3, 50, 4))
    w, left = np.array([0.5, 0.2, 0.3]), []
    for size in (0.1, 0.05):
        log_p = log_softmax(z[0] + size * (z - z[0]))
        evidence = Evidence(log_p, Outcomes(classes=np.zeros(50, dtype=int)), np.ones(50))
        _, ambiguity = RULES["log"].ambiguity(w, evidence)
        quarter = 0.25 * sum(
            w[a] * w[b] * symmetric_divergence(log_p[a], log_p[b])
            for a in range(3)
            for b in range(3)
        )
        left.append(np.abs(ambiguity - quarter).mean() / ambiguity.mean())
    assert left[0] < 0.02
    assert 1.7 < left[0] / left[1] < 2.3  # relative to a second-order quantity: first order


def test_reference_values():
    # with the names of test_pools.py; L = [[mp.log(t) for t in p] for p in P]; y = 1
    # error:    -sum(w[a]*L[a][y] for a in range(3))
    # A log:    -mp.log(sum(mp.exp(sum(w[a]*L[a][k] for a in range(3))) for k in range(3)))
    # A linear: mp.log(lin[y]) - sum(w[a]*L[a][y] for a in range(3))
    log_p = log_softmax(np.array([[[2, 1, 0.5]], [[1.5, 2.5, 0]], [[0.8, 1.2, 2]]]))
    evidence = Evidence(log_p, Outcomes(classes=np.array([1])), np.ones(1))
    w = np.array([0.4, 0.35, 0.25])
    for name, expected in (("log", 0.19368051713261234979), ("linear", 0.134575783115356657)):
        error, ambiguity = RULES[name].ambiguity(w, evidence)
        assert_allclose(error, 1.0557648500385079416, **tolerance(F8, 8))
        assert_allclose(ambiguity, expected, rtol=ulps(F8, 32), atol=0)


# K((.5, .5), (.9, .1)): import mpmath as mp; mp.mp.dps = 30; mp.log(mp.mpf(25)/9)/2
def test_divergences_of_distributions_with_zeros():
    half, nine = np.log([0.5, 0.5]), np.log([0.9, 0.1])
    assert kullback_leibler(half, nine) == pytest.approx(0.51082562376599068321, rel=ulps(F8, 8))
    sure = np.array([0.0, -np.inf])
    assert kullback_leibler(sure, half) == pytest.approx(np.log(2), rel=ulps(F8, 4))
    assert kullback_leibler(half, sure) == np.inf
    assert kullback_leibler(sure, sure) == 0
    assert symmetric_divergence(half, nine) == pytest.approx(
        0.4 * np.log(9),
        rel=ulps(F8, 8),  # Σ (p − q)(ln p − ln q)
    )
