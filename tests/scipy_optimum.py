"""The same optima by SciPy: slower, with other methods, without certificates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from problems import log_softmax
from scipy.optimize import LinearConstraint, minimize

from opinionpool.rules.evidence import Evidence
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers.evaluation import Problem
from opinionpool.solvers.feasible import FeasibleSet

Array = NDArray[np.float64]


def slsqp(problem: Problem, feasible: FeasibleSet, start: Array | None = None) -> float:
    """Least value found from a start, with our gradient."""
    m = feasible.size
    start = feasible.start() if start is None else start
    total = LinearConstraint(
        np.ones((1, m)), -np.inf if feasible.capped else feasible.total, feasible.total
    )
    seen = [problem.value(start)]

    def value_and_gradient(v: Array) -> tuple[float, Array]:
        inside = feasible.tidy(v)
        now = problem.evaluate(inside)
        if np.isfinite(now.value):
            seen.append(now.value)
        return now.value, now.gradient

    with np.errstate(over="ignore", invalid="ignore"):  # it tries boundary points first
        minimize(
            value_and_gradient,
            start,
            jac=True,
            bounds=[(feasible.lower, feasible.total)] * m,
            constraints=[total],
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 2000},
        )
    return min(seen)


def independent(
    rule: str, evidence: Evidence, temperature: float | str, penalty: float
) -> tuple[float, Array]:
    """Least penalised loss by L-BFGS on a softmax of free numbers; nothing of ours is used.

    Slopes are finite differences; all models must have answered, and labels be hard.
    """
    m, n, _ = evidence.parameters.shape
    u = evidence.weight / evidence.weight.sum()
    y = evidence.outcomes.classes
    at_outcome = evidence.parameters[:, np.arange(n), y]
    fitted = rule == "log" and temperature == "fit"

    def weights(a: Array) -> Array:
        w = np.exp(log_softmax(a[:m]))
        if rule == "linear":
            return w
        return w * (np.exp(min(a[m], np.log(100))) if fitted else 1 / float(temperature))

    def objective(a: Array) -> float:
        v = weights(a)
        s = v.sum()
        if rule == "log":
            pooled = log_softmax(np.tensordot(v, evidence.parameters, axes=1))
            loss = -u @ pooled[np.arange(n), y]
        else:
            top = at_outcome.max(axis=0)
            loss = -u @ (top + np.log(v @ np.exp(at_outcome - top)))
        spread = ((v - s / m) ** 2).sum()
        shrinkage = 3 * (s - 1 - np.log(s)) + 0.15 * m * spread
        return float(loss + penalty * shrinkage / evidence.weight.sum())

    best = None
    for start in (np.zeros(m + fitted), 0.5 * np.arange(m + fitted)):
        a = start
        for _ in range(4):  # restarts forget a bad Hessian
            found = minimize(
                objective,
                a,
                jac="3-point",
                method="L-BFGS-B",
                options={"ftol": 1e-16, "gtol": 1e-10, "maxiter": 3000, "maxfun": 10**6},
            )
            a = found.x
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    return float(best.fun), weights(best.x)


def objective_of(task: object) -> tuple[PooledLoss, FeasibleSet]:
    """The problem that a task poses, and where its weights live."""
    problem = PooledLoss(task.rule, task.evidence, task.penalty)  # type: ignore[attr-defined]
    return problem, task.feasible(task.evidence.n_models)  # type: ignore[attr-defined]
