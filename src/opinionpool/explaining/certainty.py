"""How sure the weights are, and whether the rows are enough for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.duplicates import near_duplicates
from ..diagnostics.row_gradients import row_gradients
from ..diagnostics.weight_inference import (
    Estimate,
    cluster_scores,
    of_shares,
    one_step_draws,
    sandwich,
)
from ..errors import OpinionPoolError
from ..losses import row_losses
from ..rules.objective import PooledLoss
from ..weightings.base import Task
from ..weightings.optimal import identical_models
from .case import Case
from .refits import Refits

Array = NDArray[np.float64]

#: Cells (models × rows × parameters × draws) up to which every bootstrap is a refit.
REFIT_CELLS = 3e7
#: A weight in a bootstrap that counts as chosen.
CHOSEN = 1e-6
#: How far weights that are explained may be from the optimum of these rows.
_SAME = 1e-4
TOWARDS_UNIFORM = (0.0, 0.25, 0.5, 0.75, 1.0)


def certainty(case: Case, refits: Refits) -> dict[str, Any]:
    """Return standard errors, intervals, shares of bootstraps, duplicates, and a warning."""
    pool, m = case.pool, len(case.names)
    w, se = pool.weights, np.full(m, np.nan)
    covariance: Array | None = None
    estimate, group, why = _estimate(case, refits)
    normal = {"valid": False, "reason": why}
    temperature_error = optimism = None
    if estimate is not None:
        V, why = sandwich(estimate)
        normal = {"valid": why is None, "reason": why}
        if V is not None:
            sizes = np.bincount(group)
            shared = of_shares(V, estimate.v)
            covariance = (shared / sizes[:, None] / sizes)[np.ix_(group, group)]
            se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
            if estimate.feasible.capped:
                temperature_error = float(np.sqrt(max(V.sum(), 0.0)) / estimate.v.sum() ** 2)
            # Takeuchi: tr(H V) = tr(H⁻¹Σ), rows' own optimism and that of new ones together.
            optimism = float(np.trace(estimate.curvature @ V))
    drawn, how = _bootstrap(case, refits, estimate, group)
    bootstrap = {
        "draws": len(drawn),
        "method": how if len(drawn) else None,
        "reason": None if len(drawn) else how,
    }
    alpha = _alpha(case.z)
    again = refits.some(refits.everyone)
    # Bootstraps are of refits on these rows: intervals around those weights, not any others.
    about = again is not None and bool(np.abs(again.weights - w).max() < _SAME)
    models = []
    for i, name in enumerate(case.names):
        entry: dict[str, Any] = {
            "model": name,
            "weight": float(w[i]),
            # Where the optimum is 0 there is nothing to differentiate.
            "standard_error": None if np.isnan(se[i]) or w[i] == 0 else float(se[i]),
            "normal_interval": _clip(w[i], case.z * se[i]),
            "refitted_weight": None if again is None else float(again.weights[i]),
            "bootstrap_interval": None,
            "bootstrap_share": None,
        }
        if len(drawn):
            ends = np.quantile(drawn[:, i], [alpha / 2, 1 - alpha / 2])
            entry["bootstrap_interval"] = [float(x) for x in ends]
            entry["bootstrap_share"] = float((drawn[:, i] > CHOSEN).mean())
        best = "normal_interval" if normal["valid"] else "bootstrap_interval"
        entry["interval"] = entry[best] if about else None
        known = entry["interval"] is not None
        entry["interval_from"] = best.removesuffix("_interval") if known else None
        models.append(entry)
    return {
        "models": models,
        "of_refits": not about,
        "normal": normal,
        "bootstrap": bootstrap,
        "temperature": {"value": pool.temperature, "standard_error": temperature_error},
        "duplicates": _duplicates(case, covariance, drawn, alpha),
        **_enough(case, optimism),
    }


def _estimate(case: Case, refits: Refits) -> tuple[Estimate | None, NDArray[np.int64], str | None]:
    """Return the optimum with its rows' gradients, or why there is no such thing."""
    pool, m = case.pool, len(case.names)
    alone = np.arange(m)
    reason = None
    if pool.weighting != "optimal" or pool.settings.resample:
        reason = "the weights are not the optimum of these rows' loss"
    elif pool.settings.floor == "learned":
        reason = "the floors were learned together with the weights"
    elif case.evidence.attendance is not None:
        reason = "with missing outputs renormalised the loss is not convex in the weights"
    if reason is not None:
        return None, alone, reason
    first, group, sizes = identical_models(case.evidence)
    evidence = case.evidence.models(first)
    task = Task(case.rule, evidence, refits.temperature, refits.scale)
    feasible = task.feasible(len(first))
    total = np.bincount(group, pool.weights)
    s = pool.inverse_temperature if case.rule.joint_temperature else 1.0
    v: Array = s * np.asarray(total, dtype=np.float64)
    if s <= 0:
        return None, alone, "at infinite temperature the weights mean nothing"
    problem = PooledLoss(case.rule, evidence, refits.scale, sizes)
    now = problem.evaluate(v)
    if not feasible.contains(v) or feasible.gap(v, now.gradient) > _SAME * feasible.total:
        return None, alone, "the weights are not the optimum of these rows' loss"
    scores = cluster_scores(row_gradients(case.rule, v, evidence), case.weight, case.cluster)
    return Estimate(v, scores, now.gradient, now.curvature, feasible), group, None


def _bootstrap(
    case: Case, refits: Refits, estimate: Estimate | None, group: NDArray[np.int64]
) -> tuple[Array, str]:
    """Return weights (draws, M) on bootstraps of the rows, and how, or why there are none."""
    m, pool = len(case.names), case.pool
    none = np.empty((0, m))
    if case.draws == 0:
        return none, "not asked for: draws=0"
    if pool.weighting in ("given", "uniform"):
        return none, "the weights do not depend on the rows"
    work = float(case.evidence.parameters.size) * case.draws
    slow = case.evidence.attendance is not None or pool.settings.floor == "learned"
    if estimate is not None and work > REFIT_CELLS:
        v = one_step_draws(estimate, case.draws, case.seed)
        sizes = np.bincount(group)
        s = v.sum(axis=1, keepdims=True)
        able = s[:, 0] > 0
        return (v[able] / s[able] / sizes)[:, group], "one Newton step per draw"
    draws = int(
        min(case.draws, REFIT_CELLS / (case.evidence.parameters.size * (20 if slow else 1)))
    )
    if draws < 20:
        return none, "refits would take too long; the rows or models are many"
    return _refitted(case, refits, draws), "refits"


def _refitted(case: Case, refits: Refits, draws: int) -> Array:
    rng = np.random.default_rng(case.seed)
    codes = np.unique(case.cluster, return_inverse=True)[1]
    n, found = int(codes.max()) + 1, []
    for _ in range(draws):
        counts = np.bincount(rng.integers(n, size=n), minlength=n)[codes]
        drawn = case.targets.take(counts > 0)
        try:
            drawn = replace(drawn, weight=drawn.weight * counts[counts > 0])
            found.append(refits.fit(refits.everyone, drawn).weights)
        except OpinionPoolError:
            continue
    return np.array(found).reshape(len(found), len(case.names))


def _duplicates(
    case: Case, covariance: Array | None, drawn: Array, alpha: float
) -> list[dict[str, Any]]:
    found = []
    for group in near_duplicates(case.divergence):
        joint = drawn[:, group].sum(axis=1)
        found.append(
            {
                "models": [case.names[i] for i in group],
                "weight": float(case.pool.weights[group].sum()),
                "standard_error": None
                if covariance is None
                else float(np.sqrt(max(covariance[np.ix_(group, group)].sum(), 0.0))),
                "bootstrap_interval": [
                    float(x) for x in np.quantile(joint, [alpha / 2, 1 - alpha / 2])
                ]
                if len(drawn)
                else None,
                "largest_divergence": float(case.divergence[np.ix_(group, group)].max()),
            }
        )
    return found


def _enough(case: Case, optimism: float | None) -> dict[str, Any]:
    """Return the expected optimism of the fit, the way to equal weights, and a warning."""
    pool, m = case.pool, len(case.names)
    uniform, s = np.full(m, 1 / m), pool.inverse_temperature
    closure = pool.policy.closure
    way = []
    if pool.vector is None:
        for share in TOWARDS_UNIFORM:
            w = (1 - share) * pool.weights + share * uniform
            rows = row_losses(case.rule, w, s, case.evidence, closure=closure)
            way.append({"share": share, "loss": case.mean(rows)})
    warning = None
    if optimism is not None and way and m > 1:
        gained = way[-1]["loss"] - way[0]["loss"]
        if gained < optimism:
            warning = (
                f"few rows for {m} models: on these rows the weights gain {gained:.4f} nats per "
                f"row over equal weights, and about {optimism:.4f} of such a gain is expected to "
                "be chance; equal weights may do as well"
            )
    return {"optimism": optimism, "towards_uniform": way, "warning": warning}


def _alpha(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-z))


def _clip(w: float, half: float) -> list[float] | None:
    return None if np.isnan(half) else [max(0.0, float(w - half)), min(1.0, float(w + half))]
