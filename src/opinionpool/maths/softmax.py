"""The softmax family for any scale β, finite or infinite, of either sign.

Every function takes the array first, and by keyword the scale, the axis of the outcomes and the
array namespace; nothing is validated (`opinionpool.activations` is the door). Entries of -inf are
masked: they are no outcomes at all, for every β. NaN and +inf have no meaning here.

The scale is ``beta + beta_low``: 1/T and ln b are no floats, and an exponent of 700 would turn
their rounding into an error of hundreds of units in the last place. For the same reason the
differences and products inside the exponential keep their rounding errors, e^(a+r) = e^a (1 + r).
Accumulators are float64 and the result has the dtype of the input.

Sources: Bridle (1990) for the softmax; Blanchard, Higham and Higham, "Accurately computing the
log-sum-exp and softmax functions" (2021), for the shift and for log1p of the sum without the
maximiser.
"""

from __future__ import annotations

import math
from typing import Any

from .error_free import Array, accurate_sum, two_difference, two_product

# e^-1000 is 0 in float64, whose smallest positive number is e^-744.4.
_VANISHES = 1000.0


def softmax(
    z: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``exp(β z_i) / Σ_j exp(β z_j)``, shape of `z`; every slice needs an outcome."""
    x, beta, beta_low = _standard(z, beta, beta_low, axis, xp)
    terms, rest = _terms(x, _top(x, xp), beta, beta_low, xp)
    share = terms / accurate_sum(terms, terms * rest, 1.0, xp)
    return _like(z, share + share * rest, axis, xp)


def log_softmax(
    z: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``β z_i − ln Σ_j exp(β z_j)``, shape of `z`; every slice needs an outcome.

    At finite β only masked outcomes get -inf: what is below the range of the dtype saturates at
    its lowest number, because an improbable outcome is still an outcome.
    """
    x, beta, beta_low = _standard(z, beta, beta_low, axis, xp)
    top = _top(x, xp)
    terms, rest = _terms(x, top, beta, beta_low, xp)
    log_total = _log_sum(terms, rest, x == top, xp)
    if beta in (0.0, math.inf):
        return _like(z, xp.where(terms > 0.0, 0.0 - log_total, -math.inf), axis, xp)
    # No error terms: both parts have one sign, so relative errors stay small. Not −(…): that is −0.
    logs = 0.0 - (_saturated(beta, 0.5 * top - 0.5 * x, z.dtype, xp) + log_total)
    return _like(z, xp.where(x == -math.inf, x, logs), axis, xp)


def logsumexp(
    z: Array,
    *,
    beta: float = 1.0,
    beta_low: float = 0.0,
    axis: int = -1,
    keepdims: bool = False,
    xp: Any,
) -> Array:
    """``β⁻¹ ln Σ_j exp(β z_j)`` for β ≠ 0, shape of `z` without `axis`.

    The maximum at β = +inf, the minimum at β = -inf. A slice without any outcome is an empty sum:
    -inf for β > 0, +inf for β < 0.
    """
    x, scale, scale_low = _standard(z, beta, beta_low, axis, xp)
    top = _top(x, xp)
    log_total = _log_sum(*_terms(x, top, scale, scale_low, xp), x == top, xp)
    value = math.copysign(1.0, beta) * (xp.max(x, axis=-1, keepdims=True) + log_total / scale)
    value = _like(z, value, axis, xp)
    return value if keepdims else xp.squeeze(value, axis=axis)


def sigmoid(x: Array, *, beta: float = 1.0, beta_low: float = 0.0, xp: Any) -> Array:
    """``1 / (1 + exp(−βx))`` elementwise, which is ``softmax_β([0, x])_1``; ±inf are values."""
    y, beta, beta_low = _ascending(x, beta, beta_low, xp)
    if beta == 0.0:
        return xp.full_like(x, 0.5)
    if beta == math.inf:
        return xp.astype(0.5 + 0.5 * xp.sign(y), x.dtype)
    tail = _tail(y, beta, beta_low, xp)
    return xp.astype(xp.where(y > 0.0, 1.0, tail) / (1.0 + tail), x.dtype)


def log_sigmoid(x: Array, *, beta: float = 1.0, beta_low: float = 0.0, xp: Any) -> Array:
    """``−ln(1 + exp(−βx))`` elementwise; -inf at -inf, and saturating like `log_softmax`."""
    y, beta, beta_low = _ascending(x, beta, beta_low, xp)
    if beta == 0.0:
        return xp.full_like(x, -math.log(2.0))
    if beta == math.inf:
        at_least = (xp.sign(y) - 1.0) * math.log(2.0)
        return xp.astype(xp.where(y < 0.0, -math.inf, at_least), x.dtype)
    below = _saturated(beta, -0.5 * xp.minimum(y, 0.0), x.dtype, xp)
    logs = 0.0 - (below + xp.log1p(_tail(y, beta, beta_low, xp)))
    return xp.astype(xp.where(y == -math.inf, y, logs), x.dtype)


def _standard(
    z: Array, beta: float, beta_low: float, axis: int, xp: Any
) -> tuple[Array, float, float]:
    """Outcomes last, float64, β ≥ 0: softmax_β(z) = softmax_−β(−z), where masks stay masks."""
    x = xp.moveaxis(xp.astype(z, xp.float64, copy=False), axis, -1)
    if beta < 0.0:
        return xp.where(x == -math.inf, x, -x), -beta, -beta_low
    return x, beta, beta_low


def _ascending(x: Array, beta: float, beta_low: float, xp: Any) -> tuple[Array, float, float]:
    """float64 and β ≥ 0: sigmoid(βx) depends on the product only."""
    x = xp.astype(x, xp.float64, copy=False)
    return (-x, -beta, -beta_low) if beta < 0.0 else (x, beta, beta_low)


def _like(z: Array, result: Array, axis: int, xp: Any) -> Array:
    """Undo `_standard`: the axis and dtype of `z`."""
    return xp.astype(xp.moveaxis(result, -1, axis), z.dtype, copy=False)


def _top(x: Array, xp: Any) -> Array:
    """Greatest outcome of every slice; 0, which masks compare with well, where there is none."""
    top = xp.max(x, axis=-1, keepdims=True)
    return xp.where(top == -math.inf, 0.0, top)


def _terms(
    x: Array, top: Array, beta: float, beta_low: float, xp: Any
) -> tuple[Array, Array | float]:
    """``exp(β (x − top)) = e (1 + rest)`` as (e, rest) for β ≥ 0; 0 or 1 at β = 0 and +inf."""
    if beta == 0.0:
        return xp.astype(x > -math.inf, xp.float64), 0.0
    if beta == math.inf:
        return xp.astype(x == top, xp.float64), 0.0
    down, beta, beta_low = _at_least_one(beta, beta_low)
    if down != 1.0:
        x, top = down * x, down * top
    # The rounding of the bound is harmless: below it β (x − top) ≤ -1000, above it ≥ -3000. Far
    # entries are replaced before the difference, which could overflow or be inf − inf.
    near = x >= top - _VANISHES / beta
    high, low = two_difference(xp.where(near, x, top), top)
    exponent, rest = _exponent(high, low, beta, beta_low)
    return xp.where(near, xp.exp(exponent), 0.0), rest


def _tail(x: Array, beta: float, beta_low: float, xp: Any) -> Array:
    """``exp(−β|x|)`` for finite β > 0."""
    down, beta, beta_low = _at_least_one(beta, beta_low)
    exponent, rest = _exponent(-xp.minimum(xp.abs(down * x), _VANISHES / beta), 0.0, beta, beta_low)
    e = xp.exp(exponent)
    return e + e * rest


def _at_least_one(beta: float, beta_low: float) -> tuple[float, float, float]:
    """Take a power of two out of β, to multiply the input by, so that β ≥ 1 is left.

    That multiplication is exact down to differences of 1e-323, which e^x cannot see. After it,
    differences can be taken before the product with β, and neither overflows.
    """
    if beta >= 1.0:
        return 1.0, beta, beta_low
    exponent = math.frexp(beta)[1] - 1
    return math.ldexp(1.0, exponent), math.ldexp(beta, -exponent), math.ldexp(beta_low, -exponent)


def _exponent(
    high: Array, low: Array | float, beta: float, beta_low: float
) -> tuple[Array, Array | float]:
    """``(beta + beta_low) (high + low)`` as its rounded value and the rest."""
    if beta == 1.0 and beta_low == 0.0:
        return high, low
    exponent, error = two_product(high, beta)
    return exponent, error + (beta * low + beta_low * high)


def _log_sum(terms: Array, rest: Array | float, is_top: Array, xp: Any) -> Array:
    """``ln Σ terms (1 + rest)``, where one of the maximisers, which are 1, goes into log1p."""
    others = xp.where(is_top, 0.0, terms)
    bound = xp.max(others, axis=-1, keepdims=True)
    total = accurate_sum(others, others * rest, bound, xp)
    ties = xp.sum(xp.astype(is_top, xp.float64), axis=-1, keepdims=True)
    return xp.log1p(total + xp.maximum(ties - 1.0, 0.0))


def _saturated(beta: float, half: Array, dtype: Any, xp: Any) -> Array:
    """``β · 2 half`` for half ≥ 0, at most the greatest number of a dtype."""
    greatest = (1.0 - 2.0**-52) * float(xp.finfo(dtype).max)
    return 2.0 * (beta * xp.minimum(half, 0.5 * greatest / beta))
