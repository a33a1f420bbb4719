"""scikit-learn's tests of the soft VotingClassifier, as behaviour: the same numbers.

After ``sklearn/ensemble/tests/test_voting.py`` (scikit-learn 1.9).
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier
from sklearn_members import iris
from tolerance import tolerance

from opinionpool.integrations.sklearn import OpinionPoolClassifier

X, Y = iris()
TOY_X = np.array([[-1.1, -1.5], [-1.2, -1.4], [-3.4, -2.2], [1.1, 1.2]])
TOY_Y = np.array([1, 1, 2, 2])
CLOSE = tolerance(np.float64, 64)  # a logarithm and back


def members(seed=0):
    return [
        ("lr", LogisticRegression(random_state=seed)),
        ("rf", RandomForestClassifier(n_estimators=10, random_state=seed)),
        ("nb", GaussianNB()),
    ]


def soft(estimators, weights=None, **more):
    weighting = "uniform" if weights is None else weights
    return OpinionPoolClassifier(
        estimators, rule="linear", weighting=weighting, temperature=1.0, **more
    )


def assert_same(pool, voting, rows):
    np.testing.assert_allclose(pool.predict_proba(rows), voting.predict_proba(rows), **CLOSE)
    np.testing.assert_array_equal(pool.predict(rows), voting.predict(rows))


@pytest.mark.parametrize(
    "labels", [Y, np.array(["b", "a", "c"])[Y], Y * 2.0], ids=lambda y: y.dtype.kind
)
@pytest.mark.parametrize(
    "weights", [None, [1, 2, 10], (0.5, 0.5, 0.0), np.array([1, 2, 3])], ids=str
)
def test_probabilities_are_those_of_soft_voting(weights, labels):
    voting = VotingClassifier(members(), voting="soft", weights=weights).fit(X, labels)
    pool = soft(members(), weights).fit(X, labels)
    assert_same(pool, voting, X)
    np.testing.assert_array_equal(pool.classes_, voting.classes_)


def test_predict_proba_on_toy_problem():
    voting = VotingClassifier(members(123), voting="soft", weights=[2, 1, 1]).fit(TOY_X, TOY_Y)
    assert_same(soft(members(123), [2, 1, 1]).fit(TOY_X, TOY_Y), voting, TOY_X)


def test_weights_iris():
    assert cross_val_score(soft(members(), [1, 2, 10]), X, Y).mean() >= 0.9


@pytest.mark.parametrize(
    ("estimators", "weights", "message"),
    [
        ([], None, "Invalid 'estimators' attribute, 'estimators' should be a non-empty list"),
        ([("", object(), 1)], None, "Invalid 'estimators' attribute"),
        ([(213, LogisticRegression())], None, "Invalid 'estimators' attribute"),
        (LogisticRegression(), None, "Invalid 'estimators' attribute"),
        ([("lr", LogisticRegression())], [1, 2], "Number of `estimators` and weights must be"),
        ([("lr", "drop")], None, "All estimators are dropped. At least one is required"),
        ([("rule", LogisticRegression())], None, "conflict with constructor arguments"),
        ([("a", GaussianNB()), ("a", GaussianNB())], None, "not unique"),
        ([("a__b", GaussianNB())], None, "must not contain __"),
        ([("splitter", GaussianNB())], None, "'splitter' is taken"),
    ],
)
def test_estimators_and_weights_that_cannot_be(estimators, weights, message):
    with pytest.raises(ValueError, match=message):
        soft(estimators, weights).fit(X, Y)


def test_not_fitted():
    for method in ("predict", "predict_proba", "predict_log_proba", "predict_members"):
        with pytest.raises(NotFittedError, match="This OpinionPoolClassifier instance is not"):
            getattr(soft(members()), method)(X)


def test_parallel_fit():
    one, two = (soft(members(), n_jobs=n).fit(TOY_X, TOY_Y) for n in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(TOY_X), two.predict_proba(TOY_X))


def test_sample_weight():
    weight = np.random.default_rng(0).uniform(size=len(Y))
    lr = LogisticRegression().fit(X, Y, weight)
    pool = soft([("lr", LogisticRegression())]).fit(X, Y, sample_weight=weight)
    assert_same(pool, lr, X)
    voting = VotingClassifier(members(), voting="soft").fit(X, Y, sample_weight=weight)
    assert_same(soft(members()).fit(X, Y, sample_weight=weight), voting, X)


def test_set_params():
    first = soft([("lr", LogisticRegression()), ("rf", members()[1][1])], [1, 2]).fit(X, Y)
    second = soft([("lr", LogisticRegression()), ("nb", GaussianNB())], [1, 2])
    second.set_params(nb=members()[1][1]).fit(X, Y)
    assert_same(second, first, X)
    assert second.set_params(lr__C=7.0).get_params()["lr__C"] == 7.0
    assert second.named_estimators.lr.C == 7.0


def test_set_estimator_drop():
    without = soft(members(), [1, 0, 0.5]).fit(X, Y)
    dropped = soft(members(), [1, 1, 0.5]).set_params(rf="drop").fit(X, Y)
    assert_same(dropped, without, X)
    assert dropped.get_params()["rf"] == "drop" == dropped.named_estimators_["rf"]
    assert [type(e) for e in dropped.estimators_] == [LogisticRegression, GaussianNB]
    with pytest.raises(ValueError, match="All estimators are dropped"):
        dropped.set_params(lr="drop", nb="drop").fit(X, Y)


def test_grid_search():
    grid = {"lr__C": [1.0, 100.0], "weighting": [[0.5, 0.5, 0.5], [1.0, 0.5, 0.5]]}
    found = GridSearchCV(soft(members()), grid, cv=2).fit(X, Y)
    assert set(found.best_params_) == {"lr__C", "weighting"}
    assert found.best_score_ > 0.9


def test_n_features_in():
    pool = soft([("lr", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))])
    assert not hasattr(pool, "n_features_in_")
    assert pool.fit([[1, 2], [3, 4], [5, 6]], [0, 1, 2]).n_features_in_ == 2
