"""Predictions as they come: probabilities, zeros, gaps, missing labels, and the linear rule.

Logits that are used as they are make the quickest fit and the quickest pool; here is what
everything else costs beside them. Rivals average probabilities, which is what everybody does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import opinionpool as op

from .data import Labels, Logits
from .memory import numpy_adding
from .options import Options
from .race import race, rows
from .sizes import Size, raced

SIZES: tuple[Size, ...] = ((8, 50_000, 1_000), (16, 500_000, 10), (4, 90_000, 131))
LIMIT = "NumPy adds the logits up"

Models = dict[str, NDArray[np.float32]]


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Yield a race at every size."""
    yield from raced(SIZES, options, one_race, show)


def as_probabilities(logits: Models, least: float = 0.0) -> Models:
    """Return float32 probabilities, exact zeros where they are less than ``least``."""
    found = {}
    for name, z in logits.items():
        p = softmax(z, axis=1)
        if least:
            p[p < least] = 0
            p /= p.sum(axis=1, keepdims=True)
        found[name] = p
    return found


def changed(logits: Models, name: str, row: int, cells: Any, value: float) -> Models:
    """Return the same models, some cells of a row of one of them changed in a copy."""
    own = logits[name].copy()
    own[row, cells] = value
    return {**logits, name: own}


def contestants(arrays: Logits, y: Labels, options: Options) -> dict[str, Callable[[], Any]]:
    """Return who races: fits, then pools with equal weights."""
    logits: Models = {f"m{a}": x for a, x in enumerate(arrays)}
    p, zeros = as_probabilities(logits), as_probabilities(logits, 1e-7)
    other = (int(y[11]) + 1) % arrays[0].shape[1]
    floored = changed(logits, "m1", 11, other, -np.inf)
    gap = changed(logits, "m1", 11, slice(None), np.nan)
    known = np.where(np.arange(len(y)) % 6, y, np.nan)
    k, threads = arrays[0].shape[1], options.threads

    def fit(models: Models, labels: Any = y, **how: Any) -> Callable[[], Any]:
        return lambda: op.fit(models, labels, classes=list(range(k)), threads=threads, **how)

    def combine(models: Models, **how: Any) -> Callable[[], Any]:
        return lambda: op.combine(models, **how)

    def averaged() -> Any:
        return sum(p.values()) / np.float32(len(p))

    def averaged_softmax() -> Any:
        return sum(softmax(z, axis=1) for z in arrays) / np.float32(len(arrays))

    return {
        LIMIT: numpy_adding(arrays, threads),
        "fit: logits": fit(logits),
        "fit: probabilities": fit(p),
        "fit: one −inf, floored": fit(floored),
        "fit: probabilities with zeros, floored": fit(zeros),
        "fit: one row of one model missing": fit(gap),
        "fit: every sixth row without a label": fit(logits, known),
        "fit: linear rule, logits": fit(logits, rule="linear"),
        "fit: linear rule, probabilities": fit(p, rule="linear"),
        "combine: logits": combine(logits),
        "combine: probabilities": combine(p),
        "combine: one −inf, floored": combine(floored),
        "combine: one row of one model missing": combine(gap),
        "combine: linear rule, logits": combine(logits, rule="linear"),
        "NumPy and SciPy: mean of softmaxes": averaged_softmax,
        "combine: linear rule, probabilities": combine(p, rule="linear"),
        "NumPy: mean of probabilities": averaged,
    }


def one_race(arrays: Logits, y: Labels, options: Options) -> dict[str, Any]:
    """Race and return figures."""
    size = sum(x.nbytes for x in arrays)
    entered = contestants(arrays, y, options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)  # of floors
        records = race(entered, options.rounds, patience=options.patience, compiling=list(entered))
    table = rows(records, LIMIT, {LIMIT: size})
    for row in table:
        found = records[row["name"]].found
        row["passes"] = getattr(found, "passes", None)
        row["status"] = str(getattr(found, "status", ""))
    return {"bytes": size, "limit": LIMIT, "ours": "", "contestants": table}


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(f"\ninputs {found['title']}: {found['bytes'] / 1e6:,.0f} MB of logits")
    for row in found["contestants"]:
        passes = f"  {row['passes']} passes, {row['status']}" if row["passes"] else ""
        if row["median"] is None:
            print(f"  {row['name']:40} {row['note']}", flush=True)
            continue
        text = f"  {row['name']:40} {1e3 * row['median']:9.1f} ms  x {row['ratio']:6.2f}"
        print(text + passes, flush=True)
