"""Floors of log-probabilities: what is put in place of exact zeros (maths.md §2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import fused
from .lazy import Lazy
from .logits import Logits

Array = NDArray[np.float64]

#: Above it 1 + e^a is e^a to the last digit, in float64 too, and float32 still holds it.
_HIGH = 80.0

#: Normalisers beyond it leave float64 too few digits for the floor that is added to them.
_FAR = 2.0**20


def floored(log_p: Array, floor: float) -> Array:
    """Raise cells below ε to ε and renormalise; 0 leaves everything as it is."""
    if floor == 0:
        return log_p
    raised = np.maximum(log_p, np.log(floor))
    raised -= np.log(np.exp(raised).sum(axis=-1, keepdims=True))
    return raised


def floored_logits(z: NDArray[Any], floor: float, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Do as :func:`floored` to logits (n, K), which are not normalised again (maths.md §2).

    ``max(z − log Σ exp z − log ε, 0)``, NaN in rows without an answer.
    """
    above = _above(z, np.log(floor), out)
    return np.asarray(np.maximum(above, 0, out=above))


def mixed(log_p: Array, epsilon: float, n_classes: int | None = None) -> Array:
    """Mix with the uniform, ``ln((1 − ε) p + ε/K)``: the learned floor.

    Of as many classes as there are columns, unless these are not all of them.
    """
    if epsilon == 0:
        return log_p
    absent = np.isnan(log_p)
    if absent.any():
        return np.where(absent, np.nan, mixed(np.where(absent, 0.0, log_p), epsilon, n_classes))
    uniform = np.log(epsilon / (n_classes or log_p.shape[-1]))
    return np.asarray(np.logaddexp(np.log1p(-epsilon) + log_p, uniform))


def mixed_logits(z: NDArray[Any], odds: float, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Do as :func:`mixed` to logits (n, K), ``odds = ln ε/(1 − ε)``; NaN where absent.

    Not normalised: with ``a = ln p − ln 1/K − odds``, how far a cell is above the floor, the
    mixture is ``ln(1 + e^a)`` and a number (maths.md §2).
    """
    if odds == -np.inf:
        return z
    above = above_floor(z, odds, out)
    return rectified(above, one_and_more(above))


def log_odds(epsilon: Any) -> Any:
    """Return ``ln ε/(1 − ε)``, −inf for no floor."""
    with np.errstate(divide="ignore"):
        return np.log(epsilon) - np.log1p(-np.asarray(epsilon))


def above_floor(z: NDArray[Any], odds: float, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return ``a = ln p − ln 1/K − odds`` of logits (n, K), in float32 at least."""
    return _above(z, odds - np.log(z.shape[1]), out)


def _above(z: NDArray[Any], least: float, out: NDArray[Any] | None) -> NDArray[Any]:
    """Return ``ln p − least`` of logits (n, K), in float32 at least; NaN without an answer."""
    log_z = _normalisers(z)
    far = np.abs(log_z) > _FAR
    if far.any():
        z = z - np.where(far, z.max(axis=1), 0)[:, None].astype(z.dtype)
        log_z = _normalisers(z)
    dtype = np.result_type(z.dtype, np.float32)
    zero = log_z + least
    near = zero.astype(dtype)
    with np.errstate(over="ignore"):  # what float32 cannot hold is far below any floor
        above = np.subtract(z, near[:, None], out=out, dtype=dtype)
    # Logits far from 0 have few digits behind the point: what those of ``near`` leave out, too.
    above -= (zero - near).astype(dtype)[:, None]
    return np.asarray(above)


def _normalisers(z: NDArray[Any]) -> Array:
    log_z = fused.survey(z, checksum=False).log_z
    assert log_z is not None
    return log_z


def one_and_more(above: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return ``1 + e^a``, over which a cell's part of the floor is one; cut where it overflows."""
    found = np.minimum(above, above.dtype.type(_HIGH), out=out)
    np.exp(found, out=found)
    found += 1
    return np.asarray(found)


def rectified(above: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """Return ``ln(1 + e^a)``, written over a; ``more`` is :func:`one_and_more` of it."""
    return np.asarray(np.maximum(above, np.log(more), out=above))


def raise_floors(log_p: Array, floors: Array, *, mix: bool) -> Array:
    """Floor (M, N, K) log-probabilities, each model by its own ε of (M,).

    By :func:`mixed` with the uniform, or else by :func:`floored`; 0 leaves a model as it is.
    """
    if not floors.any():
        return log_p
    if mix:
        return mix_all(log_p, floors)
    return np.stack([floored(own, e) for own, e in zip(log_p, floors, strict=True)])


def mix_all(log_p: Array, floors: Array, n_classes: int | None = None) -> Array:
    """Do as :func:`mixed` to every model's log-probabilities (M, N, K), by its own ε."""
    return np.stack([mixed(own, e, n_classes) for own, e in zip(log_p, floors, strict=True)])


def mixed_lazily(lazy: Lazy, floors: Array) -> Lazy:
    """Do as :func:`mixed` to what is read block by block."""
    odds = log_odds(floors)

    def quick(arrays: Logits, _: Any, into: Logits | None) -> Logits:
        room = [None] * len(arrays) if into is None else into
        of_models = zip(arrays, odds, room, strict=True)
        return [mixed_logits(z, own, out) for z, own, out in of_models]

    same = lazy.map(lambda block, _: mix_all(block, floors), quick=quick)
    same.spread = lazy.spread  # at most that: what is low is raised
    return same
