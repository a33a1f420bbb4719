"""Family: what is predicted, and all that the rules need to know about it.

Distributions are rows of parameters, (M, N, P) for M models and N rows, float64: the
log-probabilities of K classes, or a mean and a variance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .outcomes import Outcomes

Array = NDArray[np.float64]
Present = NDArray[np.bool_]


@dataclass(frozen=True)
class Sums:
    """A loss summed over rows: value, gradient (M,), curvature (M, M), and a bound's material.

    ``reach`` is whatever (M,) sums a rule's ``excess`` turns into a tighter certificate;
    ``untempered`` the loss at T = 1, NaN where it was not found on the way; ``rounding`` how good a
    mean loss is, relative, where that is less than float64 allows; ``share`` the share of the rows
    that the curvature is summed over.
    """

    value: float
    gradient: Array
    curvature: Array
    reach: Array
    untempered: float = np.nan
    rounding: float = 0.0
    share: float = 1.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.value + other.value,
            self.gradient + other.gradient,
            self.curvature + other.curvature,
            self.reach + other.reach,
            self.untempered + other.untempered,
            max(self.rounding, other.rounding),
            min(self.share, other.share),
        )

    def per_row(self, n: float) -> Sums:
        """Return the mean over rows of total weight ``n``."""
        return Sums(
            self.value / n,
            self.gradient / n,
            self.curvature / n,
            self.reach / n,
            self.untempered / n,
            self.rounding,
            self.share,
        )


class LogRows(ABC):
    """Rows made ready for the logarithmic rule, absent models contributing nothing.

    ``v`` is (M,), or (M, n) where rows have weights of their own because models are missing:
    ``v_nα = s w̃_nα``, all 0 in a row that nobody with weight answered: whatever is finite
    does there.
    """

    @abstractmethod
    def losses(self, v: Array) -> Array:
        """Return ``log Z − Σ v_α ℓ_α(y)`` of each row, (n,)."""

    @abstractmethod
    def evaluate(self, v: Array, u: Array, scale: Array | None = None) -> Sums:
        """Sum loss, gradient, curvature and reach with row weights ``u`` (n,).

        ``scale`` (M, n), where rows have weights of their own, replaces each model's ℓ by
        ``ℓ̄ + scale_α (ℓ_α − ℓ̄)``, with ``ℓ̄ = Σ w̃ ℓ`` (rules/log.py says why).
        """


class Family(ABC):
    """What is predicted. A new family is one subclass and one registry line.

    Weights ``w`` in these methods are (M,), or (M, n) where rows have weights of their own;
    what absent models hold is never looked at where ``present`` says so.
    """

    name: ClassVar[str]
    #: Whether a mixture of members is a member: then a linear pool is one, and has a temperature.
    mixes: ClassVar[bool]
    #: Whether a distribution can rule something out: then there are zeros, vetoes and floors.
    rules_out: ClassVar[bool]
    #: Whether a distribution says itself how sure it is.
    confident: ClassVar[bool] = False
    #: Names of what :meth:`shown` has per row; empty where these are the classes.
    columns: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def log_likelihood(self, parameters: Array, outcomes: Outcomes) -> Array:
        """Return the log-likelihood of what happened, (..., n) for (..., n, P)."""

    @abstractmethod
    def mean_divergences(
        self, parameters: Array, weight: Array, present: Present | None = None
    ) -> Array:
        """Return the mean symmetric divergence J of each pair of models, (M, M).

        Over weighted rows, for each pair over those that both answered.
        """

    @abstractmethod
    def log_pool(
        self, w: Array, parameters: Array, present: Present | None = None, *, closure: bool = False
    ) -> Array:
        """Return the parameters (n, P) of ``exp Σ w_α ℓ_α / Z``; weights may sum to any s > 0.

        A row for which no distribution is left (every outcome ruled out, or no model with
        weight) is not :meth:`defined`. ``closure``: models of weight 0 still rule out.
        """

    @abstractmethod
    def mixture(self, w: Array, parameters: Array, present: Present | None = None) -> Array:
        """Return the parameters (n, P) of ``Σ w_α p_α``, or of the member with its moments.

        Weights sum to one, or to 0 in rows without a model, which are not :meth:`defined`.
        """

    @abstractmethod
    def defined(self, parameters: Array) -> NDArray[np.bool_]:
        """Return which rows (n,) of parameters (n, P) are a distribution at all."""

    @abstractmethod
    def tempered(self, parameters: Array, beta: float) -> Array:
        """Return the parameters of ``p^β`` renormalised."""

    @abstractmethod
    def divergence(self, p: Array, q: Array) -> Array:
        """Return ``K(p, q)`` along the last axis, in nats."""

    def divergences(self, p: Array, others: Array) -> tuple[Array, Array]:
        """Return ``K(p, q_α)`` and ``K(q_α, p)`` of p (n, P) and others (M, n, P): (M, n) each."""
        there = np.stack([self.divergence(p, q) for q in others])
        return there, np.stack([self.divergence(q, p) for q in others])

    @abstractmethod
    def log_ambiguity(self, w: Array, parameters: Array, present: Present | None) -> Array:
        """Return ``A = Σ w_α K(p̄, p_α)`` of each row for the log pool p̄, (n,); w is (M, n)."""

    @abstractmethod
    def log_rows(self, parameters: Array, outcomes: Outcomes, present: Present | None) -> LogRows:
        """Compute once per block of rows what the logarithmic rule's evaluations need."""

    @abstractmethod
    def log_excess(self, v: Array, mean: Sums, slope: Array, entropy: float) -> float:
        """Bound how far the log rule's convex loss (plus penalty) at ``v`` is above its minimum.

        ``mean`` are the sums per row, ``slope`` the gradient of a convex penalty that was
        added, ``entropy`` the outcomes' mean entropy. inf if nothing is known.
        """

    def confidence(self, parameters: Array, threads: int = 1) -> Array | None:
        """Return how sure distributions (..., P) are, in [0, 1]; None where nothing says.

        NaN where lazily read ones are absent.
        """
        return None

    def separable(self, v: Array, mean: Sums) -> bool:
        """Whether sharpening ``v`` for ever can never do worse on these rows."""
        return False

    @abstractmethod
    def marginal(self, outcomes: Outcomes, weight: Array, size: int) -> Array:
        """Return the parameters (P,) of what happened over all rows, for P = ``size``."""

    def shown(self, parameters: Array) -> Array:
        """Return parameters (..., P) as callers see them."""
        return parameters

    def from_shown(self, shown: Array) -> Array:
        """Return the parameters of what :meth:`shown` returned."""
        return shown

    def uniform(self, size: int) -> Array | None:
        """Return the parameters of ignorance, None where there is no such distribution."""
        return None
