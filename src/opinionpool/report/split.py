"""The gain of a pool, split: error minus ambiguity minus what the temperature adds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .text import figure

_PARTS = (
    ("average_error", "  average error of its models"),
    ("ambiguity", "− ambiguity (their disagreement)"),
    ("temperature_gain", "− gain of the temperature"),
    ("scaling_gain", "− gain of scaling the classes"),
    ("loss", "= loss of the pool"),
)


def split_lines(split: Mapping[str, Any], *, indent: str = "  ") -> list[str]:
    """Show ``average_error − ambiguity − temperature_gain = loss``, one line each."""
    if not all(isinstance(x, float) and math.isfinite(x) for x in split.values()):
        return [
            f"{indent}There is no split: a model with weight gives 0 to what happened in some row;",
            f"{indent}with a floor, such as 1e-6, there is one.",
        ]
    parts = [(split[key], words) for key, words in _PARTS if key in split]
    shown = [figure(value) for value, _ in parts]
    width = max(map(len, shown), default=0)
    return [
        f"{indent}{words:<34} {value.rjust(width)}"
        for value, (_, words) in zip(shown, parts, strict=True)
    ]
