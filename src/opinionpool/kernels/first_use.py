"""Who wants to know that kernels are being compiled, which is said nowhere else: it takes seconds.

Loads no compiler; :mod:`~opinionpool.kernels.jit` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Told whether the machine code will be kept for later processes.
Told = Callable[[bool], None]

_told: list[Told] = []


@contextmanager
def telling(whom: Told) -> Iterator[None]:
    """Call ``whom`` at the first kernel that is compiled meanwhile, not loaded from the disk."""
    _told.append(whom)
    try:
        yield
    finally:
        if whom in _told:
            _told.remove(whom)


def compiling(kept: bool) -> None:
    """Tell everybody who asked, once."""
    while _told:
        _told.pop()(kept)
