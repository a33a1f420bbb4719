"""Several models looked through at once, each by a thread of its own.

Decoding, putting in rows, surveying and copying a file one after another keep one core busy from
end to end, with blocks that stay in its cache. Two models at a time need nothing of each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Beside:
    """What somebody at work knows of the others.

    Attributes
    ----------
    workers
        How many there are: who takes memory takes a share of it.
    given_up
        Set when nobody wants the results any more.
    """

    workers: int = 1
    given_up: Event = field(default_factory=Event)

    def go_on(self) -> None:
        """Raise ``CancelledError`` if nobody wants the results any more."""
        if self.given_up.is_set():
            raise CancelledError


def side_by_side(work: Callable[[int, Beside], T], n: int, threads: int) -> Iterator[T]:
    """Yield ``work(0, beside)`` to ``work(n − 1, beside)``, in this order.

    No more than ``threads`` are under way, and one more waits to be begun or to be taken: nobody
    waits for the caller. When one fails, or the caller stops, the others are given up: long work
    calls ``beside.go_on()`` now and then.

    Examples
    --------
    >>> list(side_by_side(lambda i, beside: i * i, 4, threads=2))
    [0, 1, 4, 9]
    """
    beside = Beside(threads)
    if threads == 1:  # in the caller's thread, who can be interrupted
        yield from (work(i, beside) for i in range(n))
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting: deque[Future[T]] = deque()
            for i in range(n):
                if len(waiting) > threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(work, i, beside))
            while waiting:
                yield waiting.popleft().result()
        finally:
            beside.given_up.set()
            for future in waiting:
                future.cancel()
