"""From trained models to the figures of the demonstration, through the library's own doors."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

from ..compare import compare
from ..fit import fit
from ..pool import Pool
from ..score import score
from .models import FOLDS, Progress, need_packages, write_predictions

#: Neighbours and trees say exactly 0; one value for all pools keeps their losses comparable.
FLOOR = 1e-6

#: What a pool has to beat: name, weighting, rule, temperature.
BASELINES: tuple[tuple[str, str, str, Any], ...] = (
    ("best single model, T = 1", "single", "log", 1.0),
    ("best single model, T fitted", "single", "log", "fit"),
    ("uniform linear, T = 1", "uniform", "linear", 1.0),
    ("uniform linear, T fitted", "uniform", "linear", "fit"),
    ("uniform log, T = 1", "uniform", "log", 1.0),
    ("uniform log, T fitted", "uniform", "log", "fit"),
)
OPTIMAL = "optimal log, T fitted"


def run_demo(folder: Path, progress: Progress) -> dict[str, Any]:
    """Train models, compare and fit pools on out-of-fold predictions, score on test rows.

    Parameters
    ----------
    folder
        Where the predictions and the pool are written.
    progress
        Called with what is being done and the share already done.

    Returns
    -------
    dict
        ``models`` and ``baselines`` by name, and the recommended ``pool``, each with its
        ``test_loss`` (nats per row) and ``test_accuracy``; ``optimal``, the same for the optimal
        log pool where another one was recommended; ``rows``, ``floor``, ``seconds``,
        ``versions`` and ``files``.
    """
    need_packages()
    start = time.perf_counter()
    files = write_predictions(folder, lambda what, share: progress(what, 0.9 * share))
    trained = time.perf_counter()
    train, test = files["train"], files["test"]

    progress("comparing pools", 0.9)
    found = compare(train["models"], train["labels"], folds=FOLDS, floor=FLOOR)
    found.pool.save(folder / "pool.json")

    progress("scoring on test rows", 0.97)
    own = score(test["models"], test["labels"], floor=FLOOR)["models"]
    models = {name: _scored(scores) for name, scores in own.items()}
    baselines = {}
    for name, weighting, rule, temperature in BASELINES:
        pool = fit(
            train["models"],
            train["labels"],
            rule=rule,
            weighting=weighting,
            temperature=temperature,
            floor=FLOOR,
        )
        baselines[name] = _baseline(pool, test)
    result = {
        "models": models,
        "baselines": baselines,
        "pool": _pool(found.recommended, found.pool, test),
        "optimal": None,
    }
    if found.recommended != OPTIMAL:
        optimal = fit(train["models"], train["labels"], floor=FLOOR)
        result["optimal"] = _pool(OPTIMAL, optimal, test)
    return {
        **result,
        "comparison": found.table,
        "rows": files["rows"],
        "floor": FLOOR,
        "seconds": {
            "training": trained - start,
            "pooling": time.perf_counter() - trained,
            "models": files["seconds"],
        },
        "versions": versions(),
        "folder": str(folder),
    }


def _scored(scores: dict[str, Any]) -> dict[str, Any]:
    return {"test_loss": scores["nll"], "test_accuracy": scores["accuracy"]}


def _baseline(pool: Pool, test: dict[str, Any]) -> dict[str, Any]:
    scores = score(test["models"], test["labels"], pool=pool)["pool"]
    found = {**_scored(scores), "temperature": pool.temperature}
    if pool.weighting == "single":
        found["model"] = pool.models[int(pool.weights.argmax())]
    return found


def _pool(name: str, pool: Pool, test: dict[str, Any]) -> dict[str, Any]:
    scores = score(test["models"], test["labels"], pool=pool)["pool"]
    return {
        **_scored(scores),
        "recommended": name,
        "rule": pool.rule,
        "weighting": pool.weighting,
        "weights": dict(zip(pool.models, pool.weights.tolist(), strict=True)),
        "temperature": pool.temperature,
        "gap": pool.gap,
        "status": pool.status.value,
        "sentence": pool.status.sentence,
        "decomposition": scores["decomposition"],
    }


def versions() -> dict[str, str]:
    """Return the versions of what the figures depend on."""
    from importlib.metadata import version

    from .. import __version__

    packages = ("numpy", "scipy", "scikit-learn", "pyarrow")
    return {
        "opinionpool": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
