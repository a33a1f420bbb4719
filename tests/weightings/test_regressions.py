"""Bugs that were, each named after what went wrong."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import make_evidence

from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task

LINEAR = RULES["linear"]


def linear_weights(evidence: Evidence) -> np.ndarray:
    choice = WEIGHTINGS["optimal"].choose(Task(LINEAR, evidence, 1.0, 0.0))
    assert choice.gap <= 1e-9
    return choice.weights


def with_a_row(evidence: Evidence, at_outcome: np.ndarray) -> Evidence:
    """Add a row in which what happened has these log-probabilities."""
    row = np.full((evidence.n_models, 1, evidence.n_parameters), -np.inf)
    row[:, 0, 0] = at_outcome
    row[:, 0, 1] = np.log1p(-np.exp(at_outcome))
    return Evidence(
        np.concatenate([evidence.parameters, row], axis=1),
        Outcomes(classes=np.append(evidence.outcomes.classes, 0)),
        np.append(evidence.weight, 1.0),
    )


def test_one_row_at_minus_800_nats_does_not_turn_the_linear_weights_uniform():
    good = make_evidence(11, m=3, n=999, k=3, spread=1.5)
    expected = linear_weights(good)
    assert expected.min() > 0.05
    assert np.abs(expected - 1 / 3).max() > 0.05  # the uniform weights would show

    # All experts at −800: the row says nothing about the weights, whatever its loss.
    same = with_a_row(good, np.full(3, -800.0))
    assert_allclose(linear_weights(same), expected, rtol=0, atol=1e-6)

    # Expert by expert somewhere near −800: as much as any row, as if it were 799 nats higher.
    near = np.array([-800.0, -799.5, -801.0])
    found = linear_weights(with_a_row(good, near))
    assert_allclose(found, linear_weights(with_a_row(good, near + 799)), rtol=0, atol=1e-9)
    assert_allclose(found, expected, rtol=0, atol=0.01)

    # What went wrong elsewhere: exp first, and the row is log 0, whatever the weights.
    at_outcome = same.log_likelihood().T
    with np.errstate(divide="ignore"):
        naive = [-np.log(np.exp(at_outcome) @ w).mean() for w in (expected, np.full(3, 1 / 3))]
    assert naive == [np.inf, np.inf]
    block = LINEAR.prepare(same)
    assert LINEAR.value(expected, block) / 1000 == pytest.approx(
        0.8 + LINEAR.value(expected, LINEAR.prepare(good)) / 1000
    )
