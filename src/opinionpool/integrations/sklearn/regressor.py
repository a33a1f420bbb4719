"""A pool of regressors as a regressor: means and variances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, is_regressor
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from ...families.mixture import Mixture
from .base import PoolOfEstimators
from .choose import Wish, learned_pool, seed_of
from .held_out import HeldOut
from .members import real_outputs
from .spread import least_std, root_mean_square
from .targets import checked_target, checked_weight, groups_of

Array = NDArray[np.float64]


class Distributional:
    """Predictions from a distribution per row; to be mixed into regressors."""

    def predict_distribution(self, X: Any) -> Mixture:
        """Return the pooled distribution of each row, with quantiles, density and CRPS."""
        raise NotImplementedError

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return means (n,), and standard deviations (n,) if asked for."""
        found = self.predict_distribution(X)
        return (found.mean, found.std) if return_std else found.mean

    def predict_quantiles(self, X: Any, quantiles: ArrayLike = (0.05, 0.5, 0.95)) -> Array:
        """Return quantiles (n, n_quantiles) of the pooled distributions, each above 0, below 1."""
        found = self.predict_distribution(X)
        levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        return np.stack([found.quantile(float(q)) for q in levels], axis=1)


class OpinionPoolRegressor(Distributional, RegressorMixin, PoolOfEstimators):  # type: ignore[misc]
    """Pool regressors as Gaussians with weights chosen out of fold.

    A member whose ``predict`` takes ``return_std`` says its own standard deviation; of others it
    is the root mean square of their residuals out of fold, the same for every row. The log pool
    is a Gaussian, its mean weighted by precisions; the linear pool is the mixture, whose
    variance grows where the members disagree.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Regressors; ``"drop"`` leaves one out.
    rule : {"log", "linear"}, default="log"
        As for :func:`opinionpool.fit`.
    weighting : str, array-like of shape (n_estimators,) or dict, default="optimal"
        As for :func:`opinionpool.fit`, or ``"compare"``, as for
        :class:`OpinionPoolClassifier`.
    temperature : "fit" or float, default="fit"
        Of the log pool: its variance is scaled by it. A mixture is not tempered.
    penalty : "auto" or float, default="auto"
        Shrinkage towards equal weights and temperature 1.
    fallback : {"error", "prior"}, default="error"
        What a row gets that no member answers; the prior is the labels' mean and variance.
    pool_options : dict, default=None
        Further keyword arguments of :func:`opinionpool.fit`.
    cv, on_failure, n_jobs, random_state, verbose
        As for :class:`OpinionPoolClassifier`; ``cv=None`` is 5 folds of neighbouring rows, as
        elsewhere in scikit-learn: give a shuffled ``KFold`` where rows are sorted.

    Attributes
    ----------
    pool_, weights_, estimators_, named_estimators_, failures_, comparison_
        As of :class:`OpinionPoolClassifier`.
    spreads_ : dict
        Standard deviations of the members that have none of their own.
    n_features_in_, feature_names_in_
        As usual.

    Raises
    ------
    InputError
        For parameters, targets or members that cannot be used; a ``ValueError``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from opinionpool.integrations.sklearn import OpinionPoolRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> pool = OpinionPoolRegressor([("ridge", BayesianRidge()), ("knn", KNeighborsRegressor(20))])
    >>> mean, std = pool.fit(X, y).predict(X[:2], return_std=True)
    >>> mean.shape, bool((std > 0).all())
    ((2,), True)
    """

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        *,
        rule: str = "log",
        weighting: Any = "optimal",
        temperature: Any = "fit",
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
        self.penalty = penalty
        self.fallback = fallback
        self.pool_options = pool_options
        self.cv = cv
        self.on_failure = on_failure
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> OpinionPoolRegressor:
        """Fit members, their spreads, weights and temperature.

        Parameters
        ----------
        X : array-like or frame of shape (n, n_features)
            Passed to the members as it is.
        y : array-like of shape (n,)
            Real targets.
        sample_weight : array-like of shape (n,), default=None
            How much rows count, for the members that take it and for the weights.
        **params
            As for :meth:`OpinionPoolClassifier.fit`.

        Returns
        -------
        self
        """
        estimators = self.chosen(is_regressor, "regressor")
        X, y = indexable(X, y)
        self.check_rows(X, reset=True)
        target = checked_target(y)
        weight = checked_weight(sample_weight, len(target))
        wish = Wish(
            self.rule,
            self.weighting,
            self.temperature,
            self.penalty,
            self.fallback,
            None,
            dict(self.pool_options or {}),
            seed_of(self.random_state),
            members_learn=True,
        )
        found = self.fit_members(
            estimators,
            X,
            target,
            real_outputs,
            sample_weight=weight,
            params=params,
            learning=True,
            stratified=False,
        )
        self.keep(found)
        found = found.take(found.answered())
        own = None if weight is None else weight[found.rows]
        happened = target[found.rows]
        self._least = least_std(target)
        found = self._with_spreads(found, happened, own)
        self.pool_, comparison = learned_pool(
            wish,
            found,
            happened,
            own,
            groups_of(params, found.rows),
            [name for name, _ in self.estimators],
            family="gaussian",
            kind="std",
        )
        self.remember(comparison)
        self.weights_ = self.pool_.weights
        return self

    def predict_distribution(self, X: Any) -> Mixture:
        """Return the pooled distribution of each row.

        A mixture of one Gaussian under the log rule, of the members under the linear rule.
        """
        check_is_fitted(self)
        return self.pool_.distribution(self.predict_members(X))

    def predict_members(self, X: Any) -> dict[str, Array]:
        """Return what each member with weight says, (n, 2) means and standard deviations.

        As ``pool_.apply`` takes it; a row of NaN where a member refuses a row with gaps.
        """
        check_is_fitted(self)
        self.check_rows(X, reset=False)
        outputs = self.said(X, real_outputs, 2)
        return {name: self._spread(name, said) for name, said in outputs.items()}

    def _with_spreads(self, found: HeldOut, y: Array, weight: Array | None) -> HeldOut:
        self.spreads_ = {}
        u = np.ones(len(y)) if weight is None else weight
        outputs = {}
        for name, said in found.outputs.items():
            if (said[:, 1] == -1).any():
                here = ~np.isnan(said[:, 0])
                self.spreads_[name] = root_mean_square((y - said[:, 0])[here], u[here])
            outputs[name] = self._spread(name, said)
        return HeldOut(**{**vars(found), "outputs": outputs})

    def _spread(self, name: str, said: Array) -> Array:
        std = np.where(said[:, 1] == -1, self.spreads_.get(name, np.nan), said[:, 1])
        return np.stack([said[:, 0], np.maximum(std, self._least)], axis=1)
