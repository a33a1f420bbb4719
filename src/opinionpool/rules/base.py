"""Rule: how distributions are combined, and what a weight costs on given evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Family, Sums
from ..kernels.fused import Bounds
from ..kernels.status import IMPOSSIBLE
from ..maths.plain_numpy import xp
from ..maths.softmax import log_softmax
from .evidence import Evidence

__all__ = ["AnyRule", "Rule", "Sums", "answering"]

Array = NDArray[np.float64]
BlockT = TypeVar("BlockT")


class Rule(ABC, Generic[BlockT]):
    """One way to combine distributions. A new rule is one subclass and one registry line.

    Weights enter as ``v``, (M,), non-negative; their sum is the inverse temperature 1/T for a
    rule that is fitted jointly with it (:attr:`joint_temperature`), otherwise one.

    The loss is a sum over rows, so everything is given per block of rows and added up by
    whoever owns the blocks; only M and M×M numbers travel. Rows pool the models that answered
    (maths.md §6); a row in which none of them has weight costs its fallback.
    """

    name: ClassVar[str]
    #: Whether the temperature is fitted together with the weights, as ``v = w/T``.
    joint_temperature: ClassVar[bool]
    #: Whether one model's exact zero rules an outcome out for the pool.
    vetoes: ClassVar[bool]
    #: Whether it adds probabilities up, and needs no logarithms of them.
    mixes: ClassVar[bool] = False

    @abstractmethod
    def pooled(
        self,
        w: Array,
        parameters: Array,
        present: Array | NDArray[np.bool_] | None = None,
        *,
        closure: bool = False,
        family: Family = CATEGORICAL,
    ) -> Array:
        """Pool (M, n, P) parameters at T = 1: (n, P), log-probabilities normalised.

        A row for which nothing is possible, or no model has weight, is not ``family.defined``.
        ``present`` as for :func:`answering`. ``closure``: models of weight 0 still veto
        (maths.md §2, the closure of the objective).
        """

    def pool_logits(
        self,
        w: Array,
        s: float,
        logits: Sequence[NDArray[Any]],
        present: Array | NDArray[np.bool_] | None = None,
        *,
        out: NDArray[Any],
        log: bool = True,
        shares: Sequence[bool] | None = None,
        closure: bool = False,
        threads: int = 1,
    ) -> NDArray[np.uint8]:
        """Pool M arrays (n, K) of logits, tempered by s = 1/T > 0, into ``out`` (n, K).

        Probabilities, or their logarithms. ``shares`` says which arrays are probabilities
        themselves, of a rule that :attr:`mixes` them. Returns the rows' codes of
        :mod:`~opinionpool.kernels.status`. For whom :meth:`pooled` is not quick enough.
        """
        log_p = np.stack([np.asarray(x, dtype=np.float64) for x in logits])
        pooled = self.pooled(w, np.asarray(log_softmax(log_p, xp=xp)), present, closure=closure)
        possible = CATEGORICAL.defined(pooled)
        pooled = CATEGORICAL.tempered(pooled, s)
        out[:] = pooled if log else np.exp(pooled)
        return np.where(possible, 0, IMPOSSIBLE).astype(np.uint8)

    def pool_finite(
        self,
        w: Array,
        s: float,
        logits: Sequence[NDArray[Any]],
        *,
        out: NDArray[Any],
        log: bool = False,
        threads: int = 1,
    ) -> bool:
        """Pool as :meth:`pool_logits` does; return whether every cell is finite.

        Else nothing in ``out`` counts. A rule that cannot tell while it pools says no at once.
        """
        return False

    def pool_distributions(
        self,
        w: Array,
        s: float,
        shares: Sequence[NDArray[Any]],
        bounds: Bounds,
        *,
        out: NDArray[Any],
        threads: int = 1,
    ) -> bool:
        """Do as :meth:`pool_finite`, with probabilities; whether all rows are within bounds."""
        return False

    def pooled_quickly(
        self, w: Array, s: float, evidence: Evidence, *, closure: bool, p: Array | None = None
    ) -> Array:
        """Return tempered log-probabilities (n, K) of evidence in memory, by compiled kernels.

        For classes and s > 0. Rows that cannot be pooled are not defined. ``p`` are the members'
        probabilities, where a rule that :attr:`mixes` them is to use these.
        """
        out = np.empty((evidence.n_rows, evidence.n_parameters))
        arrays = list(evidence.parameters if p is None else p)
        given: dict[str, Any] = {"closure": closure, "out": out}
        given["shares"] = None if p is None else [True] * len(arrays)
        self.pool_logits(w, s, arrays, evidence.attendance, **given)
        return out

    @abstractmethod
    def row_losses(self, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
        """Return the tempered pool's loss in each row, (n,), for s = 1/T.

        Anything in rows that no model with weight answered: those cost their fallback.
        """

    def blocks(self, evidence: Evidence) -> list[BlockT]:
        """Prepare all rows, in blocks that stay in cache."""
        return [self.prepare(block) for block in evidence.blocks()]

    @abstractmethod
    def prepare(self, evidence: Evidence) -> BlockT:
        """Compute once per block of rows what every evaluation needs."""

    @abstractmethod
    def evaluate(self, v: Array, block: BlockT) -> Sums:
        """Sum loss, gradient and curvature over a block."""

    def slope(self, v: Array, block: BlockT) -> Sums:
        """Sum as :meth:`evaluate` does, the curvature over some rows where that is less work.

        The curvature of every row is positive semi-definite: theirs is a lower bound.
        """
        return self.evaluate(v, block)

    @abstractmethod
    def value(self, v: Array, block: BlockT) -> float:
        """Sum the loss alone."""

    @abstractmethod
    def excess(
        self, v: Array, mean: Sums, slope: Array, entropy: float, family: Family = CATEGORICAL
    ) -> float:
        """Bound ``objective − minimum`` for a convex problem, inf if nothing is known.

        ``mean`` are the sums per row, ``slope`` the gradient of a convex penalty that was
        added, ``entropy`` the mean entropy of the outcomes, below which no loss falls.
        """

    @abstractmethod
    def sensitivity(self, v: Array, evidence: Evidence, d: Array) -> Array:
        """Sum the loss's derivatives along changes ``d`` (M, n, K) of each model's ℓ: (M,).

        Of log-probabilities: for floors, which only classes have.
        """

    @abstractmethod
    def ambiguity(self, w: Array, evidence: Evidence) -> tuple[Array, Array]:
        """Return the members' weighted mean error and their ambiguity per row, (N,) each.

        At T = 1, over the models that answered; the pool's loss in a row is error − ambiguity
        (maths.md §4).
        """

    def separable(self, v: Array, mean: Sums, family: Family = CATEGORICAL) -> bool:
        """Whether sharpening ``v`` for ever can never do worse on these rows."""
        return False

    def has_temperature(self, family: Family) -> bool:
        """Whether the pool can be tempered: it is a member of its family."""
        return self.joint_temperature or family.mixes


AnyRule = Rule[Any]


def answering(
    v: Array, present: Array | NDArray[np.bool_], n_rows: int
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Renormalise weights over the models that answered each row (maths.md §6).

    ``present`` (M, n) says who answered, or which share m of its weight each model has there.

    Returns ``w̃`` (M, n), ``m/S`` (M, n) and which rows have a model with weight at all;
    elsewhere both are zero.
    """
    mass = v @ present
    alive = mass > 0
    share = present / np.where(alive, mass, 1.0)
    share *= alive
    return v[:, None] * share, share, alive
