"""Fitting a log pool: ours against general optimisers, in alternating rounds of one process.

    python benchmarks/fit_race.py [--rounds 5] [--json FILE]

Everybody minimises the same loss over the same arrays of log-probabilities, with the same exact
gradient (the rivals get it from the plain kernels, without curvature). Printed per rival: the
median ratio of its time to ours, how far its loss ends above ours, and how often it evaluated.
The limit beside them is the time that merely summing the arrays once takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from opinionpool.rules import LOG
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet
from opinionpool.solvers.newton import minimise

SIZES = {"8 models, 20,000 x 10": (8, 20_000, 10), "25 models, 1,232 x 131": (25, 1_232, 131)}


def evidence(m: int, n: int, k: int, seed: int = 0) -> Evidence:
    """Simulate models of unequal skill that share part of their errors."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    shared = rng.normal(size=(n, k))
    z = 0.7 * shared + rng.normal(size=(m, n, k)) * rng.uniform(0.5, 1.5, (m, 1, 1))
    z[:, np.arange(n), y] += rng.uniform(0.5, 2.5, (m, 1))
    z -= np.logaddexp.reduce(z, axis=-1, keepdims=True)
    return Evidence(z, Outcomes(classes=y), np.ones(n))


class GradientOnly:
    """Loss and gradient of the log pool as a user would write them, whole arrays at a time."""

    def __init__(self, data: Evidence) -> None:
        self.log_p = data.log_p
        self.at_outcome = data.log_likelihood()
        self.evaluations = 0

    def __call__(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and gradient."""
        self.evaluations += 1
        z = np.tensordot(v, self.log_p, 1)
        top = z.max(axis=1, keepdims=True)
        p = np.exp(z - top)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        log_z = (top + np.log(total))[:, 0]
        mean = np.einsum("mnk,nk->mn", self.log_p, p)
        loss = (log_z - v @ self.at_outcome).mean()
        return float(loss), (mean - self.at_outcome).mean(axis=1)


def slsqp(data: Evidence) -> tuple[float, int]:
    """SLSQP with bounds and the cap, tight tolerance."""
    f, m = GradientOnly(data), data.n_models
    cap = {"type": "ineq", "fun": lambda v: SHARPEST - v.sum(), "jac": lambda v: -np.ones(m)}
    found = minimize(
        f,
        np.full(m, 1 / m),
        jac=True,
        method="SLSQP",
        bounds=[(0, None)] * m,
        constraints=[cap],
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    return float(found.fun), f.evaluations


def l_bfgs_b(data: Evidence) -> tuple[float, int]:
    """L-BFGS-B with bounds, tight tolerance."""
    f, m = GradientOnly(data), data.n_models
    found = minimize(
        f,
        np.full(m, 1 / m),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * m,
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 10_000},
    )
    return float(found.fun), f.evaluations


def ours(data: Evidence) -> tuple[float, int]:
    """Newton with a quadratic programme, to a certified gap of 1e-9."""
    found = minimise(PooledLoss(LOG, data), FeasibleSet(data.n_models, SHARPEST, capped=True))
    assert found.gap <= 1e-9
    return found.evaluation.value, found.n_evaluations


def read_once(data: Evidence) -> tuple[float, int]:
    """Merely sum the arrays: what one pass over the data costs at least."""
    return float(data.log_p.sum()), 1


RIVALS: dict[str, Callable[[Evidence], tuple[float, int]]] = {
    "opinionpool": ours,
    "SciPy SLSQP": slsqp,
    "SciPy L-BFGS-B": l_bfgs_b,
    "one sum over the data": read_once,
}


def main() -> None:
    """Race and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for size, shape in SIZES.items():
        data = evidence(*shape)
        seconds: dict[str, list[float]] = {name: [] for name in RIVALS}
        ends: dict[str, tuple[float, int]] = {}
        for _ in range(options.rounds):
            for name, run in RIVALS.items():
                began = time.perf_counter()
                ends[name] = run(data)
                seconds[name].append(time.perf_counter() - began)
        print(f"\n{size} ({data.log_p.nbytes / 1e6:.0f} MB), medians of {options.rounds} rounds")
        for name in RIVALS:
            pairs = zip(seconds[name], seconds["opinionpool"], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            above = (
                ""
                if name == "one sum over the data"
                else (
                    f"  loss above ours {ends[name][0] - ends['opinionpool'][0]:+.1e}"
                    f"  evaluations {ends[name][1]}"
                )
            )
            print(f"  {name:22} {statistics.median(seconds[name]):8.4f} s  x {ratio:6.2f}{above}")
        results[size] = {"seconds": seconds, "ends": ends}
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
