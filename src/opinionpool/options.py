"""Options as callers write them, checked once and turned into what the code works with."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .families import FAMILIES, Family
from .predictions.columns import Kinds
from .predictions.confidence import GIVEN_SCORES, Scores
from .rules import RULES
from .rules.base import AnyRule
from .weightings import WEIGHTINGS, Weighting
from .weightings.given import Given, normalised_weights
from .weightings.gradient import Gradient
from .weightings.resampled import ResampledOptimal
from .weightings.scored import Metric, Score

Weights = Mapping[str, float] | Sequence[float] | NDArray[Any]
Temperature = float | Literal["fit"]


def named_rule(rule: str) -> AnyRule:
    """Return a rule by name."""
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(f"rule: found {rule!r}, expected one of {', '.join(RULES)}")
    return RULES[rule]


def named_family(family: str) -> Family:
    """Return a family by name."""
    if not isinstance(family, str) or family not in FAMILIES:
        raise InputError(f"family: found {family!r}, expected one of {', '.join(FAMILIES)}")
    return FAMILIES[family]


def pool_temperature(temperature: Temperature, rule: AnyRule, family: Family) -> Temperature:
    """Return a checked temperature; 1 for pools that cannot be tempered in closed form."""
    if not is_word(temperature, "fit"):
        temperature = checked_temperature(temperature, fitted=True)
    if rule.has_temperature(family):
        return temperature
    if temperature not in ("fit", 1.0):
        raise InputError(
            f"temperature: found {temperature}, but the {rule.name} pool of {family.name} "
            "predictions is a mixture, which is not tempered; leave it out, or use rule='log'"
        )
    return 1.0


def named_weighting(
    weighting: str | Weights | Weighting,
    names: tuple[str, ...],
    *,
    resample: int = 0,
    metric: str | Metric | None = None,
) -> Weighting:
    """Return a weighting by name, or the one that returns the given numbers.

    ``resample`` averages the optimum over row bootstraps; ``metric`` is what ``"score"`` uses.
    """
    if metric is not None and not is_word(weighting, "score"):
        raise InputError("metric: belongs to weighting='score'")
    if isinstance(resample, bool) or resample != 0:
        if not is_word(weighting, "optimal"):
            raise InputError("resample: belongs to weighting='optimal'")
        return ResampledOptimal(resample)
    if metric is not None:
        return Score(metric)
    if isinstance(weighting, Weighting):
        return weighting
    if weighting is None:
        raise InputError(
            f"weighting: found None, expected one of {', '.join(WEIGHTINGS)}, or numbers"
        )
    if is_word(weighting, "gradient"):  # in no registry: it needs PyTorch, and a certificate costs
        return Gradient()
    if not isinstance(weighting, str):
        return Given(normalised_weights(weighting, names))
    if weighting not in WEIGHTINGS:
        raise InputError(
            f"weighting: found {weighting!r}, expected one of {', '.join(WEIGHTINGS)}, or numbers"
        )
    return WEIGHTINGS[weighting]


def checked_word(option: str, value: object, *known: str) -> str | None:
    """Return an option that is one of a few words, or None."""
    if value is not None and not (isinstance(value, str) and value in known):
        expected = ", ".join(map(repr, known))
        raise InputError(f"{option}: found {value!r}, expected {expected}, or None")
    return value


def confidence_setting(confidence: Scores | None, weighting: Weighting) -> str | None:
    """Return what a pool remembers of its scores: a column's name, or that they were given."""
    if confidence is None:
        return None
    if not weighting.confident:
        raise InputError("confidence: belongs to weighting='confidence'")
    return confidence if isinstance(confidence, str) else GIVEN_SCORES


def is_word(value: object, word: str) -> bool:
    """Whether an option is this word; arrays have no truth value, so no ``==`` for them."""
    return isinstance(value, str) and value == word


def checked_seed(seed: object) -> int:
    """Return a seed, 0 for None."""
    try:
        number = 0 if seed is None else operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"seed: found {seed!r}, expected a whole number ≥ 0")
    return number


def checked_temperature(temperature: object, *, fitted: bool = False) -> float:
    """Return a temperature above 0; ``fitted`` says whether it could be fitted instead."""
    expected = "'fit' or a number above 0" if fitted else "a number above 0"
    if isinstance(temperature, bool) or not isinstance(
        temperature, int | float | np.floating | np.integer
    ):
        hint = "; to fit it takes labels: use fit" if is_word(temperature, "fit") else ""
        raise InputError(f"temperature: found {temperature!r}, expected {expected}{hint}")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise InputError(f"temperature: found {temperature}, expected a finite number above 0")
    return float(temperature)


def penalty_scale(penalty: object) -> float:
    """Return what the automatic penalty is multiplied with."""
    if is_word(penalty, "auto"):
        return 1.0
    if isinstance(penalty, bool) or not isinstance(penalty, int | float | np.floating | np.integer):
        raise InputError(f"penalty: found {penalty!r}, expected 'auto' or a number ≥ 0")
    if not (penalty >= 0 and math.isfinite(penalty)):
        raise InputError(f"penalty: found {penalty}, expected a finite number ≥ 0")
    return float(penalty)


def check_kinds(kind: Kinds, names: tuple[str, ...]) -> None:
    """Refuse kinds for models that are not there."""
    unknown = [] if not isinstance(kind, Mapping) else [n for n in kind if n not in names]
    if unknown:
        raise InputError(f"kind: there is no model {unknown[0]!r}; models: {', '.join(names)}")
