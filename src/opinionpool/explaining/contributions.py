"""What each model contributes: alone, left out, added; and the fewest models for a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import paired_difference
from ..diagnostics.pareto import ALL_SETS, Fitted, Models, all_sets, front, greedy_path
from ..diagnostics.row_gradients import row_gradients
from ..errors import OpinionPoolError
from ..folds import Split
from .case import Case
from .refits import Refits

Array = NDArray[np.float64]


def contributions(case: Case, refits: Refits, folds: list[Split] | str) -> dict[str, Any]:
    """Return what each model's absence costs, refitted, on these rows and out of fold.

    ``folds`` may be the reason why there are none.
    """
    m = len(case.names)
    everyone = refits.some(refits.everyone)
    if everyone is None:
        return {"reason": refits.reasons[refits.everyone], "models": []}
    held_out, why = _out_of_fold(case, refits, folds)
    models = []
    for i, name in enumerate(case.names):
        others = _without(i, m)
        without = refits.some(others) if others else None
        entry: dict[str, Any] = {
            "model": name,
            "weight": float(case.pool.weights[i]),
            "loss_alone": float(case.model_losses[i]),
            "left_out": None,
            "held_out": None,
            "reason": None,
        }
        if without is None:
            entry["reason"] = "nobody else is left" if m == 1 else refits.reasons[others]
        else:
            rise = case.gain(without.rows, everyone.rows)
            entry["left_out"] = {"loss": without.loss, "rise": rise.pop("gain"), **rise}
        if held_out is not None and others in held_out:
            entry["held_out"] = _rise(case, held_out[others], held_out[refits.everyone])
        models.append(entry)
    return {
        "reason": None,
        "loss": everyone.loss,
        "models": models,
        "held_out": {"reason": why} if held_out is None else _headline(case, held_out, refits),
    }


def _rise(case: Case, without: Array, everyone: Array) -> dict[str, Any]:
    tested = ~(np.isnan(without) | np.isnan(everyone))
    weight, cluster = case.weight[tested], case.cluster[tested]
    rise, error = paired_difference(without[tested], everyone[tested], weight, cluster)
    return {
        "rise": rise,
        "standard_error": error,
        "interval": [rise - case.z * error, rise + case.z * error],
    }


def _headline(case: Case, held_out: dict[Models, Array], refits: Refits) -> dict[str, Any]:
    rows = held_out[refits.everyone]
    tested = ~np.isnan(rows)
    return {
        "reason": None,
        "loss": float(case.weight[tested] @ rows[tested] / case.weight[tested].sum()),
        "rows": int(tested.sum()),
    }


def _out_of_fold(
    case: Case, refits: Refits, folds: list[Split] | str
) -> tuple[dict[Models, Array] | None, str | None]:
    """Return (n,) losses on test folds of the pool and of each pool without a model."""
    if isinstance(folds, str):
        return None, folds
    m = len(case.names)
    sets = [refits.everyone, *(s for i in range(m) if (s := _without(i, m)))]
    found: dict[Models, Array] = {}
    for models in sets:
        rows = np.full(len(case.weight), np.nan)
        try:
            for train, test in folds:
                pool = refits.fit(models, case.targets.take(train))
                rows[test] = refits.losses(pool, models, case.targets.take(test))
        except OpinionPoolError as error:
            if models == refits.everyone:
                return None, str(error)
            continue
        found[models] = rows
    return found, None


def _without(i: int, m: int) -> Models:
    return tuple(a for a in range(m) if a != i)


def additions(case: Case, refits: Refits) -> dict[str, Any]:
    """Return the models in the order in which they help most, each with its marginal gain."""
    singles = [f for i in refits.everyone if (f := refits.some((i,))) is not None]
    if not singles:
        return {"reason": "no model can be a pool by itself", "steps": []}
    path = greedy_path(refits.some, singles, lambda now: _promise(case, now))
    steps, before = [], None
    for now in path:
        (new,) = set(now.models) - set(before.models if before else ())
        step: dict[str, Any] = {
            "model": case.names[new],
            "loss": now.loss,
            "gain": None,
            "standard_error": None,
            "interval": None,
            **_pool_of(case, now),
        }
        if before is not None:
            step |= case.gain(before.rows, now.rows)
        steps.append(step)
        before = now
    return {"reason": None, "steps": steps}


def _promise(case: Case, now: Fitted) -> Array:
    """Return how steeply a pool's loss falls as each model is added, (M,): −∂L/∂v_α."""
    evidence = case.evidence
    v = np.zeros(len(case.names))
    s = 1 / now.temperature if case.rule.joint_temperature and now.temperature else 1.0
    v[list(now.models)] = s * now.weights
    if evidence.attendance is not None:
        # Where rows have weights of their own: against the losses of the models alone.
        return np.asarray(-np.where(np.isnan(case.model_losses), np.inf, case.model_losses))
    u = case.weight / case.weight.sum()
    slope = u @ row_gradients(case.rule, v, evidence)
    return np.asarray(-np.where(np.isnan(slope), np.inf, slope))


def pareto(case: Case, refits: Refits, cost: Array, what: str) -> dict[str, Any]:
    """Return the pools that no other one that was tried beats in both cost and loss."""
    m = len(case.names)
    exhaustive = 2**m - 1 <= ALL_SETS
    if exhaustive:
        for models in all_sets(m):
            refits.some(models)
    tried = refits.done()
    points = [{"cost": c, "loss": f.loss, **_pool_of(case, f)} for f, c in front(tried, cost)]
    return {
        "cost": what,
        "searched": "every set of models" if exhaustive else "greedy additions and omissions",
        "tried": len(tried),
        "points": points,
    }


def _pool_of(case: Case, f: Fitted) -> dict[str, Any]:
    return {
        "weights": {case.names[i]: float(w) for i, w in zip(f.models, f.weights, strict=True)},
        "temperature": f.temperature,
    }
