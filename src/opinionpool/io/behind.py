"""Work that is done behind the caller's back, one thing at a time, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

Later = Callable[..., None]


@contextmanager
def behind() -> Iterator[Later]:
    """Give what does something in a thread while the caller prepares the next.

    ``later(do, *arguments)`` waits for what it was given before, and raises what went wrong there.
    Leaving waits for the last; after an error of the caller's own, without a word about it.

    Examples
    --------
    >>> done = []
    >>> with behind() as later:
    ...     for i in range(3):
    ...         later(done.append, i)
    >>> done
    [0, 1, 2]
    """
    from concurrent.futures import ThreadPoolExecutor  # not worth loading before it is needed

    waiting: list[Future[None]] = []

    def later(do: Callable[..., None], *arguments: Any) -> None:
        while waiting:
            waiting.pop().result()
        waiting.append(thread.submit(do, *arguments))

    with ThreadPoolExecutor(1, "opinionpool-writer") as thread:
        yield later
        while waiting:
            waiting.pop().result()
