"""A bag of regressors, pooled with weights chosen out of bag."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import BaggingRegressor
from sklearn.utils.validation import check_is_fitted

from ...families.mixture import Mixture
from .bag import PooledBag
from .choose import seed_of
from .members import real_means
from .out_of_bag import bag_pool
from .regressor import Distributional
from .spread import least_std, root_mean_square
from .targets import checked_target, checked_weight

Array = NDArray[np.float64]


class PooledBaggingRegressor(PooledBag, Distributional, BaggingRegressor):  # type: ignore[misc]
    """Bagging of regressors whose members have weights, chosen outside their bags.

    Members are Gaussians of one common variance, so the pooled mean is the weighted mean, and
    Heskes' quadratic programme is exact. The pooled variance is fitted out of bag and
    extrapolated to all members.

    Parameters
    ----------
    estimator : object, default=None
        None is a decision tree.
    n_estimators, weighting, temperature, penalty
        As for :class:`PooledBaggingClassifier`; the rule is the logarithmic one.
    max_samples, max_features, bootstrap, bootstrap_features, n_jobs, random_state, verbose
        As for scikit-learn's ``BaggingRegressor``.

    Attributes
    ----------
    pool_, weights_
        As of :class:`PooledBaggingClassifier`.
    spread_ : float
        The members' common standard deviation: the root mean square of their residuals.
    estimators_, estimators_samples_, estimators_features_, n_features_in_
        As of ``BaggingRegressor``.

    Raises
    ------
    InputError
        Where no row is out of any bag; a ``ValueError``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from opinionpool.integrations.sklearn import PooledBaggingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> bag = PooledBaggingRegressor(n_estimators=10, random_state=0).fit(X, y)
    >>> mean, std = bag.predict(X[:3], return_std=True)
    >>> mean.shape, std.shape
    ((3,), (3,))

    References
    ----------
    Heskes, "Balancing between bagging and bumping", NIPS 1996.
    """

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 25,
        *,
        weighting: Any = "optimal",
        temperature: Any = "fit",
        penalty: Any = "auto",
        max_samples: Any = 1.0,
        max_features: Any = 1.0,
        bootstrap: bool = True,
        bootstrap_features: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            n_estimators,
            max_samples=max_samples,
            max_features=max_features,
            bootstrap=bootstrap,
            bootstrap_features=bootstrap_features,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.weighting = weighting
        self.temperature = temperature
        self.penalty = penalty

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any
    ) -> PooledBaggingRegressor:
        """Fit the members on bootstrap replicates, then weights and variance out of bag.

        Parameters
        ----------
        X, y, sample_weight, **fit_params
            As for ``BaggingRegressor``; the weights count for the pool as well.

        Returns
        -------
        self
        """
        target = checked_target(y)
        weight = checked_weight(sample_weight, len(target))
        super().fit(X, target, sample_weight=weight, **fit_params)
        return self.refit_pool(X, target, weight)

    def refit_pool(self, X: Any, y: Any, sample_weight: Any = None) -> PooledBaggingRegressor:
        """Choose weights and variance again; as :meth:`PooledBaggingClassifier.refit_pool`."""
        check_is_fitted(self, "estimators_")
        target = checked_target(y)
        weight = checked_weight(sample_weight, len(target))
        said = self.out_of_bag(self.checked_rows(X), real_means, 1)
        means = np.concatenate(list(said.values()), axis=1)
        u = np.ones_like(means) if weight is None else np.broadcast_to(weight[:, None], means.shape)
        here = ~np.isnan(means)
        residuals = target[:, None] - means
        least = least_std(target)
        self.spread_ = max(root_mean_square(residuals[here], u[here]), least)
        self.pool_ = bag_pool(
            {name: self._moments(mean) for name, mean in said.items()},
            target,
            weight,
            self.weighting,
            self.temperature,
            seed_of(self.random_state),
            penalty=self.penalty,
            family="gaussian",
            kind="std",
        )
        self.weights_ = self.pool_.weights
        return self

    def predict_distribution(self, X: Any) -> Mixture:
        """Return the pooled Gaussian of each row."""
        check_is_fitted(self)
        outputs = self.said_of(X, real_means, self.weights_)
        moments = {name: self._moments(mean) for name, mean in outputs.items()}
        return self.pool_.distribution(moments)

    def _moments(self, mean: Array) -> Array:
        std = np.where(np.isnan(mean), np.nan, self.spread_)
        return np.concatenate([mean, std], axis=1)
