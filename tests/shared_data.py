"""Real predictions that lie beside the checkout; tests that need them skip where they are not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opinionpool.rules.evidence import Evidence, Outcomes

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


def load(name: str) -> dict[str, Any]:
    """The arrays of a file."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"real predictions are not here: {path}")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@cache
def real_evidence(name: str, floor: float) -> Evidence:
    """A set as evidence: rows renormalised first, then floored."""
    arrays = load(name)
    p = np.maximum(arrays["probs"].astype(np.float64), 0.0)
    p = np.maximum(p / p.sum(axis=-1, keepdims=True), floor)
    log_p = np.log(p / p.sum(axis=-1, keepdims=True))
    y = arrays["labels"].astype(np.int64)
    return Evidence(log_p, Outcomes(classes=y), np.ones(len(y)))
