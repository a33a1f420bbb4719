"""Heskes' eq. 3, 4 and 5 for every family (maths.md §4)."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import evidence_kind, gaussian_kind, make_evidence, make_gaussian_evidence
from tolerance import ulps

from opinionpool.rules import LINEAR, LOG, RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose
from opinionpool.weightings.heskes import Programme

F8 = np.float64
NAMES = ("a", "b", "c")
W = [np.array([0.5, 0.2, 0.3]), np.array([0.7, 0.0, 0.3]), np.eye(3)[1]]
every_w = pytest.mark.parametrize("w", W)
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
KINDS = ["gaussian", "gaussian weighted", "gaussian common", "variance"]
FAMILIES = ["categorical", "gaussian", "gaussian common", "variance"]


def evidence_of(family, **size):
    """Evidence of a family, or of Gaussians that share one variance in each row."""
    if family == "categorical":
        return make_evidence(5, **size)
    return gaussian_kind(family, 5, **size)


def answered(evidence, w):
    if evidence.present is None:
        return evidence
    return evidence.take(evidence.present[w > 0].any(axis=0))


@every_rule
@every_w
@pytest.mark.parametrize("kind", [*KINDS, "gaussian missing", "variance missing"])
def test_the_pools_loss_is_error_minus_ambiguity(rule, w, kind):
    """Eq. 3 row by row, to 1e-12 times what the members lose."""
    evidence = answered(gaussian_kind(kind, n=200), w)
    error, ambiguity = rule.ambiguity(w, evidence)
    loss = rule.row_losses(w, 1.0, evidence, closure=False)
    present = np.ones((3, len(loss))) if evidence.present is None else evidence.present
    at_outcome = np.abs(evidence.log_likelihood())
    scale = np.maximum(1, (w @ (present * at_outcome)) / (w @ present))
    assert len(loss) > 100
    assert (np.abs(error - ambiguity - loss) <= 1e-12 * scale).all()
    assert_allclose(
        error, -(w @ evidence.log_likelihood()) / (w @ present), rtol=ulps(F8, 16), atol=1e-14
    )
    assert ambiguity.min() >= -ulps(F8, 64)


@pytest.mark.parametrize("kind", [*KINDS, "gaussian missing"])
def test_the_log_pools_loss_is_that_of_its_gaussian_and_the_mixtures_that_of_none(kind):
    w = W[0]
    evidence = gaussian_kind(kind)
    for rule in (LOG, LINEAR):
        moments = rule.pooled(w, evidence.parameters, evidence.present, family=evidence.family)
        of_gaussian = -evidence.family.log_likelihood(moments, evidence.outcomes)
        loss = rule.row_losses(w, 1.0, evidence, closure=False)
        same = np.isclose(loss, of_gaussian, rtol=1e-12)
        assert same.all() if rule is LOG else not same.all()


# --------------------------------------------------------------------- eq. 4 and 5


def parts_of_equation_4(w, evidence):
    """A, ¼ ΣΣ w w' J and ½ Σ w [K(p̄, p_α) − K(p_α, p̄)], each row by row."""
    family = evidence.family
    _, ambiguity = LOG.ambiguity(w, evidence)
    pooled = LOG.pooled(w, evidence.parameters, family=family)
    own = evidence.parameters
    J = [[family.divergence(p, q) + family.divergence(q, p) for q in own] for p in own]
    quarter = 0.25 * np.einsum("a,b,abn->n", w, w, np.array(J))
    skew = [family.divergence(pooled, p) - family.divergence(p, pooled) for p in own]
    return ambiguity, quarter, 0.5 * np.einsum("a,an->n", w, np.array(skew))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("w", W[:2])
def test_equation_4(family, w):
    ambiguity, quarter, skew = parts_of_equation_4(w, evidence_of(family, n=200))
    assert_allclose(ambiguity, quarter + skew, rtol=1e-10, atol=1e-10)
    assert ambiguity.mean() > 0.01


def closer(evidence, size):
    """Pull all models towards the first: means and log-variances, or log-probabilities."""
    p = evidence.parameters
    if evidence.family.columns:
        mean, log_variance = p[..., 0], np.log(p[..., 1])
        mean = mean[0] + size * (mean - mean[0])
        log_variance = log_variance[0] + size * (log_variance - log_variance[0])
        return replace(evidence, parameters=np.stack([mean, np.exp(log_variance)], axis=-1))
    z = p[0] + size * (p - p[0])
    z -= np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return replace(evidence, parameters=z)


@pytest.mark.parametrize("family", ["categorical", "gaussian", "variance"])
def test_the_remainder_of_equation_5_is_of_third_order(family):
    """Halving how far the models are apart divides it by about eight."""
    left = []
    for size in (0.02, 0.01):
        _, _, skew = parts_of_equation_4(W[0], closer(evidence_of(family, n=100), size))
        left.append(np.abs(skew).mean())
    assert 1e-12 < left[1] < 1e-4
    assert 7.5 < left[0] / left[1] < 8.5


def test_the_remainder_vanishes_for_gaussians_of_common_variance():
    _, _, skew = parts_of_equation_4(W[0], evidence_of("gaussian common", n=200))
    assert np.abs(skew).max() < 1e-14
    assert np.abs(parts_of_equation_4(W[0], evidence_of("gaussian"))[2]).mean() > 0.01


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("m", [2, 4])
def test_heskes_programme_is_exact_for_gaussians_of_common_variance(seed, m):
    """Eq. 5 has no remainder there, so its optimum is the optimum."""
    evidence = make_gaussian_evidence(seed, m=m, n=60, common=True, weighted=bool(seed % 2))
    task = Task(LOG, evidence, 1.0, 0.0)
    names = tuple("abcd"[:m])
    exact, programme = (choose(task, WEIGHTINGS[k], names) for k in ("optimal", "heskes"))
    assert_allclose(programme.weights, exact.weights, rtol=0, atol=1e-7)
    assert programme.gap < 1e-9
    found = Programme.of("heskes", task)
    assert found.removed == 0  # it is convex as it is


def test_heskes_programme_is_not_exact_where_variances_differ():
    task = Task(LOG, make_gaussian_evidence(1, n=60), 1.0, 0.0)
    assert choose(task, WEIGHTINGS["heskes"], NAMES).gap > 1e-4


def test_two_classes_are_split_as_classes_are():
    """The categorical family with two classes is Heskes' third example."""
    evidence = evidence_kind("hard", k=2)
    h = 0.5 * (evidence.parameters[..., 1] - evidence.parameters[..., 0])
    w, side = W[0], 2 * evidence.outcomes.classes - 1
    _, ambiguity = LOG.ambiguity(w, evidence)
    own = np.logaddexp(0, -2 * h * side)
    pooled = np.logaddexp(0, -2 * (w @ h) * side)
    assert_allclose(ambiguity, w @ own - pooled, rtol=ulps(F8, 64), atol=ulps(F8, 64))
