"""Stretches of rows that several problems count: a fold trains on all of them but one.

A loss is a sum over rows, so what one fold asked of a stretch is known to all others. Searches that
try the same few weights on every fold, as greedy selection does, ask most of it once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence

if TYPE_CHECKING:
    from .base import AnyRule, Sums

Array = NDArray[np.float64]
T = TypeVar("T", "Sums", float)

#: Models up to which curvatures are remembered: some hundred matrices of them for every stretch.
MOST_MODELS = 64


class Stretch:
    """Consecutive rows, and what they cost at all weights that anybody asked about."""

    def __init__(self, evidence: Evidence) -> None:
        present = evidence.present
        everyone = present is None or bool(present.all())
        self.evidence = evidence.without_absences() if everyone else evidence.answered()
        self._blocks: dict[str, list[Any]] = {}
        self._values: dict[tuple[str, bytes], float] = {}
        self._sums: dict[tuple[str, bytes], Sums] = {}

    def value(self, rule: AnyRule, v: Array) -> float:
        """Sum the loss."""
        return self._asked(self._values, rule, v, rule.value)

    def evaluate(self, rule: AnyRule, v: Array) -> Sums:
        """Sum loss, gradient and curvature."""
        known = self._sums if len(v) <= MOST_MODELS else {}
        found = self._asked(known, rule, v, rule.evaluate)
        self._values.setdefault((rule.name, v.tobytes()), found.value)
        return found

    def slope(self, rule: AnyRule, v: Array) -> Sums:
        """Sum the same, the curvature over some rows: for the last steps of a search, not kept."""
        return self._asked({}, rule, v, rule.slope)

    def _asked(
        self,
        known: dict[tuple[str, bytes], T],
        rule: AnyRule,
        v: Array,
        ask: Callable[[Array, Any], T],
    ) -> T:
        key = rule.name, v.tobytes()
        if key not in known:
            if rule.name not in self._blocks:
                self._blocks[rule.name] = rule.blocks(self.evidence)
            known[key] = reduce(add, (ask(v, block) for block in self._blocks[rule.name]))
        return known[key]
