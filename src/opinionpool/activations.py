"""The softmax family for any array library: checked doors to `opinionpool.maths.softmax`.

Arrays keep their library, device and precision, and derivatives pass through them; lists become
NumPy arrays. Inside is float64, but float32 for halves, and for float32 where a library or device
has nothing wider. The scale β of the inputs is given directly, as a temperature T = 1/β or as a
base b = e^β; ±inf, 0 and negative values of β are values like any other. Entries of -inf are masked
outcomes.

While JAX or PyTorch trace a function (`jax.jit`, `jax.vmap`, `torch.compile`, `torch.func.vmap`)
there are no values that could be checked: shapes, dtypes and scales are, NaN is not.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .checks import as_floats, outcomes, require_no_nan, scale_for
from .errors import InputError
from .maths import softmax as maths
from .maths.blocks import in_blocks
from .maths.hosts import Array


def softmax(
    z: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """Probabilities ``exp(β z_i) / Σ_j exp(β z_j)`` along an axis.

    Parameters
    ----------
    z : array, shape (..., K, ...)
        Logits of any size; -inf masks an outcome, which gets exactly 0 whatever β. Not changed.
    axis : int
        Axis of the K outcomes.
    temperature : float, optional
        T = 1/β ≥ 0. 0 shares the probability among the maximisers, inf is uniform.
    beta : float, optional
        β itself, of either sign: +inf is for the maximisers, -inf for the minimisers.
    base : float, optional
        b > 0 in ``b^z_i / Σ_j b^z_j``; 1 is uniform, and less prefers small values.
        At most one of the three is given; without any, β = 1.
    allow_single : bool
        Accept K = 1, whose softmax is identically 1 and mostly a bug.

    Returns
    -------
    array, shape of `z`
        Of the dtype of `z`, float64 for integers. Each entry is within 4 units in the last place
        of its exact value, whatever the dtype and the size of the logits.

    Raises
    ------
    InputError
        For impossible parameters, axes and dtypes; `ProbabilityError`, which is one, for NaN,
        +inf and slices that are all -inf.

    Notes
    -----
    Temperatures below 5.6e-309, whose inverse no float holds, count as 0. Where float32 is all
    there is inside, finite scales are between 1e-30 and 1e30.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs"
    (1990); Luce, "Individual choice behavior" (1959).

    Examples
    --------
    >>> softmax([0.0, 10.0], temperature=100).round(8)
    array([0.47502081, 0.52497919])
    >>> softmax([3.0, 1.0, 3.0], temperature=0)
    array([0.5, 0. , 0.5])
    """
    x, how = outcomes(z, axis, (temperature, beta, base), allow_single=allow_single)
    return in_blocks(partial(maths.softmax, **how), x, how["axis"])


def softargmin(
    z: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """Probabilities that prefer small values, such as costs: the softmax of ``−z``.

    Parameters
    ----------
    z : array, shape (..., K, ...)
        Values of any size; +inf, an infinite cost, masks an outcome. Not changed.
    axis, temperature, beta, base, allow_single
        As for `softmax`; at temperature 0 the minimisers share the probability.

    Returns
    -------
    array, shape of `z`
        As exact as `softmax`.

    Raises
    ------
    InputError
        As for `softmax`, but +inf is the mask here and -inf the error.

    Notes
    -----
    Source: Kendall et al., "End-to-end learning of geometry and context for deep stereo
    regression" (2017), where the name is that of the mean under these probabilities.

    Examples
    --------
    >>> softargmin([1.0, 3.0, 1.0, float("inf")], temperature=0)
    array([0.5, 0. , 0.5, 0. ])
    """
    scales = (temperature, beta, base)
    x, how = outcomes(z, axis, scales, allow_single=allow_single, mask=math.inf)
    return in_blocks(lambda block: maths.softmax(-block, **how), x, how["axis"])


def log_softmax(
    z: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """Log-probabilities ``β z_i − ln Σ_j exp(β z_j)`` along an axis.

    Parameters
    ----------
    z, axis, temperature, beta, base, allow_single
        As for `softmax`.

    Returns
    -------
    array, shape of `z`
        Accurate to a few units in the last place, also where the probability rounds to 0 or 1.
        At finite β only masked outcomes get -inf: what would be below the range of the dtype
        saturates at its lowest number, as an improbable outcome is still one.

    Raises
    ------
    InputError
        As for `softmax`.

    Notes
    -----
    Source: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax
    functions" (2021).

    Examples
    --------
    >>> print(log_softmax([0.0, -50.0]))
    [-1.92874985e-22 -5.00000000e+01]
    """
    x, how = outcomes(z, axis, (temperature, beta, base), allow_single=allow_single)
    return in_blocks(partial(maths.log_softmax, **how), x, how["axis"])


def logsumexp(
    z: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    keepdims: bool = False,
) -> Array:
    """Soft maximum ``β⁻¹ ln Σ_j exp(β z_j)`` along an axis, for β < 0 a soft minimum.

    Its gradient is the softmax, and of one number it is that number.

    Parameters
    ----------
    z, axis, temperature, beta, base
        As for `softmax`; at β = ±inf the value is the maximum or the minimum.
    keepdims : bool
        Keep the axis, with size 1.

    Returns
    -------
    array, shape of `z` without `axis`
        Masked entries do not contribute.

    Raises
    ------
    InputError
        As for `softmax`, but one outcome is welcome; and for β = 0 (infinite temperature, base 1),
        where there is no value: the limits are ±inf.

    Notes
    -----
    Near β = 0 the value is about ln K/β, and overflows to ±inf where no float holds that.
    With energies E as ``−E/kT`` this is the logarithm of the partition function.
    Source: Blanchard, Higham and Higham (2021), as for `log_softmax`.

    Examples
    --------
    >>> print(logsumexp([[1000.0, 1000.0], [3.0, float("-inf")]]))
    [1000.69314718    3.        ]
    """
    x, how = outcomes(z, axis, (temperature, beta, base), allow_single=True)
    if how["beta"] == 0.0:
        raise InputError(
            "the scale β is 0 (infinite temperature, base 1): logsumexp has no value there, it "
            "goes to +inf from above and to -inf from below"
        )
    result = in_blocks(partial(maths.logsumexp, keepdims=True, **how), x, how["axis"])
    return result if keepdims else how["xp"].squeeze(result, axis=how["axis"])


def sigmoid(
    x: Any,
    *,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
) -> Array:
    """Probability ``1 / (1 + exp(−βx))`` of a yes, elementwise: ``softmax([0, x])[1]``.

    Parameters
    ----------
    x : array or number
        Log-odds; ±inf are certainty. Not changed.
    temperature, beta, base
        As for `softmax`. β = ±inf is a step with ½ at 0; β = 0 is ½ everywhere.

    Returns
    -------
    array, shape of `x`
        Within 4 units in the last place on both tails.

    Raises
    ------
    InputError
        For impossible parameters and dtypes; `ProbabilityError`, which is one, for NaN.

    Notes
    -----
    Source: Cox, "The regression analysis of binary sequences" (1958).

    Examples
    --------
    >>> print(sigmoid([-700.0, 0.0, 700.0]))
    [9.85967654e-305 5.00000000e-001 1.00000000e+000]
    """
    values, xp = as_floats(x, "x")
    require_no_nan(values, "x", xp)
    how = scale_for(values, xp, temperature, beta, base)
    return in_blocks(partial(maths.sigmoid, **how), values)


def log_sigmoid(
    x: Any,
    *,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
) -> Array:
    """Logarithm of `sigmoid`, ``−ln(1 + exp(−βx))``, elementwise.

    Parameters
    ----------
    x, temperature, beta, base
        As for `sigmoid`.

    Returns
    -------
    array, shape of `x`
        Accurate to a few units in the last place on both tails; saturates like `log_softmax`.

    Raises
    ------
    InputError
        As for `sigmoid`.

    Notes
    -----
    Source: Mächler, "Accurately computing log(1 − exp(−|a|))" (2012).

    Examples
    --------
    >>> print(log_sigmoid([-1000.0, 40.0]))
    [-1.00000000e+03 -4.24835426e-18]
    """
    values, xp = as_floats(x, "x")
    require_no_nan(values, "x", xp)
    how = scale_for(values, xp, temperature, beta, base)
    return in_blocks(partial(maths.log_sigmoid, **how), values)
