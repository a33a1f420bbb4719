"""Which rows are one draw, and on which folds leaving models out is tested."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..folds import Split, splits_of
from ..predictions import Gathered, Targets

Rows = NDArray[np.int64]


def folded(
    gathered: Gathered,
    targets: Targets,
    folds: int | None,
    groups: object,
    time: object,
    seed: int,
    *,
    quick: bool,
    sample: Rows | None,
) -> tuple[list[Split] | str, Rows | None, str]:
    """Return the folds or why there are none, the rows' clusters, and how errors are meant.

    Clusters (n,) are of all labelled rows, None where every row is one. Folds are of those in
    ``sample``, by number, or of all.
    """
    clustered = groups is not None or time is not None
    unasked = "not asked for: folds=0"
    if folds is None:
        unasked = "it would take long; folds=5 asks for it"
        folds = 5 if quick or clustered else 0
    cluster, how = None, "errors by row"
    splits: list[Split] | str = unasked
    if clustered:
        splits, cluster, how = splits_of(gathered, targets, folds or 2, groups, time, seed)
        if not folds:
            splits, how = unasked, how.partition(", ")[2]
    if folds and (sample is not None or not clustered):
        some = targets if sample is None else targets.take(sample)
        splits, _, said = splits_of(gathered, some, folds, groups, time, seed)
        how = how if clustered else said
    return splits, cluster, how
