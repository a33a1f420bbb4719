"""Blocks of rows put together from portions of columns, in memory or in a temporary file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..predictions.buffers import Buffers
from ..predictions.lazy import Block
from ..predictions.scratch import empty, fill, scratch_file, writing_scratch


class InMemory:
    """Blocks of the given lengths; the first to be taken is the first to be forgotten."""

    def __init__(
        self, lengths: Sequence[int], k: int, dtype: np.dtype[Any], buffers: Buffers
    ) -> None:
        self._blocks: list[Block | None] = [buffers.take((n, k), dtype) for n in lengths]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._blocks.clear()

    def put(self, number: int, first: int, tile: Block) -> None:
        """Fill the columns from ``first`` on of one block."""
        block = self._blocks[number]
        assert block is not None
        block[:, first : first + tile.shape[1]] = tile

    def take(self, number: int) -> Block:
        """Return a full block."""
        block, self._blocks[number] = self._blocks[number], None
        assert block is not None
        return block


class OnDisk:
    """The same in a nameless file, which even a kill leaves no trace of.

    Tiles are written one after another, a block is read back from as many places as there are
    portions.

    Raises
    ------
    OutputError
        The folder for temporary files has no room; the message says how much is needed.
    """

    def __init__(self, lengths: Sequence[int], k: int, dtype: np.dtype[Any], where: str) -> None:
        self._lengths, self._k, self._dtype, self._where = list(lengths), k, dtype, where
        self._starts = [0, *accumulate(lengths)]
        self._portions: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        n_bytes = self._starts[-1] * self._k * self._dtype.itemsize
        self._stream = scratch_file(n_bytes, f"reading {self._where}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def put(self, number: int, first: int, tile: Block) -> None:
        """Write the columns from ``first`` on of one block; portions come block after block."""
        if number == 0:
            self._portions.append((first, tile.shape[1]))
        with writing_scratch(f"reading {self._where}"):
            empty(self._stream, tile)

    def take(self, number: int) -> Block:
        """Read a full block back."""
        length, start, n = self._lengths[number], self._starts[number], self._starts[-1]
        block = np.empty((length, self._k), self._dtype)
        for first, width in self._portions:
            tile = np.empty((length, width), self._dtype)
            self._stream.seek((n * first + start * width) * self._dtype.itemsize)
            fill(self._stream, tile, self._where)
            block[:, first : first + width] = tile
        return block
