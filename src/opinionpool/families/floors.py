"""Floors of log-probabilities: what is put in place of exact zeros (maths.md §2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import fused

Array = NDArray[np.float64]


def floored(log_p: Array, floor: float) -> Array:
    """Raise cells below ε to ε and renormalise; 0 leaves everything as it is."""
    if floor == 0:
        return log_p
    raised = np.maximum(log_p, np.log(floor))
    raised -= np.log(np.exp(raised).sum(axis=-1, keepdims=True))
    return raised


def floored_logits(z: NDArray[Any], floor: float, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Do as :func:`floored` to logits (n, K), which are not normalised again (maths.md §2).

    ``max(z, log Σ exp z + log ε)``, NaN in rows without an answer.
    """
    log_z = fused.survey(z, checksum=False).log_z
    assert log_z is not None
    least = (log_z + np.log(floor)).astype(z.dtype)
    return np.asarray(np.maximum(z, least[:, None], out=out))


def mixed(log_p: Array, epsilon: float) -> Array:
    """Mix with the uniform, ``ln((1 − ε) p + ε/K)``: the learned floor."""
    if epsilon == 0:
        return log_p
    absent = np.isnan(log_p)
    if absent.any():
        return np.where(absent, np.nan, mixed(np.where(absent, 0.0, log_p), epsilon))
    uniform = np.log(epsilon / log_p.shape[-1])
    return np.asarray(np.logaddexp(np.log1p(-epsilon) + log_p, uniform))


def raise_floors(log_p: Array, floors: Array, *, mix: bool) -> Array:
    """Floor (M, N, K) log-probabilities, each model by its own ε of (M,).

    By :func:`mixed` with the uniform, or else by :func:`floored`; 0 leaves a model as it is.
    """
    if not floors.any():
        return log_p
    floor = mixed if mix else floored
    return np.stack([floor(own, e) for own, e in zip(log_p, floors, strict=True)])
