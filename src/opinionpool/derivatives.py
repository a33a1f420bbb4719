"""Derivatives of the softmax for any array library: doors to `opinionpool.maths.derivatives`.

PyTorch and JAX differentiate `opinionpool.softmax` themselves; this is for everyone else, and for
products with the Jacobian, which need O(K) instead of O(K²).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .checks import as_partner, outcomes
from .errors import InputError
from .maths import derivatives as maths
from .maths.blocks import in_blocks
from .maths.hosts import Array


def softmax_jvp(
    z: Any,
    t: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """How the softmax changes when the logits move along `t`: ``β p ⊙ (t − p·t)``.

    Parameters
    ----------
    z : array, shape (..., K, ...)
        Logits, as for `softmax`; masked outcomes do not move.
    t : array, shape of `z`
        Direction, finite also where outcomes are masked.
    axis, temperature, beta, base, allow_single
        As for `softmax`, with finite β.

    Returns
    -------
    array, shape of `z`
        The Jacobian times `t`, in O(K) per slice, in the dtype that both go into. Entries keep
        their precision where p rounds to 1.

    Raises
    ------
    InputError
        As for `softmax`; for another shape of `t`; for β = ±inf (temperature 0), where the
        softmax jumps. `ProbabilityError`, which is one, where `t` is not finite.

    Notes
    -----
    Source: Bridle, "Training stochastic model recognition algorithms as networks can lead to
    maximum mutual information estimation of parameters" (1990).

    Examples
    --------
    >>> print(softmax_jvp([0.0, 50.0], [1.0, 0.0]))
    [ 1.92874985e-22 -1.92874985e-22]
    """
    return _product(z, t, "t", axis, (temperature, beta, base), allow_single)


def softmax_vjp(
    z: Any,
    g: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """Gradient with respect to the logits, from that with respect to the probabilities.

    Parameters
    ----------
    z : array, shape (..., K, ...)
        Logits, as for `softmax`; masked outcomes get gradient 0.
    g : array, shape of `z`
        Gradient of something with respect to ``softmax(z)``, finite.
    axis, temperature, beta, base, allow_single
        As for `softmax`, with finite β.

    Returns
    -------
    array, shape of `z`
        `g` times the Jacobian. As that is symmetric, these are the numbers of `softmax_jvp`.

    Raises
    ------
    InputError
        As for `softmax_jvp`.

    Notes
    -----
    Source: Bridle (1990), as for `softmax_jvp`.

    Examples
    --------
    >>> print(softmax_vjp([0.0, 0.0], [1.0, 0.0], beta=2.0))  # of the first probability
    [ 0.5 -0.5]
    """
    return _product(z, g, "g", axis, (temperature, beta, base), allow_single)


def softmax_jacobian(
    z: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
    allow_single: bool = False,
) -> Array:
    """Jacobian of the softmax, ``β (diag p − p pᵀ)``.

    Parameters
    ----------
    z : array, shape (..., K, ...)
        Logits, as for `softmax`; rows and columns of masked outcomes are 0.
    axis, temperature, beta, base, allow_single
        As for `softmax`, with finite β.

    Returns
    -------
    array, shape (..., K, K)
        Entry ``[..., i, j]`` is ``∂p_i/∂z_j``: the outcomes' axis is taken out, and two are added
        at the end. Every entry keeps its precision where p rounds to 1.

    Raises
    ------
    InputError
        As for `softmax`, and for β = ±inf (temperature 0), where the softmax jumps.

    Notes
    -----
    Source: Bridle (1990), as for `softmax_jvp`.

    Examples
    --------
    >>> print(softmax_jacobian([0.0, 0.0]))
    [[ 0.25 -0.25]
     [-0.25  0.25]]
    """
    x, how = outcomes(z, axis, (temperature, beta, base), allow_single=allow_single)
    _require_slope(how["beta"])
    return maths.softmax_jacobian(x, **how)


def _product(
    z: Any,
    t: Any,
    name: str,
    axis: int,
    scales: tuple[float | None, float | None, float | None],
    allow_single: bool,
) -> Array:
    x, how = outcomes(z, axis, scales, allow_single=allow_single)
    _require_slope(how["beta"])
    x, direction = as_partner(t, name, x, how["xp"])
    return in_blocks(partial(maths.softmax_jvp, **how), x, how["axis"], direction)


def _require_slope(beta: float) -> None:
    if math.isinf(beta):
        raise InputError(
            f"the scale is β = {beta} (temperature 0): the softmax is a step function there, with "
            "derivative 0 except at ties, where it has none"
        )
