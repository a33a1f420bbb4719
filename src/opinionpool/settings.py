"""Settings: what was asked of a fit, as a pool remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .policies import Floor
from .predictions.classes import Label


@dataclass(frozen=True)
class Settings:
    """How a pool treats what it is given; what was asked for, before it was resolved.

    Attributes
    ----------
    floor, missing, fallback, penalty
        As given to :func:`opinionpool.fit`.
    renormalise
        Whether rows of probabilities that do not sum to one are rescaled.
    positive
        The class of single columns, None for the second.
    closure
        Whether models of weight 0 still veto (fitted under ``floor="veto"``).
    resample, metric, calibrate, scaling
        As given to :func:`opinionpool.fit`; a callable metric by its name.
    confidence
        The column of scores in every model's table, ``""`` where they are given apart, None
        without.
    temperature
        ``"fit"`` or ``"given"``: where the pool's temperature comes from; None where that is not
        known, as of pools that were saved before this was.
    """

    floor: Floor = "auto"
    missing: str = "renormalise"
    fallback: str = "uniform"
    penalty: float | Literal["auto"] = "auto"
    renormalise: bool = False
    positive: Label | None = None
    closure: bool = False
    resample: int = 0
    metric: str | None = None
    calibrate: str | None = None
    scaling: str | None = None
    confidence: str | None = None
    temperature: Literal["fit", "given"] | None = None
