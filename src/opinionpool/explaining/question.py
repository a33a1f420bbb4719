"""What was asked of an explanation, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..folds import Split
from ..options import Temperature


@dataclass(frozen=True)
class Question:
    """Options of :func:`opinionpool.explain`.

    Attributes
    ----------
    temperature
        Of refits.
    remembered
        Whether the pool itself says that this is what it was fitted with.
    same
        Whether these are the rows of the fit.
    folds
        Of the labelled rows that are in memory, or why there are none.
    price, priced
        (M,) what each model costs, and in what.
    ordered
        Whether the classes have an order.
    z, seed
        Normal quantile of the intervals; of refits.
    """

    temperature: Temperature
    remembered: bool
    same: bool
    folds: list[Split] | str
    price: NDArray[np.float64]
    priced: str
    ordered: bool
    z: float
    seed: int


@dataclass(frozen=True)
class Answer:
    """Sections of the dict, and what the notes need.

    Attributes
    ----------
    sections
        By name.
    touched
        Counts of rows touched by a policy.
    loss, refitted
        The pool's, and that of the pool refitted on these rows (None where it cannot be).
    notes
        Sentences about how it was done.
    """

    sections: dict[str, object]
    touched: dict[str, int]
    loss: float
    refitted: float | None
    notes: list[str]
