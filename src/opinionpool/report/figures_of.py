"""Numbers out of an explanation, where some are texts ("inf") or absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: Models that a chart shows, at most: those of the largest weight.
MOST = 30


def number(x: object) -> float:
    """Return a number; NaN where there is none.

    Examples
    --------
    >>> number(1), number("inf"), number(None)
    (1.0, inf, nan)
    """
    return math.nan if x is None else float(x)  # type: ignore[arg-type]


def finite(*values: object) -> bool:
    """Whether all of these are finite numbers."""
    return all(math.isfinite(number(x)) for x in values)


def heaviest(models: Sequence[Mapping[str, Any]], most: int = MOST) -> list[Mapping[str, Any]]:
    """Return entries of models by weight, the heaviest first."""
    return sorted(models, key=lambda m: -number(m["weight"]))[:most]


def signed(x: object, digits: int = 4) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed(0.12345), signed(-1e-9), signed(None), signed("inf")
    ('+0.1235', '0.0000', '-', 'inf')
    """
    value = number(x)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(value)
    shown = f"{value:+.{digits}f}"
    return shown[1:] if not float(shown) else shown.replace("-", "−")


def plain(x: object, digits: int = 4) -> str:
    """Write a number.

    Examples
    --------
    >>> plain(0.12345), plain(None), plain("inf"), plain(12000)
    ('0.1235', '-', 'inf', '12,000')
    """
    if isinstance(x, int) and not isinstance(x, bool):
        return f"{x:,}"
    value = number(x)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(value).replace("-", "−")
    shown = f"{value:.{digits}f}"
    shown = shown[1:] if shown.startswith("-") and not float(shown) else shown
    return shown.replace("-", "−")


def between(ends: object, digits: int = 4) -> str:
    """Write an interval.

    Examples
    --------
    >>> between([0.1, 0.25], 2), between(None)
    ('0.10 to 0.25', '-')
    """
    if not isinstance(ends, list | tuple):
        return "-"
    return f"{plain(ends[0], digits)} to {plain(ends[1], digits)}"
