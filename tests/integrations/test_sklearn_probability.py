"""Regression of probabilities: fractions and soft labels through a sigmoid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn_members import Constant
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, LabelError, OpinionPoolWarning
from opinionpool.integrations.sklearn import (
    OpinionPoolProbabilityRegressor,
    ProbabilityRegressor,
)
from opinionpool.integrations.sklearn.probability import brier, cross_entropy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
P = expit(X @ [1.0, 2.0, -1.0] + 0.3)
Y = RNG.binomial(20, P) / 20


def objective(loss, alpha):
    def value(beta):
        p = expit(X @ beta[:-1] + beta[-1])
        each = (Y - p) ** 2
        if loss == "cross-entropy":
            each = -Y * np.log(p) - (1 - Y) * np.log1p(-p)
        return (each.sum() + 0.5 * alpha * beta[:-1] @ beta[:-1]) / len(Y)

    return value


@pytest.mark.parametrize("loss", ["cross-entropy", "brier"])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 30.0])
def test_coefficients_minimise_the_loss(loss, alpha):
    found = ProbabilityRegressor(loss=loss, alpha=alpha).fit(X, Y)
    value = objective(loss, alpha)
    beta = np.append(found.coef_, found.intercept_)
    best = minimize(value, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
    assert value(beta) <= best.fun + 1e-9
    np.testing.assert_allclose(beta, best.x, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.predict(X), expit(X @ beta[:-1] + beta[-1]), rtol=1e-12)


@pytest.mark.parametrize("form", [cross_entropy, brier])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_slopes_are_derivatives(form, y):
    for h in (-30.0, -2.0, 0.0, 1.0, 8.0):
        _, slope = form(np.array([h]), np.array([y]))
        numeric = approx_fprime([h], lambda z: form(z, np.array([y]))[0][0], 1e-7)
        assert slope[0] == pytest.approx(numeric[0], abs=1e-6)
    loss, slope = form(np.array([-800.0, 800.0]), np.array([y, y]))
    assert np.isfinite(loss).all()
    assert np.isfinite(slope).all()


def test_hard_labels_give_logistic_regression():
    hard = (Y > 0.5).astype(float)
    ours = ProbabilityRegressor(alpha=0.5).fit(X, hard)
    theirs = LogisticRegression(C=2.0, tol=1e-10).fit(X, hard)
    np.testing.assert_allclose(ours.coef_, theirs.coef_[0], rtol=0, atol=1e-5)
    assert ours.intercept_ == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_a_fraction_is_its_parts():
    """Twenty trials behind a fraction: that many rows of 0 and 1, or a weight of 20."""
    counts = np.round(20 * Y).astype(int)
    rows = np.repeat(X, 20, axis=0)
    labels = np.concatenate([np.r_[np.ones(c), np.zeros(20 - c)] for c in counts])
    whole = ProbabilityRegressor().fit(X, Y, sample_weight=np.full(300, 20.0))
    parts = ProbabilityRegressor().fit(rows, labels)
    np.testing.assert_allclose(whole.coef_, parts.coef_, rtol=0, atol=1e-5)


def test_the_brier_loss_is_deaf_to_wrong_labels():
    wrong = Y.copy()
    far = np.argsort(P)[-8:]
    wrong[far] = 0.0
    truth = np.array([1.0, 2.0, -1.0])
    errors = {
        loss: np.abs(ProbabilityRegressor(loss=loss, alpha=0.0).fit(X, wrong).coef_ - truth).max()
        for loss in ("cross-entropy", "brier")
    }
    assert errors["brier"] < 0.5 * errors["cross-entropy"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y + 0.5, r"row \d+: found .* expected fractions in \[0, 1\]"),
        (np.stack([1 - Y, Y], axis=1), "found 2 columns.*soft labels"),
        (np.full(300, np.nan), "contains NaN"),
    ],
    ids=["outside", "columns", "nan"],
)
@pytest.mark.parametrize(
    "estimator",
    [ProbabilityRegressor(), OpinionPoolProbabilityRegressor([("a", ProbabilityRegressor())])],
    ids=["member", "pool"],
)
def test_targets_that_are_no_fractions(estimator, y, message):
    with pytest.raises(InputError, match=message):
        estimator.fit(X, y)


def test_options_that_cannot_be():
    for options, message in (
        ({"loss": "hinge"}, "loss: found 'hinge', expected one of cross-entropy, brier"),
        ({"alpha": -1.0}, "alpha: found -1"),
        ({"alpha": True}, "alpha: found True"),
    ):
        with pytest.raises(InputError, match=message):
            ProbabilityRegressor(**options).fit(X, Y)
    with pytest.warns(OpinionPoolWarning, match="stopped after max_iter=1 steps"):
        ProbabilityRegressor(max_iter=1).fit(X, Y)


def test_a_softmax_of_one_output_is_refused_and_the_sigmoid_named():
    with pytest.raises(InputError, match=r"identically 1 with zero gradient.*sigmoid"):
        op.softmax(np.zeros((300, 1)))
    assert "softmax of one output is identically 1" in " ".join(
        ProbabilityRegressor.__doc__.split()
    )


MEMBERS = [
    ("entropy", ProbabilityRegressor()),
    ("brier", ProbabilityRegressor(loss="brier")),
    ("rate", Constant(0.5)),
]


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_a_pool_of_fractions_is_the_library_on_soft_labels(rule):
    cv = KFold(3)
    pool = OpinionPoolProbabilityRegressor(MEMBERS, rule=rule, cv=cv).fit(X, Y)
    said = {name: np.empty((300, 1)) for name, _ in MEMBERS}
    for name, member in MEMBERS:
        for a, b in cv.split(X):
            said[name][b, 0] = member.fit(X[a], Y[a]).predict(X[b])
    expected = op.fit(said, Y, rule=rule, floor=1e-6, kind="probabilities")
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-7)
    new = {name: member.fit(X, Y).predict(X)[:, None] for name, member in MEMBERS}
    np.testing.assert_allclose(pool.predict(X), expected.apply(new)[:, 1], rtol=1e-9)
    assert pool.pool_.gap < 1e-8


def test_what_lies_outside_0_and_1_is_floored():
    pool = OpinionPoolProbabilityRegressor(
        [("low", Constant(-0.2)), ("high", Constant(1.3))], weighting="uniform"
    ).fit(X, Y)
    said = pool.predict_members(X[:1])
    assert said["low"].tolist() == [[1.0, 0.0]]
    assert said["high"].tolist() == [[0.0, 1.0]]
    np.testing.assert_allclose(pool.predict(X[:3]), 0.5, **tolerance(float, 64))


def test_labels_error_is_a_value_error_of_its_own():
    with pytest.raises(LabelError, match="divide counts by their totals"):
        ProbabilityRegressor().fit(X, 20 * Y)
