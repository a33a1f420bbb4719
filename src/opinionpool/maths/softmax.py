"""The softmax family for any scale β, finite or infinite, of either sign.

Every function takes the array first, and by keyword the scale, the axis of the outcomes and the
array namespace; nothing is validated (`opinionpool.activations` is the door). Entries of -inf are
masked: they are no outcomes at all, for every β. NaN and +inf have no meaning here.

The scale is ``beta + beta_low``: 1/T and ln b are no floats, and an exponent of 700 would turn
their rounding into an error of hundreds of units in the last place. For the same reason the
differences and products inside the exponential keep their rounding errors, e^(a+r) = e^a (1 + r).
Accumulators are float64, or float32 for halves and where a library has nothing wider, and the
result has the dtype of the input.

Derivatives of any order pass through everything, also at ties: maximum and rounding errors are
constants, which is right as no result depends on them. Infinite entries are constants too. Where
an outcome has more than half of the probability, the others are referred to it, so that 1 − p is
never a difference.

Sources: Bridle (1990) for the softmax; Blanchard, Higham and Higham, "Accurately computing the
log-sum-exp and softmax functions" (2021), for the shift and for log1p of the sum without the
maximiser.
"""

from __future__ import annotations

import math
from typing import Any

from .error_free import accurate_sum, two_difference, two_product
from .hosts import Array, constant, differentiates, digits, wide, with_slope_of

# By binary digits: e^-1000 is 0 in float64, whose smallest positive number is e^-744.4, as is
# e^-128 in float32 with its e^-103.3.
_VANISHES = {53: 1000.0, 24: 128.0}


def softmax(
    z: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``exp(β z_i) / Σ_j exp(β z_j)``, shape of `z`; every slice needs an outcome."""
    return like(z, shares(z, beta, beta_low, axis, xp), axis, xp)


def shares(z: Array, beta: float, beta_low: float, axis: int, xp: Any) -> Array:
    """Softmax in the precision of the accumulators, with the outcomes on the last axis."""
    x, beta, beta_low = _standard(z, beta, beta_low, axis, xp)
    terms, rest = _terms(x, _top(x, xp), beta, beta_low, xp)
    if differentiates(terms):
        terms, _, _ = _referred(terms, xp)
    share = terms / accurate_sum(terms, terms * rest, 1.0, xp)
    return share + share * rest


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
    log_lead, dominant = None, None
    if differentiates(terms):
        terms, lead, dominant = _referred(terms, xp)
        log_lead = xp.log(lead)
    log_total = _log_sum(terms, rest, x == top, xp)
    if beta in (0.0, math.inf):
        return like(z, xp.where(terms > 0.0, 0.0 - log_total, -math.inf), axis, xp)
    masked = x == -math.inf
    half = 0.5 * top - 0.5 * xp.where(masked, top, x)
    # No error terms: both parts have one sign, so relative errors stay small. Not −(…): that is −0.
    below = _saturated(beta, half, z.dtype, xp)
    if dominant is not None:
        below = xp.where(dominant, 0.0, below + log_lead)
    logs = 0.0 - (below + log_total)
    return like(z, xp.where(masked, -math.inf, logs), axis, xp)


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
    value = xp.max(x, axis=-1, keepdims=True)
    if scale != math.inf:
        top = _top(x, xp)
        log_total = _log_sum(*_terms(x, top, scale, scale_low, xp), x == top, xp)
        value = constant(value) + log_total / scale
    value = like(z, math.copysign(1.0, beta) * value, axis, xp)
    return value if keepdims else xp.squeeze(value, axis=axis)


def log_partition(
    z: Array, *, beta: float = 1.0, beta_low: float = 0.0, axis: int = -1, xp: Any
) -> Array:
    """``ln Σ_j exp(β z_j)`` for finite β ≥ 0, shape of `z` with `axis` of size 1."""
    x, beta, beta_low = _standard(z, beta, beta_low, axis, xp)
    top = _top(x, xp)
    log_total = _log_sum(*_terms(x, top, beta, beta_low, xp), x == top, xp)
    return like(z, beta * top + (beta_low * top + log_total), axis, xp)


def sigmoid(x: Array, *, beta: float = 1.0, beta_low: float = 0.0, xp: Any) -> Array:
    """``1 / (1 + exp(−βx))`` elementwise, which is ``softmax_β([0, x])_1``; ±inf are values."""
    y, beta, beta_low = _ascending(x, beta, beta_low, xp)
    if beta == 0.0 or beta == math.inf:
        step = 0.5 + 0.5 * xp.sign(y) if beta else xp.full_like(y, 0.5)
        return xp.astype(_flat(step, xp.abs(y) < math.inf, y, 0.0, xp), x.dtype)
    tail = _tail(y, beta, beta_low, xp)
    return xp.astype(xp.where(y > 0.0, 1.0, tail) / (1.0 + tail), x.dtype)


def log_sigmoid(x: Array, *, beta: float = 1.0, beta_low: float = 0.0, xp: Any) -> Array:
    """``−ln(1 + exp(−βx))`` elementwise; -inf at -inf, and saturating like `log_softmax`."""
    y, beta, beta_low = _ascending(x, beta, beta_low, xp)
    if beta == 0.0 or beta == math.inf:
        step = (xp.sign(y) - 1.0) * math.log(2.0) if beta else xp.full_like(y, -math.log(2.0))
        step = xp.where(y < 0.0, -math.inf, step) if beta else step
        return xp.astype(_flat(step, xp.abs(y) < math.inf, y, 0.0, xp), x.dtype)
    certain = y == -math.inf
    # Not the minimum, whose derivative at 0 is not the one that fits to that of the tail.
    below = xp.where(certain | (y > 0.0), 0.0, y)
    below = _saturated(beta, -0.5 * below, x.dtype, xp)
    logs = 0.0 - (below + xp.log1p(_tail(y, beta, beta_low, xp)))
    return xp.astype(xp.where(certain, -math.inf, logs), x.dtype)


def _standard(
    z: Array, beta: float, beta_low: float, axis: int, xp: Any
) -> tuple[Array, float, float]:
    """Outcomes last, wide, β ≥ 0: softmax_β(z) = softmax_−β(−z), where masks stay masks."""
    x = move(wide(z, xp), axis, -1, xp)
    if beta < 0.0:
        return xp.where(x == -math.inf, x, -x), -beta, -beta_low
    return x, beta, beta_low


def _ascending(x: Array, beta: float, beta_low: float, xp: Any) -> tuple[Array, float, float]:
    """Wide and β ≥ 0: sigmoid(βx) depends on the product only."""
    x = wide(x, xp)
    return (-x, -beta, -beta_low) if beta < 0.0 else (x, beta, beta_low)


def like(z: Array, result: Array, axis: int, xp: Any) -> Array:
    """Put the outcomes on an axis again, and give the result the dtype of `z`."""
    return xp.astype(move(result, -1, axis, xp), z.dtype, copy=False)


def move(x: Array, source: int, target: int, xp: Any) -> Array:
    """Take an axis to another place; by permuting, which more libraries can trace."""
    source, target = source % x.ndim, target % x.ndim
    if source == target:
        return x
    order = [a for a in range(x.ndim) if a != source]
    order.insert(target, source)
    return xp.permute_dims(x, tuple(order))


def _top(x: Array, xp: Any) -> Array:
    """Greatest outcome of every slice; 0, which masks compare with well, where there is none."""
    top = constant(xp.max(x, axis=-1, keepdims=True))
    return xp.where(top == -math.inf, 0.0, top)


def _terms(
    x: Array, top: Array, beta: float, beta_low: float, xp: Any
) -> tuple[Array, Array | float]:
    """``exp(β (x − top)) = e (1 + rest)`` as (e, rest) for β ≥ 0; 0 or 1 at β = 0 and +inf."""
    if beta == 0.0 or beta == math.inf:
        chosen = x == top if beta else x > -math.inf
        return _flat(xp.astype(chosen, x.dtype), x > -math.inf, x, top, xp), 0.0
    down, beta, beta_low = _at_least_one(beta, beta_low)
    if down != 1.0:
        x, top = down * x, down * top
    # The rounding of the bound is harmless: below it β (x − top) ≤ -1000, above it ≥ -3000. Far
    # entries are replaced before the difference, which could overflow or be inf − inf.
    vanishes = _VANISHES[digits(x, xp)] / beta
    near = x >= top - vanishes
    high, low = two_difference(xp.where(near, x, top), top)
    exponent, rest = _exponent(high, low, beta, beta_low, 3.0 * vanishes, xp)
    return xp.where(near, xp.exp(exponent), 0.0), rest


def _referred(terms: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Terms over that of a dominant outcome, its term, and where it is; all else is over 1.

    As the greatest term is 1 anyway, this changes derivatives only, and those by rounding only:
    the dominant outcome's is no longer what is left when all of them are added up.
    """
    plain = constant(terms)
    dominant = plain > 0.5 * xp.sum(plain, axis=-1, keepdims=True)
    lead = 1.0 + xp.sum(xp.where(dominant, terms - plain, 0.0), axis=-1, keepdims=True)
    return xp.where(dominant, 1.0, terms / lead), lead, dominant


def _flat(steps: Array, finite: Array, x: Array, other: Array | float, xp: Any) -> Array:
    """Give `steps`, which change with `x` in jumps only, the derivative 0 instead of none."""
    return with_slope_of(0.0 * xp.where(finite, x, other), steps)


def _tail(x: Array, beta: float, beta_low: float, xp: Any) -> Array:
    """``exp(−β|x|)`` for finite β > 0; the derivative at 0 is that from below."""
    down, beta, beta_low = _at_least_one(beta, beta_low)
    vanishes = _VANISHES[digits(x, xp)] / beta
    size = xp.minimum(xp.where(x > 0.0, down * x, -down * x), vanishes)
    exponent, rest = _exponent(-size, 0.0, beta, beta_low, vanishes, xp)
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
    high: Array, low: Array | float, beta: float, beta_low: float, bound: float, xp: Any
) -> tuple[Array, Array | float]:
    """``(beta + beta_low) (high + low)`` as its rounded value and the rest."""
    if beta == 1.0 and beta_low == 0.0:
        return high, low
    exponent, error = two_product(high, beta, bound, digits(high, xp))
    return exponent, constant(error + (beta * low + beta_low * high))


def _log_sum(terms: Array, rest: Array | float, is_top: Array, xp: Any) -> Array:
    """``ln Σ terms (1 + rest)``, where one of the maximisers, which are 1, goes into log1p."""
    is_top = xp.astype(is_top, terms.dtype)
    others = terms - is_top  # not where(…), as maximisers have derivatives
    bound = xp.max(others, axis=-1, keepdims=True)
    total = accurate_sum(others, others * rest, bound, xp)
    ties = xp.sum(is_top, axis=-1, keepdims=True)
    return xp.log1p(total + xp.maximum(ties - 1.0, 0.0))


def _saturated(beta: float, half: Array, dtype: Any, xp: Any) -> Array:
    """``β · 2 half`` for half ≥ 0, at most the greatest number of a dtype."""
    greatest = (1.0 - 2.0 ** (1 - digits(half, xp))) * float(xp.finfo(dtype).max)
    size = xp.minimum(half, min(0.5 * greatest / beta, float(xp.finfo(half.dtype).max)))
    return 2.0 * (beta * with_slope_of(half, size))
