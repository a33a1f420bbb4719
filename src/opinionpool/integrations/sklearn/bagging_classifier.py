"""A bag of classifiers, pooled with weights chosen out of bag: between bagging and bumping.

Bagging gives the members equal weights, bumping takes the best one; Heskes, "Balancing between
bagging and bumping" (NIPS 1996), weighs them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import BaggingClassifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...errors import LabelError
from .bag import PooledBag
from .choose import Wish, class_names, given_pool, pooled_log_probabilities, resolved_floor, seed_of
from .members import class_outputs, kind_of
from .out_of_bag import bag_pool
from .targets import checked_labels, checked_weight

Array = NDArray[np.float64]


class PooledBaggingClassifier(PooledBag, BaggingClassifier):  # type: ignore[misc]
    """Bagging whose members have weights, chosen on the rows outside their bags.

    Members are fitted on bootstrap replicates, as by scikit-learn's ``BaggingClassifier``. A row
    is pooled by the members that had it not in their bag; the temperature is then extrapolated
    from these, about a third, to all.

    Parameters
    ----------
    estimator : object, default=None
        With ``predict_proba`` or ``decision_function``; None is a decision tree.
    n_estimators : int, default=25
        Number of members.
    rule : {"log", "linear"}, default="log"
        As for :func:`opinionpool.fit`.
    weighting : str or array-like of shape (n_estimators,), default="optimal"
        ``"optimal"``: the exact objective, in-bag outputs missing. ``"balancing"``: Heskes'
        quadratic programme on losses from which the difficulty of rows is removed;
        ``"balancing-resampled"``: averaged over what these may be (both for the log rule).
        ``"uniform"``: bagging. ``"single"``: bumping. Others, and numbers, as for
        :func:`opinionpool.fit`.
    temperature : "fit" or float, default="fit"
        Of the pool.
    floor, penalty
        As for :class:`OpinionPoolClassifier`.
    max_samples, max_features, bootstrap, bootstrap_features, n_jobs, random_state, verbose
        As for scikit-learn's ``BaggingClassifier``.

    Attributes
    ----------
    pool_ : opinionpool.Pool
        Its members are called m0, m1, …; its ``loss`` is of the rows out of bag, before the
        temperature was extrapolated.
    weights_ : ndarray of shape (n_estimators,)
        In the order of ``estimators_``.
    estimators_, estimators_samples_, estimators_features_, classes_, n_features_in_
        As of ``BaggingClassifier``.

    Raises
    ------
    InputError
        For labels of one class, or where no row is out of any bag; a ``ValueError``.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from opinionpool.integrations.sklearn import PooledBaggingClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> bag = PooledBaggingClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> bag.weights_.shape, round(float(bag.weights_.sum()), 12)
    ((10,), 1.0)

    References
    ----------
    Heskes, "Balancing between bagging and bumping", NIPS 1996; Breiman, "Bagging predictors",
    Machine Learning 24 (1996); Tibshirani & Knight, "Model search by bootstrap 'bumping'",
    Journal of Computational and Graphical Statistics 8 (1999).
    """

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 25,
        *,
        rule: str = "log",
        weighting: Any = "optimal",
        temperature: Any = "fit",
        floor: Any = "auto",
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
        self.rule = rule
        self.weighting = weighting
        self.temperature = temperature
        self.floor = floor
        self.penalty = penalty

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any
    ) -> PooledBaggingClassifier:
        """Fit the members on bootstrap replicates, then weights and temperature out of bag.

        Parameters
        ----------
        X, y, sample_weight, **fit_params
            As for ``BaggingClassifier``; the weights count for the pool as well.

        Returns
        -------
        self
        """
        labels = checked_labels(y)
        weight = checked_weight(sample_weight, len(labels))
        counted = np.unique(labels if weight is None else labels[weight > 0])
        if len(counted) < 2:
            raise LabelError(f"y: found one class ({counted[0]!r}), expected at least two")
        kind_of("estimator", self._get_estimator())
        super().fit(X, labels, sample_weight=weight, **fit_params)
        return self.refit_pool(X, labels, weight)

    def refit_pool(self, X: Any, y: Any, sample_weight: Any = None) -> PooledBaggingClassifier:
        """Choose weights and temperature again, for the members as they are.

        To try another ``weighting`` or ``temperature`` without fitting members again; X, y and
        sample_weight are those of :meth:`fit`, in the same order.

        Returns
        -------
        self
        """
        check_is_fitted(self, "estimators_")
        labels = checked_labels(y)
        weight = checked_weight(sample_weight, len(labels))
        kind = kind_of("estimator", self._get_estimator())
        k = len(self.classes_)
        wish = Wish(
            self.rule,
            self.weighting,
            self.temperature,
            self.penalty,
            "uniform",
            self.floor,
            {},
            seed_of(self.random_state),
        )
        needed = wish.learning or self.rule == "log"
        wish = wish.floored(resolved_floor(self.floor, k, needed=needed))
        names, classes = self.member_names(), class_names(self.classes_)
        if not wish.learning:
            kinds = dict.fromkeys(names, kind)
            self.pool_ = given_pool(wish, names, names, kinds, classes)
        else:
            self.pool_ = bag_pool(
                self.out_of_bag(self.checked_rows(X), self._say, k),
                np.asarray(classes, dtype=object)[np.searchsorted(self.classes_, labels)],
                weight,
                self.weighting,
                self.temperature,
                wish.seed,
                rule=self.rule,
                penalty=self.penalty,
                floor=wish.floor,
                kind=kind,
                classes=classes,
            )
        self.weights_ = self.pool_.weights
        return self

    @property
    def _say(self) -> Callable[[Any, Any], NDArray[Any]]:
        # Bagging fits its members on class numbers.
        return partial(class_outputs, classes=np.arange(len(self.classes_)))

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return pooled log-probabilities, (n, n_classes)."""
        check_is_fitted(self)
        outputs = self.said_of(X, self._say, self.weights_)
        return pooled_log_probabilities(self.pool_, outputs)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return pooled probabilities, (n, n_classes)."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    @available_if(lambda self: False)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """Not available: a mean of decision functions would not be what is predicted."""
