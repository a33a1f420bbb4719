"""Bayesian stacking: linear-pool weights from log-densities at the outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, Status, VetoError, warn
from .rules.likelihoods import Likelihoods
from .weightings.stacking import stacking_weights

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stacking:
    """Weights of a linear pool, and how good they are.

    Attributes
    ----------
    models
        Names, in the order of ``weights``.
    weights
        (M,) float64, ≥ 0, sum one.
    loss, losses
        Mean negative log-density of the pool and of every model, nats per row; inf for a model
        that gave 0 to what happened.
    gap
        The loss is at most this far above its minimum over all weights, nats per row.
    status
        How the fit ended.
    evaluations
        Passes over the rows that were needed.
    """

    models: tuple[str, ...]
    weights: Array
    loss: float
    losses: Array
    gap: float
    status: Status
    evaluations: int

    def __repr__(self) -> str:
        order = np.argsort(-self.weights, kind="stable")[:8]
        shown = ", ".join(f"{self.models[i]}={self.weights[i]:.4g}" for i in order)
        more = ", …" if len(self.models) > len(order) else ""
        return (
            f"<Stacking of {len(self.models)}: {shown}{more}; loss={self.loss:.5g}, "
            f"gap={self.gap:.2g}, {self.status.value}>"
        )


def stack(log_densities: Any, *, sample_weight: Any = None, seed: int = 0) -> Stacking:
    """Choose linear-pool weights from held-out log-densities at the outcomes.

    The models may predict anything, classes or densities of any kind, as long as they are
    densities of the same thing: leave-one-out or held-out log-likelihoods are all it takes.

    Parameters
    ----------
    log_densities
        (M, N) array of M models and N rows; or a mapping from model name to (N,) array, or to an
        object with ``elpd_i``, such as the results of ArviZ' ``loo``; or a data frame with one
        column per model. −inf where a model gave 0.
    sample_weight
        (N,) how much each row counts.
    seed
        Of the rows that are looked at first where there are many; the result does not depend on
        it beyond the gap.

    Returns
    -------
    Stacking
        With ``weights``, ``loss``, ``gap`` and ``status``.

    Warns
    -----
    OpinionPoolWarning
        Where an array has more models than rows, which looks like its transpose, or the solver
        stopped early.

    Raises
    ------
    InputError
        For NaN or +inf, unequal lengths, or a row in which every model gave 0.

    Examples
    --------
    >>> import numpy as np, opinionpool as op
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=1000)
    >>> log_f = np.stack([-0.5 * ((y - m) / s) ** 2 - np.log(s) for m, s in [(0, 2), (1, .5)]])
    >>> op.stack({"wide": log_f[0], "off": log_f[1]}).weights.round(3)
    array([0.865, 0.135])

    References
    ----------
    Yao, Vehtari, Simpson & Gelman, "Using stacking to average Bayesian predictive
    distributions", Bayesian Analysis 13 (2018).
    """
    names, log_f = _named(log_densities)
    weight = _weights(sample_weight, log_f.shape[1])
    seen = weight > 0
    if not seen.all():
        log_f, weight = log_f[:, seen], weight[seen]
    _check(log_f, names)
    found = stacking_weights(Likelihoods(log_f, weight), seed)
    if found.status is Status.NOT_CONVERGED:
        warn(f"{found.status.sentence} (gap {found.gap:.2g} nats per row)")
    return Stacking(
        names,
        found.v,
        found.evaluation.value,
        -np.einsum("mn,n->m", log_f, weight) / weight.sum(),
        found.gap,
        found.status,
        found.n_evaluations,
    )


def _named(given: Any) -> tuple[tuple[str, ...], Array]:
    """Return names and the (M, N) array."""
    if hasattr(given, "columns"):
        given = {column: given[column] for column in given.columns}
    if isinstance(given, Mapping):
        named = {
            str(name): _floats(getattr(v, "elpd_i", v), str(name)) for name, v in given.items()
        }
        if not named:
            raise InputError("log_densities: found no model, expected at least one")
        lengths = {name: v.shape for name, v in named.items()}
        first = next(iter(lengths.values()))
        odd = next((name for name, shape in lengths.items() if shape != first), None)
        if odd is not None or len(first) != 1:
            where = odd or next(iter(lengths))
            raise InputError(
                f"log_densities of model {where!r}: found shape {lengths[where]}, expected "
                + (f"{first} as for the first model" if odd else "one number per row")
            )
        return tuple(named), np.stack(list(named.values()))
    if isinstance(given, list | tuple) and any(hasattr(v, "elpd_i") for v in given):
        given = [np.asarray(v.elpd_i) for v in given]
    log_f = _floats(given, None)
    if log_f.ndim != 2 or 0 in log_f.shape:
        raise InputError(
            f"log_densities: found shape {log_f.shape}, expected (models, rows), both at least 1"
        )
    m, n = log_f.shape
    if m > n:
        warn(
            f"log_densities: found {m} models and {n} rows; if these are {n} models and {m} rows, "
            "pass the transpose (a mapping by model name is never ambiguous)"
        )
    return tuple(f"m{i}" for i in range(m)), log_f


def _floats(values: Any, name: str | None) -> Array:
    where = "log_densities" if name is None else f"log_densities of model {name!r}"
    try:
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: cannot be read as numbers ({error})") from None


def _weights(sample_weight: Any, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    weight = _floats(sample_weight, None)
    if weight.shape != (n,):
        raise InputError(f"sample_weight: found shape {weight.shape}, expected ({n},)")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise InputError("sample_weight: expected finite numbers ≥ 0 with a positive sum")
    return weight


def _check(log_f: Array, names: tuple[str, ...]) -> None:
    wrong = np.isnan(log_f) | np.isposinf(log_f)
    if wrong.any():
        model, row = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"log_densities of model {names[model]!r}, row {row}: found {log_f[model, row]} "
            f"({int(wrong.any(axis=0).sum())} such row(s)); expected a number, or -inf for a "
            "density of 0"
        )
    impossible = np.isneginf(log_f.max(axis=0))
    if impossible.any():
        raise VetoError(
            f"log_densities: in {int(impossible.sum())} row(s) every model gave 0 to what happened "
            f"(the first is row {int(impossible.argmax())}): no weights explain that"
        )
