"""What each model contributes: alone, left out, added; and the fewest models for a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

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


class Pools(Protocol):
    """Pools of some of the models, and what they gain over each other."""

    reasons: dict[Models, str]

    @property
    def everyone(self) -> Models:
        """All models."""
        ...

    def some(self, models: Models) -> Fitted | None:
        """Return the pool of some models; None where there is none, with a reason."""
        ...

    def done(self) -> list[Fitted]:
        """Return all that were fitted so far."""
        ...

    def gain(self, other: Fitted, own: Fitted) -> dict[str, Any]:
        """Return how much lower the losses of ``own`` are, with error and interval."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """(n,) losses on test folds, NaN where untested, by models; or why there are none."""

    case: Case
    losses: dict[Models, Array] | None
    reason: str | None


def contributions(
    case: Case, pools: Pools, held_out: HeldOut, model_losses: Array
) -> dict[str, Any]:
    """Return what each model's absence costs, refitted, on these rows and out of fold."""
    m = len(case.names)
    everyone = pools.some(pools.everyone)
    if everyone is None:
        return {"reason": pools.reasons[pools.everyone], "models": []}
    tested = held_out.losses
    models = []
    for i, name in enumerate(case.names):
        others = without_one(i, m)
        without = pools.some(others) if others else None
        entry: dict[str, Any] = {
            "model": name,
            "weight": float(case.pool.weights[i]),
            "loss_alone": float(model_losses[i]),
            "left_out": None,
            "held_out": None,
            "reason": None,
        }
        if without is None:
            entry["reason"] = "nobody else is left" if m == 1 else pools.reasons[others]
        else:
            rise = pools.gain(without, everyone)
            entry["left_out"] = {"loss": without.loss, "rise": rise.pop("gain"), **rise}
        if tested is not None and others in tested:
            entry["held_out"] = _rise(held_out.case, tested[others], tested[pools.everyone])
        models.append(entry)
    return {
        "reason": None,
        "loss": everyone.loss,
        "models": models,
        "held_out": {"reason": held_out.reason}
        if tested is None
        else _headline(held_out.case, tested[pools.everyone]),
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


def _headline(case: Case, rows: Array) -> dict[str, Any]:
    tested = ~np.isnan(rows)
    return {
        "reason": None,
        "loss": float(case.weight[tested] @ rows[tested] / case.weight[tested].sum()),
        "rows": int(tested.sum()),
    }


def out_of_fold(case: Case, refits: Refits, folds: list[Split] | str) -> HeldOut:
    """Refit the pool, and each without a model, on training folds; ``folds`` may be a reason."""
    if isinstance(folds, str):
        return HeldOut(case, None, folds)
    m = len(case.names)
    sets = [refits.everyone, *(s for i in range(m) if (s := without_one(i, m)))]
    found: dict[Models, Array] = {}
    for models in sets:
        rows = np.full(len(case.weight), np.nan)
        try:
            for train, test in folds:
                pool = refits.fit(models, case.targets.take(train))
                rows[test] = refits.losses(pool, models, case.targets.take(test))
        except OpinionPoolError as error:
            if models == refits.everyone:
                return HeldOut(case, None, str(error))
            continue
        found[models] = rows
    return HeldOut(case, found, None)


def without_one(i: int, m: int) -> Models:
    """Return all models but one."""
    return tuple(a for a in range(m) if a != i)


def addition_path(case: Case, refits: Refits) -> list[Models]:
    """Return the sets of models on the way from the best one, the most helpful added next."""
    singles = [f for i in refits.everyone if (f := refits.some((i,))) is not None]
    if not singles:
        return []
    return [f.models for f in greedy_path(refits.some, singles, lambda now: _promise(case, now))]


def additions(case: Case, pools: Pools, path: list[Models]) -> dict[str, Any]:
    """Return the models in the order in which they help most, each with its marginal gain."""
    if not path:
        return {"reason": "no model can be a pool by itself", "steps": []}
    steps, before = [], None
    for models in path:
        now = pools.some(models)
        assert now is not None
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
            step |= pools.gain(before, now)
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


def pareto(case: Case, pools: Pools, cost: Array, what: str) -> dict[str, Any]:
    """Return the pools that no other one that was tried beats in both cost and loss."""
    m = len(case.names)
    exhaustive = 2**m - 1 <= ALL_SETS
    if exhaustive:
        for models in all_sets(m):
            pools.some(models)
    tried = pools.done()
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
