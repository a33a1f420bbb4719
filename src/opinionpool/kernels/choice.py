"""Which kernels run: compiled or plain, and for which shapes."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Literal

Kernels = Literal["auto", "reference"]

#: Classes up to which rows are laid along the vectors. 8 models, float32, time of narrow ÷ wide
#: rows for pooling: 0.87 at 80 classes, 0.93 at 96, 1.13 at 200; for loss and gradient 0.75 at 64,
#: 0.92 at 96, 1.07 at 128; for all three sums 0.91 at 64, 1.09 at 96, 1.27 at 128; for a survey
#: 0.63 at 100, 0.78 at 131, 0.88 at 200, 1.01 at 256, and of float64 at half as many: there bytes
#: of a row count.
NARROW_POOL = 128
NARROW_SUMS = 64
NARROW_SURVEY = 1024
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
