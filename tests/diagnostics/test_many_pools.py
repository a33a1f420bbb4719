"""Many pools at once, against each by itself."""

from dataclasses import replace

import numpy as np
import pytest
from problems import evidence_kind
from tolerance import ulps

from opinionpool.diagnostics.many_pools import Candidates, bends, log_slopes, losses
from opinionpool.losses import row_losses
from opinionpool.rules import LINEAR, LOG

F8 = np.float64
W = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.0, 0.4, 0.6], [0.2, 0.2, 0.6]])
BETA = np.array([1.0, 1.7, 0.6, 1.0])
ALL = np.ones((4, 3), bool)
KINDS = ["hard", "soft", "weighted", "vetoes", "missing"]
every_kind = pytest.mark.parametrize("kind", KINDS)
each_rule = pytest.mark.parametrize("rule", [LOG, LINEAR], ids=["log", "linear"])


def candidates(beta=BETA, fixed=False):
    return Candidates(W, beta, W > 0, W > 0, fixed)


def evidence_of(kind):
    evidence = evidence_kind(kind)
    if evidence.present is not None and evidence.fallback is None:
        k = evidence.n_parameters
        evidence = replace(evidence, fallback=np.full(k, -np.log(k)))
    return evidence


@every_kind
@each_rule
@pytest.mark.parametrize("beta", [BETA, np.ones(4)], ids=["tempered", "T = 1"])
def test_losses_are_those_of_each(kind, rule, beta):
    evidence = evidence_of(kind)
    found = losses(rule, candidates(beta, fixed=True), evidence).rows
    for w, b, own in zip(W, beta, found, strict=True):
        expected = row_losses(rule, w, b, evidence, closure=False)
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["hard", "soft", "weighted", "missing"])
def test_slopes_are_those_of_the_rule(kind):
    evidence = evidence_of(kind)
    v = W[[0, 3]] * BETA[[0, 1], None]
    pools = Candidates(v / v.sum(axis=1, keepdims=True), v.sum(axis=1), ALL[:2], ALL[:2])
    for own, slope in zip(v, log_slopes(pools, evidence), strict=True):
        expected = LOG.evaluate(own, LOG.prepare(evidence)).gradient
        np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-11)


@every_kind
@each_rule
def test_bends_are_derivatives_in_the_temperature(kind, rule):
    evidence, h = evidence_of(kind), 1e-4
    able = np.isfinite(losses(rule, candidates(), evidence).rows).all(axis=1)
    sums = [
        losses(rule, candidates(BETA * np.exp(step)), evidence).rows[able] @ evidence.weight
        for step in (-h, 0.0, h)
    ]
    slope, bend = losses(rule, candidates(), evidence).bends[:, able]
    # d/d log β, and d²/d(log β)² = β² L'' + β L'.
    np.testing.assert_allclose(slope, (sums[2] - sums[0]) / (2 * h), rtol=1e-6, atol=1e-6)
    second = (sums[2] - 2 * sums[1] + sums[0]) / h**2
    np.testing.assert_allclose(bend + slope, second, rtol=1e-4, atol=1e-4)


def test_models_that_alone_thought_it_likely_may_have_no_weight():
    """Scaled by the likeliest model of all, the others' probabilities underflow."""
    evidence = evidence_kind("hard")
    log_p = evidence.parameters.copy()
    log_p[1:] -= 900.0  # not normalised: only the rule's arithmetic is looked at
    far = replace(evidence, parameters=log_p)
    pools = Candidates(np.array([[0.0, 0.5, 0.5]]), np.ones(1), ALL[:1], ALL[:1])
    found = losses(LINEAR, pools, far).rows[0]
    expected = row_losses(LINEAR, np.array([0.0, 0.5, 0.5]), 1.0, evidence, closure=False)
    np.testing.assert_allclose(found, expected + 900.0, rtol=ulps(F8, 64))


@pytest.mark.parametrize("least", [-500.0, -800.0], ids=["mixed as it is", "underflows"])
def test_of_rows_of_large_evidence_unlikely_cells_are_no_zeros(least):
    """Probabilities are mixed as such only where they are numbers."""
    evidence = evidence_kind("hard")
    log_p = evidence.parameters.copy()
    log_p[:, np.arange(evidence.n_rows), evidence.outcomes.classes] = least
    log_p -= np.logaddexp.reduce(log_p, axis=2, keepdims=True)
    far = replace(evidence, parameters=log_p)
    pools, large = candidates(fixed=True), replace(far, large=True)
    expected = losses(LINEAR, pools, far).rows
    assert (expected > 250).all()
    np.testing.assert_allclose(losses(LINEAR, pools, large).rows, expected, rtol=1e-12)
    free = replace(pools, fixed=False)
    expected = losses(LINEAR, free, far).bends
    np.testing.assert_allclose(bends(LINEAR, free, large), expected, rtol=1e-9, atol=1e-10)


def test_the_evidence_is_not_written_to():
    evidence = evidence_kind("vetoes")
    before = evidence.parameters.copy()
    for rule in (LOG, LINEAR):
        losses(rule, candidates(), evidence)
    log_slopes(candidates(), evidence)
    np.testing.assert_array_equal(evidence.parameters, before)


@every_kind
@each_rule
@pytest.mark.parametrize("beta", [BETA, np.ones(4)], ids=["tempered", "T = 1"])
def test_of_rows_of_large_evidence_kernels_say_the_same(kind, rule, beta):
    evidence = evidence_of(kind)
    large, pools = replace(evidence, large=True), candidates(beta, fixed=True)
    expected = losses(rule, pools, evidence).rows
    np.testing.assert_allclose(losses(rule, pools, large).rows, expected, rtol=1e-11, atol=1e-12)
    for w, b in zip(W, beta, strict=True):
        own = row_losses(rule, w, b, evidence, closure=False)
        quick = row_losses(rule, w, b, large, closure=False)
        np.testing.assert_allclose(quick, own, rtol=1e-11, atol=1e-12)
    if rule is LOG:
        members = W > 0
        slopes, quick = log_slopes(pools, evidence), log_slopes(pools, large)
        np.testing.assert_allclose(quick[members], slopes[members], rtol=1e-10, atol=1e-11)
    if kind != "vetoes":  # else a sum may not be defined
        free = replace(pools, fixed=False)
        expected = losses(rule, free, evidence).bends
        np.testing.assert_allclose(bends(rule, free, large), expected, rtol=1e-9, atol=1e-10)
