"""Policies: what happens to zeros, absences and rows that nobody answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, warn
from .families import CATEGORICAL, Family
from .predictions import Predictions, Targets
from .rules.base import AnyRule
from .vetoes import auto_floor

Array = NDArray[np.float64]
Floor = float | Literal["auto", "veto", "learned"]


@dataclass(frozen=True)
class Policy:
    """What happens to zeros and absences.

    Attributes
    ----------
    floors
        (M,) the resolved ε of each model, 0 for none.
    missing
        ``"renormalise"``, ``"prior"`` or ``"error"``.
    fallback
        ``"uniform"``, ``"prior"`` or ``"error"``, for rows that nobody with weight answered.
    prior
        (P,) what happened over all labels, as callers see it (class probabilities, or mean and
        variance), where either needs it.
    closure
        Whether models of weight 0 still veto.
    mixed
        Whether ε mixes a model with the uniform (learned floors) instead of raising cells.
    gamma
        The power of the models' confidence in a row's weights; None where it plays no part.
    betas
        (M,) inverse temperatures of the models themselves, applied after the floors; None for
        none.
    vector
        (2, K) factors and offsets of the pooled log-probabilities, applied last; None for none.
    """

    floors: Array
    missing: str = "renormalise"
    fallback: str = "uniform"
    prior: Array | None = None
    closure: bool = False
    mixed: bool = False
    gamma: float | None = None
    betas: Array | None = None
    vector: Array | None = None

    @property
    def treats_members(self) -> bool:
        """Whether members are floored, or tempered, before they are pooled."""
        return bool(self.floors.any() or self.betas is not None)


def check_policies(
    missing: str, fallback: str, *, labels: bool, family: Family = CATEGORICAL
) -> str:
    """Refuse policies that do not exist, or that need labels where there are none.

    Returns the fallback: a family without a uniform distribution falls back to the prior, or
    where there are no labels to know it from, to an error.
    """
    for name, value, known in (
        ("missing", missing, ("renormalise", "prior", "error")),
        ("fallback", fallback, ("uniform", "prior", "error")),
    ):
        if value not in known:
            raise InputError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
        if value == "prior" and not labels:
            raise InputError(
                f"{name}='prior' needs labels, to know how frequent the classes are: use fit, or "
                "another policy"
            )
    if fallback == "uniform" and family.uniform(1) is None:
        return "prior" if labels else "error"
    return fallback


def resolve_floor(floor: Any, rule: AnyRule, predictions: Predictions) -> float:
    """Return ε, 0 for none; ``"auto"`` floors exact zeros where the rule lets them veto."""
    k = predictions.n_parameters
    if not predictions.family.rules_out:
        if isinstance(floor, str) and floor in ("auto", "veto"):
            return 0.0
        raise InputError(
            f"floor: found {floor!r}, but {predictions.family.name} predictions have no zeros to "
            "floor; leave it out"
        )
    if isinstance(floor, str) and floor in ("veto", "learned"):
        return 0.0
    if isinstance(floor, str) and floor == "auto":
        zeros = predictions.n_zeros() if rule.vetoes else 0
        if not zeros:
            return 0.0
        epsilon = auto_floor(k)
        warn(
            f"{zeros} cells are exactly 0, and one model's 0 would rule a class out for the "
            f"{rule.name} pool: cells below {epsilon:g} were raised to it (floor='auto'; "
            "floor='veto' keeps zeros)",
        )
        return epsilon
    if isinstance(floor, bool) or not isinstance(floor, int | float | np.floating | np.integer):
        raise InputError(f"floor: found {floor!r}, expected 'auto', 'veto', 'learned' or a number")
    if not 0 < floor < 1 / k:
        raise InputError(
            f"floor: found {floor}, expected a number above 0 and below 1/K = {1 / k:g} "
            "(floor='veto' keeps zeros)"
        )
    return float(floor)


def prior_of(targets: Targets, predictions: Predictions) -> Array:
    """Return what happened over all labels, as callers see it: (P,)."""
    family = predictions.family
    size = predictions.n_parameters
    return family.shown(family.marginal(targets.outcomes, targets.weight, size))
