"""Evidence: aligned log-probabilities, what happened, and how much each row counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..families.categorical import entropy

Array = NDArray[np.float64]

#: Cells of one block: its temporaries then fit in a core's second-level cache.
BLOCK_CELLS = 1 << 17


@dataclass(frozen=True)
class Outcomes:
    """What happened: class numbers (n,), or probabilities over the classes (n, K)."""

    classes: NDArray[np.int64] | None = None
    soft: Array | None = None

    def __len__(self) -> int:
        return len(self.soft) if self.soft is not None else len(self.classes)  # type: ignore[arg-type]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Outcomes:
        """Return the outcomes of some rows."""
        if self.soft is not None:
            return Outcomes(soft=self.soft[rows])
        assert self.classes is not None
        return Outcomes(classes=self.classes[rows])

    def expectation(self, values: Array) -> Array:
        """Return ``Σ_k q_k values[..., n, k]`` with ``0·(−inf) = 0``: shape (..., n)."""
        if self.classes is not None:
            rows = np.arange(len(self.classes))
            chosen: Array = values[..., rows, self.classes]
            return chosen
        assert self.soft is not None
        # −inf times a positive q is −inf, and that is right: such an outcome was ruled out.
        with np.errstate(invalid="ignore"):
            terms = np.where(self.soft > 0, self.soft * values, 0.0)
        summed: Array = terms.sum(axis=-1)
        return summed

    def entropy(self) -> Array:
        """Return the entropy of each row's outcome (zero for a hard label): no loss is less."""
        return entropy(self.soft) if self.soft is not None else np.zeros(len(self))

    def probabilities(self, n_classes: int) -> Array:
        """Return the outcomes as (n, K) probabilities."""
        if self.soft is not None:
            return self.soft
        assert self.classes is not None
        one_hot = np.zeros((len(self), n_classes))
        one_hot[np.arange(len(self)), self.classes] = 1.0
        return one_hot


@dataclass(frozen=True)
class Evidence:
    """Rows with an outcome, as the rules want them.

    Attributes
    ----------
    log_p
        (M, N, K) normalised log-probabilities, floored already; anything where absent.
    outcomes
        What happened in each row.
    weight
        (N,) row weights; a row of weight 2 is a row seen twice.
    present
        (M, N), or None when every model answered every row.
    fallback
        (K,) log-probabilities of rows in which no model that counts answered; None where
        such a row is an error.
    """

    log_p: Array
    outcomes: Outcomes
    weight: Array
    present: NDArray[np.bool_] | None = None
    fallback: Array | None = None

    @property
    def n_models(self) -> int:
        """Number of models."""
        return int(self.log_p.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.log_p.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.log_p.shape[2])

    @property
    def total_weight(self) -> float:
        """Sum of the row weights: the N of maths.md."""
        return float(self.weight.sum())

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Evidence:
        """Return the evidence of some rows (views for a slice)."""
        return replace(
            self,
            log_p=self.log_p[:, rows],
            outcomes=self.outcomes.take(rows),
            weight=self.weight[rows],
            present=None if self.present is None else self.present[:, rows],
        )

    def models(self, chosen: NDArray[np.int64] | list[int]) -> Evidence:
        """Return the evidence of some models."""
        present = None if self.present is None else self.present[chosen]
        return replace(self, log_p=self.log_p[chosen], present=present)

    def answered(self) -> Evidence:
        """Return the rows in which at least one model answered."""
        if self.present is None:
            return self
        some: NDArray[np.bool_] = np.asarray(self.present.any(axis=0))
        kept = self if some.all() else self.take(some)
        assert kept.present is not None
        return replace(kept, present=None) if kept.present.all() else kept

    def log_likelihood(self) -> Array:
        """Return ``ℓ_α(y_n)``, (M, N): 0 where absent."""
        at_outcome = self.outcomes.expectation(self.log_p)
        return at_outcome if self.present is None else np.where(self.present, at_outcome, 0.0)

    def fallback_loss(self) -> Array:
        """Return the loss of each row if nobody answers it, (N,): inf where that is an error."""
        if self.fallback is None:
            return np.full(self.n_rows, np.inf)
        row = np.broadcast_to(self.fallback, (self.n_rows, self.n_classes))
        return -self.outcomes.expectation(row)

    def blocks(self) -> Iterator[Evidence]:
        """Yield the rows in blocks that stay in cache."""
        size = max(1, BLOCK_CELLS // max(1, self.n_models * self.n_classes))
        for first in range(0, self.n_rows, size):
            yield self.take(slice(first, first + size))
