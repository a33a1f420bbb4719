"""What the doors of the array functions check, and say when it does not hold.

Values are checked where there are any: not while JAX or PyTorch trace a function.
"""

from __future__ import annotations

import decimal
import math
import operator
from decimal import Decimal
from typing import Any, SupportsFloat

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from .errors import InputError, ProbabilityError
from .maths.hosts import Array, constant, from_numpy, halves, has_float64, known

_EXACT = decimal.Context(prec=50)  # for 1/T and ln b: two floats hold 32 digits


def outcomes(
    z: Any,
    axis: int,
    scales: tuple[float | None, float | None, float | None],
    *,
    allow_single: bool = False,
    name: str = "z",
    mask: float = -math.inf,
) -> tuple[Array, dict[str, Any]]:
    """Array of logits, and the keywords for the pure functions: axis, scale and namespace.

    Raises
    ------
    InputError
        As `as_floats`, `outcome_axis`, `require_outcomes` and `scale` do.
    """
    x, xp = as_floats(z, name)
    axis = outcome_axis(x, axis, allow_single=allow_single, name=name)
    require_outcomes(x, axis, xp, name=name, mask=mask)
    return x, {"axis": axis, **scale_for(x, xp, *scales)}


def as_floats(values: Any, name: str) -> tuple[Array, Any]:
    """Array of floats and its namespace; lists and integers become float64, or what comes next.

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
    elif isinstance(values, np.ndarray) and not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    xp = array_namespace(values)
    if xp.isdtype(values.dtype, "integral"):
        values = xp.astype(values, xp.float64 if has_float64(values, xp) else xp.float32)
    if values.dtype not in (xp.float64, xp.float32, *halves(xp)):
        raise InputError(
            f"{name} has dtype {values.dtype}: floats of at most 64 bits or integers are needed"
        )
    return values, xp


def as_partner(values: Any, name: str, z: Array, xp: Any) -> tuple[Array, Array]:
    """`z` and finite values of its shape, in the dtype that both go into; lists are converted.

    Raises
    ------
    InputError
        For another array library or shape, or dtypes that `as_floats` refuses too;
        `ProbabilityError`, which is one, for NaN and infinite values.
    """
    if not is_array_api_obj(values):
        values = xp.astype(from_numpy(as_floats(values, name)[0], z, xp), z.dtype)
    values, other = as_floats(values, name)
    if other is not xp:
        raise InputError(f"{name} is a {type(values)}, z a {type(z)}: one array library is needed")
    if tuple(values.shape) != tuple(z.shape):
        raise InputError(
            f"{name} has shape {tuple(values.shape)}: that of z, {tuple(z.shape)}, is needed"
        )
    odd = ~xp.isfinite(constant(values))
    if known(xp.any(odd)):
        raise ProbabilityError(f"{name}{_first(odd, xp)} is not finite: every entry has to be")
    common = xp.result_type(z.dtype, values.dtype)
    return xp.astype(z, common, copy=False), xp.astype(values, common, copy=False)


def outcome_axis(z: Array, axis: int, *, allow_single: bool, name: str = "z") -> int:
    """`axis` counted from the front, if it is one and has outcomes on it.

    Raises
    ------
    InputError
        For a 0-d array, an axis that is not there, or one of size 0 or, unless allowed, 1.
    """
    shape = tuple(z.shape)
    if not shape:
        raise InputError(
            f"{name} is a single number, not an array with an axis of outcomes; "
            "for a probability from one real number use opinionpool.sigmoid"
        )
    try:
        index = operator.index(axis)
    except TypeError as error:
        raise InputError(f"axis is {axis!r}: one integer is needed") from error
    if not -len(shape) <= index < len(shape):
        raise InputError(f"axis is {index}, but {name} of shape {shape} has {len(shape)} axes")
    index %= len(shape)
    if shape[index] == 0:
        raise InputError(f"axis {axis} of {name} has size 0 (its shape is {shape}): no outcomes")
    if shape[index] == 1 and not allow_single:
        raise InputError(
            f"axis {axis} of {name} has size 1 (its shape is {shape}): the softmax of one outcome "
            "is identically 1 with zero gradient. For a probability from one real number use "
            "opinionpool.sigmoid; allow_single=True if 1 is what is wanted"
        )
    return index


def require_outcomes(
    z: Array, axis: int, xp: Any, *, name: str = "z", mask: float = -math.inf
) -> None:
    """See that entries are numbers or the mask, and that every slice along `axis` has a number.

    Raises
    ------
    ProbabilityError
        For NaN, for the infinity that is no mask, or for a slice of masks, with its first place.
    """
    z = constant(z)
    best = xp.max(z, axis=axis) if mask < 0.0 else xp.min(z, axis=axis)
    if known(xp.all(xp.isfinite(best))) in (True, None):  # NaN propagates, so all is well
        return
    require_no_nan(z, name, xp)
    if xp.any(z == -mask):
        raise ProbabilityError(
            f"{name}{_first(z == -mask, xp)} is {-mask:+}: entries are finite, or {mask:+} for a "
            "masked outcome; for a certain outcome mask all others"
        )
    raise ProbabilityError(
        f"{name}{_first(best == mask, xp, without=axis)} has no outcome: all of its "
        f"{z.shape[axis]} entries are {mask:+}, and at least one has to be finite"
    )


def require_no_nan(x: Array, name: str, xp: Any) -> None:
    """See that every entry is a number, or infinite.

    Raises
    ------
    ProbabilityError
        For NaN, with the first place of it.
    """
    nan = xp.isnan(constant(x))
    if known(xp.any(nan)):
        raise ProbabilityError(f"{name}{_first(nan, xp)} is NaN: every entry has to be a number")


def scale_for(
    x: Array,
    xp: Any,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
) -> dict[str, Any]:
    """Keywords for the pure functions: the scale and the namespace.

    Raises
    ------
    InputError
        As `scale` does, and for what float32 cannot hold where that is all there is.
    """
    high, low = scale(temperature, beta, base)
    only_32 = x.dtype in halves(xp) or (x.dtype == xp.float32 and not has_float64(x, xp))
    if only_32 and 0.0 < abs(high) < math.inf and not 2.0**-100 < abs(high) < 2.0**100:
        raise InputError(
            f"the scale is β = {high}: {x.dtype} is computed in float32 here, which needs 0, ±inf "
            "or a size between 1e-30 and 1e30"
        )
    return {"beta": high, "beta_low": low, "xp": xp}


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
        found = number(name, value)
        if name == "beta":
            return found, 0.0
        if name == "temperature":
            return _inverse(found)
        return _logarithm(found)
    return 1.0, 0.0


def number(name: str, value: object) -> float:
    """One number as a float, NaN apart.

    Raises
    ------
    InputError
        For everything else, and for numbers that are traced or have derivatives.
    """
    try:
        if getattr(value, "requires_grad", False):
            raise TypeError("a number with derivatives")
        found = float(value) if isinstance(value, SupportsFloat) else math.nan
    except (TypeError, ValueError, RuntimeError) as error:  # several, or none yet
        raise InputError(
            f"{name} is {value!r}: one number is needed, known and without derivatives; "
            "to learn a scale or trace it multiply the logits by it"
        ) from error
    if math.isnan(found):
        raise InputError(f"{name} is {value!r}: a number is needed")
    return found


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
