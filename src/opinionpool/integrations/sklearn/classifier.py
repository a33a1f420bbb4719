"""A pool of classifiers as a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from ...fit import fit as fit_pool
from .base import PoolOfEstimators
from .choose import (
    Wish,
    class_names,
    given_pool,
    learned_pool,
    pooled_log_probabilities,
    resolved_floor,
    seed_of,
)
from .held_out import HeldOut, seen_in_training
from .members import class_outputs, cooled, kind_of
from .targets import checked_labels, checked_weight, classes_of, groups_of

Array = NDArray[np.float64]


class OpinionPoolClassifier(ClassifierMixin, PoolOfEstimators):  # type: ignore[misc]
    """Pool the probabilities of several classifiers with weights chosen out of fold.

    The members are fitted in the folds of ``cv``; the weights and the temperature that are best
    for their held-out predictions are solved for; the members are fitted again on all rows.
    With given or equal weights and a given temperature nothing is held out:
    ``rule="linear", weighting="uniform", temperature=1.0`` is soft voting.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers with ``predict_proba``, or with ``decision_function`` only: its values are
        taken as logits, scaled by a temperature of their own. Members are fitted on the labels
        as they are. ``"drop"`` leaves one out.
    rule : {"log", "linear"}, default="log"
        As for :func:`opinionpool.fit`.
    weighting : str, array-like of shape (n_estimators,) or dict, default="optimal"
        As for :func:`opinionpool.fit`; or ``"compare"``: rule, weighting and temperature are
        those that :func:`opinionpool.compare` recommends on the held-out predictions (``rule``
        and ``temperature`` are not looked at).
    temperature : "fit" or float, default="fit"
        Of the pool.
    floor : "auto", "veto", "learned" or float, default="auto"
        What happens to probabilities of (nearly) 0. ``"auto"`` raises all below 1e-6 (below
        0.01/K where that is less) to it, silently and always, so that new rows are treated as
        those of the fit; the linear rule with nothing to learn needs no floor and has none.
    penalty : "auto" or float, default="auto"
        Shrinkage towards equal weights and temperature 1.
    fallback : {"error", "uniform", "prior"}, default="error"
        What a row gets that no member answers.
    pool_options : dict, default=None
        Further keyword arguments of :func:`opinionpool.fit`, such as ``{"resample": 20}``.
    cv : int, splitter, iterable or "prefit", default=None
        As in scikit-learn; None is 5 stratified folds. Rows that no fold tests, as in a split
        by time, do not count for the weights; rows tested r times count r times.
        ``"prefit"``: members are fitted already, and X, y are rows that they have not seen.
    on_failure : {"drop", "raise"}, default="drop"
        What happens to a member that raises in a fold: it is left out with a warning, or its
        error is raised. Where all members fail the first one's error is raised.
    n_jobs : int, default=None
        Jobs for fitting members in folds.
    random_state : int, RandomState or None, default=None
        For weightings that draw; None is 0. Members have their own.
    verbose : int, default=0
        Of the jobs.

    Attributes
    ----------
    pool_ : opinionpool.Pool
        With weights, temperature, loss, gap and status; ``pool_.save`` writes it.
    weights_ : ndarray of shape (n_members,)
        In the order of ``estimators_``.
    estimators_, named_estimators_ : list, Bunch
        The fitted members; ``"drop"`` where one was dropped or failed.
    failures_ : dict
        What members that were left out raised.
    comparison_ : list of dict
        The table of :func:`opinionpool.compare`, best first; with ``weighting="compare"``.
    temperatures_ : dict
        The temperatures of members that have a decision function only.
    classes_, n_features_in_, feature_names_in_
        As usual.

    Raises
    ------
    InputError
        For parameters, labels or members that cannot be used; a ``ValueError``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from opinionpool.integrations.sklearn import OpinionPoolClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> members = [("lr", LogisticRegression(max_iter=500)), ("nb", GaussianNB())]
    >>> pool = OpinionPoolClassifier(members)
    >>> pool.fit(X, y).predict_proba(X[:1]).shape
    (1, 3)

    References
    ----------
    Heskes, "Selecting weighting factors in logarithmic opinion pools", NIPS 1997.
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
    ) -> OpinionPoolClassifier:
        """Fit members, weights and temperature.

        Parameters
        ----------
        X : array-like or frame of shape (n, n_features)
            Passed to the members as it is.
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,), default=None
            How much rows count, for the members that take it and for the weights.
        **params
            ``groups`` for the splitter; with metadata routing enabled whatever members and
            splitter ask for.

        Returns
        -------
        self
        """
        estimators = self.chosen(is_classifier, "classifier")
        X, y = indexable(X, y)
        self.check_rows(X, reset=True)
        labels = checked_labels(y)
        weight = checked_weight(sample_weight, len(labels))
        prefit = isinstance(self.cv, str) and self.cv == "prefit"
        self.classes_ = classes_of(estimators if prefit else {}, labels, weight)
        kinds = {name: kind_of(name, estimator) for name, estimator in estimators.items()}
        wish = self._wish(all(kind == "probabilities" for kind in kinds.values()))
        found = self.fit_members(
            estimators,
            X,
            labels,
            partial(class_outputs, classes=self.classes_),
            sample_weight=weight,
            params=params,
            learning=wish.learning,
            stratified=True,
        )
        self.keep(found)
        names = [name for name, _ in self.estimators]
        kinds = {name: kinds[name] for name in found.members}
        classes = class_names(self.classes_)
        self.temperatures_: dict[str, float] = {}
        if not wish.learning:
            kept = list(found.members)
            self.pool_ = given_pool(wish, kept, names, kinds, classes)
        else:
            found = found.take(found.answered() & seen_in_training(found, labels, weight))
            happened = np.asarray(classes, dtype=object)[
                np.searchsorted(self.classes_, labels[found.rows])
            ]
            own = None if weight is None else weight[found.rows]
            found = self._tempered(found, kinds, happened, own, wish, classes)
            self.pool_, comparison = learned_pool(
                wish,
                found,
                happened,
                own,
                groups_of(params, found.rows),
                names,
                kind=kinds,
                classes=classes,
            )
            self.remember(comparison)
        self.weights_ = self.pool_.weights
        return self

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return pooled log-probabilities, (n, n_classes), never computed from probabilities."""
        check_is_fitted(self)
        return pooled_log_probabilities(self.pool_, self.predict_members(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return pooled probabilities, (n, n_classes), columns as ``classes_``."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_members(self, X: Any) -> dict[str, NDArray[Any]]:
        """Return what each member with weight says, as ``pool_.apply`` and ``op.score`` take it.

        (n, n_classes) probabilities, or logits of members with a decision function only, scaled
        by their temperature; a row of NaN where a member refuses a row because of its gaps.
        """
        check_is_fitted(self)
        self.check_rows(X, reset=False)
        say = partial(class_outputs, classes=self.classes_)
        outputs = self.said(X, say, len(self.classes_))
        return {
            name: said if name not in self.temperatures_ else cooled(said, self.temperatures_[name])
            for name, said in outputs.items()
        }

    def _wish(self, probable: bool) -> Wish:
        """Return how the pool is to be chosen; a decision function has to be learned from."""
        options = dict(self.pool_options or {})
        wish = Wish(
            self.rule,
            self.weighting,
            self.temperature,
            self.penalty,
            self.fallback,
            self.floor,
            options,
            seed_of(self.random_state),
            members_learn=not probable,
        )
        needed = wish.learning or self.rule == "log"
        return wish.floored(resolved_floor(self.floor, len(self.classes_), needed=needed))

    def _tempered(
        self,
        found: HeldOut,
        kinds: Mapping[str, str],
        happened: NDArray[Any],
        weight: Array | None,
        wish: Wish,
        classes: list[Any],
    ) -> HeldOut:
        """Scale decision functions by temperatures fitted to the held-out rows."""
        outputs = dict(found.outputs)
        for name, kind in kinds.items():
            if kind == "logits":
                alone = {name: outputs[name]}
                own = fit_pool(
                    alone,
                    happened,
                    kind="logits",
                    classes=classes,
                    floor=wish.floor if isinstance(wish.floor, float) else 1e-6,
                    sample_weight=weight,
                )
                self.temperatures_[name] = own.temperature
                outputs[name] = cooled(outputs[name], own.temperature)
        return HeldOut(**{**vars(found), "outputs": outputs})
