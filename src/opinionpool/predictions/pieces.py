"""Pieces of rows, as files happen to hold them, cut and joined to the blocks that are wanted."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np

from ..errors import FileError
from .buffers import Buffers
from .lazy import Block, Blocks, LazyValues


def lengths(n_rows: int, step: int) -> Iterator[int]:
    """Yield the lengths of blocks of ``step`` rows, the last maybe shorter."""
    for first in range(0, n_rows, step):
        yield min(step, n_rows - first)


def cut(
    pieces: Iterable[Block], wanted: Iterable[int], where: str, buffers: Buffers | None = None
) -> Generator[Block, None, None]:
    """Yield blocks of the wanted lengths; what a piece holds whole is not copied.

    Blocks of several pieces are made in ``buffers``.

    Raises
    ------
    FileError
        The pieces hold fewer or more rows in total than are wanted.
    """
    ask, buffers = iter(wanted), Buffers() if buffers is None else buffers
    length, have = next(ask, 0), 0
    block: Block | None = None
    for piece in pieces:
        at = 0
        while at < len(piece):
            if not length:
                raise FileError(f"{where} is damaged: found more rows than it says it has")
            if block is None and len(piece) - at >= length:
                yield piece if len(piece) == length else piece[at : at + length]
                at, length = at + length, next(ask, 0)
                continue
            if block is None:
                block, have = buffers.take((length, piece.shape[1]), piece.dtype), 0
            take = min(length - have, len(piece) - at)
            block[have : have + take] = piece[at : at + take]
            at, have = at + take, have + take
            if have == length:
                ready, block, length = block, None, next(ask, 0)
                yield ready
                del ready
        del piece
    if length:
        raise FileError(f"{where} is damaged: found fewer rows than it says it has")


class Joined(LazyValues):
    """Values of several files with the same columns, one after another."""

    def __init__(self, parts: Sequence[LazyValues], where: str) -> None:
        n = sum(len(part) for part in parts)
        super().__init__(
            (n, parts[0].shape[1]), np.result_type(*(part.dtype for part in parts)), where
        )
        self._parts = tuple(parts)

    @property
    def overhead(self) -> int:
        """The largest of the parts': they are read one after another."""
        return max(part.overhead for part in self._parts)

    @property
    def costly(self) -> bool:
        """Whether any part's reading is."""
        return any(part.costly for part in self._parts)

    @property
    def cramped(self) -> bool:
        """Whether any part is."""
        return any(part.cramped for part in self._parts)

    def within(self, n_bytes: int) -> LazyValues:
        """Return the same with every part within the limit."""
        return Joined([part.within(n_bytes) for part in self._parts], self.where)

    def serial(self) -> LazyValues:
        """Return the same with every part read by one thread."""
        return Joined([part.serial() for part in self._parts], self.where)

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks across the parts."""
        pieces = self._pieces(step, first)
        try:
            yield from cut(pieces, lengths(len(self) - first, step), self.where)
        finally:
            pieces.close()

    def _pieces(self, step: int, first: int) -> Blocks:
        for part in self._parts:
            if first < len(part):
                for block in part.scan(step, first):
                    yield block.astype(self.dtype, copy=False)
                    del block
            first = max(0, first - len(part))
