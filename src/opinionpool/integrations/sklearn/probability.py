"""Regression of probabilities: targets in [0, 1], from one real output through a sigmoid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ...activations import log_sigmoid, sigmoid
from ...errors import InputError, warn
from .targets import checked_fractions, checked_weight

Array = NDArray[np.float64]

LOSSES = ("cross-entropy", "brier")


class ProbabilityRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A linear model of fractions or soft labels, ``P(x) = sigmoid(x·w + b)``.

    A softmax of one output is identically 1 with zero gradient (:func:`opinionpool.softmax`
    refuses it); the sigmoid is the softmax of that output and a second one fixed at 0.

    Parameters
    ----------
    loss : {"cross-entropy", "brier"}, default="cross-entropy"
        ``−y log P − (1 − y) log(1 − P)``, convex; or ``(y − P)²``, bounded, hence deaf to a few
        wrong labels, but not convex: its search starts from the optimum of the first.
    alpha : float, default=1.0
        Ridge ``alpha/2 · ‖w‖²`` on the sum of the losses (1/C of ``LogisticRegression``); the
        intercept is free. Features should be on one scale.
    tol : float, default=1e-8
        Largest slope per row at which the search stops.
    max_iter : int, default=1000
        Steps of L-BFGS at most.

    Attributes
    ----------
    coef_, intercept_ : ndarray of shape (n_features,), float
        w and b.
    n_iter_ : int
        Steps that were taken.
    n_features_in_, feature_names_in_
        As usual.

    Raises
    ------
    LabelError
        For targets outside [0, 1]; a ``ValueError``.

    Examples
    --------
    >>> import numpy as np
    >>> from opinionpool.integrations.sklearn import ProbabilityRegressor
    >>> X, y = np.array([[-1.0], [0.0], [1.0], [2.0]]), np.array([0.1, 0.4, 0.7, 0.95])
    >>> ProbabilityRegressor(alpha=0.01).fit(X, y).predict([[0.5]]).round(2)
    array([0.56])

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990;
    Papke & Wooldridge, "Econometric methods for fractional response variables", Journal of
    Applied Econometrics 11 (1996).
    """

    def __init__(
        self,
        *,
        loss: str = "cross-entropy",
        alpha: float = 1.0,
        tol: float = 1e-8,
        max_iter: int = 1000,
    ) -> None:
        self.loss = loss
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ProbabilityRegressor:
        """Fit coefficients and intercept.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Numbers.
        y : array-like of shape (n,)
            Fractions in [0, 1]; 0 and 1 are allowed.
        sample_weight : array-like of shape (n,), default=None
            Row weights, such as the counts behind the fractions.

        Returns
        -------
        self
        """
        from scipy.optimize import minimize

        if self.loss not in LOSSES:
            raise InputError(f"loss: found {self.loss!r}, expected one of {', '.join(LOSSES)}")
        if not (_is_number(self.alpha) and self.alpha >= 0):
            raise InputError(f"alpha: found {self.alpha!r}, expected a finite number ≥ 0")
        X = validate_data(self, X, dtype=np.float64)
        target = checked_fractions(y)
        if len(target) != len(X):
            raise InputError(f"found {len(X)} rows of X and {len(target)} targets")
        weight = checked_weight(sample_weight, len(target))
        u = np.ones(len(target)) if weight is None else weight
        total = u.sum()

        def slope_of(form: Callable[[Array, Array], tuple[Array, Array]]) -> Callable[[Array], Any]:
            def objective(beta: Array) -> tuple[float, Array]:
                loss, slope = form(X @ beta[:-1] + beta[-1], target)
                gradient = np.append(X.T @ (u * slope), u @ slope)
                gradient[:-1] += self.alpha * beta[:-1]
                value = u @ loss + 0.5 * self.alpha * (beta[:-1] @ beta[:-1])
                return float(value / total), gradient / total

            return objective

        beta = np.zeros(X.shape[1] + 1)
        self.n_iter_ = 0
        for form in (cross_entropy,) if self.loss == "cross-entropy" else (cross_entropy, brier):
            found = minimize(
                slope_of(form),
                beta,
                jac=True,
                method="L-BFGS-B",
                options={"gtol": self.tol, "ftol": 0.0, "maxiter": self.max_iter},
            )
            beta = found.x
            self.n_iter_ += int(found.nit)
        if found.nit >= self.max_iter:
            warn(f"the search stopped after max_iter={self.max_iter} steps: {found.message}")
        self.coef_, self.intercept_ = beta[:-1], float(beta[-1])
        return self

    def predict(self, X: Any) -> Array:
        """Return P of each row, (n,), strictly between 0 and 1 up to rounding."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(sigmoid(X @ self.coef_ + self.intercept_))


def cross_entropy(h: Array, y: Array) -> tuple[Array, Array]:
    """Return ``−y log σ(h) − (1 − y) log σ(−h)`` and its slope ``σ(h) − y``, (n,) each."""
    return -(y * log_sigmoid(h) + (1 - y) * log_sigmoid(-h)), sigmoid(h) - y


def brier(h: Array, y: Array) -> tuple[Array, Array]:
    """Return ``(y − σ(h))²`` and its slope ``2(σ − y)σ(1 − σ)``, (n,) each."""
    p = np.asarray(sigmoid(h))
    return (y - p) ** 2, 2 * (p - y) * p * np.asarray(sigmoid(-h))


def _is_number(value: object) -> bool:
    """Whether a value is a finite number, not a truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        return False
    return math.isfinite(value)
