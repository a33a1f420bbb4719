"""Pooled bags: out-of-bag rows, the ends of the range, the temperature of the whole bag."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn_members import cancer, diabetes, iris
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import Status
from opinionpool.integrations.sklearn import PooledBaggingClassifier, PooledBaggingRegressor
from opinionpool.weightings.two_way import Balancing

X, Y = cancer()
RX, RY = diabetes()
TREE = DecisionTreeClassifier(min_samples_leaf=3)


def out_of_bag(bag, rows):
    """What each member says of rows outside its bag, from its public attributes."""
    found = {}
    for i, (member, samples) in enumerate(
        zip(bag.estimators_, bag.estimators_samples_, strict=True)
    ):
        said = member.predict_proba(rows)
        said[np.unique(samples)] = np.nan
        found[f"m{i}"] = said
    return found


@pytest.mark.parametrize("weighting", ["uniform", "optimal", "balancing", "balancing-resampled"])
def test_weights_are_the_library_s_on_out_of_bag_rows(weighting):
    bag = PooledBaggingClassifier(TREE, 10, weighting=weighting, random_state=0).fit(X, Y)
    said = out_of_bag(bag, X)
    answered = ~np.all([np.isnan(s).all(axis=1) for s in said.values()], axis=0)
    chosen = Balancing() if weighting == "balancing" else weighting
    if weighting != "balancing-resampled":
        expected = op.fit(
            {name: s[answered] for name, s in said.items()},
            Y[answered],
            weighting=chosen,
            floor=1e-6,
        )
        np.testing.assert_allclose(bag.weights_, expected.weights, rtol=0, atol=1e-9)
    assert bag.pool_.weighting == weighting
    assert bag.weights_.sum() == pytest.approx(1)
    whole = {f"m{i}": m.predict_proba(X) for i, m in enumerate(bag.estimators_)}
    np.testing.assert_allclose(
        bag.predict_proba(X), bag.pool_.apply(whole), **tolerance(float, 1 << 10)
    )


def test_one_end_is_bagging():
    pooled = PooledBaggingClassifier(
        TREE, 12, weighting="uniform", temperature=1.0, rule="linear", random_state=3
    ).fit(X, Y)
    plain = BaggingClassifier(TREE, 12, max_samples=1.0, random_state=3).fit(X, Y)
    np.testing.assert_allclose(
        pooled.predict_proba(X), plain.predict_proba(X), rtol=1e-12, atol=1e-15
    )
    regressor = PooledBaggingRegressor(n_estimators=12, weighting="uniform", random_state=3)
    plain = BaggingRegressor(n_estimators=12, max_samples=1.0, random_state=3).fit(RX, RY)
    np.testing.assert_allclose(regressor.fit(RX, RY).predict(RX), plain.predict(RX), rtol=1e-12)


@pytest.mark.parametrize(
    ("bag", "rows", "labels"),
    [
        (PooledBaggingClassifier(TREE, 10, weighting="single", random_state=1), X, Y),
        (PooledBaggingRegressor(n_estimators=10, weighting="single", random_state=1), RX, RY),
    ],
    ids=["classifier", "regressor"],
)
def test_the_other_end_is_bumping(bag, rows, labels):
    bag.fit(rows, labels)
    assert sorted(bag.weights_) == [0.0] * 9 + [1.0]
    best = bag.estimators_[int(bag.weights_.argmax())]
    np.testing.assert_array_equal(bag.predict(rows), best.predict(rows))


def test_the_exact_objective_is_never_above_equal_weights_on_its_rows():
    losses = {
        w: PooledBaggingClassifier(TREE, 10, weighting=w, random_state=0, penalty=0).fit(X, Y)
        for w in ("uniform", "optimal")
    }
    assert losses["optimal"].pool_.loss <= losses["uniform"].pool_.loss
    assert losses["optimal"].pool_.status is Status.STATIONARY


def test_a_spoilt_member_loses_its_weight():
    """Labels of one third of the rows are noise for whoever drew them."""

    class Spoilt(DecisionTreeRegressor):
        def fit(self, X, y, sample_weight=None, check_input=True):
            spoilt = self.random_state % 3 == 0
            target = np.random.default_rng(0).permutation(y) if spoilt else y
            super().fit(X, target, sample_weight, check_input)
            self.spoilt_ = spoilt
            return self

    x, y = make_friedman1(300, random_state=0)
    for weighting in ("optimal", "balancing"):
        bag = PooledBaggingRegressor(
            Spoilt(min_samples_leaf=3), 15, weighting=weighting, random_state=0
        ).fit(x, y)
        spoilt = np.array([m.spoilt_ for m in bag.estimators_])
        assert 0 < spoilt.sum() < 15
        assert bag.weights_[spoilt].sum() < 0.1
        equal = clone(bag).set_params(weighting="uniform").fit(x, y)
        new, truth = make_friedman1(500, random_state=1)
        assert np.mean((bag.predict(new) - truth) ** 2) < np.mean((equal.predict(new) - truth) ** 2)


def test_the_variance_is_that_of_the_whole_bag():
    """A third of the members err more than all; the extrapolation lands at what all err by."""
    x, y = make_friedman1(400, noise=1.0, random_state=0)
    new, truth = make_friedman1(4000, noise=1.0, random_state=1)
    ratios = []
    for seed in range(8):
        bag = PooledBaggingRegressor(
            DecisionTreeRegressor(min_samples_leaf=3), 12, weighting="uniform", random_state=seed
        ).fit(x, y)
        mean, std = bag.predict(new, return_std=True)
        assert np.ptp(std) == 0
        # Without: the temperature that out-of-bag rows of a third of the members need.
        said = {}
        for i, (m, s) in enumerate(zip(bag.estimators_, bag.estimators_samples_, strict=True)):
            moments = np.stack([m.predict(x), np.full(len(x), bag.spread_)], axis=1)
            moments[np.unique(s)] = np.nan
            said[f"m{i}"] = moments
        answered = ~np.all([np.isnan(s).all(axis=1) for s in said.values()], axis=0)
        plain = op.fit(
            {n: s[answered] for n, s in said.items()},
            y[answered],
            family="gaussian",
            kind="std",
            weighting="uniform",
        )
        actual = np.mean((truth - mean) ** 2)
        ratios.append([std[0] ** 2 / actual, plain.temperature * bag.spread_**2 / actual])
    extrapolated, out_of_bag_only = np.mean(ratios, axis=0)
    assert abs(np.log(extrapolated)) < 0.15
    assert out_of_bag_only > 1.2


def test_features_weights_of_rows_and_decision_functions():
    bag = PooledBaggingClassifier(
        LogisticRegression(), 8, max_features=0.5, bootstrap_features=True, random_state=0
    )
    weight = np.where(Y == 1, 2.0, 1.0)
    bag.fit(X, Y, sample_weight=weight)
    assert all(len(f) == 15 for f in bag.estimators_features_)
    assert bag.score(X, Y) > 0.9
    ridge = PooledBaggingClassifier(RidgeClassifier(), 8, random_state=0).fit(X, Y)
    assert set(ridge.pool_.kinds) == {"logits"}
    assert ridge.score(X, Y) > 0.9
    assert not hasattr(ridge, "decision_function")


def test_text_labels_many_classes_and_a_class_few_bags_hold():
    x, codes = iris()
    labels = np.array(["setosa", "versicolor", "virginica"])[codes]
    rows = np.r_[0:3, 50:150]
    bag = PooledBaggingClassifier(TREE, 15, random_state=0).fit(x[rows], labels[rows])
    assert bag.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert bag.predict_proba(x).shape == (150, 3)
    np.testing.assert_array_equal(bag.predict(x), bag.classes_[bag.predict_proba(x).argmax(axis=1)])
    np.testing.assert_array_equal(np.exp(bag.predict_log_proba(x)), bag.predict_proba(x))


def test_it_can_be_pickled_and_jobs_do_not_change_it():
    bag = PooledBaggingClassifier(TREE, 6, rule="linear", weighting="greedy", random_state=0).fit(
        X, Y
    )
    again = pickle.loads(pickle.dumps(bag))
    np.testing.assert_array_equal(again.predict_proba(X), bag.predict_proba(X))
    both = clone(bag).set_params(n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(both.predict_proba(X), bag.predict_proba(X))


def test_another_weighting_needs_no_other_members():
    bag = PooledBaggingClassifier(TREE, 8, weighting="uniform", random_state=0).fit(X, Y)
    kept = list(bag.estimators_)
    again = bag.set_params(weighting="single").refit_pool(X, Y)
    assert all(a is b for a, b in zip(again.estimators_, kept, strict=True))
    fresh = PooledBaggingClassifier(TREE, 8, weighting="single", random_state=0).fit(X, Y)
    np.testing.assert_array_equal(again.weights_, fresh.weights_)
    regressor = PooledBaggingRegressor(n_estimators=8, weighting="single", random_state=0)
    one = regressor.fit(RX, RY).weights_
    given = clone(bag).set_params(weighting=np.arange(8)).fit(X, Y)
    np.testing.assert_allclose(given.weights_, np.arange(8) / 28, rtol=1e-12)
    assert (regressor.set_params(weighting="uniform").refit_pool(RX, RY).weights_ == 1 / 8).all()
    assert one.max() == 1


def test_the_temperature_is_of_rows_that_the_weights_were_not_chosen_on():
    """Few rows, many members: in-sample weights would make the pool far too sharp."""
    x, y = iris()
    losses = {"crossed": [], "in sample": []}
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(150)
        a, b = rows[:75], rows[75:]
        bag = PooledBaggingClassifier(TREE, 10, weighting="optimal", random_state=seed)
        bag.fit(x[a], y[a])
        losses["crossed"].append(log_loss(y[b], bag.predict_proba(x[b])))
        said = out_of_bag(bag, x[a])
        plain = op.fit(said, y[a], floor=1e-6)
        whole = {f"m{i}": m.predict_proba(x[b]) for i, m in enumerate(bag.estimators_)}
        losses["in sample"].append(log_loss(y[b], plain.apply(whole)))
        assert bag.pool_.temperature > plain.temperature
    assert np.mean(losses["crossed"]) < np.mean(losses["in sample"]) - 0.02
