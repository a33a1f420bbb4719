"""Shares of the ambiguity by model and by pair: they sum, and eq. 5 is the pairs' part."""

import numpy as np
import pytest
from problems import GAUSSIAN_KINDS, evidence_kind, gaussian_kind, make_gaussian_evidence
from tolerance import ulps

from opinionpool.diagnostics.ambiguity import asymmetry, model_shares, pair_figures, pair_shares
from opinionpool.rules import LINEAR, LOG

F8 = np.float64
W = np.array([0.5, 0.2, 0.3])
CATEGORICAL_KINDS = ["hard", "soft", "weighted", "missing"]
EVIDENCE = {
    **{kind: lambda kind=kind: evidence_kind(kind) for kind in CATEGORICAL_KINDS},
    **{kind: lambda kind=kind: gaussian_kind(kind) for kind in GAUSSIAN_KINDS},
}
every_kind = pytest.mark.parametrize("kind", EVIDENCE)
NEAR = {"rel": ulps(F8, 256), "abs": ulps(F8, 64)}


@every_kind
@pytest.mark.parametrize("rule", [LOG, LINEAR], ids=["log", "linear"])
def test_models_shares_sum(kind, rule):
    evidence = EVIDENCE[kind]()
    u = evidence.weight / evidence.weight.sum()
    error, spread = rule.ambiguity(W, evidence)
    own_error, own_spread = model_shares(rule, W, evidence)
    assert own_error.sum() == pytest.approx(u @ error, **NEAR)
    assert own_spread.sum() == pytest.approx(u @ spread, **NEAR)


@every_kind
def test_pairs_and_what_eq_5_misses_sum_to_the_ambiguity(kind):
    evidence = EVIDENCE[kind]()
    u = evidence.weight / evidence.weight.sum()
    whole = u @ LOG.ambiguity(W, evidence)[1]
    pairs, odd = pair_shares(W, evidence), asymmetry(W, LOG, evidence)
    np.testing.assert_allclose(pairs, pairs.T, rtol=ulps(F8, 8))
    assert pairs.sum() + odd == pytest.approx(whole, **NEAR)


def test_gaussians_of_common_variance_have_no_third_order():
    evidence = make_gaussian_evidence(3, common=True)
    assert asymmetry(W, LOG, evidence) == pytest.approx(0, abs=ulps(F8, 64))


def test_a_pair_by_hand():
    """Two Gaussians of variance 1, a distance d apart: J = d², A = w₁w₂ d²/2."""
    evidence = make_gaussian_evidence(0, m=2, n=1)
    p = np.array([[[0.0, 1.0]], [[3.0, 1.0]]])
    evidence = type(evidence)(**{**vars(evidence), "parameters": p})
    pairs = pair_shares(np.array([0.4, 0.6]), evidence)
    assert pairs[0, 1] == pytest.approx(0.25 * 0.24 * 9, rel=ulps(F8, 8))
    assert pairs.sum() == pytest.approx(0.12 * 9, rel=ulps(F8, 8))


def test_where_there_are_no_pairs_it_says_why():
    assert "Heskes" in pair_figures(LINEAR, np.eye(3), 0.0, 0.1)["reason"]
    assert "infinitely apart" in pair_figures(LOG, np.diag([1.0, np.inf]), 0.0, 0.1)["reason"]
