"""What the doors of the array functions check, and say when it does not hold."""

from __future__ import annotations

import decimal
import math
import operator
from decimal import Decimal
from typing import Any, SupportsFloat

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from .errors import InputError, ProbabilityError
from .maths.error_free import Array

_EXACT = decimal.Context(prec=50)  # for 1/T and ln b: two floats hold 32 digits


def as_floats(values: Any, name: str) -> tuple[Array, Any]:
    """Array of float32 or float64 and its namespace; lists and integers become float64.

    Raises
    ------
    InputError
        For what is no array of real numbers, or of a precision that is not supported.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name} is a NumPy masked array: fill what is masked with -inf instead")
    if not is_array_api_obj(values):
        try:
            values = np.asarray(values)
        except ValueError as error:
            raise InputError(f"{name} is no regular array of numbers: {error}") from error
    xp = array_namespace(values)
    if xp.isdtype(values.dtype, "integral"):
        values = xp.astype(values, xp.float64)
    if not xp.isdtype(values.dtype, (xp.float32, xp.float64)):
        raise InputError(
            f"{name} has dtype {values.dtype}: float32, float64 or integers are needed"
        )
    return values, xp


def outcome_axis(z: Array, axis: int, *, allow_single: bool) -> int:
    """`axis` counted from the front, if it is one and has outcomes on it.

    Raises
    ------
    InputError
        For a 0-d array, an axis that is not there, or one of size 0 or, unless allowed, 1.
    """
    shape = tuple(z.shape)
    if not shape:
        raise InputError(
            "z is a single number, not an array with an axis of outcomes; "
            "for a probability from one real number use opinionpool.sigmoid"
        )
    try:
        index = operator.index(axis)
    except TypeError as error:
        raise InputError(f"axis is {axis!r}: one integer is needed") from error
    if not -len(shape) <= index < len(shape):
        raise InputError(f"axis is {index}, but z of shape {shape} has {len(shape)} axes")
    index %= len(shape)
    if shape[index] == 0:
        raise InputError(f"axis {axis} of z has size 0 (its shape is {shape}): no outcomes")
    if shape[index] == 1 and not allow_single:
        raise InputError(
            f"axis {axis} of z has size 1 (its shape is {shape}): the softmax of one outcome is "
            "identically 1 with zero gradient. For a probability from one real number use "
            "opinionpool.sigmoid; allow_single=True if 1 is what is wanted"
        )
    return index


def require_outcomes(z: Array, axis: int, xp: Any) -> None:
    """See that logits are numbers or -inf, and that every slice along `axis` has a number.

    Raises
    ------
    ProbabilityError
        For NaN, for +inf, or for a slice that is all -inf, with the first place of it.
    """
    top = xp.max(z, axis=axis)  # propagates NaN, so it tells at once that all is well
    if xp.all(xp.isfinite(top)):
        return
    require_no_nan(z, "z", xp)
    if xp.any(z == math.inf):
        raise ProbabilityError(
            f"z{_first(z == math.inf, xp)} is +inf: logits are finite, or -inf for a masked "
            "outcome; for a certain outcome mask all others"
        )
    raise ProbabilityError(
        f"z{_first(top == -math.inf, xp, without=axis)} has no outcome: all of its "
        f"{z.shape[axis]} entries are -inf, and at least one has to be finite"
    )


def require_no_nan(x: Array, name: str, xp: Any) -> None:
    """See that every entry is a number, or infinite.

    Raises
    ------
    ProbabilityError
        For NaN, with the first place of it.
    """
    nan = xp.isnan(x)
    if xp.any(nan):
        raise ProbabilityError(f"{name}{_first(nan, xp)} is NaN: every entry has to be a number")


def scale(
    temperature: float | None = None, beta: float | None = None, base: float | None = None
) -> tuple[float, float]:
    """β = `beta`, 1/T or ln b as a float and the rounding error of it; 1 if nothing is given.

    Raises
    ------
    InputError
        For several of them, NaN, what is no number, T < 0, or b ≤ 0.

    Examples
    --------
    >>> scale(temperature=0), scale(base=1), scale()
    ((inf, 0.0), (0.0, 0.0), (1.0, 0.0))
    """
    given = {"temperature": temperature, "beta": beta, "base": base}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are given: each sets the scale, give one of them")
    for name, value in given.items():
        number = _number(name, value)
        if name == "beta":
            return number, 0.0
        if name == "temperature":
            return _inverse(number)
        return _logarithm(number)
    return 1.0, 0.0


def _number(name: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, SupportsFloat) else math.nan
    except TypeError as error:  # an array of several
        raise InputError(f"{name} is {value!r}: one number is needed") from error
    if math.isnan(number):
        raise InputError(f"{name} is {value!r}: a number is needed")
    return number


def _inverse(temperature: float) -> tuple[float, float]:
    if temperature < 0.0:
        raise InputError(
            f"temperature is {temperature}: it has to be ≥ 0 (0 is the limit, all on the maximum); "
            "to prefer small values give a negative beta"
        )
    if temperature == 0.0:
        return math.inf, 0.0
    return _two_floats(_EXACT.divide(Decimal(1), Decimal(temperature)))


def _logarithm(base: float) -> tuple[float, float]:
    if base <= 0.0:
        raise InputError(f"base is {base}: it has to be > 0 (below 1 small values are preferred)")
    return _two_floats(_EXACT.ln(Decimal(base)))


def _two_floats(exact: Decimal) -> tuple[float, float]:
    high = float(exact)
    if math.isinf(high):
        return high, 0.0
    return high, float(_EXACT.subtract(exact, Decimal(high)))


def _first(mask: Array, xp: Any, without: int | None = None) -> str:
    """Index of the first true entry as one would type it; `without` is an axis to put back."""
    flat = int(xp.argmax(xp.astype(xp.reshape(mask, (-1,)), xp.int8)))
    index = [str(i) for i in np.unravel_index(flat, tuple(mask.shape))]
    if without is not None:
        index.insert(without, ":")
    return f"[{', '.join(index)}]" if index else ""
