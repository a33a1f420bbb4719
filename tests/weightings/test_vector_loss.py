"""Vector scaling's loss: its derivatives, and its optimum where a bound holds numbers back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import derivative, log_softmax

from opinionpool.rules.evidence import Outcomes
from opinionpool.weightings import vector_scaling
from opinionpool.weightings.vector_loss import VectorLoss
from opinionpool.weightings.vector_scaling import apply_vector, fit_vector

RNG = np.random.default_rng(0)
N, K = 300, 4
LOG_P = log_softmax(RNG.normal(size=(N, K)))
LOG_P[::9, 3] = -np.inf
Y = RNG.integers(0, 3, N)
U = RNG.uniform(0.2, 2.0, N)
Q = RNG.dirichlet(np.ones(K), N)
Q[::9] = [0.2, 0.5, 0.3, 0.0]
OUTCOMES = pytest.mark.parametrize("outcomes", [Outcomes(classes=Y), Outcomes(soft=Q)])
X = np.concatenate([RNG.uniform(0.5, 2, K), RNG.normal(size=K)])


@OUTCOMES
def test_value_is_the_loss_of_what_is_applied(outcomes):
    loss = VectorLoss(LOG_P, outcomes, U)
    scaled = apply_vector(LOG_P, X.reshape(2, K))
    assert loss.loss(X) == pytest.approx(-U @ outcomes.expectation(scaled) / U.sum(), abs=1e-12)


@OUTCOMES
def test_derivatives(outcomes):
    loss = VectorLoss(LOG_P, outcomes, U, threads=2)
    slope = derivative(lambda x: loss.evaluate(x)[0], X)
    assert_allclose(loss.evaluate(X)[1], slope, rtol=0, atol=1e-8)
    bend = np.stack([derivative(lambda x, i=i: loss.evaluate(x)[1][i], X) for i in range(2 * K)])
    assert_allclose(loss.curvature(X), bend, rtol=0, atol=1e-8)
    assert_allclose(loss.curvatures(X), np.diag(bend), rtol=0, atol=1e-8)


def test_many_classes_end_at_the_same_optimum(monkeypatch):
    few, loss = fit_vector(LOG_P, Outcomes(classes=Y), U)
    monkeypatch.setattr(vector_scaling, "_MANY", 0)
    many, other = fit_vector(LOG_P, Outcomes(classes=Y), U)
    assert_allclose(many, few, rtol=0, atol=1e-4)
    assert other == pytest.approx(loss, abs=1e-7)


def test_factors_stay_positive():
    """A class that is likely when it is said not to be has a negative factor, unless held."""
    z = 3 * np.eye(3)[np.arange(600) % 3]
    wrong = (np.arange(600) + 1) % 3
    vector, _ = fit_vector(log_softmax(z), Outcomes(classes=wrong), np.ones(600))
    assert vector[0].min() == pytest.approx(1e-2)
    assert (vector[0] > 0).all()
