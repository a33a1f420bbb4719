"""The first line: what the pool gains, from the best single model and from the plain average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..losses import row_losses
from ..rules import RULES
from ..rules.evidence import Evidence
from .case import Case


def headline(case: Case) -> dict[str, Any]:
    """Return losses of pool, best single model and plain average, and the pool's gains.

    Paired, in nats per row. The single model is compared on the rows it answered; of those that
    answered fewest are missed. The average is that of the probabilities (densities), equally.
    """
    return {
        "loss": case.mean(case.losses),
        "best_single": _single(case),
        "average": _average(case),
    }


def _single(case: Case) -> dict[str, Any]:
    e = case.evidence
    answered = np.ones(e.n_models) if e.present is None else e.present @ e.weight
    # A model that answered hardly any row is no alternative to the pool.
    able = np.isfinite(case.model_losses) & (answered >= 0.5 * answered.max())
    if not able.any():
        return {"reason": "every model's loss is infinite", "model": None, "gain": None}
    best = int(np.where(able, case.model_losses, np.inf).argmin())
    here = np.ones(e.n_rows, dtype=bool) if e.present is None else e.present[best]
    own = -e.log_likelihood()[best, here]
    some = replace(case, targets=case.targets.take(here), cluster=case.cluster[here])
    return {
        "reason": None,
        "model": case.names[best],
        "loss": some.mean(own),
        "rows": int(here.sum()),
        **some.gain(own, case.losses[here]),
    }


def _average(case: Case) -> dict[str, Any]:
    e: Evidence = replace(case.evidence, gamma=0.0, confidence=None)
    m = e.n_models
    rows = row_losses(RULES["linear"], np.full(m, 1 / m), 1.0, e, closure=False)
    if not np.isfinite(rows).all():
        return {"reason": "its loss is infinite", "loss": case.mean(rows), "gain": None}
    return {"reason": None, "loss": case.mean(rows), **case.gain(rows, case.losses)}
