"""Where a pool's gain comes from: error minus ambiguity, by model and by pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..diagnostics.ambiguity import model_shares, pair_figures
from ..diagnostics.decomposition import decomposition
from ..diagnostics.duplicates import clustered_order
from ..losses import mean_loss
from .case import Case


def split(case: Case) -> dict[str, Any]:
    """Return the decomposition on the rows that a model with weight answered.

    ``average_error − ambiguity = loss_untempered``, ``− temperature_gain − scaling_gain =
    loss``; the models' parts sum to the first two, the pairs' to ``approximation``.
    """
    pool, served = case.pool, case.served
    rows = int(served.sum())
    if not rows:
        return {"reason": "no model with weight answered any row", "rows": 0}
    evidence = case.evidence if served.all() else case.evidence.take(served)
    if evidence.present is not None and evidence.present.all():
        evidence = replace(evidence, present=None)
    rule, w, s = case.rule, pool.weights, pool.inverse_temperature
    tempered = mean_loss(rule, w, s, evidence, closure=pool.policy.closure)
    whole = decomposition(rule, w, evidence, tempered)
    with np.errstate(invalid="ignore"):
        error, spread = model_shares(rule, w, evidence)
    pairs = pair_figures(rule, w, evidence, whole["ambiguity"])
    u = evidence.weight / evidence.weight.sum()
    loss = float(u @ case.losses[served])
    return {
        "reason": None,
        "rows": rows,
        **whole,
        "scaling_gain": tempered - loss if pool.vector is not None else 0.0,
        "loss": loss,
        "models": [
            {
                "model": name,
                "weight": float(w[i]),
                "loss": float(case.model_losses[i]),
                "weighted_loss": float(error[i]),
                "ambiguity": float(spread[i]),
            }
            for i, name in enumerate(case.names)
        ],
        "pairs": pairs,
    }


def disagreement(case: Case) -> dict[str, Any]:
    """Return the mean symmetric divergences of all pairs, in an order that puts like by like."""
    order = clustered_order(case.divergence)
    return {
        "models": [case.names[i] for i in order],
        "divergence": case.divergence[np.ix_(order, order)],
    }
