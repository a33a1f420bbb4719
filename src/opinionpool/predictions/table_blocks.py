"""Blocks of a table's cells, for who looks at each of them once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from .copied import Copied
from .lazy import LazyValues, ahead
from .side_by_side import Beside
from .table import Table

#: Cells of a block of a file, and parts of a budget that it is at most. The blocks of one thread
#: that reads, surveys and copies stay in its cache; how many threads there are changes nothing.
_CELLS, _PARTS = 1 << 20, 64


def blocks_of(
    table: Table, beside: Beside, budget: int | None = None, copy: Copied | None = None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first row and the cells of consecutive blocks; arrays in memory are one.

    What is read is written to the ``copy``: by a thread of its own, as reading is, unless other
    models are surveyed meanwhile.
    """
    values = table.values
    if not isinstance(values, LazyValues):
        yield 0, values
        return
    cells_at_once = _CELLS
    if budget is not None:
        cells_at_once = min(cells_at_once, budget // _PARTS // values.dtype.itemsize)
    step = max(1, cells_at_once // values.shape[1])
    if beside.workers > 1:
        blocks = values.serial().scan(step)
        blocks = blocks if copy is None else copy.filling(blocks)
    else:
        blocks = values.scan(step)
        blocks = ahead(blocks if copy is None else copy.filling(ahead(blocks)))
    first = 0
    for cells in blocks:
        beside.go_on()
        yield first, cells
        first += len(cells)
