"""How sure the weights are, and whether the rows are enough for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.duplicates import near_duplicates
from ..diagnostics.paired import Clusters
from ..diagnostics.weight_inference import Estimate, of_shares, sandwich
from .bootstraps import Drawn, bootstrap
from .case import Case
from .refits import Refits
from .slopes import SAME, Slopes
from .split import Divergences
from .way import Way

Array = NDArray[np.float64]

#: A weight in a bootstrap that counts as chosen.
CHOSEN = 1e-6


def certainty(case: Case, refits: Refits) -> dict[str, Any]:
    """Return what :func:`certain` does for rows that are all in memory."""
    slopes = Slopes(case.pool, case.known, Clusters.of(case.cluster))
    way, divergences = Way(case.pool), Divergences(case.names)
    for sums in (slopes, way, divergences):
        sums.add(case)
    estimate, why = slopes.estimate(refits.temperature, refits.scale)
    again = refits.some(refits.everyone)
    return certain(
        case,
        None if again is None else again.weights,
        slopes,
        estimate,
        why,
        bootstrap(case, refits, slopes, estimate),
        divergences.matrix,
        way.found(),
    )


def certain(
    case: Case,
    again: Array | None,
    slopes: Slopes,
    estimate: Estimate | None,
    why: str | None,
    drawn: Drawn,
    divergence: Array,
    way: list[dict[str, float]],
) -> dict[str, Any]:
    """Return standard errors, intervals, shares of bootstraps, duplicates, and a warning.

    Parameters
    ----------
    case
        The pool, the quantile of the intervals, and any of the rows.
    again
        (M,) weights of the pool refitted on these rows, None where that cannot be.
    slopes, estimate, why
        The optimum, or why there is none.
    drawn
        Bootstraps.
    divergence
        (M, M) of the models.
    way
        Losses on the way to equal weights.
    """
    pool, m = case.pool, len(case.names)
    w, se = pool.weights, np.full(m, np.nan)
    covariance: Array | None = None
    group = slopes.group
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
    draws = drawn.weights
    bootstrap = {
        "draws": len(draws),
        "method": drawn.how if len(draws) else None,
        "reason": None if len(draws) else drawn.how,
    }
    alpha = _alpha(case.z)
    # Bootstraps are of refits on these rows: intervals around those weights, not any others.
    about = again is not None and bool(np.abs(again - w).max() < SAME)
    models = []
    for i, name in enumerate(case.names):
        entry: dict[str, Any] = {
            "model": name,
            "weight": float(w[i]),
            # Where the optimum is 0 there is nothing to differentiate.
            "standard_error": None if np.isnan(se[i]) or w[i] == 0 else float(se[i]),
            "normal_interval": _clip(w[i], case.z * se[i]),
            "refitted_weight": None if again is None else float(again[i]),
            "bootstrap_interval": None,
            "bootstrap_share": None,
        }
        if len(draws):
            ends = np.quantile(draws[:, i], [alpha / 2, 1 - alpha / 2])
            entry["bootstrap_interval"] = [float(x) for x in ends]
            entry["bootstrap_share"] = float((draws[:, i] > CHOSEN).mean())
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
        "duplicates": _duplicates(case, divergence, covariance, draws, alpha),
        "optimism": optimism,
        "towards_uniform": way,
        "warning": _warning(m, way, optimism),
    }


def _duplicates(
    case: Case, divergence: Array, covariance: Array | None, drawn: Array, alpha: float
) -> list[dict[str, Any]]:
    found = []
    for group in near_duplicates(divergence):
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
                "largest_divergence": float(divergence[np.ix_(group, group)].max()),
            }
        )
    return found


def _warning(m: int, way: list[dict[str, float]], optimism: float | None) -> str | None:
    """Say so where equal weights may do as well."""
    if optimism is None or not way or m < 2:
        return None
    gained = way[-1]["loss"] - way[0]["loss"]
    if gained >= optimism:
        return None
    return (
        f"few rows for {m} models: on these rows the weights gain {gained:.4f} nats per "
        f"row over equal weights, and about {optimism:.4f} of such a gain is expected to "
        "be chance; equal weights may do as well"
    )


def _alpha(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-z))


def _clip(w: float, half: float) -> list[float] | None:
    return None if np.isnan(half) else [max(0.0, float(w - half)), min(1.0, float(w + half))]
