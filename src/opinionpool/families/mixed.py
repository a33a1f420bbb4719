"""What is made of cells as they are: probabilities that are mixed, or raised, before logarithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .lazy import Lazy, Map, Mapped
from .logits import Logits

#: As a ``LogitsMap``; the last says which arrays are probabilities, None for none.
CellsMap = Callable[[Logits, Any, Logits | None, Sequence[bool] | None], Logits]


class Mixed(Mapped):
    """What one function makes of every block, and another one of every block of cells."""

    quick: CellsMap

    def __init__(self, base: Lazy, f: Map, n_models: int, quick: CellsMap) -> None:
        super().__init__(base, f, n_models, quick)

    def _blocks(self, threads: int) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows, and cells as they are."""
        yield from self.base.as_given(threads)

    def _block(self, rows: slice, into: Logits | None) -> Logits:
        """Return cells as they are, of rows that are at hand."""
        return self.base.cells_of(rows, into)

    def _made(self, arrays: Logits, rows: slice, into: Logits | None) -> Logits:
        return self.quick(arrays, rows, into, self.base.shares)
