"""Work shared out to threads that end with it; sums that do not depend on how many there were."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: Bytes of one block of rows. Small enough that every thread has many, so that one that is
#: delayed holds nobody up; large enough that calling (20 µs measured) costs little.
BLOCK_BYTES = 1 << 24
#: Blocks at most: so that sums of M × M numbers for each stay few.
MOST_BLOCKS = 1024


def blocks(n: int, row_bytes: int) -> list[tuple[int, int]]:
    """Cut n rows into blocks that depend on the data's shape only, never on the threads.

    Examples
    --------
    >>> blocks(10, 1 << 22)
    [(0, 4), (4, 8), (8, 10)]
    """
    size = max(1, BLOCK_BYTES // max(1, row_bytes), -(-n // MOST_BLOCKS))
    return [(first, min(n, first + size)) for first in range(0, n, size)]


def in_threads(
    work: Callable[[int, int], T], spans: list[tuple[int, int]], threads: int
) -> list[T]:
    """Return ``work(first, last)`` of every span, in order, computed by some threads."""
    threads = min(threads, len(spans))
    if threads <= 1:
        return [work(*span) for span in spans]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda span: work(*span), spans))
