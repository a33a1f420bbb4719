"""Heskes' programme: its divergences, its expansion around equal weights, its repair."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import derivative, evidence_kind, make_evidence, varied
from scipy.optimize import minimize
from shared_data import real_evidence

import opinionpool as op
from opinionpool.errors import InputError, OpinionPoolWarning
from opinionpool.families.categorical import mean_divergences
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.heskes import DRAWS, Programme, estimated_losses

LOG = RULES["log"]
HESKES, RESAMPLED = WEIGHTINGS["heskes"], WEIGHTINGS["heskes-resampled"]
SEEDS = pytest.mark.parametrize("seed", range(8))


def divergences(evidence):
    return mean_divergences(evidence.parameters, evidence.weight, evidence.present)


def naive_divergences(evidence):
    """Σ_k (p_α − p_β)(ℓ_α − ℓ_β), pair by pair, row by row."""
    m, n, _ = evidence.parameters.shape
    out = np.zeros((m, m))
    for a in range(m):
        for b in range(m):
            total = rows = 0.0
            for row in range(n):
                if evidence.present is None or evidence.present[[a, b], row].all():
                    x, y = evidence.parameters[a, row], evidence.parameters[b, row]
                    total += evidence.weight[row] * float((np.exp(x) - np.exp(y)) @ (x - y))
                    rows += evidence.weight[row]
            out[a, b] = total / rows if rows else 0.0
    return out


def equation_5(losses, j, w):
    return float(w @ losses - w @ j @ w / 4)


def repaired(losses, j, w):
    """The objective that is solved, as maths.md §5 writes it."""
    u = np.full(len(w), 1 / len(w))
    t = w - u
    curvature = Programme(j).curvature
    return equation_5(losses, j, u) + (losses - j @ u / 2) @ t + t @ curvature @ t / 2


@pytest.mark.parametrize("kind", ["hard", "soft", "weighted", "missing"])
def test_divergences_are_those_of_the_double_loop(kind):
    evidence = evidence_kind(kind, m=4)
    assert_allclose(divergences(evidence), naive_divergences(evidence), rtol=1e-12, atol=1e-13)


def test_divergences_of_a_pair_without_common_rows_are_zero():
    evidence = evidence_kind("hard")
    half = np.arange(evidence.n_rows) < 20
    evidence = replace(evidence, present=np.stack([half, ~half, half | True]))
    j = divergences(evidence)
    assert j[0, 1] == j[1, 0] == 0
    assert_allclose(j, naive_divergences(evidence), rtol=1e-12, atol=1e-13)


@SEEDS
def test_value_and_slope_at_equal_weights_are_those_of_equation_5(seed):
    evidence = varied(seed, plain=True)
    losses, _ = estimated_losses(evidence)
    j, m = divergences(evidence), evidence.n_models
    u = np.full(m, 1 / m)
    assert repaired(losses, j, u) == equation_5(losses, j, u)
    slope = derivative(lambda w: equation_5(losses, j, w), u)
    assert_allclose(losses + Programme(j).slope, slope, rtol=0, atol=1e-9)
    assert_allclose(derivative(lambda w: repaired(losses, j, w), u), slope, rtol=0, atol=1e-9)


@SEEDS
def test_the_curvature_is_that_of_equation_5_made_positive(seed):
    j = divergences(varied(seed, plain=True))
    m = len(j)
    programme, c = Programme(j), np.eye(m) - 1 / m
    found = np.linalg.eigvalsh(programme.curvature)
    assert found.min() >= -1e-14 * found.max()
    exact = np.linalg.eigvalsh(-c @ j @ c / 2)
    assert_allclose(np.sort(found), np.sort(np.maximum(exact, 0)), rtol=0, atol=1e-13)
    if programme.removed == 0:
        assert_allclose(programme.curvature, -c @ j @ c / 2, rtol=0, atol=1e-8 * exact.max())


def indefinite():
    """Divergences that no points have: the squared distances break the triangle inequality."""
    return np.array([[0.0, 1, 1, 9], [1, 0, 1, 1], [1, 1, 0, 1], [9, 1, 1, 0]])


def test_an_indefinite_programme_is_made_convex_and_keeps_value_and_slope():
    j, losses, u = indefinite(), np.array([0.5, 0.4, 0.45, 0.6]), np.full(4, 0.25)
    programme = Programme(j)
    assert programme.removed < -0.1
    assert np.linalg.eigvalsh(programme.curvature).min() >= -1e-14
    assert_allclose(programme.slope, -j @ u / 2, rtol=1e-15)
    t = np.array([1.0, -1, -1, 1]) / 4
    assert repaired(losses, j, u) == equation_5(losses, j, u)
    h = 1e-6
    assert repaired(losses, j, u + h * t) == pytest.approx(
        equation_5(losses, j, u + h * t), abs=1e-10
    )


def test_adult_income_is_indefinite_and_the_repair_is_said():
    evidence = real_evidence("mljar_adult_income", 1e-6)
    j = divergences(evidence)
    c = np.eye(len(j)) - 1 / len(j)
    assert np.linalg.eigvalsh(-c @ j @ c).min() == pytest.approx(-0.0084, abs=5e-5)
    with pytest.warns(OpinionPoolWarning, match="not convex.*-0.0042.*repaired around equal"):
        HESKES.choose(Task(LOG, evidence, 1.0))


@SEEDS
def test_the_solution_is_that_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    if seed < 6:
        evidence = varied(seed, plain=True)
        losses, j = estimated_losses(evidence)[0], divergences(evidence)
    else:
        losses, j = rng.uniform(0.3, 0.8, 4), indefinite()
    w = Programme(j).weights(losses)
    m = len(w)
    other = minimize(
        lambda v: repaired(losses, j, v),
        np.full(m, 1 / m),
        method="SLSQP",
        bounds=[(0, 1)] * m,
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1, abs=1e-14)
    assert repaired(losses, j, w) <= other.fun + 1e-10
    assert_allclose(w, other.x, rtol=0, atol=1e-4)


def test_the_expansion_is_good_where_models_are_close():
    """The third order is what is left: halving the differences divides the error by eight."""
    base = make_evidence(3, m=1, n=200).parameters
    step = np.random.default_rng(4).normal(size=(3, 200, 4))
    w, wrong = np.array([0.5, 0.3, 0.2]), []
    for size in (0.2, 0.1):
        z = base + size * step
        evidence = replace(
            make_evidence(3, n=200), parameters=z - np.log(np.exp(z).sum(-1, keepdims=True))
        )
        losses, _ = estimated_losses(evidence)
        pooled = np.tensordot(w, evidence.parameters, 1)
        pooled -= np.log(np.exp(pooled).sum(-1, keepdims=True))
        actual = -evidence.outcomes.expectation(pooled).mean()
        wrong.append(abs(equation_5(losses, divergences(evidence), w) - actual))
    assert wrong[0] < 1e-3
    assert wrong[1] < wrong[0] / 6


# ---------------------------------------------------------------- resampled


@pytest.mark.parametrize("kind", ["hard", "weighted", "missing"])
def test_errors_have_the_covariance_of_the_formula(kind):
    evidence = evidence_kind(kind, m=4)
    losses, errors = estimated_losses(evidence)
    nll, m = -evidence.log_likelihood(), evidence.n_models
    here = np.ones(nll.shape, bool) if evidence.present is None else evidence.present
    expected = np.zeros((m, m))
    for a in range(m):
        for b in range(m):
            both = here[a] & here[b]
            e = (nll[a] - losses[a]) * (nll[b] - losses[b]) * evidence.weight**2
            counts = (evidence.weight @ here[a]) * (evidence.weight @ here[b])
            expected[a, b] = e[both].sum() / counts
    assert_allclose(errors @ errors.T, expected, rtol=1e-12)


def test_draws_have_that_covariance(monkeypatch):
    evidence = make_evidence(0, m=3, n=30)
    losses, errors = estimated_losses(evidence)
    monkeypatch.setattr("opinionpool.weightings.heskes.DRAWS", 20_000)
    drawn = []
    monkeypatch.setattr(
        Programme, "weights", lambda _, k: drawn.append(k) or np.full(len(k), 1 / len(k))
    )
    RESAMPLED.choose(Task(LOG, evidence))
    assert_allclose(np.mean(drawn, axis=0), losses, atol=5 * errors.std() / 10)
    covariance = errors @ errors.T
    assert_allclose(np.cov(np.transpose(drawn)), covariance, atol=0.05 * covariance.max())


def test_resampled_weights_are_weights_and_reproducible():
    evidence = make_evidence(2, m=5, n=25)
    choice, again, other = (RESAMPLED.choose(Task(LOG, evidence, seed=s)) for s in (1, 1, 2))
    assert choice.weights.min() >= 0
    assert choice.weights.sum() == pytest.approx(1, abs=1e-14)
    assert choice.n_evaluations == DRAWS
    assert_array_equal(choice.weights, again.weights)
    assert not np.array_equal(choice.weights, other.weights)


def test_resampling_does_not_know_the_order_of_models():
    evidence, order = make_evidence(2, m=5, n=25), np.array([3, 1, 4, 0, 2])
    plain = RESAMPLED.choose(Task(LOG, evidence)).weights
    shuffled = RESAMPLED.choose(Task(LOG, evidence.models(order))).weights
    assert_allclose(shuffled, plain[order], rtol=0, atol=1e-9)


def test_many_rows_leave_nothing_to_resample():
    evidence = make_evidence(2, m=3, n=50)
    many = evidence.take(np.tile(np.arange(50), 4000))
    once, averaged = (w.choose(Task(LOG, many)).weights for w in (HESKES, RESAMPLED))
    assert_allclose(averaged, once, rtol=0, atol=0.01)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["heskes", "heskes-resampled"])
def test_the_linear_rule_and_exact_zeros_are_refused(name):
    p = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
    models = {"a": p, "b": np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])}
    with pytest.raises(InputError, match=f"{name}.*is for rule='log', found rule='linear'"):
        op.fit(models, [0, 1, 0], weighting=name, rule="linear")
    with pytest.raises(InputError, match=f"{name}.*zeros.*floor"):
        op.fit(models, [0, 1, 0], weighting=name, floor="veto")
    pool = op.fit(models, [0, 1, 0], weighting=name, floor=1e-3)
    assert pool.weights.sum() == pytest.approx(1)
