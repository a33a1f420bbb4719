"""Rivals of ``opinionpool.stack``: minimise ``−E log Σ w_α f_α`` over the simplex."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .fit_rivals import Found, watched
from .objectives import Array, Objective
from .race import NotHereError

#: Models up to which SLSQP is asked: it keeps M×M matrices and takes M³ operations a step.
DENSE = 2000
#: Rows up to which every row becomes an exponential cone.
CONES = 50_000


def objective(log_f: Array) -> Objective:
    """Return loss and gradient in NumPy; the likelihoods are scaled row by row, once."""
    f, top = scaled(log_f)
    mean_top = float(top.mean())

    def of(w: Array) -> tuple[float, Array]:
        mixture = w @ f
        with np.errstate(divide="ignore"):
            loss = -float(np.log(mixture).mean()) - mean_top
        return loss, -(f @ (1 / mixture)) / len(top)

    return of


def scaled(log_f: Array) -> tuple[Array, Array]:
    """Return likelihoods whose largest is 1 in every row, and its logarithm before."""
    top = log_f.max(axis=0)
    return np.exp(log_f - top), top


def loss_and_gap(log_f: Array, w: Array) -> tuple[float, float]:
    """Return the mean loss, and a bound on its excess: ``ln max_α E r_α`` (maths.md §5)."""
    w = np.maximum(w, 0) / np.maximum(w, 0).sum()
    loss, gradient = objective(log_f)(w)
    return loss, float(np.log(np.max(-gradient)))


def em(log_f: Array, patience: float) -> Found:
    """Expectation–maximisation, until a step gains less than 1e-12."""

    def run(watch: Any) -> None:
        w = np.full(len(log_f), 1 / len(log_f))
        before = np.inf
        while True:
            loss, gradient = watch(w)
            if before - loss < 1e-12:
                return
            before = loss
            w = w * -gradient

    return watched(run, objective(log_f), patience)


def slsqp(log_f: Array, patience: float) -> Found:
    """SciPy's SLSQP from equal weights."""
    m = len(log_f)
    if m > DENSE:
        raise NotHereError(f"not run: SLSQP keeps {m:,} x {m:,} matrices")

    def run(watch: Any) -> None:
        total = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)}
        minimize(
            watch,
            np.full(m, 1 / m),
            jac=True,
            method="SLSQP",
            bounds=[(0, None)] * m,
            constraints=[total],
            options={"ftol": 1e-12, "maxiter": 1000},
        )

    return watched(run, objective(log_f), patience)


def l_bfgs_b(log_f: Array, patience: float) -> Found:
    """SciPy's L-BFGS-B on v ≥ 0 with Σv added to the loss, whose optimum has Σv = 1 by itself.

    A softmax of free parameters, the usual way, ends up to 3e-5 nats above the optimum here: it
    is flat where weights go to 0.
    """

    def run(watch: Any) -> None:
        def of_cone(v: Array) -> tuple[float, Array]:
            s = v.sum()
            if s <= 0:
                return np.inf, np.ones_like(v)
            loss, g = watch(v / s)
            return loss - np.log(s) + s - 1, g / s + 1

        minimize(
            of_cone,
            np.full(len(log_f), 1 / len(log_f)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(log_f),
            options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 100_000, "maxfun": 1_000_000},
        )

    return watched(run, objective(log_f), patience)


def arviz(log_f: Array) -> Callable[[], Found]:
    """``arviz_stats.compare(method="stacking")``: SciPy's SLSQP with its default tolerance.

    It is given what its ``loo`` returns, made beforehand; its table of differences is part of
    its time.
    """
    m, n = log_f.shape
    if m > DENSE:
        return _absent(f"not run: its SLSQP keeps {m:,} x {m:,} matrices")
    try:
        from arviz_stats import compare
        from arviz_stats.utils import ELPDData
        from xarray import DataArray
    except ImportError:
        return _absent("arviz-stats[xarray] is not installed")
    elpds = {
        f"m{i}": ELPDData(
            "loo", row.sum(), float(np.sqrt(n * row.var())), 1.0, 1000, n, "log", False, 0.7,
            DataArray(row),
        )
        for i, row in enumerate(log_f)
    }  # fmt: skip

    def run() -> Found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = compare(elpds, method="stacking")
        w: NDArray[np.float64] = table["weight"].reindex(list(elpds)).to_numpy()
        return Found(w, [])

    return run


def cvxpy_clarabel(log_f: Array, patience: float) -> Callable[[], Found]:
    """Solve what a cvxpy user would write, by Clarabel's interior point method."""
    n = log_f.shape[1]
    if n > CONES:
        return _absent(f"not run: {n:,} exponential cones")
    try:
        import cvxpy
    except ImportError:
        return _absent("cvxpy is not installed")
    if "CLARABEL" not in cvxpy.installed_solvers():
        return _absent("Clarabel is not installed")
    f, _ = scaled(log_f)

    def run() -> Found:
        w = cvxpy.Variable(len(f), nonneg=True)
        total = cvxpy.sum(cvxpy.log(f.T @ w))
        problem = cvxpy.Problem(cvxpy.Maximize(total), [cvxpy.sum(w) == 1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped early is noted below
            problem.solve(solver=cvxpy.CLARABEL, time_limit=patience)
        if w.value is None:
            raise NotHereError(f"stopped after {patience:.0f} s: {problem.status}")
        note = "" if problem.status == "optimal" else str(problem.status)
        return Found(np.asarray(w.value), [], note)

    return run


def _absent(reason: str) -> Callable[[], Found]:
    def run() -> Found:
        raise NotHereError(reason)

    return run
