"""From out-of-bag outputs to the pool of a whole bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...fit import fit
from ...folds import by_row
from ...pool import Pool
from ...predictions import gather
from ...weightings import Weighting
from ...weightings.two_way import Balancing, BalancingResampled, Bumping

Array = NDArray[np.float64]

#: Weightings that compare members by losses without the difficulty of their rows.
BALANCING: dict[str, Weighting] = {
    w.name: w for w in (Balancing(), BalancingResampled(), Bumping())
}
#: The same without warnings, where they are fitted in folds.
QUIET: dict[str, Weighting] = {
    "balancing": Balancing(warns=False),
    "balancing-resampled": BalancingResampled(warns=False),
    "single": Bumping(),
}
#: Folds of rows in which the weights are chosen for the temperature.
FOLDS = 3
#: Extrapolating the temperature to the whole bag changes it by at most this factor.
MOST = 2.0
#: Sizes of bags that differ by less do not show a slope.
_APART = 0.9


def bag_pool(
    outputs: Mapping[str, NDArray[Any]],
    y: Any,
    sample_weight: Array | None,
    weighting: Any,
    temperature: Any,
    seed: int,
    **options: Any,
) -> Pool:
    """Choose the pool of a bag on out-of-bag outputs; a row of NaN is in a member's bag.

    In each row the members that had it in their bag are missing outputs. A fitted temperature is
    that of rows which the weights were not chosen on, and of about a third of the members, from
    which it is extrapolated to all.
    """
    answered = ~np.all([np.isnan(said).all(axis=1) for said in outputs.values()], axis=0)
    if not answered.any():
        raise InputError(
            f"no row is out of any member's bag (n_samples = {len(answered)}), so there is nothing "
            "to choose weights on; use bootstrap=True, max_samples < 1 or more rows"
        )
    rows = {name: said[answered] for name, said in outputs.items()}
    y, weight = y[answered], None if sample_weight is None else sample_weight[answered]
    options = {**options, "sample_weight": weight, "seed": seed}
    named = isinstance(weighting, str)
    chosen = BALANCING.get(weighting, weighting) if named else weighting
    pool = fit(rows, y, weighting=chosen, temperature=temperature, **options)
    if temperature != "fit":
        return pool
    T = pool.temperature
    if named and weighting != "uniform":
        T = crossed_temperature(rows, y, QUIET.get(weighting, weighting), options) or T
    return replace(pool, temperature=T * whole_bag_factor(pool, rows, y, seed, options))


def crossed_temperature(
    rows: Mapping[str, NDArray[Any]], y: Any, weighting: Any, options: Mapping[str, Any]
) -> float | None:
    """Return the temperature of rows that were pooled with weights chosen on other rows.

    On their own rows the weights of many members look better than they are, and the pool is made
    too sharp: by a quarter of a nat for 25 trees on 75 rows. None where there are too few rows.
    """
    if len(y) < 2 * FOLDS:
        return None
    family, weight = options.get("family", "categorical"), options["sample_weight"]
    pooled, kept = [], []
    for train, test in by_row(len(y), FOLDS, options["seed"]):
        own = {} if weight is None else {"sample_weight": weight[train]}
        try:
            pool = fit(
                {name: said[train] for name, said in rows.items()},
                y[train],
                weighting=weighting,
                **{**options, **own},
            )
        except InputError:  # such as members that share no row of this fold
            return None
        heard = [~np.isnan(rows[n][test]).any(axis=1) for n in pool.models]
        some = test[np.any(np.stack(heard)[pool.weights > 0], axis=0)]
        if len(some):
            outputs = {name: said[some] for name, said in rows.items()}
            at_one = replace(pool, temperature=1.0)
            pooled.append(
                np.asarray(at_one.pool(gather(outputs, pool.reading()).predictions).parameters)
            )
            kept.append(some)
    if not kept:
        return None
    chosen = np.concatenate(kept)
    kind = "log-probabilities" if family == "categorical" else "variance"
    return fit(
        {"bag": np.concatenate(pooled)},
        y[chosen],
        **{
            **{k: v for k, v in options.items() if k not in ("rule", "floor")},
            "kind": kind,
            "sample_weight": None if weight is None else weight[chosen],
        },
    ).temperature


def whole_bag_factor(
    pool: Pool, rows: Mapping[str, NDArray[Any]], y: Any, seed: int, options: Mapping[str, Any]
) -> float:
    """Return by how much the temperature of all members differs from that of those out of bag.

    A pool of n equally good members is what they agree on plus noise of variance ∝ 1/n, so its
    best slope is attenuated by ``1 + c/n`` (errors in variables; for Gaussians the mean squared
    error itself is linear in 1/n): ``T(n) = a + b/n``. It is known for the members that are out
    of bag, and for a random half of them; the line through both is read at the whole bag.
    """
    w = pool.weights
    present = np.stack([~np.isnan(said).any(axis=1) for said in rows.values()])
    rng = np.random.default_rng(seed)
    half = _halved(present & (w > 0)[:, None], rng)
    enough = half.any(axis=0)
    if not enough.any():
        return 1.0
    n_whole, n_bag = float(1 / (w @ w)), _mean_size(w, present[:, enough])
    n_half = _mean_size(w, half[:, enough])
    if not n_half < _APART * n_bag < n_whole:
        return 1.0
    weights = dict(zip(pool.models, w, strict=True))
    kept = {**options}
    if kept["sample_weight"] is not None:
        kept["sample_weight"] = kept["sample_weight"][enough]

    def temperature(shown: NDArray[np.bool_]) -> float:
        masked = {
            name: np.where(here[:, None], said, np.nan)[enough]
            for (name, said), here in zip(rows.items(), shown, strict=True)
        }
        return fit(masked, y[enough], weighting=weights, temperature="fit", **kept).temperature

    T_bag, T_half = temperature(present), temperature(half)
    slope = (T_half - T_bag) / (1 / n_half - 1 / n_bag)
    change = slope * (1 / n_whole - 1 / n_bag) / T_bag
    return float(np.clip(1 + change, 1 / MOST, MOST)) if np.isfinite(change) else 1.0


def _halved(present: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Keep a random half, rounded down, of the members present in each row."""
    rank = np.argsort(np.argsort(np.where(present, rng.random(present.shape), 2.0), axis=0), axis=0)
    return np.asarray(present & (rank < present.sum(axis=0) // 2))


def _mean_size(w: Array, present: NDArray[np.bool_]) -> float:
    """Return the harmonic mean over rows of the effective number of members, ``(Σw)²/Σw²``."""
    total = w @ present
    return float(1 / np.mean((w**2 @ present) / np.where(total > 0, total, 1.0) ** 2))
