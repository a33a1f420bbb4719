"""Several models looked through at once, each by a thread of its own.

Decoding, putting in rows, surveying and copying a file one after another keep one core busy from
end to end, with blocks that stay in its cache. Two models at a time need nothing of each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def side_by_side(work: Callable[[int, Event], T], n: int, threads: int) -> Iterator[T]:
    """Yield ``work(0, given_up)`` to ``work(n − 1, given_up)``, in this order.

    No more than ``threads`` are under way or wait to be taken. When one fails, or the caller
    stops, the event is set: long work looks at it now and then, and ends by whatever error.

    Examples
    --------
    >>> list(side_by_side(lambda i, given_up: i * i, 4, threads=2))
    [0, 1, 4, 9]
    """
    given_up = Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting: deque[Future[T]] = deque()
            for i in range(n):
                if len(waiting) == threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(work, i, given_up))
            while waiting:
                yield waiting.popleft().result()
        finally:
            given_up.set()
            for future in waiting:
                future.cancel()
