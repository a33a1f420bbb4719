"""Optimal weights with missing outputs: a search among stationary points (maths.md §6).

Renormalising over the models that answered makes the objective neither convex nor continuous:
a model of weight exactly 0 does not answer, so the rows that only it answered get the fallback.
Inside the simplex several Newton searches look for the best stationary point; then models are
dropped and taken back one at a time while that helps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..rules import LOG
from ..rules.objective import PooledLoss
from ..solvers.evaluation import Evaluation, Solution
from ..solvers.feasible import FeasibleSet
from ..solvers.log_newton import descend
from ..solvers.newton import minimise

Array = NDArray[np.float64]
Support = NDArray[np.bool_]

#: Starts drawn at random, beside the systematic ones.
RANDOM_STARTS = 6
MAX_EVALUATIONS = 80  # per search
POLISHING = 200  # of the best point found
#: Weights stay this far above 0 while a search is inside the simplex, where 0 is a jump.
INSIDE = 1e-8
#: Models to drop or add that are tried with a search of their own, at each move.
TRIED = 3
_BETTER = 1e-9


class _Face:
    """A problem in which only some of the models have weight."""

    convex = False

    def __init__(self, problem: PooledLoss, support: Support) -> None:
        self.problem, self.support = problem, support

    def embedded(self, v: Array) -> Array:
        full = np.zeros(len(self.support))
        full[self.support] = v
        return full

    def evaluate(self, v: Array) -> Evaluation:
        there = self.problem.evaluate(self.embedded(v))
        s = self.support
        return replace(there, gradient=there.gradient[s], curvature=there.curvature[np.ix_(s, s)])

    def value(self, v: Array) -> float:
        return self.problem.value(self.embedded(v))


def best_stationary_point(problem: PooledLoss, inside: FeasibleSet, seed: int) -> Solution:
    """Search from several starts, then over which models take part; return the best point."""
    everyone = np.ones(inside.size, dtype=bool)
    total = inside.start().sum()
    corners = np.eye(inside.size)
    own = np.array([problem.value(total * corner) for corner in corners])
    rng = np.random.default_rng(seed)
    starts = [
        np.full(inside.size, 1 / inside.size),
        _filled_start(problem),
        0.1 / inside.size + 0.9 * corners[own.argmin()],
        *rng.dirichlet(np.ones(inside.size), RANDOM_STARTS),
    ]
    search = _Search(problem, inside)
    best = min((search.run(everyone, total * w) for w in starts), key=_value)
    alone = search.run(corners[own.argmin()] > 0, total * corners[own.argmin()])
    best = min(search.improve(best), search.improve(alone), key=_value)
    best = search.polish(best)
    return replace(best, n_evaluations=search.n_evaluations + len(own))


class _Search:
    """Newton searches on faces of the simplex, counted together."""

    def __init__(self, problem: PooledLoss, inside: FeasibleSet) -> None:
        self.problem, self.inside = problem, inside
        self.n_evaluations = 0

    def polish(self, found: Solution) -> Solution:
        """Go on in log-weights."""
        end = polished(self.problem, self.inside, found.v)
        self.n_evaluations += end.n_evaluations
        return end

    def run(self, support: Support, start: Array) -> Solution:
        """Search on one face; models outside the support have weight exactly 0."""
        found = search_on_face(self.problem, self.inside, support, start, MAX_EVALUATIONS)
        self.n_evaluations += found.n_evaluations
        return found

    def improve(self, found: Solution) -> Solution:
        """Drop or add models while that lowers the objective."""
        while True:
            moves = [self._moved(found.v, model) for model in range(self.inside.size)]
            values = [np.inf if v is None else self.problem.value(v) for v in moves]
            self.n_evaluations += len(values)
            tried = [
                self.run(v > 0, v)
                for i in np.argsort(values)[:TRIED]
                if (v := moves[i]) is not None and np.isfinite(values[i])
            ]
            best = min(tried, key=_value, default=found)
            if _value(best) >= _value(found) - _BETTER:
                return found
            found = best

    def _moved(self, v: Array, model: int) -> Array | None:
        """Take a model out, or in at an equal share; None where nobody would be left."""
        total, moved = v.sum(), v.copy()
        if v[model] > 0:
            moved[model] = 0.0
            if not moved.any():
                return None
        else:
            moved[model] = total / max(1, (v > 0).sum())
        result: Array = moved * (total / moved.sum())
        return result


def search_on_face(
    problem: PooledLoss, inside: FeasibleSet, support: Support, start: Array, evaluations: int
) -> Solution:
    """Search with so many evaluations at most; models outside the support have weight exactly 0."""
    face = _Face(problem, support)
    feasible = replace(inside, size=int(support.sum()))
    found = minimise(face, feasible, start[support], max_evaluations=evaluations)
    return replace(found, v=face.embedded(found.v))


def polished(problem: PooledLoss, inside: FeasibleSet, v: Array) -> Solution:
    """Descend in log-weights, where a light model's share of a row is seen at its own scale."""
    face = _Face(problem, v > 0)
    feasible = replace(inside, size=int(face.support.sum()))
    end = descend(face, feasible, v[face.support], POLISHING)
    return replace(end, v=face.embedded(end.v))


def _value(found: Solution) -> float:
    return found.evaluation.value


def _filled_start(problem: PooledLoss) -> Array:
    """Return the weights of a convex relative: absent models say what the others' mean says."""
    evidence = problem.evidence
    assert evidence.present is not None
    equal = np.full(evidence.n_models, 1 / evidence.n_models)
    parameters = np.asarray(evidence.parameters)  # of a sample they may be what was read
    mean = LOG.pooled(equal, parameters, evidence.present, family=evidence.family)
    here = evidence.present[:, :, None]
    filled = replace(evidence, parameters=np.where(here, parameters, mean), present=None)
    simplex = FeasibleSet(evidence.n_models)
    return minimise(PooledLoss(problem.rule, filled), simplex, tolerance=1e-4).v
