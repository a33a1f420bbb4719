"""Pooling with fixed weights: floors, missing outputs, fallbacks and temperature, in one place.

combine, fit, apply, score and compare all come through here, so a row that is scored is pooled
exactly as a row that is served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .distributions import mixture_of
from .errors import InputError, MissingOutputError, warn
from .families import CATEGORICAL, Family
from .families.lazy import Lazy, as_array
from .families.mixture import Mixture
from .fused_pool import fusible, pool_quickly
from .kernels.status import IMPOSSIBLE
from .policies import Policy
from .predictions import Predictions, Targets
from .predictions.classes import Label
from .predictions.inputs import GiveBack
from .rules.base import AnyRule
from .rules.evidence import Evidence, attendance
from .treated import Treatment
from .vetoes import veto_error
from .weightings.vector_scaling import apply_vector

Array = NDArray[np.float64]

_BLOCK_CELLS = 1 << 20

NOTHING_TO_FIT = "no model has an output in any labelled row: nothing to fit"


class _Given(Protocol):
    """Predictions as they came, and how a result goes back."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def columns(self) -> tuple[Label, ...]: ...
    @property
    def ids(self) -> NDArray[Any] | None: ...
    @property
    def give_back(self) -> GiveBack: ...


@dataclass(frozen=True)
class Pooled:
    """Pooled distributions' parameters (N, P), and how many rows were touched by a policy.

    For Gaussians the parameters are mean and variance of ``distribution``. Where they are
    ``ready``, they are what :meth:`shown` returns already.
    """

    parameters: Array
    touched: dict[str, int] = field(default_factory=dict)
    family: Family = CATEGORICAL
    distribution: Mixture | None = None
    ready: bool = False

    def shown(self, dtype: np.dtype[Any] | type = np.float64) -> NDArray[Any]:
        """Return (N, K) probabilities, or what callers see of another family.

        Means and variances that float32 cannot hold stay float64: 1e-25 squared is no 0.
        """
        if self.ready:
            return self.parameters.astype(dtype, copy=False)
        shown = self.family.shown(self.parameters)
        if self.family.columns and np.dtype(dtype) == np.float32:
            limits = np.finfo(np.float32)
            if (shown[:, -1] < limits.tiny).any() or (np.abs(shown) > limits.max).any():
                return shown
        return shown.astype(dtype)

    def delivered(self, given: _Given, out: NDArray[Any] | None) -> Any:
        """Return what callers see, in the form that they gave, or written to their array."""
        if out is not None:
            return self.into(out)
        return given.give_back(self.shown(given.dtype), given.columns, given.ids)

    def into(self, out: NDArray[Any]) -> NDArray[Any]:
        """Write what :meth:`shown` returns to an array, unless it is there already.

        Raises
        ------
        InputError
            Where float32 cannot hold the numbers.
        """
        if self.parameters is out:
            return out
        shown = self.shown(out.dtype)
        if shown.dtype != out.dtype:
            raise InputError(
                f"out: found an array of {out.dtype}, which cannot hold these variances; expected "
                f"{shown.dtype}"
            )
        out[...] = shown
        return out


def prepared(predictions: Predictions, policy: Policy) -> tuple[Array, NDArray[np.bool_] | None]:
    """Apply floors and the policy for missing outputs: (M, N, P) parameters, presence."""
    parameters, present = predictions.parameters, predictions.present
    if present is not None and policy.missing == "error":
        lacking = ~present
        who = [
            f"{name} ({int(rows.sum())} rows)"
            for name, rows in zip(predictions.names, lacking, strict=True)
            if rows.any()
        ]
        raise MissingOutputError(f"missing='error', and outputs are missing: {', '.join(who)}")
    fill = present is not None and policy.missing == "prior"
    filled = present if fill else None
    treatment = Treatment(policy, predictions.family, filled, predictions.large)
    if treatment.needed and isinstance(parameters, Lazy):
        parameters = as_array(treatment.lazily(parameters))
    elif treatment.needed:
        parameters = treatment.parameters(parameters)
    return parameters, None if fill else present


def evidence_of(
    predictions: Predictions,
    targets: Targets,
    policy: Policy,
    *,
    fitting: bool = False,
    keep: bool = False,
    threads: int = 1,
) -> Evidence:
    """Return the labelled rows as the rules want them; ``fitting`` takes at least one output.

    ``keep`` is for who reads them again and again: logits are made once, where memory affords it.
    """
    rows = predictions if targets.of_all(predictions.n_rows) else predictions.take(targets.rows)
    parameters, present = prepared(rows, policy)
    if keep and isinstance(parameters, Lazy):
        parameters = as_array(parameters.kept(threads))
    if fitting and present is not None and not present.any():
        raise MissingOutputError(NOTHING_TO_FIT)
    if present is not None and policy.fallback == "error" and not present.any(axis=0).all():
        raise MissingOutputError(
            f"fallback='error', and {rows.rows_unanswered()} labelled row(s) have no output of any "
            "model"
        )
    return Evidence(
        parameters,
        targets.outcomes,
        targets.weight,
        present,
        fallback_parameters(policy, predictions),
        predictions.family,
        confidence_of(rows, parameters, policy, threads),
        policy.gamma or 0.0,
        threads,
        predictions.large,
    )


def confidence_of(
    predictions: Predictions, parameters: Array, policy: Policy, threads: int = 1
) -> Array | None:
    """Return how sure the models are of each row, (M, N), where that plays a part.

    Scores that came with the predictions, or else what the distributions themselves say.
    """
    if policy.gamma is None:
        return None
    if predictions.confidence is not None:
        return predictions.confidence
    return predictions.family.confidence(parameters, threads)


def fallback_parameters(policy: Policy, predictions: Predictions) -> Array | None:
    """Return what a row gets that nobody with weight answered; None where that is an error."""
    if policy.fallback == "error":
        return None
    if policy.fallback == "prior":
        assert policy.prior is not None
        return predictions.family.from_shown(policy.prior)
    return predictions.family.uniform(predictions.n_parameters)


def pool_rows(
    rule: AnyRule,
    w: Array,
    inverse_temperature: float,
    parameters: Array,
    present: Array | NDArray[np.bool_] | None,
    family: Family,
    *,
    closure: bool,
    threads: int = 1,
    large: bool = False,
) -> Array:
    """Pool with given weights, tempered: (N, P); rows that cannot be are not defined.

    ``large`` as for :class:`Predictions`.
    """
    m, n, size = parameters.shape
    if fusible(family, inverse_temperature, parameters, large=large):
        out = np.empty((n, size))
        given = (rule, w, inverse_temperature, parameters, present)
        pool_quickly(*given, out=out, log=True, closure=closure, threads=threads)
        return out
    if isinstance(parameters, Lazy):
        blocks = []
        for rows, block in parameters.parts():
            here = None if present is None else present[:, rows]
            own = pool_rows(rule, w, inverse_temperature, block, here, family, closure=closure)
            blocks.append(own)
        return np.concatenate(blocks)
    step = max(1, _BLOCK_CELLS // (m * size))
    out = np.empty((n, size))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        here = None if present is None else present[:, rows]
        pooled = rule.pooled(w, parameters[:, rows], here, closure=closure, family=family)
        out[rows] = family.tempered(pooled, inverse_temperature)
    return out


def pool_predictions(
    predictions: Predictions,
    rule: AnyRule,
    weights: Array,
    inverse_temperature: float,
    policy: Policy,
    *,
    shown: np.dtype[Any] | None = None,
    out: NDArray[Any] | None = None,
    threads: int = 1,
    first_row: int = 0,
) -> Pooled:
    """Pool predictions; a row nobody answered gets the fallback, a row all vetoed is an error.

    With ``shown`` only what callers see may be computed, in that dtype, and may be written to
    ``out``. ``first_row`` is the number of the first row in messages.

    Raises
    ------
    VetoError
        Where zeros leave a row without any class: counted, with the models behind it.
    MissingOutputError
        Under a policy that does not accept missing outputs.
    """
    parameters, present = prepared(predictions, policy)
    n, family = predictions.n_rows, predictions.family
    counting = np.ones(len(weights), dtype=bool) if policy.closure else weights > 0
    unanswered = np.zeros(n, dtype=bool) if present is None else ~present[weights > 0].any(axis=0)
    m = attendance(
        present, confidence_of(predictions, parameters, policy, threads), policy.gamma or 0.0
    )
    s = inverse_temperature
    quick = fusible(family, s, parameters, large=predictions.large)
    # What is shown of classes needs no logarithms on the way.
    direct = shown is not None and quick
    asked: dict[str, Any] = {"closure": policy.closure, "threads": threads}
    if quick:
        pooled = np.empty((n, predictions.n_parameters), shown) if out is None else out
        asked |= {"vector": policy.vector, "log": not direct, "out": pooled}
        status = pool_quickly(rule, weights, s, parameters, m, **asked)
        impossible = np.asarray(status == IMPOSSIBLE) & ~unanswered
    else:
        pooled = pool_rows(rule, weights, s, parameters, m, family, **asked)
        impossible = ~family.defined(pooled) & ~unanswered
    if impossible.any():
        zero = _zeros(parameters, counting)
        if present is not None:
            zero &= present[counting]
        who = np.array(predictions.names, dtype=object)[counting]
        size, rows = predictions.n_parameters, first_row + np.arange(n)
        raise veto_error(who, zero, impossible, rows, size, "leave no class possible")
    if policy.vector is not None and not quick:
        pooled = apply_vector(pooled, policy.vector)
    if unanswered.any():
        fallback = fallback_parameters(policy, predictions)
        if fallback is None:
            raise MissingOutputError(
                f"fallback='error', and {int(unanswered.sum())} row(s) have no output of any model "
                f"with weight (the first is row {first_row + int(unanswered.argmax())})"
            )
        pooled[unanswered] = family.shown(fallback) if direct else fallback
    touched = {
        "rows": n,
        "rows_with_missing": predictions.rows_with_missing(),
        "rows_fallback": int(unanswered.sum()),
    }
    mixture = mixture_of(rule, family, weights, parameters, m, pooled)
    return Pooled(pooled, touched, family, mixture, ready=direct)


def _zeros(parameters: Array, counting: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return in which rows the counting models have an exact zero, (m, N)."""
    if not isinstance(parameters, Lazy):
        return np.asarray(np.isneginf(parameters[counting]).any(axis=-1))
    found = [np.isneginf(block[counting]).any(axis=-1) for _, block in parameters.parts()]
    return np.concatenate(found, axis=1)


def warn_of_fallback(pooled: Pooled, policy: Policy) -> None:
    """Say that rows were answered by the fallback, with their count."""
    n = pooled.touched["rows_fallback"]
    if n:
        warn(
            f"{n} of {pooled.touched['rows']} row(s) have no output of any model with weight and "
            f"got the fallback ({policy.fallback!r})",
        )
