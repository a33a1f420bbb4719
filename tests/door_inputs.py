"""Predictions, labels and a naive pool for the tests of the library's doors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_data import FOLDER

#: The library's reference values (maths.md §2).
SEED_LOGITS = [[2, 1, 0.5], [1.5, 2.5, 0], [0.8, 1.2, 2]]
SEED_WEIGHTS = [0.4, 0.35, 0.25]
SEED_POOL = [0.4016861, 0.42228099, 0.17603291]

#: Two fits of one problem whose inputs are rounded, or added up, differently.
SOLVED = {"rtol": 1e-9, "atol": 1e-12}


def published(name: str) -> Path:
    """Return the path of a real data set, or skip where it is not at hand."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def normalised(z: Any) -> np.ndarray:
    """Return the softmax along the last axis, in the plainest way."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def outputs(
    n: int = 60, k: int = 3, m: int = 3, seed: int = 0, signal: float = 1.5
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return logits of models a, b, c, …, the later the weaker, and labels with every class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    strength = signal * np.linspace(1, 0.6, m)
    return {
        "abcdefgh"[i]: strength[i] * np.eye(k)[y] + rng.normal(size=(n, k)) for i in range(m)
    }, y


def chances(**size: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the same as probabilities."""
    models, y = outputs(**size)
    return {name: normalised(z) for name, z in models.items()}, y


def with_gaps(seed: int = 0, **size: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return probabilities: b and c lack rows, only b answers row 6, nobody rows 4 and 11."""
    models, y = chances(seed=seed, **size)
    rng = np.random.default_rng(seed + 100)
    for name in "bc":
        gone = rng.random(len(y)) < 0.3
        gone[6] = name == "c"
        models[name][gone] = np.nan
    models["a"][6] = np.nan
    for p in models.values():
        p[[4, 11]] = np.nan
    return models, y


def naive_pool(
    p: np.ndarray,
    w: Any,
    rule: str,
    temperature: float = 1.0,
    floor: float = 0.0,
    fallback: Any = None,
) -> np.ndarray:
    """Pool (M, N, K) probabilities row by row, in probabilities, as maths.md §2 and §6 say it."""
    m, n, k = p.shape
    out = np.empty((n, k))
    for row in range(n):
        here = [a for a in range(m) if w[a] > 0 and not np.isnan(p[a, row]).any()]
        if not here:
            out[row] = 1 / k if fallback is None else fallback
            continue
        share = np.array([w[a] for a in here], dtype=float)
        share /= share.sum()
        cells = np.array([p[a, row] / p[a, row].sum() for a in here])
        if floor:
            cells = np.maximum(cells, floor)
            cells /= cells.sum(axis=1, keepdims=True)
        if rule == "linear":
            pooled = share @ cells
        else:
            pooled = np.prod([c**s for c, s in zip(cells, share, strict=True)], axis=0)
        pooled = (pooled / pooled.max()) ** (1 / temperature)
        out[row] = pooled / pooled.sum()
    return out


def nll(p: np.ndarray, y: Any, weight: Any = None) -> float:
    """Return the mean negative log-probability of what happened."""
    return float(np.average(-np.log(p[np.arange(len(y)), y]), weights=weight))


def saved(pool: Any, path: Path) -> dict[str, Any]:
    """Save a pool and return what its file says."""
    pool.save(path)
    return json.loads(path.read_text(encoding="utf-8"))
