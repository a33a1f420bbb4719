"""What is made of cells as they are: probabilities that are mixed, or raised, before logarithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .lazy import Lazy, Map, Mapped
from .logits import Logits, made

#: As a ``LogitsMap``; the last says which arrays are probabilities, None for none.
CellsMap = Callable[[Logits, Any, Logits | None, Sequence[bool] | None], Logits]


class Mixed(Mapped):
    """What one function makes of every block, and another one of every block of cells."""

    quick: CellsMap

    def __init__(self, base: Lazy, f: Map, n_models: int, quick: CellsMap) -> None:
        super().__init__(base, f, n_models, quick)

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield what every block of cells becomes."""
        shares = self.base.shares
        for rows, arrays in self.base.as_given(threads):

            def own(
                some: slice, into: Logits | None, first: int = rows.start, block: Logits = arrays
            ) -> Logits:
                there = slice(first + some.start, first + some.stop)
                return self.quick([x[some] for x in block], there, into, shares)

            yield rows, made(own, len(arrays[0]), threads)

    def logits_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Return what cells become, of consecutive rows."""
        if self.ready is not None:
            return super().logits_of(rows)
        # Of as many models: what the base writes is written over. (A pool of one is no such thing.)
        room = into if self.base.shape[0] == self.shape[0] > 1 else None
        return self.quick(self.base.cells_of(rows, room), rows, into, self.base.shares)
