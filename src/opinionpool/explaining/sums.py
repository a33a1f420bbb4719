"""What is added up over blocks of rows, and how several sums are one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .case import Case


class Sums(Protocol):
    """Something that is added up over blocks."""

    def add(self, block: Case) -> None:
        """Add a block of rows, which come after all others."""
        ...


class OfPredictors(Protocol):
    """Sums of every model, and of the pool behind them, of which no two share anything."""

    def add_one(self, i: int, block: Case) -> None:
        """Add a block of rows to those of one of them."""
        ...


@dataclass(frozen=True)
class OfOne:
    """The sums of one predictor."""

    whole: OfPredictors
    i: int

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        self.whole.add_one(self.i, block)


@dataclass(frozen=True)
class Together:
    """Several sums, one after the other."""

    each: tuple[Sums, ...]

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        for sums in self.each:
            sums.add(block)
