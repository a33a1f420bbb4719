"""The compiler loaded while somebody else waits for files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from .choice import compiled


@contextmanager
def warming(wanted: bool = True) -> Iterator[None]:
    """Load the compiler in the background; leaving waits until it is there.

    Loading it takes a third of a second, most of which a decoder of files leaves to others. What
    goes wrong with it goes wrong again, and is raised, where it is used.

    Examples
    --------
    >>> with warming():
    ...     sum(range(1000))
    499500
    """
    wait = loading(wanted)
    try:
        yield
    finally:
        wait()


def loading(wanted: bool = True) -> Callable[[], object]:
    """Begin to load the compiler, and return what waits until it is there.

    To be called before any kernel is: two threads must not import it at once.
    """
    if not wanted:
        return lambda: None
    thread = Thread(target=_load, name="opinionpool-warming")
    thread.start()
    return thread.join


def _load() -> None:
    with suppress(Exception):
        if compiled():
            from .nothing import nothing

            nothing()
