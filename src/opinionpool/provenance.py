"""Where a pool comes from: which rows it was fitted on, and a fingerprint of the data."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families.lazy import Lazy
from .predictions import Predictions, Targets
from .predictions.cells import Cells
from .predictions.classes import are_counted
from .rules.evidence import Evidence

Array = NDArray[np.float64]


def row_counts(
    predictions: Predictions, targets: Targets, evidence: Evidence, w: Array
) -> dict[str, int]:
    """Count the rows that were fitted, left out, and touched by a policy."""
    present, asked = evidence.present, predictions.present
    missing = 0
    if asked is not None:
        here = asked[:, targets.rows]
        missing = int((~here.all(axis=0) & here.any(axis=0)).sum())
    return {
        "fitted": evidence.n_rows,
        "unlabelled": targets.n_unlabelled,
        "unpredicted": targets.n_unpredicted,
        "with_missing": missing,
        "fallback": 0 if present is None else int((~present[w > 0].any(axis=0)).sum()),
    }


def fingerprint(predictions: Predictions, targets: Targets) -> str:
    """Return the SHA-256 of what was fitted: equal data, equal fingerprint."""
    classes: Any = predictions.classes
    # Writing a hundred thousand numbers takes 5 ms.
    classes = range(len(classes)) if are_counted(classes) else classes
    digest = hashlib.sha256(repr((predictions.names, classes)).encode())
    outcomes = targets.outcomes
    said: NDArray[Any] = predictions.parameters
    lazy = isinstance(said, Lazy)
    if lazy:
        # Sums over every bit of cells that are not worth being read once more.
        sums = said.checksums if isinstance(said, Cells) else None
        if sums is None:
            return ""
        digest.update(repr(predictions.kinds).encode())
        said = np.array(sums, dtype=np.uint64)
    told = [targets.rows, outcomes.array, targets.weight]
    if lazy and len(targets.rows) == predictions.n_rows:  # every row, in order
        told.pop(0)
    digest.update(np.ascontiguousarray(said).data)
    for array in told:
        numbers = _shortened(array)
        digest.update(repr((array.shape, numbers.dtype.str)).encode())
        digest.update(np.ascontiguousarray(numbers).data)
    return digest.hexdigest()


def _shortened(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same numbers in fewer bytes, equal ones for equal ones.

    Classes in the least type that holds them, and weights that are all the same once: SHA-256 of
    both as they are takes as long as half a pass over 16 models of ten classes.
    """
    if not array.size:
        return array
    if array.dtype.kind in "iu":
        least = np.promote_types(np.min_scalar_type(array.min()), np.min_scalar_type(array.max()))
        return array.astype(least)
    return array[:1] if (array == array[0]).all() else array
