"""Derivatives of the softmax, to the full precision of each entry.

With ``p = softmax_β(z)`` the Jacobian is ``β (diag p − p pᵀ)``, which is symmetric. What cancels is
the share of an outcome that has more than half of it: 1 − p and t − p·t are taken from the other
outcomes there. As in `opinionpool.maths.softmax` nothing is validated.

Source: Bridle, "Training stochastic model recognition algorithms as networks can lead to maximum
mutual information estimation of parameters" (1990).
"""

from __future__ import annotations

from typing import Any

from .hosts import Array, constant
from .softmax import like, move, shares


def softmax_jvp(
    z: Array, t: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``β p ⊙ (t − p·t)`` for finite β and `t` of the shape and dtype of `z`."""
    p = shares(z, beta, beta_low, axis, xp)
    # Quartered, so that differences of finite numbers are finite. A constant added to t changes
    # nothing: what is added makes the entry 0 that would cancel with the mean.
    quarter = 0.25 * move(xp.astype(t, p.dtype, copy=False), axis, -1, xp)
    dominant = xp.where(constant(p) > 0.5, constant(quarter), 0.0)
    quarter = quarter - xp.sum(dominant, axis=-1, keepdims=True)
    slope = p * (quarter - xp.sum(p * quarter, axis=-1, keepdims=True))
    return like(z, beta * (4.0 * slope), axis, xp)


def softmax_jacobian(
    z: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``β (diag p − p pᵀ)`` for finite β, shape (..., K, K) with `axis` taken out of the front."""
    p = shares(z, beta, beta_low, axis, xp)
    dominant = constant(p) > 0.5
    others = xp.sum(xp.where(dominant, 0.0, p), axis=-1, keepdims=True)
    diagonal = p * xp.where(dominant, others, 1.0 - p)
    place = xp.cumulative_sum(xp.ones_like(p), axis=-1)  # 1 … K, on the device of p
    same = place[..., :, None] == place[..., None, :]
    entries = xp.where(same, diagonal[..., None], -p[..., :, None] * p[..., None, :])
    return xp.astype(beta * entries, z.dtype, copy=False)
