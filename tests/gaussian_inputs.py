"""Means and variances for the tests of the doors, and the plainest pool of them."""

from __future__ import annotations

from typing import Any

import numpy as np

N = 60


def forecasts(seed: int = 0, n: int = N, dtype: Any = float) -> tuple[dict[str, Any], Any]:
    """Return three models (N, 2) of mean and variance, and what happened."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    models = {}
    for name, σ in (("a", 0.5), ("b", 1.0), ("c", 2.0)):
        variance = σ**2 * rng.uniform(0.5, 2.0, n)
        models[name] = np.stack([y + σ * rng.normal(size=n), variance], axis=1).astype(dtype)
    return models, y


MODELS, Y = forecasts()


def naive_pool(models: Any, w: Any, rule: str, temperature: float = 1.0) -> Any:
    """Return mean and variance of the pool, row by row, over the models that answered."""
    rows = []
    for own in zip(*models.values(), strict=True):
        here = [(a, *p) for a, p in zip(w, own, strict=True) if a > 0 and not np.isnan(p[1])]
        a, mean, variance = np.array(here).T
        a = a / a.sum()
        if rule == "log":
            Λ = (a / variance).sum() / temperature
            rows.append(((a / variance) @ mean / (a / variance).sum(), 1 / Λ))
        else:
            centre = a @ mean
            rows.append((centre, a @ variance + a @ (mean - centre) ** 2))
    return np.array(rows)


def in_std(models: Any) -> dict[str, Any]:
    """Return the same with standard deviations."""
    return {n: np.stack([p[:, 0], np.sqrt(p[:, 1])], axis=1) for n, p in models.items()}


def with_gaps() -> dict[str, Any]:
    """Return them with gaps: b and c lack rows, only b answers row 6, nobody rows 4 and 11."""
    models = {name: p.copy() for name, p in MODELS.items()}
    rng = np.random.default_rng(9)
    for name in "bc":
        gone = rng.random(N) < 0.3
        gone[6] = name == "c"
        models[name][gone] = np.nan
    models["a"][6] = np.nan
    for p in models.values():
        p[[4, 11]] = np.nan
    return models


GAPS = with_gaps()
