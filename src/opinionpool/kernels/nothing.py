"""A kernel that does nothing: the first call of any loads what all of them need."""

from __future__ import annotations

from .jit import jit


@jit
def nothing() -> int:
    """Return 0."""
    return 0
