"""Which shrinkage of the weights is best on unseen rows: the study of docs/penalty.md.

    OMP_NUM_THREADS=1 python benchmarks/penalties.py DATA_FOLDER [--json FILE] [--subsets 40]

DATA_FOLDER holds archives with ``probs`` (models, rows, classes), ``labels`` and, where rows are
forecasts in time, ``week``. Random subsets of 50, 100, 200, 400 rows and of half of the rows are
fitted, all other rows are tested. Forecasts are drawn three ways: rows at random, whole weeks at
random, and runs of consecutive weeks (tested at least three weeks away, because four horizons
share their truths); the three say different things. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from penalty_data import SIZES, Data, loaded
from penalty_evidence import log_evidence
from penalty_forward import print_forward
from penalty_tables import print_tables

from opinionpool.rules import RULES
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers.evaluation import Solution
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet
from opinionpool.solvers.newton import minimise
from opinionpool.weightings.base import Task
from opinionpool.weightings.temperature import fit_temperature

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

A, B = 3.0, 0.15  # "auto"
SCALES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.0)  # downwards: warm starts
GRID = [(a, b) for b in (1.5, 0.5, 0.15, 0.05) for a in (30.0, 10.0, 3.0, 1.0)]
RUNS = (("log, T fitted", 1.0), ("log, T = 1", 0.25), ("linear, T = 1", 0.25))


@dataclass(frozen=True)
class Constants:
    """The penalty with constants of its own; ``entropic`` has ``2b Σ v ln(Mv/s)`` for the ridge.

    The two have the same curvature at equal weights.
    """

    a: float
    b: float
    n: float
    entropic: bool = False

    @property
    def scale(self) -> float:
        """0 for none."""
        return self.a + self.b

    def evaluate(self, v: Array) -> tuple[float, Array, Array]:
        """Return value, gradient and Hessian."""
        m, s = len(v), v.sum()
        if self.scale == 0:
            return 0.0, np.zeros(m), np.zeros((m, m))
        if s <= 0:
            return np.inf, np.zeros(m), np.eye(m)
        a, b = self.a / self.n, self.b / self.n
        value, slope, bend = a * (s - 1 - np.log(s)), a * (1 - 1 / s), a / s**2
        if self.entropic:
            relative = np.log(np.maximum(m * v / s, 1e-12))
            bends = np.diag(1 / np.maximum(v, 1e-12)) - 1 / s
            return value + 2 * b * v @ relative, slope + 2 * b * relative, bend + 2 * b * bends
        t = v - s / m
        centred = np.eye(m) - 1 / m
        return value + b * m * t @ t, slope + 2 * b * m * t, bend + 2 * b * m * centred


def main() -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--subsets", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    sets = [data for path in sorted(options.folder.glob("*.npz")) for data in loaded(path)]
    tasks = [
        (data, what, round(options.subsets * share))
        for data in sets
        for what, share in RUNS
        if data.draw != "runs" or share == 1
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        done = list(pool.map(studied, *zip(*tasks, strict=True)))
    results = [record for records in done for record in records]
    print_tables(results)
    print("\n## Forward in time\n")
    forward = print_forward(options.folder)
    if options.json:
        options.json.write_text(json.dumps({"study": results, "forward": forward}, indent=1))


def studied(data: Data, what: str, subsets: int) -> list[dict[str, object]]:
    """Return one record per size: every choice's test losses, one per subset, and seconds."""
    if data.week is not None:
        subsets //= 6  # a hundred times the cells
    subsets = max(4, subsets)
    records: list[dict[str, object]] = []
    for size in SIZES:
        if data.draw == "rows" and size >= len(data.y) // 2:
            continue
        losses: list[dict[str, float]] = []
        seconds: list[dict[str, float]] = []
        for fitting, testing, rng in data.splits(size, subsets):
            trial = Trial(data, what, fitting, rng)
            test = PooledLoss(trial.rule, data.evidence(testing))
            losses.append({name: test.loss(v) for name, v in trial.chosen().items()})
            seconds.append(trial.seconds)
        rows = len(fitting)
        records.append(
            {
                **{"set": data.name, "draw": data.draw, "pool": what, "rows": rows},
                "losses": {name: [row[name] for row in losses] for name in losses[0]},
                "seconds": {k: float(np.mean([row[k] for row in seconds])) for k in seconds[0]},
            }
        )
    return records


class Trial:
    """Every choice of the penalty on one set of fitting rows."""

    def __init__(self, data: Data, what: str, fitting: Rows, rng: np.random.Generator) -> None:
        self.data, self.fitting, self.rng = data, fitting, rng
        self.rule = RULES[what.split(",")[0]]
        self.joint = what.endswith("fitted")
        self.problem = PooledLoss(self.rule, data.evidence(fitting))
        task = Task(self.rule, self.problem.evidence, "fit" if self.joint else 1.0)
        self.feasible = task.feasible(len(data.log_p))
        self.equal = self.feasible.start()
        self.seconds: dict[str, float] = {}

    def chosen(self) -> dict[str, Array]:
        """Return v by name of the choice."""
        began = time.perf_counter()
        self.solve(self.problem, A, B, self.equal)
        self.seconds["auto"] = time.perf_counter() - began
        began = time.perf_counter()
        ray, evidence = {}, {}
        v = self.equal
        for c in SCALES:
            found = self.solve(self.problem, c * A, c * B, v)
            v = ray[c] = found.v
            if c and self.joint:
                evidence[c] = self.evidence(found, c * A, c * B)
        out = {f"scale {c:g}": v for c, v in ray.items()} | {"auto": ray[1.0]}
        self.seconds["evidence"] = time.perf_counter() - began
        out |= {"equal, T = 1": self.equal, **self.cross_validated(ray)}
        if self.data.draw != "rows":
            c = len(self.fitting) / len(np.unique(self.groups()))
            out["rows per group"] = self.solve(self.problem, c * A, c * B, ray[30.0]).v
        if self.joint:
            for kind in evidence[1.0]:
                out[f"evidence ({kind})"] = ray[max(evidence, key=lambda c: evidence[c][kind])]
            out |= self.other_constants(ray[1.0])
            out["equal, T fitted"] = self.equal * self.tempered()
        return out

    def other_constants(self, start: Array) -> dict[str, Array]:
        """Return v for constants off the ray, for the entropy, and by two constants' evidence."""
        out, evidence, v = {}, {}, start
        for a, b in GRID:
            found = self.solve(self.problem, a, b, v)
            v = out[f"({a:g}, {b:g})"] = found.v
            evidence[a, b] = self.evidence(found, a, b)["face"]
        a, b = max(evidence, key=lambda ab: evidence[ab])
        out["evidence of two (face)"] = out[f"({a:g}, {b:g})"]
        inside = FeasibleSet(len(start), SHARPEST, capped=True, lower=1e-10)
        self.problem.penalty = Constants(A, B, self.problem.n, entropic=True)
        out["entropy (3, 0.15)"] = minimise(self.problem, inside, start + 1e-4, 1e-7).v
        return out

    def cross_validated(self, ray: dict[float, Array]) -> dict[str, Array]:
        """Return v at the scales that five folds choose: by row, and by week where there is one."""
        out: dict[str, Array] = {}
        n = len(self.fitting)
        began = time.perf_counter()
        out |= self._from_folds(np.array_split(self.rng.permutation(n), 5), ray, "cv")
        self.seconds["cv"] = time.perf_counter() - began
        groups = self.groups()
        distinct = self.rng.permutation(np.unique(groups))
        if self.data.draw != "rows":
            parts = [
                np.flatnonzero(np.isin(groups, part))
                for part in np.array_split(distinct, min(5, len(distinct)))
            ]
            # With one week there is nothing to hold out: "auto".
            one = {name.replace("cv", "cv by group"): ray[1.0] for name in out}
            several = len(distinct) > 1
            out |= self._from_folds(parts, ray, "cv by group") if several else one
        return out

    def _from_folds(
        self, folds: list[Rows], ray: dict[float, Array], name: str
    ) -> dict[str, Array]:
        total = np.zeros(len(SCALES))
        for held in folds:
            fitted = np.delete(self.fitting, held)
            problem = PooledLoss(self.rule, self.data.evidence(fitted))
            test = PooledLoss(self.rule, self.data.evidence(self.fitting[np.sort(held)]))
            v = self.equal
            for number, c in enumerate(SCALES):
                v = self.solve(problem, c * A, c * B, v, 1e-5).v
                total[number] += test.loss(v) * test.n
        out = {name: ray[SCALES[int(total.argmin())]]}
        narrow = slice(SCALES.index(10.0), SCALES.index(1.0) + 1)
        out[f"{name}, 1 to 10"] = ray[SCALES[narrow][int(total[narrow].argmin())]]
        # The scales' geometric mean, each weighted by its likelihood on the held-out rows.
        wide = slice(SCALES.index(30.0), SCALES.index(1.0) + 1)
        share = np.exp(total[wide].min() - total[wide])
        c = float(np.exp(share @ np.log(SCALES[wide]) / share.sum()))
        out[f"{name}, averaged 1 to 30"] = self.solve(self.problem, c * A, c * B, ray[3.0]).v
        return out

    def tempered(self) -> float:
        """Return 1/T of the equal weights' pool under "auto"."""
        return float(fit_temperature(self.rule, self.problem.evidence, self.equal, 1.0).v[0])

    def evidence(self, found: Solution, a: float, b: float) -> dict[str, float]:
        """Return log evidences of constants at their optimum."""
        n, at = self.problem.n, found.evaluation
        return log_evidence(n * at.value, n * at.gradient, n * at.curvature, found.v, a, b)

    def groups(self) -> Rows:
        """Return what the fitting rows have in common: their week, or nothing."""
        return self.fitting if self.data.week is None else self.data.week[self.fitting]

    def solve(
        self, problem: PooledLoss, a: float, b: float, start: Array, tolerance: float = 1e-7
    ) -> Solution:
        """Minimise with constants a and b, from the last solution unless it was separable."""
        problem.penalty = Constants(a, b, problem.n)
        warm = start if start.sum() < SHARPEST / 2 else self.equal
        return minimise(problem, self.feasible, warm, tolerance)


if __name__ == "__main__":
    main()
