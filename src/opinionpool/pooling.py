"""Pooling with fixed weights: floors, missing outputs, fallbacks and temperature, in one place.

combine, fit, apply, score and compare all come through here, so a row that is scored is pooled
exactly as a row that is served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distributions import mixture_of
from .errors import MissingOutputError, warn
from .families import CATEGORICAL, Family
from .families.floors import raise_floors
from .families.mixture import Mixture
from .kernels import fused
from .policies import Policy
from .predictions import Predictions, Targets
from .rules import LOG
from .rules.base import AnyRule
from .rules.evidence import Evidence, attendance
from .rules.fused import worthwhile
from .vetoes import veto_error
from .weightings.vector_scaling import apply_vector

Array = NDArray[np.float64]

_BLOCK_CELLS = 1 << 20


@dataclass(frozen=True)
class Pooled:
    """Pooled distributions' parameters (N, P), and how many rows were touched by a policy.

    For Gaussians the parameters are mean and variance of ``distribution``.
    """

    parameters: Array
    touched: dict[str, int] = field(default_factory=dict)
    family: Family = CATEGORICAL
    distribution: Mixture | None = None

    def shown(self, dtype: np.dtype[Any] | type = np.float64) -> NDArray[Any]:
        """Return (N, K) probabilities, or what callers see of another family.

        Means and variances that float32 cannot hold stay float64: 1e-25 squared is no 0.
        """
        shown = self.family.shown(self.parameters)
        if self.family.columns and np.dtype(dtype) == np.float32:
            limits = np.finfo(np.float32)
            if (shown[:, -1] < limits.tiny).any() or (np.abs(shown) > limits.max).any():
                return shown
        return shown.astype(dtype)


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
    parameters = raise_floors(parameters, policy.floors, mix=policy.mixed)
    if policy.betas is not None:
        tempered, betas = predictions.family.tempered, policy.betas.tolist()
        parameters = np.stack([tempered(own, b) for own, b in zip(parameters, betas, strict=True)])
    if present is not None and policy.missing == "prior":
        assert policy.prior is not None
        prior = predictions.family.from_shown(policy.prior)
        parameters = np.where(present[:, :, None], parameters, prior)
        present = None
    return parameters, present


def evidence_of(
    predictions: Predictions,
    targets: Targets,
    policy: Policy,
    *,
    fitting: bool = False,
    threads: int = 1,
) -> Evidence:
    """Return the labelled rows as the rules want them; ``fitting`` takes at least one output."""
    every = np.array_equal(targets.rows, np.arange(predictions.n_rows))
    rows = predictions if every else predictions.take(targets.rows)
    parameters, present = prepared(rows, policy)
    if fitting and present is not None and not present.any():
        raise MissingOutputError("no model has an output in any labelled row: nothing to fit")
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
        confidence_of(rows, parameters, policy),
        policy.gamma or 0.0,
        threads,
    )


def confidence_of(predictions: Predictions, parameters: Array, policy: Policy) -> Array | None:
    """Return how sure the models are of each row, (M, N), where that plays a part.

    Scores that came with the predictions, or else what the distributions themselves say.
    """
    if policy.gamma is None:
        return None
    if predictions.confidence is not None:
        return predictions.confidence
    return predictions.family.confidence(parameters)


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
) -> Array:
    """Pool with given weights, tempered: (N, P); rows that cannot be are not defined."""
    fusible = rule is LOG and family is CATEGORICAL and inverse_temperature > 0
    if fusible and worthwhile(parameters.size):
        v = inverse_temperature * w
        return fused.apply(list(parameters), v, log=True, present=present, closure=closure)[0]
    m, n, size = parameters.shape
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
) -> Pooled:
    """Pool predictions; a row nobody answered gets the fallback, a row all vetoed is an error.

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
    m = attendance(present, confidence_of(predictions, parameters, policy), policy.gamma or 0.0)
    pooled = pool_rows(
        rule, weights, inverse_temperature, parameters, m, family, closure=policy.closure
    )
    impossible = ~family.defined(pooled) & ~unanswered
    if impossible.any():
        zero = np.asarray(np.isneginf(parameters[counting]).any(axis=-1))
        if present is not None:
            zero &= present[counting]
        who = np.array(predictions.names, dtype=object)[counting]
        size = predictions.n_parameters
        raise veto_error(who, zero, impossible, np.arange(n), size, "leave no class possible")
    if policy.vector is not None:
        pooled = apply_vector(pooled, policy.vector)
    if unanswered.any():
        fallback = fallback_parameters(policy, predictions)
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
    mixture = mixture_of(rule, family, weights, parameters, m, pooled)
    return Pooled(pooled, touched, family, mixture)


def warn_of_fallback(pooled: Pooled, policy: Policy) -> None:
    """Say that rows were answered by the fallback, with their count."""
    n = pooled.touched["rows_fallback"]
    if n:
        warn(
            f"{n} of {pooled.touched['rows']} row(s) have no output of any model with weight and "
            f"got the fallback ({policy.fallback!r})",
        )
