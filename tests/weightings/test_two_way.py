"""Two-way effects against a dense least-squares solution, and the weightings on them."""

from __future__ import annotations

import numpy as np
import pytest
from problems import make_evidence
from tolerance import tolerance

from opinionpool.errors import InputError
from opinionpool.rules import LOG
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.weightings.base import Task
from opinionpool.weightings.heskes import Heskes, estimated_losses
from opinionpool.weightings.two_way import (
    Balancing,
    BalancingResampled,
    Bumping,
    two_way_effects,
)


def least_squares(evidence: Evidence) -> np.ndarray:
    """Effects of the models from the dense design of rows and models, summing to 0."""
    nll = -evidence.log_likelihood()
    m, n = nll.shape
    present = np.ones((m, n), dtype=bool) if evidence.present is None else evidence.present
    models, rows = np.nonzero(present)
    design = np.zeros((len(rows), n + m))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), n + models] = 1
    root = np.sqrt(evidence.weight[rows])
    found = np.linalg.lstsq(design * root[:, None], nll[models, rows] * root, rcond=None)[0][n:]
    return found - found.mean()


@pytest.mark.parametrize(
    "kind",
    [{}, {"missing": 0.4}, {"missing": 0.6, "m": 6}, {"weighted": True, "missing": 0.3}],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_effects_are_the_least_squares_solution(kind, seed):
    evidence = make_evidence(seed, **kind)
    effects, _ = two_way_effects(evidence)
    np.testing.assert_allclose(effects, least_squares(evidence), rtol=0, atol=1e-12)


def test_without_missing_outputs_effects_are_mean_losses_and_so_are_their_errors():
    evidence = make_evidence(3, weighted=True)
    losses, own = estimated_losses(evidence)
    effects, errors = two_way_effects(evidence)
    np.testing.assert_allclose(effects, losses - losses.mean(), rtol=0, atol=1e-14)
    # Of differences between models: the rows' difficulty is gone from the errors as well.
    np.testing.assert_allclose(
        errors - errors.mean(axis=0), own - own.mean(axis=0), rtol=0, atol=1e-15
    )


def test_difficulty_of_rows_does_not_matter():
    """Rows of any difficulty, and models that answer the hard ones only."""
    rng = np.random.default_rng(4)
    n, truth = 400, np.array([-0.3, 0.0, 0.3])
    difficulty = rng.exponential(5, n)
    present = rng.random((3, n)) < 0.7
    present[0] = difficulty > 3  # the best model has the hardest rows
    loss = difficulty + truth[:, None] + 0.5
    log_p = np.stack([-loss, np.log(-np.expm1(-loss))], axis=-1)
    evidence = Evidence(log_p, Outcomes(classes=np.zeros(n, dtype=int)), np.ones(n), present)
    effects, errors = two_way_effects(evidence)
    np.testing.assert_allclose(effects, truth, rtol=0, atol=1e-12)
    np.testing.assert_allclose(errors, 0, rtol=0, atol=1e-12)
    plain, _ = estimated_losses(evidence)
    assert plain.argmax() == 0  # its mean loss is the worst
    assert Bumping().choose(Task(LOG, evidence)).weights.tolist() == [1, 0, 0]


def test_errors_have_the_covariance_of_the_effects():
    """Over repeated rows: noise of known variance in the losses, the design fixed."""
    rng = np.random.default_rng(5)
    m, n, draws = 4, 60, 4000
    present = rng.random((m, n)) < 0.6
    present[rng.integers(0, m, n), np.arange(n)] = True
    outcomes = Outcomes(classes=np.zeros(n, dtype=int))

    def drawn() -> Evidence:
        loss = 2 + 0.2 * rng.standard_normal((m, n))
        log_p = np.stack([-loss, np.log(-np.expm1(-loss))], axis=-1)
        return Evidence(log_p, outcomes, np.ones(n), present)

    found = [two_way_effects(drawn()) for _ in range(draws)]
    actual = np.cov(np.array([effects for effects, _ in found]).T)
    stated = np.mean([errors @ errors.T for _, errors in found], axis=0)
    # Of noise of variance σ²: Q⁺ (Σ σ² Q_n) Q⁺ = σ² Q⁺; the few effects fitted take 1 in 20.
    np.testing.assert_allclose(stated, actual, rtol=0, atol=0.1 * actual.max())


def test_models_without_a_common_row_cannot_be_compared():
    evidence = make_evidence(6, m=4, n=20)
    present = np.zeros((4, 20), dtype=bool)
    present[:2, :10] = present[2:, 10:] = True
    apart = Evidence(evidence.parameters, evidence.outcomes, evidence.weight, present)
    with pytest.raises(InputError, match="4 models fall into 2 groups"):
        two_way_effects(apart)


def test_with_every_output_present_balancing_is_the_programme():
    task = Task(LOG, make_evidence(7, n=200))
    np.testing.assert_allclose(
        Balancing().choose(task).weights, Heskes().choose(task).weights, rtol=0, atol=1e-9
    )


def test_resampling_follows_the_seed_and_not_the_order_of_models():
    evidence = make_evidence(8, n=100, missing=0.3)
    chosen = [BalancingResampled().choose(Task(LOG, evidence, seed=s)).weights for s in (1, 1, 2)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert np.abs(chosen[0] - chosen[2]).max() > 1e-6
    assert chosen[0].sum() == pytest.approx(1, **{"rel": tolerance(float, 8)["rtol"]})
    order = [2, 0, 1]
    permuted = BalancingResampled().choose(Task(LOG, evidence.models(order), seed=1)).weights
    np.testing.assert_allclose(permuted, chosen[0][order], rtol=0, atol=1e-9)
