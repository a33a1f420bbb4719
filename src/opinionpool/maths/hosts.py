"""What array libraries do in their own ways: derivatives, compilation, precision.

No library is imported here that the array at hand has not brought along already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import device, is_jax_array, is_jax_namespace, is_torch_array

Array: TypeAlias = Any  # of any library that follows the array API standard

_PLAIN = (np.ndarray, float)  # nothing to do, and nothing to look up, for every block of a job


def constant(x: Array) -> Array:
    """`x`, which no derivative passes through.

    For what a result does not depend on, such as the point from which differences are taken, and
    for rounding errors: their derivatives are 0, and automatic differentiation would find that
    out the long way, or at ties not at all.
    """
    if isinstance(x, _PLAIN):
        return x
    if is_torch_array(x):
        return x.detach()
    if is_jax_array(x):
        import jax

        return jax.lax.stop_gradient(x)
    return x


def differentiates(x: Array) -> bool:
    """Whether the library of an array has derivatives."""
    return not isinstance(x, _PLAIN) and (is_torch_array(x) or is_jax_array(x))


def with_slope_of(x: Array, value: Array) -> Array:
    """`value`, whose derivatives are those of the finite `x`.

    For what is cut off where floats end, or is constant: a derivative should be there even so.
    """
    return constant(value) + (x - constant(x)) if differentiates(x) else value


def rounded(x: Array) -> Array:
    """`x`, as a float: JAX's compiler otherwise takes (x + c) − c for x."""
    if isinstance(x, _PLAIN) or not is_jax_array(x):
        return x
    import jax

    kind = jax.numpy.finfo(x.dtype)
    return jax.lax.reduce_precision(x, exponent_bits=int(kind.nexp), mantissa_bits=int(kind.nmant))


def digits(x: Array, xp: Any) -> int:
    """Binary digits of a float32 or float64."""
    if isinstance(x, np.ndarray):
        return 24 if x.itemsize == 4 else 53
    return 24 if x.dtype == xp.float32 else 53


def wide(x: Array, xp: Any) -> Array:
    """`x` in the precision of its accumulators: float32 for halves, else float64 if there is one.

    JAX has no float64 unless its user switched it on, and some devices have none.
    """
    if x.dtype in halves(xp):
        return xp.astype(x, xp.float32)
    if x.dtype == xp.float32 and not has_float64(x, xp):
        return x
    return xp.astype(x, xp.float64, copy=False)


def halves(xp: Any) -> tuple[Any, ...]:
    """Dtypes of 16 bits that a library has."""
    return tuple(getattr(xp, n) for n in ("float16", "bfloat16") if hasattr(xp, n))


def has_float64(x: Array, xp: Any) -> bool:
    """Whether arrays like `x` may have 64 bits."""
    if is_torch_array(x):
        return _device_has_float64(xp, x.device)
    if is_jax_namespace(xp):  # a switch that may be turned, so nothing to remember
        return "float64" in xp.__array_namespace_info__().dtypes(kind="real floating")
    return True


@lru_cache
def _device_has_float64(xp: Any, where: Any) -> bool:
    try:
        xp.empty((0,), dtype=xp.float64, device=where)
    except (TypeError, RuntimeError):
        return False
    return True


def known(condition: Array) -> bool | None:
    """Whether a condition holds; None while a function is traced, when values are not there yet.

    That is inside `jax.jit` and `jax.vmap`, `torch.compile` and `torch.func.vmap`.
    """
    if is_torch_array(condition):
        import torch

        if torch.compiler.is_compiling():
            return None
        try:
            return bool(condition)
        except RuntimeError as error:
            if "vmap" in str(error):
                return None
            raise
    if is_jax_array(condition):
        import jax

        try:
            return bool(condition)
        except jax.errors.ConcretizationTypeError:
            return None
    return bool(condition)


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Values on the host machine, without derivatives."""
    return np.asarray(x.detach().cpu() if is_torch_array(x) else x)


def from_numpy(values: np.ndarray[Any, Any], like: Array, xp: Any) -> Array:
    """Give values to the library and the device of another array."""
    if isinstance(like, np.ndarray):
        return values
    if is_jax_namespace(xp):
        import jax

        return jax.device_put(values, device(like))
    return xp.asarray(values, device=device(like))
