"""Evidence: aligned predictions, what happened, and how much each row counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Family
from ..families.lazy import Lazy, cells_in
from ..families.outcomes import Outcomes
from ..kernels.fused import survey

if TYPE_CHECKING:
    from .stretches import Stretch

__all__ = ["Evidence", "Outcomes"]

Array = NDArray[np.float64]

#: Cells of one block: its temporaries then fit in a core's second-level cache.
BLOCK_CELLS = 1 << 17


#: Confidence is taken for at least this, so that a row in which nobody is sure still has a pool.
LEAST_CONFIDENCE = 1e-9


def attendance(
    present: NDArray[np.bool_] | None, confidence: Array | None, gamma: float
) -> Array | NDArray[np.bool_] | None:
    """Return ``m c^γ``, (M, N): the share of its weight that each model has in each row."""
    if confidence is None or gamma == 0:
        return present
    m = np.maximum(np.where(np.isnan(confidence), 0.0, confidence), LEAST_CONFIDENCE) ** gamma
    return m if present is None else np.where(present, m, 0.0)


@dataclass(frozen=True)
class Evidence:
    """Rows with an outcome, as the rules want them.

    Attributes
    ----------
    parameters
        (M, N, P) of the models' distributions, floored already; anything where absent. Large
        ones may be :class:`Lazy`: only :meth:`blocks` of them are looked at.
    outcomes
        What happened in each row.
    weight
        (N,) row weights; a row of weight 2 is a row seen twice.
    present
        (M, N), or None when every model answered every row.
    fallback
        (P,) parameters for rows in which no model that counts answered; None where such a row
        is an error.
    family
        What the parameters are of.
    confidence, gamma
        (M, N) how sure each model is of each row, in [0, 1], and the power γ to which that
        counts in the row's weights ``∝ w_α c_nα^γ``; None and 0 where it does not.
    threads
        How many threads compiled kernels may use.
    large
        Whether these are some of so many rows that compiled kernels are worth their loading,
        however few they are themselves.
    """

    parameters: Array
    outcomes: Outcomes
    weight: Array
    present: NDArray[np.bool_] | None = None
    fallback: Array | None = None
    family: Family = CATEGORICAL
    confidence: Array | None = None
    gamma: float = 0.0
    threads: int = 1
    large: bool = False
    #: ``ℓ_α(y_n)``, (M, N), of evidence that was :meth:`looked_up`; no field, so not inherited.
    _at_outcome: ClassVar[Array | None] = None
    #: Stretches that are all of these rows that count, shared with other evidence; no field either.
    stretches: ClassVar[tuple[Stretch, ...]] = ()

    @property
    def n_models(self) -> int:
        """Number of models."""
        return int(self.parameters.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.parameters.shape[1])

    @property
    def n_parameters(self) -> int:
        """Number of parameters of a distribution: of classes, for categorical ones."""
        return int(self.parameters.shape[2])

    @property
    def total_weight(self) -> float:
        """Sum of the row weights: the N of maths.md."""
        return float(self.weight.sum())

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Evidence:
        """Return the evidence of some rows (views for a slice)."""
        some = replace(self.without_parameters(rows), parameters=self.parameters[:, rows])
        known = self._at_outcome
        return some if known is None else some._knowing(known[:, rows])

    def reweighted(self, weight: Array, present: NDArray[np.bool_] | None) -> Evidence:
        """Return the same rows with other weights, and who answered those that still have any."""
        return replace(self, weight=weight, present=present)._knowing(self._at_outcome)

    def in_stretches(self, stretches: Sequence[Stretch]) -> Evidence:
        """Return the same; what it costs is the sum of what these stretches do."""
        same = replace(self)._knowing(self._at_outcome)
        object.__setattr__(same, "stretches", tuple(stretches))
        return same

    def without_absences(self) -> Evidence:
        """Return the same, every model having answered."""
        return replace(self, present=None)._knowing(self._at_outcome)

    def looked_up(self) -> Evidence:
        """Return the same; what happened is looked up now, for these rows however weighed."""
        return replace(self)._knowing(self.log_likelihood())

    def models(self, chosen: NDArray[np.int64] | list[int]) -> Evidence:
        """Return the evidence of some models."""
        # Arrays are copied all the same: equal numbers are then equally laid out, and so summed.
        lazy = isinstance(self.parameters, Lazy)
        if lazy and np.array_equal(chosen, np.arange(self.n_models)):
            return self
        present = None if self.present is None else self.present[chosen]
        confidence = None if self.confidence is None else self.confidence[chosen]
        return replace(
            self, parameters=self.parameters[chosen], present=present, confidence=confidence
        )

    @property
    def attendance(self) -> Array | NDArray[np.bool_] | None:
        """Return how much of its weight each model has in each row, m of maths.md §6: (M, N)."""
        return attendance(self.present, self.confidence, self.gamma)

    @property
    def even(self) -> bool:
        """Whether every model has all of its weight in every row: there is no attendance."""
        return self.present is None and (self.confidence is None or self.gamma == 0)

    def entropy(self) -> float:
        """Return the outcomes' mean entropy, nats per row: no mean loss is less."""
        if self.outcomes.classes is not None:
            return 0.0
        some = self.weight > 0  # not 0·(−inf)
        return float(self.outcomes.entropy()[some] @ self.weight[some]) / self.total_weight

    def answered(self) -> Evidence:
        """Return the rows in which at least one model answered."""
        if self.present is None:
            return self
        some: NDArray[np.bool_] = np.asarray(self.present.any(axis=0))
        if isinstance(self.parameters, Lazy):  # a row of weight 0 costs less than a choice of rows
            own = self.reweighted(np.where(some, self.weight, 0.0), self.present)
            return own.in_stretches(self.stretches)  # of rows answered, as they are
        kept = self if some.all() else self.take(some)
        assert kept.present is not None
        return replace(kept, present=None) if kept.present.all() else kept

    def log_likelihood(self) -> Array:
        """Return ``ℓ_α(y_n)``, (M, N): 0 where absent."""
        if isinstance(self.parameters, Lazy):
            return self._surveyed() if self._at_outcome is None else self._at_outcome
        at_outcome = self.family.log_likelihood(self.parameters, self.outcomes)
        return at_outcome if self.present is None else np.where(self.present, at_outcome, 0.0)

    def _surveyed(self) -> Array:
        """Return ``ℓ_α(y_n)`` of categorical distributions, in one reading of their cells."""
        found = np.empty((self.n_models, self.n_rows))
        for rows, own in self._surveyed_parts():
            found[:, rows] = own
        return found if self.present is None else np.where(self.present, found, 0.0)

    def _surveyed_parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield consecutive rows and what their survey finds, (M, n): NaN where absent."""
        for rows, arrays, shares in cells_in(self.parameters, self.threads):
            q = self.outcomes.take(rows)
            found = np.empty((len(arrays), len(q)))
            for own, x, share in zip(found, arrays, shares, strict=True):
                own[:] = survey(
                    x,
                    q.classes,
                    soft=q.soft,
                    exact=True,
                    shares=share,
                    checksum=False,
                    threads=self.threads,
                ).at_outcome
            yield rows, found

    def likelihood_parts(self) -> Iterator[tuple[Evidence, Array]]:
        """Yield the rows in parts, and their ``ℓ_α(y_n)``, (M, n): 0 where absent.

        A part's parameters mean nothing; of lazy ones there are never likelihoods of more rows
        than are read at a time, unless they were :meth:`looked_up`.
        """
        if not isinstance(self.parameters, Lazy) or self._at_outcome is not None:
            yield self, self.log_likelihood()
            return
        for rows, found in self._surveyed_parts():
            part = self.without_parameters(rows)
            here = part.present
            yield part, found if here is None else np.where(here, found, 0.0)

    def _knowing(self, at_outcome: Array | None) -> Evidence:
        """Note what is known: who replaces parameters or outcomes does not pass it on."""
        if isinstance(self.parameters, Lazy):
            object.__setattr__(self, "_at_outcome", at_outcome)
        return self

    def fallback_loss(self) -> Array:
        """Return the loss of each row if nobody answers it, (N,): inf where that is an error."""
        if self.fallback is None:
            return np.full(len(self.weight), np.inf)
        row = np.broadcast_to(self.fallback, (len(self.weight), self.n_parameters))
        return -self.family.log_likelihood(row, self.outcomes)

    def parts(self) -> Iterator[Evidence]:
        """Yield the rows in parts whose parameters are arrays: as large as may be."""
        if not isinstance(self.parameters, Lazy):
            yield self
            return
        for rows, parameters in self.parameters.parts():
            yield replace(self.without_parameters(rows), parameters=parameters)

    def blocks(self) -> Iterator[Evidence]:
        """Yield the rows in blocks that stay in cache."""
        size = max(1, BLOCK_CELLS // max(1, self.n_models * self.n_parameters))
        for part in self.parts():
            for first in range(0, part.n_rows, size):
                yield part.take(slice(first, first + size))

    def without_parameters(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Evidence:
        """Return what is known of some rows beside the parameters, which stay those of all."""
        return replace(
            self,
            outcomes=self.outcomes.take(rows),
            weight=self.weight[rows],
            present=None if self.present is None else self.present[:, rows],
            confidence=None if self.confidence is None else self.confidence[:, rows],
        )
