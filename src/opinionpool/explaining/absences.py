"""What missing outputs cost, and which zeros and floors were in play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import paired_difference
from ..diagnostics.patterns import presence_patterns
from .case import Case, losses_of

#: Patterns that are shown, the most frequent ones.
MOST = 10


def missing(case: Case) -> dict[str, Any]:
    """Return who answered what, and what each pattern of absences costs.

    The cost is measured on complete rows: the rise of the pool's loss there when the pattern's
    absent models are taken away.
    """
    m, n = len(case.names), len(case.weight)
    present = case.rows.present
    answered = np.ones((m, n), dtype=bool) if present is None else present
    models = [
        {
            "model": name,
            "rows": int(answered[i].sum()),
            "missing": int(n - answered[i].sum()),
            "loss": float(case.model_losses[i]),
        }
        for i, name in enumerate(case.names)
    ]
    patterns = presence_patterns(answered)
    complete = np.flatnonzero(answered.all(axis=0))
    return {
        "policy": case.pool.settings.missing,
        "fallback": case.pool.settings.fallback,
        "models": models,
        "complete_rows": len(complete),
        "n_patterns": len(patterns),
        "patterns": [_pattern(case, here, rows, complete) for here, rows in patterns[:MOST]],
    }


def _pattern(
    case: Case, here: NDArray[np.bool_], rows: NDArray[np.int64], complete: NDArray[np.int64]
) -> dict[str, Any]:
    absent = [name for name, there in zip(case.names, here, strict=True) if not there]
    u = case.weight[rows]
    found: dict[str, Any] = {
        "absent": absent,
        "rows": len(rows),
        "loss": float(u @ case.losses[rows] / u.sum()) if u.sum() else None,
        "cost": None,
        "standard_error": None,
        "reason": None,
    }
    if not absent:
        found["cost"], found["reason"] = 0.0, "nobody is absent"
    elif not len(complete):
        found["reason"] = "there are no complete rows to take these models away from"
    elif not (case.pool.weights > 0)[here].any() and case.pool.settings.fallback == "error":
        found["reason"] = "nobody with weight is left, and the fallback is an error"
    else:
        targets = case.targets.take(complete)
        known = case.known.take(targets.rows)
        mask = np.repeat(here[:, None], len(complete), axis=1)
        lost = losses_of(case.pool.pool_known(replace(known, present=mask)), targets)
        found["cost"], found["standard_error"] = paired_difference(
            lost, case.losses[complete], targets.weight, case.cluster[complete]
        )
    return found


def zeros(case: Case) -> dict[str, Any]:
    """Return the exact zeros of every model before any floor, and the floors used."""
    pool, raw = case.pool, case.rows
    if not raw.family.rules_out:
        return {"reason": f"{raw.family.name} predictions have no zeros", "models": []}
    happened = np.isneginf(raw.family.log_likelihood(raw.parameters, case.targets.outcomes))
    return {
        "reason": None,
        "policy": pool.settings.floor,
        "models": [
            {
                "model": name,
                "zeros": int(np.isneginf(raw.parameters[i]).sum()),
                "zeros_of_what_happened": int(happened[i].sum()),
                "floor": float(pool.floors[i]),
            }
            for i, name in enumerate(case.names)
        ],
    }
