"""OpinionPoolRegressor: means and variances out of fold."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LinearRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn_members import Constant, diabetes
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import OpinionPoolWarning
from opinionpool.integrations.sklearn import OpinionPoolRegressor

X, Y = diabetes()
CV = KFold(4)
MEMBERS = [("ridge", Ridge()), ("bayes", BayesianRidge()), ("knn", KNeighborsRegressor(20))]


def held_out(weight=None):
    """Means and standard deviations out of fold: stated, or the residuals' root mean square."""
    found = {}
    for name, member in MEMBERS:
        mean, std = np.empty(len(Y)), np.empty(len(Y))
        for a, b in CV.split(X):
            fitted = clone(member).fit(X[a], Y[a])
            if name == "bayes":
                mean[b], std[b] = fitted.predict(X[b], return_std=True)
            else:
                mean[b] = fitted.predict(X[b])
        if name != "bayes":
            std[:] = np.sqrt(np.mean((Y - mean) ** 2))
        found[name] = np.stack([mean, std], axis=1)
    return found


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("weighting", ["optimal", "uniform", [1, 2, 3]], ids=str)
def test_it_is_the_library_on_out_of_fold_moments(rule, weighting):
    pool = OpinionPoolRegressor(MEMBERS, rule=rule, weighting=weighting, cv=CV).fit(X, Y)
    said = held_out()
    expected = op.fit(said, Y, family="gaussian", kind="std", rule=rule, weighting=weighting)
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-7)
    assert pool.pool_.temperature == pytest.approx(expected.temperature, rel=1e-7)
    assert pool.spreads_ == {
        name: pytest.approx(said[name][0, 1], rel=1e-9) for name in ("ridge", "knn")
    }
    assert pool.pool_.gap >= 0


def test_predictions_are_of_members_fitted_on_all_rows():
    pool = OpinionPoolRegressor(MEMBERS, cv=CV).fit(X, Y)
    new = {}
    for name, member in MEMBERS:
        fitted = clone(member).fit(X, Y)
        if name == "bayes":
            new[name] = np.stack(fitted.predict(X[:5], return_std=True), axis=1)
        else:
            mean = fitted.predict(X[:5])
            new[name] = np.stack([mean, np.full(5, pool.spreads_[name])], axis=1)
    moments = pool.pool_.apply(new)
    mean, std = pool.predict(X[:5], return_std=True)
    np.testing.assert_allclose(mean, moments[:, 0], **tolerance(float, 64))
    np.testing.assert_allclose(std, np.sqrt(moments[:, 1]), **tolerance(float, 64))
    np.testing.assert_array_equal(pool.predict(X[:5]), mean)


def test_quantiles_of_the_log_pool_are_a_gaussian_s_and_of_the_linear_pool_a_mixture_s():
    log = OpinionPoolRegressor(MEMBERS, cv=CV).fit(X, Y)
    mean, std = log.predict(X[:4], return_std=True)
    np.testing.assert_allclose(
        log.predict_quantiles(X[:4], [0.1, 0.5, 0.99]),
        mean[:, None] + std[:, None] * norm.ppf([0.1, 0.5, 0.99]),
        rtol=1e-12,
    )
    mixture = OpinionPoolRegressor(MEMBERS, rule="linear", weighting=[1, 1, 1], cv=CV).fit(X, Y)
    found = mixture.predict_distribution(X[:4])
    assert found.weights.shape == (3, 4)
    q = mixture.predict_quantiles(X[:4], 0.9)
    np.testing.assert_allclose(found.cdf(q[:, 0]), 0.9, rtol=1e-12)


def test_intervals_cover_new_rows():
    rows = np.random.default_rng(0).permutation(len(Y))
    a, b = rows[:300], rows[300:]
    q = OpinionPoolRegressor(MEMBERS).fit(X[a], Y[a]).predict_quantiles(X[b], [0.05, 0.95])
    covered = np.mean((q[:, 0] < Y[b]) & (Y[b] < q[:, 1]))
    assert 0.83 < covered < 0.97  # 142 rows: three standard errors around 0.9 are 0.075


def test_a_member_that_states_its_spread_inside_a_pipeline_is_believed():
    kernel = RBF(3.0) + WhiteKernel(0.5)
    gp = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True)
    pool = OpinionPoolRegressor(
        [("gp", make_pipeline(StandardScaler(), gp)), ("ridge", Ridge())], cv=CV
    ).fit(X, Y)
    assert list(pool.spreads_) == ["ridge"]
    far = np.full((1, X.shape[1]), 1.0)
    assert pool.predict_members(far)["gp"][0, 1] > pool.predict_members(X[:1])["gp"][0, 1]


def test_exact_members_keep_a_spread_above_zero():
    y = X @ np.arange(10.0)
    pool = OpinionPoolRegressor([("ols", LinearRegression()), ("zero", Constant())]).fit(X, y)
    mean, std = pool.predict(X, return_std=True)
    np.testing.assert_allclose(mean, y, rtol=0, atol=1e-4 * y.std())
    assert (std > 0).all()
    flat = OpinionPoolRegressor([("zero", Constant())]).fit(X, np.zeros(len(X)))
    assert (flat.predict(X, return_std=True)[1] > 0).all()


def test_weights_of_rows_count_for_the_spreads():
    weight = np.where(np.arange(len(Y)) < 221, 1.0, 3.0)
    pool = OpinionPoolRegressor([("zero", Constant())], cv=CV)
    with pytest.warns(OpinionPoolWarning, match="take none"):
        pool.fit(X, Y, sample_weight=weight)
    assert pool.spreads_["zero"] == pytest.approx(np.sqrt(np.average(Y**2, weights=weight)))


def test_compare_prefit_pickle_and_display():
    pool = OpinionPoolRegressor(MEMBERS, weighting="compare", cv=CV).fit(X, Y)
    said = held_out()
    expected = op.compare(said, Y, family="gaussian", kind="std")
    assert next(r for r in pool.comparison_ if r["recommended"])["candidate"] == (
        expected.recommended
    )
    again = pickle.loads(pickle.dumps(pool))
    np.testing.assert_array_equal(again.predict(X), pool.predict(X))
    assert "ridge: " in pool._repr_html_()
    half = slice(0, None, 2)
    fitted = [(name, clone(m).fit(X[half], Y[half])) for name, m in MEMBERS]
    prefit = OpinionPoolRegressor(fitted, cv="prefit").fit(X[1::2], Y[1::2])
    assert prefit.estimators_[0] is fitted[0][1]
    residual = Y[1::2] - fitted[0][1].predict(X[1::2])
    assert prefit.spreads_["ridge"] == pytest.approx(np.sqrt(np.mean(residual**2)))


def test_rows_with_gaps_are_answered_by_those_who_take_them():
    pool = OpinionPoolRegressor([("ridge", Ridge()), ("c", Constant(150.0))], weighting=[1, 1])
    pool.fit(X, Y)
    gaps = X[:4].copy()
    gaps[1, 3] = np.inf
    mean = pool.predict(gaps)
    assert mean[1] == pytest.approx(150.0)
    np.testing.assert_allclose(mean[[0, 2, 3]], pool.predict(X[:4])[[0, 2, 3]], rtol=1e-12)


def test_the_pool_is_no_worse_than_cross_validation_says_of_its_members():
    pool = OpinionPoolRegressor(MEMBERS, cv=CV).fit(X, Y)
    assert pool.pool_.loss <= pool.pool_.losses.min() + 1e-9
    alone = [np.mean((Y - cross_val_predict(m, X, Y, cv=CV)) ** 2) for _, m in MEMBERS]
    assert np.mean((Y - pool.predict(X)) ** 2) < max(alone)
