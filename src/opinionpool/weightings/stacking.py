"""Stacking weights at any size: few models, many rows, or many models, few rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from ..rules.likelihoods import Likelihoods
from ..solvers.evaluation import Solution
from ..solvers.feasible import FeasibleSet
from ..solvers.minimum_norm import nearest_to_equal
from ..solvers.newton import minimise
from ..solvers.working_set import minimise_large

Array = NDArray[np.float64]

#: More models than this are solved on a working set: an M×M curvature costs M² per row.
MANY = 200
#: With more rows than this the first look is at as many of them, drawn at random.
SAMPLE = 20_000


def stacking_weights(problem: Likelihoods, seed: int = 0) -> Solution:
    """Return the optimum; identical models share their weight."""
    first, group = identical_rows(problem.log_f)
    sizes = np.bincount(group)
    distinct = problem if len(first) == len(group) else problem.models(first)
    found = _solve(distinct, seed)
    return replace(found, v=(found.v / sizes)[group])


def _solve(problem: Likelihoods, seed: int) -> Solution:
    m, n = problem.log_f.shape
    if m > MANY:
        return minimise_large(problem, _promising(problem), _excess, m)
    start, spent = None, 0
    if n > 2 * SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))
        look = minimise(problem.rows(rows), FeasibleSet(m), tolerance=1e-7)
        start = 0.999 * look.v + 0.001 / m  # nobody is ruled out by what was not looked at
        spent = -(-look.n_evaluations * SAMPLE // n)
    found = minimise(problem, FeasibleSet(m), start)
    if found.status is Status.CONVERGED and m > 1:
        found = nearest_to_equal(problem, FeasibleSet(m), found)
    return replace(found, n_evaluations=found.n_evaluations + spent)


def _excess(pull: Array) -> float:
    return float(np.log(pull.max()))


def _promising(problem: Likelihoods) -> NDArray[np.int64]:
    """Return each row's likeliest model, and the best models overall: no row is impossible."""
    finite = np.where(np.isneginf(problem.log_f), -1e300, problem.log_f)
    with np.errstate(over="ignore"):
        overall = np.einsum("mn,n->m", finite, problem.weight)
    best = np.argsort(-overall, kind="stable")[: MANY // 4]
    favourites = problem.log_f.argmax(axis=0)
    # With many rows the favourites are nearly everybody: the most frequent, and what else it takes.
    models, counts = np.unique(favourites, return_counts=True)
    chosen = np.union1d(best, models[np.argsort(-counts, kind="stable")[: MANY // 2]])
    impossible = np.isneginf(problem.log_f[chosen].max(axis=0))
    return np.union1d(chosen, favourites[impossible])


def identical_rows(a: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of each set of identical rows, and everyone's set."""
    groups: dict[bytes, list[int]] = {}
    first: list[int] = []
    group = np.empty(len(a), dtype=np.int64)
    for i, row in enumerate(a):
        # A glance tells nearly all of them apart.
        alike = groups.setdefault(row[:16].tobytes(), [])
        same = next((g for g in alike if np.array_equal(a[first[g]], row)), None)
        if same is None:
            same = len(first)
            first.append(i)
            alike.append(same)
        group[i] = same
    return np.array(first), group
