"""Numbers that stay in their file: read a block of rows at a time, ahead of who computes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..memory import require

Block = NDArray[np.floating[Any]]
Blocks = Generator[Block, None, None]
T = TypeVar("T")


class LazyValues(ABC):
    """(N, K) numbers that stay in their file until rows are read.

    Attributes
    ----------
    shape
        (N, K), known without reading: what progress is measured against.
    dtype
        float32 or float64: what blocks come as.
    where
        How messages name it.
    """

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: DTypeLike, where: str) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.where = where

    @property
    def nbytes(self) -> int:
        """Bytes that everything would take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield consecutive blocks of ``step`` rows from row ``first`` to the end.

        The last may be shorter. Each is a C-contiguous (n, K) array of ``dtype`` that the
        caller may keep. Scans are independent of each other: several may be under way. Closing
        one closes its file.

        Raises
        ------
        FileError
            The file is damaged, or is no longer what it was when it was opened.
        """

    @property
    def overhead(self) -> int:
        """About how many bytes a scan holds besides the blocks it yields."""
        return 0

    @property
    def costly(self) -> bool:
        """Whether reading takes much more than moving bytes, such as decoding."""
        return False

    @property
    def cramped(self) -> bool:
        """Whether the limit of :meth:`within` is so low that reading takes much longer."""
        return False

    def within(self, n_bytes: int) -> LazyValues:
        """Return the same numbers read with an ``overhead`` of at most so much, if possible."""
        return self

    def serial(self) -> LazyValues:
        """Return the same numbers read by one thread: for who reads several files at once."""
        return self

    def read(self, first: int, last: int) -> Block:
        """Return the rows ``first`` to ``last`` (exclusive) as one (n, K) array."""
        if last <= first:
            return np.empty((0, self.shape[1]), self.dtype)
        blocks = self.scan(last - first, first)
        try:
            return next(blocks)
        finally:
            blocks.close()

    def rows(self, first: int, last: int) -> LazyValues:
        """Return a range of rows, still unread."""
        return self if (first, last) == (0, len(self)) else _Range(self, first, last)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(f"{self.where} lies in a file: an array of it is always a copy")
        n, k = self.shape
        require(self.nbytes, f"reading {self.where} ({n} x {k} {self.dtype})")
        values = self.read(0, n)
        return values if dtype is None else values.astype(dtype, copy=False)


class _Range(LazyValues):
    """Consecutive rows of something larger."""

    def __init__(self, whole: LazyValues, first: int, last: int) -> None:
        super().__init__((last - first, whole.shape[1]), whole.dtype, whole.where)
        self._whole, self._first = whole, first

    @property
    def overhead(self) -> int:
        return self._whole.overhead

    @property
    def cramped(self) -> bool:
        return self._whole.cramped

    @property
    def costly(self) -> bool:
        return self._whole.costly

    def within(self, n_bytes: int) -> LazyValues:
        whole = self._whole.within(n_bytes)
        return _Range(whole, self._first, self._first + len(self))

    def serial(self) -> LazyValues:
        return _Range(self._whole.serial(), self._first, self._first + len(self))

    def scan(self, step: int, first: int = 0) -> Blocks:
        left = len(self) - first
        if left <= 0:
            return
        blocks = self._whole.scan(min(step, left), self._first + first)
        try:
            for block in blocks:
                # A shorter copy: a view would keep rows alive that nobody asked for.
                left -= len(block)
                yield block if left >= 0 else block[:left].copy()
                del block  # two at a time are enough: the caller's and the next
                if left <= 0:
                    return
        finally:
            blocks.close()


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """Run an iterator in a background thread, so that reading overlaps computing.

    Parameters
    ----------
    items
        Iterated in the thread alone, from the first item asked for. A generator is closed when
        this one is.
    depth
        How many items may be under way or ready besides the one the caller works on: their
        memory is taken on top.

    Yields
    ------
    object
        The items, in order. An exception of the iterator is raised here, after the items that
        came before it. When the caller stops early (``close()``, or the generator is forgotten)
        the thread ends with the item that it is at; closing waits for it.
    """
    room = Semaphore(depth)
    ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    stopped: list[bool] = []
    # A daemon: a generator that somebody still holds must not keep the interpreter from ending.
    thread = Thread(target=_work, args=(items, room, ready, stopped), daemon=True)
    thread.start()
    try:
        while (found := ready.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            room.release()
            item = found[0]
            del found
            yield item
            del item  # while the next one is waited for
    finally:
        stopped.append(True)
        room.release()
        thread.join()


def _work(
    items: Iterable[T],
    room: Semaphore,
    ready: SimpleQueue[tuple[T] | BaseException | None],
    stopped: list[bool],
) -> None:
    """Fill the queue. Room is taken before an item is made, so no more than ``depth`` exist."""
    try:
        source = iter(items)
        try:
            while room.acquire() and not stopped:
                try:
                    item = next(source)
                except StopIteration:
                    break
                ready.put((item,))
                del item
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
    except BaseException as error:
        ready.put(error)
    else:
        ready.put(None)
