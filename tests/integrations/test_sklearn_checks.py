"""scikit-learn's own checks of estimators."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from opinionpool.integrations.sklearn import (
    OpinionPoolClassifier,
    OpinionPoolProbabilityRegressor,
    OpinionPoolRegressor,
    PooledBaggingClassifier,
    PooledBaggingRegressor,
    ProbabilityRegressor,
)

#: What scikit-learn expects to fail of its own Bagging.
BAGS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a bootstrap is not a repetition of rows"
    for kind in ("dense", "sparse")
}


class Squeezed:
    """Whatever the targets of a check are, fractions; to be mixed in before the estimator."""

    def fit(self, X, y, sample_weight=None):
        y = None if y is None else np.asarray(y)
        if y is not None and y.dtype.kind in "fiuO" and np.isfinite(y.astype(float)).all():
            y = (y.astype(float) - y.min()) / max(float(y.max() - y.min()), 1e-3)
        return super().fit(X, y, sample_weight)


class SqueezedRegressor(Squeezed, ProbabilityRegressor):
    pass


class SqueezedPool(Squeezed, OpinionPoolProbabilityRegressor):
    pass


def expected_failures(estimator):
    if isinstance(estimator, PooledBaggingClassifier | PooledBaggingRegressor):
        return BAGS
    if isinstance(estimator, Squeezed):
        return {"check_regressors_train": "the score is of targets that were not squeezed"}
    return {}


@parametrize_with_checks(
    [
        OpinionPoolClassifier([("lr", LogisticRegression()), ("nb", GaussianNB())]),
        OpinionPoolClassifier([("lr", LogisticRegression()), ("ridge", RidgeClassifier())]),
        OpinionPoolRegressor(
            [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]
        ),
        OpinionPoolRegressor([("bayes", BayesianRidge()), ("ridge", Ridge())], rule="linear"),
        PooledBaggingClassifier(n_estimators=5),
        PooledBaggingRegressor(n_estimators=5),
        SqueezedRegressor(),
        SqueezedPool([("a", Ridge()), ("b", BayesianRidge())]),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
