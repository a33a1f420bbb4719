"""The plain kernels are what the rules compute; they are what the compiled ones are held to."""

from dataclasses import replace

import numpy as np
import pytest
from kernels.cases import KINDS as JOBS
from kernels.cases import make_job
from numpy.testing import assert_allclose, assert_array_equal
from problems import KINDS, evidence_kind, log_softmax
from tolerance import tolerance, ulps

from opinionpool.kernels import fused, reference
from opinionpool.kernels.status import IMPOSSIBLE, INVALID, RULED_OUT, UNANSWERED
from opinionpool.rules import LINEAR, LOG

F8 = np.float64
PLAIN = {"kernels": "reference"}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_gamma = pytest.mark.parametrize("gamma", [0.0, 1.5])  # of confidence, m = c^γ
every_v = pytest.mark.parametrize("v", [np.array([0.7, 0.4, 0.9]), np.array([0.6, 0.0, 0.4])])


def _with_confidence(evidence, gamma):
    c = np.random.default_rng(3).uniform(0.1, 1.0, (3, evidence.n_rows))
    fallback = np.full(4, -np.log(4))
    return replace(evidence, confidence=c, gamma=gamma, fallback=fallback) if gamma else evidence


def _arguments(evidence):
    outcomes = evidence.outcomes
    return {
        "classes": outcomes.classes,
        "soft": outcomes.soft,
        "weight": evidence.weight,
        "present": evidence.attendance,
    }


@every_kind
@every_v
@every_gamma
def test_sums_are_the_log_rules(kind, v, gamma):
    evidence = _with_confidence(evidence_kind(kind), gamma)
    expected = LOG.evaluate(v, LOG.prepare(evidence))
    found = fused.log_sums(list(evidence.parameters), v, **_arguments(evidence), **PLAIN)
    lost = 0.0  # what unanswered rows cost is the caller's business
    if evidence.present is not None:
        lost = evidence.weight @ np.where(found.status, evidence.fallback_loss(), 0.0)
        assert set(found.status) <= {0, UNANSWERED}
    assert found.value + lost == pytest.approx(expected.value, rel=ulps(F8, 256))
    for a, b in zip(
        found[1:4], (expected.gradient, expected.reach, expected.curvature), strict=True
    ):
        assert_allclose(a, b, rtol=0, atol=ulps(F8, 64) * 40)


@every_kind
@every_v
def test_pools_are_the_log_rules(kind, v):
    evidence = evidence_kind(kind)
    expected = LOG.pooled(v / v.sum(), evidence.parameters, evidence.present)
    found, status = fused.apply(
        list(evidence.parameters), v / v.sum(), log=True, present=evidence.present, **PLAIN
    )
    assert_allclose(found, expected, rtol=0, atol=ulps(F8, 64))
    dead = ~(np.isfinite(expected).any(axis=1))
    assert_array_equal(status > 0, dead)
    p, _ = fused.apply(list(evidence.parameters), v / v.sum(), present=evidence.present, **PLAIN)
    assert_allclose(p, np.exp(expected), rtol=0, atol=ulps(F8, 16))


@every_v
def test_sums_are_the_linear_rules(v):
    evidence = evidence_kind("weighted")
    w = v / v.sum()
    expected = LINEAR.evaluate(w, LINEAR.prepare(evidence))
    found = fused.linear_sums(evidence.log_likelihood(), w, evidence.weight, **PLAIN)
    assert found.value == pytest.approx(expected.value, rel=ulps(F8, 64))
    for a, b in zip(
        found[1:4], (expected.gradient, expected.reach, expected.curvature), strict=True
    ):
        assert_allclose(a, b, rtol=ulps(F8, 64), atol=0)


# logits and weights of maths.md §2, its reference values
LOGITS = [np.array([row]) for row in ([2, 1, 0.5], [1.5, 2.5, 0.0], [0.8, 1.2, 2.0])]


def test_reference_values_of_maths_md():
    w = np.array([0.4, 0.35, 0.25])
    p, _ = fused.apply(LOGITS, w, **PLAIN)
    assert_allclose(p, [[0.4016861, 0.42228099, 0.17603291]], atol=5e-9)
    missing = np.array([[True], [False], [True]])
    p, _ = fused.apply(LOGITS, w, present=missing, **PLAIN)
    assert_allclose(p, [[0.44235527, 0.27882236, 0.27882236]], atol=5e-9)


@pytest.mark.parametrize("log", [False, True])
def test_rows_that_cannot_be_pooled_are_reported(log):
    nothing = -np.inf if log else 0.0
    x = np.zeros((2, 6, 3))
    x[0, 1, 2], x[1, 2, 0] = np.nan, np.inf
    x[0, 3, :2], x[1, 3, 2] = -np.inf, -np.inf
    x[0, 5] = np.nan
    present = np.ones((2, 6), dtype=bool)
    present[:, 4], present[0, 5] = False, False
    out, status = fused.apply(list(x), np.ones(2), log=log, present=present, **PLAIN)
    assert_array_equal(status, [0, INVALID, INVALID, IMPOSSIBLE, UNANSWERED, 0])
    assert_array_equal(out[[3, 4]], np.full((2, 3), nothing))
    assert np.isnan(out[[1, 2]]).all()
    assert_allclose(out[[0, 5]], np.log(1 / 3) if log else 1 / 3, **tolerance(F8, 4))
    x[0, 0, 1] = -np.inf
    sums = fused.log_sums(list(x), np.ones(2), np.ones(6, int), present=present, **PLAIN)
    expected = [RULED_OUT, INVALID, INVALID, IMPOSSIBLE, UNANSWERED, 0]
    assert_array_equal(sums.status, expected)
    assert sums.value == pytest.approx(np.log(3), rel=ulps(F8, 4))  # of the last row alone


def test_a_row_without_weight_is_not_looked_at():
    x = [np.array([[0.0, 1.0], [np.nan, np.nan]])]
    sums = fused.log_sums(x, np.ones(1), np.array([0, 1]), np.array([1.0, 0.0]), **PLAIN)
    assert sums.value == pytest.approx(np.log1p(np.e), rel=ulps(F8, 4))
    assert_array_equal(sums.status, [0, 0])


def test_models_without_weight_veto_only_in_the_closure():
    x = [np.zeros((1, 2)), np.array([[0.0, -np.inf]])]
    w = np.array([1.0, 0.0])
    assert_array_equal(fused.apply(x, w, **PLAIN)[0], [[0.5, 0.5]])
    assert_array_equal(fused.apply(x, w, closure=True, **PLAIN)[0], [[1.0, 0.0]])


def test_no_weight_at_all_is_no_answer():
    for log, nothing in ((False, 0.0), (True, -np.inf)):
        out, status = fused.apply([np.zeros((2, 3))], np.zeros(1), log=log, **PLAIN)
        assert_array_equal(out, np.full((2, 3), nothing))
        assert_array_equal(status, [UNANSWERED] * 2)


@pytest.mark.parametrize("kind", JOBS)
def test_constants_per_row_and_model_change_nothing(kind):
    """Raw logits are as good as log-probabilities (maths.md §2)."""
    job = make_job(kind, offset=1e4)
    raw = job.sums(**PLAIN)
    with np.errstate(invalid="ignore"):
        job.arrays = [log_softmax(x) for x in job.arrays]
    normal = job.sums(**PLAIN)
    clean = raw.status == normal.status
    assert clean.mean() > 0.9
    job.weight = job.weight * clean
    raw, normal = make_job(kind, offset=1e4), job.sums(**PLAIN)
    raw.weight = job.weight
    raw = raw.sums(**PLAIN)
    assert raw.value == pytest.approx(normal.value, rel=1e-10)
    for a, b in zip(raw[1:4], normal[1:4], strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(b).max())


def test_no_rows_are_no_loss():
    sums = fused.log_sums([np.zeros((0, 3))] * 2, np.ones(2), np.zeros(0, int), **PLAIN)
    assert (sums.value, sums.status.shape) == (0.0, (0,))
    assert_array_equal(sums.curvature, np.zeros((2, 2)))


@pytest.mark.parametrize(("m", "n"), [(1, 300_000), (3, 50_000), (20, 2000), (140, 40), (2, 0)])
def test_a_product_in_pieces_is_the_product(m, n):
    """Of one piece, of several, of a last one that is shorter; of many models; of nothing."""
    a, b = np.random.default_rng(0).normal(size=(2, m, n))
    exact = np.asarray(a, np.longdouble) @ np.asarray(b, np.longdouble).T
    size = np.sqrt(np.outer((a**2).sum(axis=1), (b**2).sum(axis=1)))  # Cauchy and Schwarz
    assert (np.abs(reference.gram(a, b) - exact) <= ulps(F8, 8) * size).all()
    square = reference.gram(a, a)
    assert_array_equal(square, square.T)
