"""The rows worth looking at, with what happened and who knew it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.ambiguity import row_weights
from ..diagnostics.worst_rows import highest
from ..predictions.classes import plain
from .case import Case

Array = NDArray[np.float64]
MOST = 10


def rows_shown(case: Case) -> dict[str, Any]:
    """Return the rows where the pool is most wrong, and those where models disagree most."""
    e, served = case.evidence, case.served
    _, ambiguity = case.rule.ambiguity(case.pool.weights, e)
    ambiguity = np.where(served & (case.weight > 0), ambiguity, np.nan)
    wrong = np.where(case.weight > 0, case.losses, np.nan)
    own = -e.log_likelihood()
    if e.present is not None:
        own = np.where(e.present, own, np.inf)
    weights = row_weights(case.pool.weights, e)
    return {
        "most_wrong": [_row(case, n, ambiguity, own, weights) for n in highest(wrong, MOST)],
        "most_disagreed": [
            _row(case, n, ambiguity, own, weights) for n in highest(ambiguity, MOST)
        ],
    }


def _row(case: Case, n: int, ambiguity: Array, own: Array, weights: Array) -> dict[str, Any]:
    best = int(own[:, n].argmin())
    return {
        "row": int(case.targets.rows[n]),
        "id": None if case.rows.ids is None else plain(case.rows.ids[n]),
        "happened": _happened(case, n),
        "predicted": _predicted(case, n),
        "loss": float(case.losses[n]),
        "ambiguity": float(ambiguity[n]),
        "best_model": case.names[best] if np.isfinite(own[best, n]) else None,
        "best_loss": float(own[best, n]),
        "best_weight": float(weights[best, n]),
    }


def _happened(case: Case, n: int) -> object:
    outcomes, classes = case.targets.outcomes, case.known.classes
    if outcomes.classes is not None:
        return classes[int(outcomes.classes[n])]
    if outcomes.values is not None:
        return float(outcomes.values[n])
    assert outcomes.soft is not None
    return classes[int(outcomes.soft[n].argmax())]


def _predicted(case: Case, n: int) -> object:
    """Return the pool's most probable class, or its mean."""
    said = case.pooled.parameters[n]
    return float(said[0]) if case.known.family.columns else case.known.classes[int(said.argmax())]
