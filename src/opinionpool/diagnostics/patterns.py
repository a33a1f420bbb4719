"""Which outputs are missing together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Present = NDArray[np.bool_]


def presence_patterns(present: Present) -> list[tuple[Present, NDArray[np.int64]]]:
    """Return each pattern of presence (M,) and its rows, the most frequent first.

    Parameters
    ----------
    present
        (M, N) who answered what.
    """
    patterns, group = np.unique(present.T, axis=0, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group, minlength=len(patterns))
    order = np.argsort(-counts, kind="stable")
    return [(patterns[i], np.flatnonzero(group == i)) for i in order]
