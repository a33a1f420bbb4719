"""The rows worth looking at, with what happened and who knew it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.ambiguity import row_weights
from ..diagnostics.worst_rows import Highest
from ..predictions.classes import plain
from .case import Case

Array = NDArray[np.float64]
MOST = 10


class RowsShown:
    """The rows where the pool is most wrong, and those where models disagree most."""

    def __init__(self) -> None:
        self._wrong, self._disagreed = Highest(MOST), Highest(MOST)

    def add(self, block: Case) -> None:
        """Add a block of rows, which come after all others."""
        e, seen = block.evidence, block.weight > 0
        ambiguity = np.where(block.served & seen, block.split[1], np.nan)
        wrong = np.where(seen, block.losses, np.nan)
        own = block.own_losses
        if e.present is not None:
            own = np.where(e.present, own, np.inf)
        weights = row_weights(block.pool.weights, e)

        def say(n: int) -> dict[str, Any]:
            return _row(block, n, ambiguity, own, weights)

        self._wrong.add(wrong, say)
        self._disagreed.add(ambiguity, say)

    def found(self) -> dict[str, Any]:
        """Return the section of the dict."""
        return {"most_wrong": self._wrong.found(), "most_disagreed": self._disagreed.found()}


def _row(case: Case, n: int, ambiguity: Array, own: Array, weights: Array) -> dict[str, Any]:
    best = int(own[:, n].argmin())
    numbers = case.targets.rows if case.numbers is None else case.numbers
    return {
        "row": int(numbers[n]),
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
