"""Whether 95 % intervals of weights hold the true weights 95 times in 100.

Outcomes are drawn from a pool of known weights, which are then the optimum of the expected loss:
simulate, fit, and count how often the sandwich interval holds each of them. Run it:

    python benchmarks/interval_coverage.py [DATA_SETS]
"""

from __future__ import annotations

import sys
import time

import numpy as np

import opinionpool as op
from opinionpool.explaining.case import Case
from opinionpool.explaining.certainty import certainty
from opinionpool.explaining.refits import Refits
from opinionpool.fit import labelled
from opinionpool.predictions import gather

ROWS, CLASSES = 2000, 4
WEIGHTS = {"a": 0.5, "b": 0.3, "c": 0.2}
Z = 1.959963984540054


def simulated(rule: str, seed: int, rows: int = ROWS) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return three models' probabilities, and outcomes drawn from their pool."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(rows, CLASSES))
    models = {}
    for name in WEIGHTS:
        z = np.exp(common + rng.normal(size=(rows, CLASSES)))
        models[name] = z / z.sum(axis=1, keepdims=True)
    truth = op.combine(models, weights=WEIGHTS, rule=rule, temperature=0.8 if rule == "log" else 1)
    y = (truth.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return models, np.minimum(y, CLASSES - 1)


def covered(rule: str, seed: int, rows: int = ROWS, draws: int = 0) -> tuple[list[bool], bool]:
    """Return whether each weight's interval holds the true one, and whether it was the normal one.

    With ``draws`` the bootstrap's interval is asked instead.
    """
    models, y = simulated(rule, seed, rows)
    pool = op.fit(models, y, rule=rule, temperature="fit" if rule == "log" else 1.0)
    gathered = gather(models, pool.reading(), y=y)
    targets = labelled(gathered)
    known = pool.prepared(gathered.predictions)
    case = Case(pool, known, targets, np.arange(rows), Z, draws, seed)
    found = certainty(case, Refits(case, "fit" if rule == "log" else 1.0, 0))
    which = "bootstrap_interval" if draws else "interval"
    inside = [
        m[which] is not None and m[which][0] <= WEIGHTS[m["model"]] <= m[which][1]
        for m in found["models"]
    ]
    return inside, found["normal"]["valid"]


def main() -> None:
    """Print the coverage of each weight's interval."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for rule in ("log", "linear"):
        start = time.perf_counter()
        results = [covered(rule, seed) for seed in range(n)]
        share = np.mean([inside for inside, _ in results], axis=0)
        normal = np.mean([valid for _, valid in results])
        shown = ", ".join(f"{w:.1f}: {s:.3f}" for w, s in zip(WEIGHTS.values(), share, strict=True))
        print(
            f"{rule}: {n} sets of {ROWS} rows; coverage by true weight {shown}; "
            f"normal intervals valid in {normal:.3f} ({time.perf_counter() - start:.0f} s)"
        )


if __name__ == "__main__":
    main()
