"""Pooling with fixed weights: floors, missing outputs, fallbacks and temperature, in one place.

combine, fit, apply, score and compare all come through here, so a row that is scored is pooled
exactly as a row that is served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, MissingOutputError, warn
from .families.categorical import raise_floors
from .maths.plain_numpy import xp
from .maths.softmax import log_softmax
from .predictions import Predictions, Targets
from .rules.base import AnyRule
from .rules.evidence import Evidence
from .vetoes import auto_floor, veto_error

Array = NDArray[np.float64]
Floor = float | Literal["auto", "veto", "learned"]

_BLOCK_CELLS = 1 << 20


@dataclass(frozen=True)
class Policy:
    """What happens to zeros and absences.

    Attributes
    ----------
    floors
        (M,) the resolved ε of each model, 0 for none.
    missing
        ``"renormalise"``, ``"prior"`` or ``"error"``.
    fallback
        ``"uniform"``, ``"prior"`` or ``"error"``, for rows that nobody with weight answered.
    prior
        (K,) class probabilities, where either needs them.
    closure
        Whether models of weight 0 still veto.
    mixed
        Whether ε mixes a model with the uniform (learned floors) instead of raising cells.
    """

    floors: Array
    missing: str = "renormalise"
    fallback: str = "uniform"
    prior: Array | None = None
    closure: bool = False
    mixed: bool = False


@dataclass(frozen=True)
class Pooled:
    """Pooled log-probabilities (N, K), and how many rows were touched by a policy."""

    log_p: Array
    touched: dict[str, int] = field(default_factory=dict)

    def probabilities(self, dtype: np.dtype[Any] | type = np.float64) -> NDArray[Any]:
        """Return (N, K) probabilities."""
        return np.exp(self.log_p).astype(dtype)


def check_policies(missing: str, fallback: str, *, labels: bool) -> None:
    """Refuse policies that do not exist, or that need labels where there are none."""
    for name, value, known in (
        ("missing", missing, ("renormalise", "prior", "error")),
        ("fallback", fallback, ("uniform", "prior", "error")),
    ):
        if value not in known:
            raise InputError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
        if value == "prior" and not labels:
            raise InputError(
                f"{name}='prior' needs labels, to know how frequent the classes are: use fit, or "
                "another policy"
            )


def resolve_floor(floor: Any, rule: AnyRule, predictions: Predictions) -> float:
    """Return ε, 0 for none; ``"auto"`` floors exact zeros where the rule lets them veto."""
    k = predictions.n_classes
    if isinstance(floor, str) and floor in ("veto", "learned"):
        return 0.0
    if isinstance(floor, str) and floor == "auto":
        zeros = predictions.n_zeros() if rule.vetoes else 0
        if not zeros:
            return 0.0
        epsilon = auto_floor(k)
        warn(
            f"{zeros} cells are exactly 0, and one model's 0 would rule a class out for the "
            f"{rule.name} pool: cells below {epsilon:g} were raised to it (floor='auto'; "
            "floor='veto' keeps zeros)",
        )
        return epsilon
    if isinstance(floor, bool) or not isinstance(floor, int | float | np.floating | np.integer):
        raise InputError(f"floor: found {floor!r}, expected 'auto', 'veto', 'learned' or a number")
    if not 0 < floor < 1 / k:
        raise InputError(
            f"floor: found {floor}, expected a number above 0 and below 1/K = {1 / k:g} "
            "(floor='veto' keeps zeros)"
        )
    return float(floor)


def class_prior(targets: Targets, n_classes: int) -> Array:
    """Return the classes' frequencies among the labels, each seen once more than it was."""
    counts = targets.weight @ targets.outcomes.probabilities(n_classes)
    smoothed: Array = (counts + 1.0) / (counts.sum() + n_classes)
    return smoothed


def prepared(predictions: Predictions, policy: Policy) -> tuple[Array, NDArray[np.bool_] | None]:
    """Apply floors and the policy for missing outputs: (M, N, K) log-probabilities, presence."""
    log_p, present = predictions.log_p, predictions.present
    if present is not None and policy.missing == "error":
        lacking = ~present
        who = [
            f"{name} ({int(rows.sum())} rows)"
            for name, rows in zip(predictions.names, lacking, strict=True)
            if rows.any()
        ]
        raise MissingOutputError(f"missing='error', and outputs are missing: {', '.join(who)}")
    log_p = raise_floors(log_p, policy.floors, mix=policy.mixed)
    if present is not None and policy.missing == "prior":
        assert policy.prior is not None
        log_p = np.where(present[:, :, None], log_p, np.log(policy.prior))
        present = None
    return log_p, present


def evidence_of(
    predictions: Predictions, targets: Targets, policy: Policy, *, fitting: bool = False
) -> Evidence:
    """Return the labelled rows as the rules want them; ``fitting`` takes at least one output."""
    every = np.array_equal(targets.rows, np.arange(predictions.n_rows))
    rows = predictions if every else predictions.take(targets.rows)
    log_p, present = prepared(rows, policy)
    if fitting and present is not None and not present.any():
        raise MissingOutputError("no model has an output in any labelled row: nothing to fit")
    if present is not None and policy.fallback == "error" and not present.any(axis=0).all():
        raise MissingOutputError(
            f"fallback='error', and {rows.rows_unanswered()} labelled row(s) have no output of any "
            "model"
        )
    return Evidence(
        log_p,
        targets.outcomes,
        targets.weight,
        present,
        fallback_log_p(policy, predictions.n_classes),
    )


def fallback_log_p(policy: Policy, n_classes: int) -> Array | None:
    """Return what a row gets that nobody with weight answered; None where that is an error."""
    if policy.fallback == "error":
        return None
    if policy.fallback == "prior":
        assert policy.prior is not None
        return np.log(policy.prior)
    return np.full(n_classes, -np.log(n_classes))


def pool_log_p(
    rule: AnyRule, w: Array, inverse_temperature: float, evidence: Evidence, *, closure: bool
) -> Array:
    """Pool evidence with given weights, tempered; rows that cannot be pooled are all −inf."""
    log_p, present = evidence.log_p, evidence.present
    m, n, k = log_p.shape
    size = max(1, _BLOCK_CELLS // (m * k))
    out = np.empty((n, k))
    for first in range(0, n, size):
        rows = slice(first, first + size)
        here = None if present is None else present[:, rows]
        out[rows] = rule.pooled(w, log_p[:, rows], here, closure=closure)
    if inverse_temperature != 1:
        possible = out.max(axis=-1) > -np.inf
        out[possible] = log_softmax(out[possible], beta=inverse_temperature, xp=xp)
    return out


def pool_predictions(
    predictions: Predictions,
    rule: AnyRule,
    weights: Array,
    inverse_temperature: float,
    policy: Policy,
) -> Pooled:
    """Pool predictions; a row nobody answered gets the fallback, a row all vetoed is an error.

    Raises
    ------
    VetoError
        Where zeros leave a row without any class: counted, with the models behind it.
    MissingOutputError
        Under a policy that does not accept missing outputs.
    """
    log_p, present = prepared(predictions, policy)
    n, k = predictions.n_rows, predictions.n_classes
    counting = np.ones(len(weights), dtype=bool) if policy.closure else weights > 0
    unanswered = np.zeros(n, dtype=bool) if present is None else ~present[weights > 0].any(axis=0)
    rows = Evidence(log_p, None, None, present)  # type: ignore[arg-type]  # no outcomes needed
    pooled = pool_log_p(rule, weights, inverse_temperature, rows, closure=policy.closure)
    impossible = (pooled.max(axis=-1) == -np.inf) & ~unanswered
    if impossible.any():
        zero = np.asarray(np.isneginf(log_p[counting]).any(axis=-1))
        if present is not None:
            zero &= present[counting]
        who = np.array(predictions.names, dtype=object)[counting]
        raise veto_error(who, zero, impossible, np.arange(n), k, "leave no class possible")
    if unanswered.any():
        fallback = fallback_log_p(policy, k)
        if fallback is None:
            raise MissingOutputError(
                f"fallback='error', and {int(unanswered.sum())} row(s) have no output of any model "
                f"with weight (the first is row {int(unanswered.argmax())})"
            )
        pooled[unanswered] = fallback
    touched = {
        "rows": n,
        "rows_with_missing": predictions.rows_with_missing(),
        "rows_fallback": int(unanswered.sum()),
    }
    return Pooled(pooled, touched)


def warn_of_fallback(pooled: Pooled, policy: Policy) -> None:
    """Say that rows were answered by the fallback, with their count."""
    n = pooled.touched["rows_fallback"]
    if n:
        warn(
            f"{n} of {pooled.touched['rows']} row(s) have no output of any model with weight and "
            f"got the fallback ({policy.fallback!r})",
        )
