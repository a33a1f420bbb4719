"""A pool of regressors of probabilities: fractions and soft labels as targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, is_regressor
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from .base import PoolOfEstimators
from .choose import Wish, learned_pool, pooled_log_probabilities, resolved_floor, seed_of
from .members import real_means
from .targets import checked_fractions, checked_weight, groups_of

Array = NDArray[np.float64]


class OpinionPoolProbabilityRegressor(RegressorMixin, PoolOfEstimators):  # type: ignore[misc]
    """Pool regressors of probabilities, weights chosen by soft cross-entropy out of fold.

    A member's prediction is the probability of the second of two classes; what it says below 0
    or above 1 is taken as 0 or 1 and floored. Targets are fractions or soft labels in [0, 1].

    Parameters
    ----------
    estimators : list of (str, estimator)
        Regressors of numbers in [0, 1], such as :class:`ProbabilityRegressor`.
    rule, weighting, temperature, floor, penalty, fallback, pool_options
        As for :class:`OpinionPoolClassifier`.
    cv, on_failure, n_jobs, random_state, verbose
        As for :class:`OpinionPoolRegressor`.

    Attributes
    ----------
    pool_, weights_, estimators_, named_estimators_, failures_, comparison_
        As of :class:`OpinionPoolClassifier`; the pool's classes are 0 and 1.
    n_features_in_, feature_names_in_
        As usual.

    Raises
    ------
    InputError
        For targets outside [0, 1] and members that cannot be used; a ``ValueError``.

    Examples
    --------
    >>> import numpy as np
    >>> from opinionpool.integrations.sklearn import (
    ...     OpinionPoolProbabilityRegressor, ProbabilityRegressor)
    >>> X = np.linspace(-3, 3, 60)[::7].reshape(-1, 1)
    >>> y = 1 / (1 + np.exp(-2 * X[:, 0]))
    >>> members = [(loss, ProbabilityRegressor(loss=loss)) for loss in ("cross-entropy", "brier")]
    >>> pool = OpinionPoolProbabilityRegressor(members, cv=3).fit(X, y)
    >>> bool(0 < pool.predict([[0.5]])[0] < 1)
    True
    """

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        *,
        rule: str = "log",
        weighting: Any = "optimal",
        temperature: Any = "fit",
        floor: Any = "auto",
        penalty: Any = "auto",
        fallback: str = "error",
        pool_options: Mapping[str, Any] | None = None,
        cv: Any = None,
        on_failure: str = "drop",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.rule = rule
        self.weighting = weighting
        self.temperature = temperature
        self.floor = floor
        self.penalty = penalty
        self.fallback = fallback
        self.pool_options = pool_options
        self.cv = cv
        self.on_failure = on_failure
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, **params: Any
    ) -> OpinionPoolProbabilityRegressor:
        """Fit members, weights and temperature.

        Parameters
        ----------
        X : array-like or frame of shape (n, n_features)
            Passed to the members as it is.
        y : array-like of shape (n,)
            Fractions in [0, 1].
        sample_weight : array-like of shape (n,), default=None
            How much rows count, such as the totals behind the fractions.
        **params
            As for :meth:`OpinionPoolClassifier.fit`.

        Returns
        -------
        self
        """
        estimators = self.chosen(is_regressor, "regressor")
        X, y = indexable(X, y)
        self.check_rows(X, reset=True)
        target = checked_fractions(y)
        weight = checked_weight(sample_weight, len(target))
        wish = Wish(
            self.rule,
            self.weighting,
            self.temperature,
            self.penalty,
            self.fallback,
            resolved_floor(self.floor, 2, needed=True),
            dict(self.pool_options or {}),
            seed_of(self.random_state),
            members_learn=True,
        )
        found = self.fit_members(
            estimators,
            X,
            target,
            two_classes,
            sample_weight=weight,
            params=params,
            learning=True,
            stratified=False,
        )
        self.keep(found)
        found = found.take(found.answered())
        happened = target[found.rows]
        self.pool_, comparison = learned_pool(
            wish,
            found,
            np.stack([1 - happened, happened], axis=1),
            None if weight is None else weight[found.rows],
            groups_of(params, found.rows),
            [name for name, _ in self.estimators],
            kind="probabilities",
            classes=[0, 1],
        )
        self.remember(comparison)
        self.weights_ = self.pool_.weights
        return self

    def predict(self, X: Any) -> Array:
        """Return pooled probabilities, (n,)."""
        check_is_fitted(self)
        log_p = pooled_log_probabilities(self.pool_, self.predict_members(X))
        return np.asarray(np.exp(log_p[:, 1]))

    def predict_members(self, X: Any) -> dict[str, Array]:
        """Return what each member with weight says, (n, 2) probabilities of 0 and 1.

        As ``pool_.apply`` takes it; a row of NaN where a member refuses a row with gaps.
        """
        check_is_fitted(self)
        self.check_rows(X, reset=False)
        return self.said(X, two_classes, 2)


def two_classes(member: Any, X: Any) -> Array:
    """Return a member's predictions as (n, 2) probabilities."""
    p = np.clip(real_means(member, X), 0.0, 1.0)
    return np.concatenate([1 - p, p], axis=1)
