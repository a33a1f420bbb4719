"""loss = average error − ambiguity − temperature gain (maths.md §4)."""

import numpy as np
import pytest
from problems import KINDS, evidence_kind, make_evidence
from tolerance import ulps

from opinionpool.diagnostics.decomposition import decomposition
from opinionpool.losses import mean_loss
from opinionpool.rules import RULES

F8 = np.float64
W = np.array([0.5, 0.2, 0.3])
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", [1.0, 0.4, 2.0])
def test_a_loss_is_split_without_remainder(rule, kind, beta):
    evidence = evidence_kind(kind).answered()
    loss = mean_loss(rule, W, beta, evidence, closure=False)
    split = decomposition(rule, W, evidence, loss)
    parts = split["average_error"] - split["ambiguity"] - split["temperature_gain"]
    assert parts == pytest.approx(loss, rel=ulps(F8, 32))
    assert split["loss"] == loss
    untempered = mean_loss(rule, W, 1.0, evidence, closure=False)
    assert split["loss_untempered"] == pytest.approx(untempered, rel=ulps(F8, 64))
    assert split["ambiguity"] > 0
    if beta == 1:
        assert split["temperature_gain"] == pytest.approx(0, abs=ulps(F8, 64))
    else:
        assert abs(split["temperature_gain"]) > 1e-3


@every_rule
def test_the_average_error_is_the_members_weighted_mean_loss(rule):
    evidence = make_evidence(1, weighted=True)
    split = decomposition(rule, W, evidence, 0.0)
    own = [mean_loss(rule, one, 1.0, evidence, closure=False) for one in np.eye(3)]
    assert split["average_error"] == pytest.approx(W @ own, rel=ulps(F8, 64))


@every_rule
def test_one_model_has_no_ambiguity(rule):
    evidence = make_evidence(1)
    w = np.array([0.0, 1.0, 0.0])
    loss = mean_loss(rule, w, 1.0, evidence, closure=False)
    split = decomposition(rule, w, evidence, loss)
    assert split["ambiguity"] == pytest.approx(0, abs=ulps(F8, 16))
    assert split["average_error"] == pytest.approx(loss, rel=ulps(F8, 16))


def test_a_linear_pool_of_a_member_that_ruled_out_what_happened_keeps_its_loss():
    evidence = make_evidence(1)
    log_p = evidence.parameters
    log_p[0, 3, evidence.outcomes.classes[3]] = -np.inf
    linear = RULES["linear"]
    loss = mean_loss(linear, W, 1.0, evidence, closure=False)
    split = decomposition(linear, W, evidence, loss)
    assert split["average_error"] == split["ambiguity"] == np.inf
    assert split["loss_untempered"] == pytest.approx(loss, rel=ulps(F8, 64))
    assert split["temperature_gain"] == pytest.approx(0, abs=ulps(F8, 64))
