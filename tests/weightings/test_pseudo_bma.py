"""Pseudo-BMA: likelihoods, normalised; and its average over the Bayesian bootstrap."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_evidence

import opinionpool as op
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task

PLAIN, PLUS = WEIGHTINGS["pseudo-bma"], WEIGHTINGS["pseudo-bma+"]
each = pytest.mark.parametrize("weighting", [PLAIN, PLUS], ids=["plain", "plus"])


def weights(weighting, evidence, **options):
    return weighting.choose(Task(RULES["linear"], evidence, 1.0, **options)).weights


def of_happened(p, **more):
    """Evidence of two classes: (M, N) probabilities of what happened, class 0."""
    p = np.asarray(p, dtype=float)
    with np.errstate(divide="ignore"):
        log_p = np.log(np.stack([p, 1 - p], axis=-1))
    n = p.shape[1]
    return Evidence(log_p, Outcomes(classes=np.zeros(n, int)), np.ones(n), **more)


def test_weights_by_hand():
    found = weights(PLAIN, of_happened([[0.5, 0.5], [0.25, 0.5]]))
    assert_allclose(found, [2 / 3, 1 / 3], rtol=1e-14)
    found = weights(PLAIN, of_happened([[0.5, 0.4, 0.9], [0.6, 0.3, 0.7], [0.1, 0.8, 0.5]]))
    likelihood = np.array([0.18, 0.126, 0.04])
    assert_allclose(found, likelihood / likelihood.sum(), rtol=1e-13)


def test_weights_are_total_likelihoods():
    evidence = make_evidence(0, n=15, weighted=True)
    total = evidence.log_likelihood() @ evidence.weight
    assert_allclose(
        weights(PLAIN, evidence), np.exp(total) / np.exp(total).sum(), rtol=1e-11, atol=0
    )


def test_a_model_that_answered_less_counts_by_its_mean():
    """N times the mean: answering less is no advantage."""
    present = np.array([[True, True], [True, False]])
    found = weights(PLAIN, of_happened([[0.5, 0.5], [0.5, 0.9]], present=present))
    assert_allclose(found, [0.5, 0.5], rtol=1e-14)
    missing = make_evidence(1, missing=0.3)
    assert np.isfinite(weights(PLAIN, missing)).all()
    assert np.isfinite(weights(PLUS, missing)).all()


@each
def test_ruling_out_what_happened_is_weight_zero(weighting):
    found = weights(weighting, of_happened([[0.5, 0.4], [0.9, 0.0], [0.5, 0.4]]))
    assert_allclose(found, [0.5, 0.0, 0.5], rtol=1e-13)


@each
def test_unless_all_do(weighting):
    found = weights(weighting, of_happened([[0.5, 0.0], [0.0, 0.9]]))
    assert_allclose(found, [0.5, 0.5], rtol=1e-13)


@each
def test_a_row_of_weight_zero_rules_out_nobody(weighting):
    evidence = replace(of_happened([[0.5, 0.0], [0.5, 0.9]]), weight=np.array([1.0, 0.0]))
    assert_allclose(weights(weighting, evidence), [0.5, 0.5], rtol=1e-13)


@each
def test_equal_models_have_equal_weights(weighting):
    found = weights(weighting, make_evidence(3).models([0, 1, 0]))
    assert found[0] == found[2]


def test_many_rows_leave_one_model():
    found = weights(PLAIN, make_evidence(0, n=20_000))
    assert found.max() == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_the_average_is_between_one_model_and_equal_weights(seed):
    evidence = make_evidence(seed, n=60)
    plain, plus = weights(PLAIN, evidence), weights(PLUS, evidence)
    assert plus.sum() == pytest.approx(1)
    assert 1 / 3 < plus.max() <= plain.max() + 0.01
    assert plus.min() >= 0


def test_the_average_is_that_of_dirichlet_row_weights():
    evidence = make_evidence(2, n=12)
    rows = np.random.default_rng(9).dirichlet(np.ones(12), 4000)
    totals = 12 * rows @ evidence.log_likelihood().T
    p = np.exp(totals - totals.max(axis=1, keepdims=True))
    expected = (p / p.sum(axis=1, keepdims=True)).mean(axis=0)
    assert_allclose(weights(PLUS, evidence), expected, atol=0.04)


def test_a_seed_makes_it_reproducible():
    evidence = make_evidence(2, n=12)
    first, again, other = (weights(PLUS, evidence, seed=s) for s in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_too_light_to_be_drawn_count_alike():
    """Where all draws of a model's rows were 0 its weight was 0/0, and the solver stumbled."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 40)
    models = {name: rng.normal(size=(40, 3)) for name in "abc"}
    models["b"][2:] = np.nan  # answered two rows
    weight = np.full(40, 1e-3)
    with pytest.warns(op.OpinionPoolWarning, match="sample_weight"):
        pool = op.fit(models, y, kind="logits", weighting="pseudo-bma+", sample_weight=weight)
    assert np.isfinite(pool.weights).all()
    assert pool.weights.sum() == pytest.approx(1)
