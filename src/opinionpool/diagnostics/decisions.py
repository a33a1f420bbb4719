"""Decisions between two classes: the four counts, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Weights of rows by decision and outcome, of one shape: one entry per threshold.

    ``tp`` and ``fp`` are the rows decided positive, rightly and wrongly; ``tn`` and ``fn`` those
    decided negative.
    """

    tp: Array
    fp: Array
    fn: Array
    tn: Array

    def as_dict(self) -> dict[str, float]:
        """Return them as plain numbers (of one threshold)."""
        return {name: float(value) for name, value in vars(self).items()}


def counts_of(decided: NDArray[np.bool_], positive: Array, negative: Array) -> Counts:
    """Count decisions, (N,) each; a row is positive and negative by its two weights."""
    tp, fp = (np.asarray(u[decided].sum()) for u in (positive, negative))
    fn, tn = (np.asarray(u[~decided].sum()) for u in (positive, negative))
    return Counts(tp, fp, fn, tn)


def _share(part: Any, whole: Any) -> Array:
    """Return ``part / whole``, 0 where there is nothing to share (scikit-learn does the same)."""
    out: Array = np.zeros(np.shape(whole))
    np.divide(part, whole, out=out, where=np.asarray(whole) > 0)
    return out


def accuracy(c: Counts) -> Array:
    """Share of right decisions."""
    return _share(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn)


def youden(c: Counts) -> Array:
    """Sensitivity + specificity − 1 (Youden 1950)."""
    return _share(c.tp, c.tp + c.fn) + _share(c.tn, c.tn + c.fp) - 1


def balanced_accuracy(c: Counts) -> Array:
    """Mean of sensitivity and specificity."""
    return (_share(c.tp, c.tp + c.fn) + _share(c.tn, c.tn + c.fp)) / 2


def f1(c: Counts) -> Array:
    """Harmonic mean of precision and recall."""
    return _share(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def mcc(c: Counts) -> Array:
    """Matthews' correlation of decision and outcome."""
    # A root each: the product of four large counts may be too large.
    decided = np.sqrt(c.tp + c.fp) * np.sqrt(c.tn + c.fn)
    happened = np.sqrt(c.tp + c.fn) * np.sqrt(c.tn + c.fp)
    return _share(c.tp * c.tn - c.fp * c.fn, decided * happened)


def kappa(c: Counts) -> Array:
    """Cohen's κ: agreement of decision and outcome beyond that of chance."""
    chance = (c.tp + c.fp) * (c.fp + c.tn) + (c.tp + c.fn) * (c.fn + c.tn)
    return _share(2 * (c.tp * c.tn - c.fp * c.fn), chance)


#: What a threshold can be chosen to make large.
METRICS: dict[str, Callable[[Counts], Array]] = {
    "accuracy": accuracy,
    "balanced-accuracy": balanced_accuracy,
    "f1": f1,
    "kappa": kappa,
    "mcc": mcc,
    "youden": youden,
}


@dataclass(frozen=True)
class Aim:
    """What a threshold is chosen for: the largest value of a metric, or the least cost per row.

    ``reference`` is the threshold that would be taken without choosing: 0.5 for a metric; for
    costs ``fp/(fp + fn)``, which is the best one where the probabilities are calibrated (Elkan
    2001): then deciding positive costs ``(1 − P) fp``, deciding negative ``P fn``.
    """

    name: str
    value: Callable[[Counts], Array]
    reference: float
    costs: tuple[float, float] | None = None

    @property
    def larger_is_better(self) -> bool:
        """Whether the value is to be made large."""
        return self.costs is None

    def of_rows(self, decided: NDArray[np.bool_], q: Array) -> Array:
        """Return what each decision costs, (N,), where the outcome is positive to the extent q."""
        assert self.costs is not None
        fp, fn = self.costs
        return np.where(decided, fp * (1 - q), fn * q)


def metric_aim(name: str) -> Aim:
    """Aim at the largest value of one of the `METRICS`."""
    return Aim(name, METRICS[name], 0.5)


def cost_aim(fp: float, fn: float) -> Aim:
    """Aim at the least cost per row, where false positives and false negatives cost this much."""

    def cost(c: Counts) -> Array:
        return _share(fp * c.fp + fn * c.fn, c.tp + c.fp + c.fn + c.tn)

    # Of the form that does not overflow.
    return Aim("cost", cost, 1 / (1 + fn / fp), (fp, fn))
