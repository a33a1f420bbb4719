"""Which kernels run: compiled or plain, and for which shapes."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Literal

Kernels = Literal["auto", "reference"]

#: Classes up to which rows are laid along the vectors. 8 models, float32, time of narrow ÷ wide
#: rows for pooling: 0.14 at 10 classes, 0.42 at 32, 0.83 at 64, 1.10 at 96; for all three sums
#: 0.32 at 10, 0.83 at 24, 1.11 at 32, 1.60 at 48 (loss and gradient cross at 48).
NARROW_POOL = 64
NARROW_SUMS = 28
NARROW_SURVEY = 256
#: Results larger than this are written past the caches: the usual size of a last-level cache,
#: which they would empty of everything else. Measured by benchmarks/run.py apply.
PAST_CACHES = 1 << 25


def compiled(kernels: Kernels | None = None) -> bool:
    """Whether compiled kernels will be used.

    Parameters
    ----------
    kernels
        ``"auto"`` (compiled where numba is installed) or ``"reference"`` (never). None asks the
        environment variable ``OPINIONPOOL_KERNELS``, and is ``"auto"`` without it.

    Raises
    ------
    ValueError
        For anything else.
    """
    choice = kernels or os.environ.get("OPINIONPOOL_KERNELS") or "auto"
    if choice not in ("auto", "reference"):
        raise ValueError(f"kernels: found {choice!r}, expected 'auto' or 'reference'")
    if choice == "reference" or find_spec("numba") is None:
        return False
    from .jit import AVAILABLE  # it may be there and not work with this Python or NumPy

    return AVAILABLE
