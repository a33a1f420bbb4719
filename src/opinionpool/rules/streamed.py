"""Rows that are read again in every pass, a block at a time, because they are not in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..families.base import Sums
from .evidence import Evidence

if TYPE_CHECKING:
    from .base import Rule

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Streamed:
    """All rows of lazily read evidence, for any rule."""

    rule: Rule[Any]
    evidence: Evidence

    def sums(self, v: Array) -> Sums:
        """Sum loss, gradient, curvature and reach over one reading."""
        return reduce(add, (self.rule.evaluate(v, block) for block in self._blocks()))

    def value(self, v: Array) -> float:
        """Sum the loss over one reading."""
        return sum(self.rule.value(v, block) for block in self._blocks())

    def _blocks(self) -> Iterator[Any]:
        for block in self.evidence.blocks():
            answered = block.answered()
            if answered.n_rows:
                yield self.rule.prepare(answered)
