"""Where a pool comes from: which rows it was fitted on, and a fingerprint of the data."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from .predictions import Predictions, Targets
from .rules.evidence import Evidence

Array = NDArray[np.float64]


def row_counts(
    predictions: Predictions, targets: Targets, evidence: Evidence, w: Array
) -> dict[str, int]:
    """Count the rows that were fitted, left out, and touched by a policy."""
    present = evidence.present
    return {
        "fitted": evidence.n_rows,
        "unlabelled": targets.n_unlabelled,
        "unpredicted": targets.n_unpredicted,
        "with_missing": predictions.take(targets.rows).rows_with_missing(),
        "fallback": 0 if present is None else int((~present[w > 0].any(axis=0)).sum()),
    }


def fingerprint(predictions: Predictions, targets: Targets) -> str:
    """Return the SHA-256 of what was fitted: equal data, equal fingerprint."""
    digest = hashlib.sha256(repr((predictions.names, predictions.classes)).encode())
    outcomes = targets.outcomes
    for array in (predictions.parameters, targets.rows, outcomes.array, targets.weight):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
