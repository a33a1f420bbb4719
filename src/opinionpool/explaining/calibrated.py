"""How far the probabilities of every model, and of the pool, can be taken at their word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.calibration import brier_split
from ..diagnostics.density_scores import density_scores
from ..diagnostics.reliability import histogram, pit_of_classes, reliability_curve
from ..diagnostics.scores import ranked_probability_score, scores
from ..families.mixture import Mixture
from ..rules import LOG
from ..rules.evidence import Evidence, Outcomes
from ..rules.objective import PooledLoss
from ..solvers.feasible import SHARPEST, FeasibleSet
from ..solvers.newton import minimise
from ..weightings.scored import METRICS
from .case import Case

Array = NDArray[np.float64]


def calibration(case: Case, *, ordered: bool) -> dict[str, Any]:
    """Return reliability, scores and what a temperature of its own would change, for each."""
    evidence, present = case.evidence, case.rows.present
    models: dict[str, Any] = {}
    for i, name in enumerate(case.names):
        here = np.ones(len(case.weight), dtype=bool) if present is None else present[i]
        if not here.any():
            models[name] = {"rows": 0, "reason": "it answered no labelled row"}
            continue
        own = evidence.parameters[i, here]
        mixture = None
        if case.known.family.columns:
            mean, variance = own.T[:, None]
            mixture = Mixture(np.ones_like(mean), mean, variance)
        models[name] = _figures(case, own, mixture, here, ordered)
    pooled = case.pooled
    everywhere = np.ones(len(case.weight), dtype=bool)
    found = _figures(case, pooled.parameters, pooled.distribution, everywhere, ordered)
    return {"classes": list(case.known.classes), "models": models, "pool": found}


def _figures(
    case: Case, own: Array, mixture: Mixture | None, here: NDArray[np.bool_], ordered: bool
) -> dict[str, Any]:
    outcomes, weight = case.targets.outcomes.take(here), case.weight[here]
    common = {"rows": int(here.sum()), "reason": None}
    if mixture is not None:
        assert outcomes.values is not None
        return {
            **common,
            **density_scores(mixture, outcomes.values, weight),
            "pit": histogram(np.clip(mixture.cdf(outcomes.values), 0.0, 1.0), weight),
            "temperature": _own_temperature(case, own, here, outcomes)
            if len(mixture.weights) == 1
            else None,
        }
    return {**common, **_class_figures(case, own, here, outcomes, ordered)}


def _class_figures(
    case: Case, log_p: Array, here: NDArray[np.bool_], outcomes: Outcomes, ordered: bool
) -> dict[str, Any]:
    weight = case.weight[here]
    q, p = outcomes.probabilities(log_p.shape[1]), np.exp(log_p)
    top, rows = p.argmax(axis=1), np.arange(len(p))
    sure, right = p[rows, top], q[rows, top]
    found: dict[str, Any] = {
        **scores(log_p, outcomes, weight),
        "auc": METRICS["auc"](log_p, outcomes, weight),
        "brier_split": brier_split(log_p, outcomes, weight),
        "temperature": _own_temperature(case, log_p, here, outcomes),
        "reliability": reliability_curve(sure, right, weight, case.z),
        "confidence": histogram(sure, weight),
    }
    if log_p.shape[1] == 2:
        found["reliability_of_second"] = reliability_curve(p[:, 1], q[:, 1], weight, case.z)
    if ordered:
        found["rps"] = ranked_probability_score(log_p, outcomes, weight)
        found["pit"] = pit_of_classes(log_p, q, weight)
    return found


def alone(case: Case, own: Array, here: NDArray[np.bool_]) -> Evidence:
    """Return the evidence of one predictor, parameters (n, P) of the rows it answered."""
    e = case.evidence
    return replace(
        e,
        parameters=own[None],
        outcomes=e.outcomes if here.all() else e.outcomes.take(here),
        weight=e.weight[here],
        present=None,
        fallback=None,
        confidence=None,
    )


def _own_temperature(
    case: Case, own: Array, here: NDArray[np.bool_], outcomes: Outcomes
) -> dict[str, float] | None:
    """Return the temperature that would suit these rows best, and the NLL with it."""
    happened = case.evidence.family.log_likelihood(own, outcomes)
    if not np.isfinite(happened).all():
        return None
    # Shrunk towards 1 as a pool's is: else a model that is right on every row has none.
    beta, problem = best_beta(alone(case, own, here), 1.0)
    after = problem.loss(np.array([beta]))
    return {"temperature": 1 / beta if beta > 0 else float("inf"), "nll": after}


def best_beta(evidence: Evidence, scale: float) -> tuple[float, PooledLoss]:
    """Return the best inverse temperature of one predictor, and its loss as a function of that."""
    problem = PooledLoss(LOG, evidence, scale)
    return float(minimise(problem, FeasibleSet(1, SHARPEST, capped=True)).v[0]), problem
