"""Draws from a softmax, for any array library: the checked door to `opinionpool.maths.sampling`."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .checks import outcomes
from .errors import InputError
from .maths.hosts import Array, from_numpy, known, to_numpy, wide
from .maths.sampling import gumbel_max
from .maths.softmax import log_softmax


def sample(
    logits: Any,
    *,
    rng: np.random.Generator | int,
    size: int | tuple[int, ...] | None = None,
    axis: int = -1,
    temperature: float | None = None,
    beta: float | None = None,
    base: float | None = None,
) -> Array:
    """Draw outcomes with the probabilities ``softmax(logits)``.

    Parameters
    ----------
    logits : array, shape (..., K, ...)
        As for `softmax`; log-probabilities are logits too. Outcomes of -inf are never drawn.
    rng : numpy.random.Generator or int
        Where randomness comes from. A generator goes on, a seed gives the same draws every time;
        there is no hidden state.
    size : int or tuple of int, optional
        Independent draws from every slice; one if not given.
    axis, temperature, beta, base
        As for `softmax`: at temperature 0 the maximisers are drawn, equally often. One outcome is
        welcome.

    Returns
    -------
    array of integers, shape `size` followed by that of `logits` without `axis`
        Places of the outcomes on the axis, in the library and on the device of `logits`. The same
        generator gives the same draws whatever the library.

    Raises
    ------
    InputError
        As for `softmax`, for a `size` or `rng` that is none, and inside `jax.jit` and its like,
        where draws would be made once and for all. `ProbabilityError`, which is one, for NaN,
        +inf and slices that are all -inf.

    Notes
    -----
    The greatest of log-probabilities with Gumbel noise is drawn, in O(K) per draw.
    Source: Gumbel (1954); Maddison, Tarlow and Minka, "A* sampling" (2014).

    Examples
    --------
    >>> draws = sample([0.0, 1.0, float("-inf")], size=1000, rng=0)
    >>> print(np.bincount(draws, minlength=3) / 1000)  # softmax: 0.269, 0.731, 0
    [0.288 0.712 0.   ]
    """
    x, how = outcomes(logits, axis, (temperature, beta, base), allow_single=True, name="logits")
    xp = how["xp"]
    if known(xp.any(x > -math.inf)) is None:
        raise InputError(
            "logits are traced, without values to draw from: draws of a traced function would be "
            "the same at every call. Draw outside of it, or with the library's own random keys"
        )
    shape = _shape(size)
    logs = np.moveaxis(to_numpy(log_softmax(wide(x, xp), **how)), how["axis"], -1)
    found = gumbel_max(logs.reshape(-1, logs.shape[-1]), math.prod(shape), _generator(rng))
    return from_numpy(found.reshape((*shape, *logs.shape[:-1])), x, xp)


def _generator(rng: Any) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise InputError(
        f"rng is {rng!r}: a numpy.random.Generator or a seed, an integer ≥ 0, is needed"
    )


def _shape(size: Any) -> tuple[int, ...]:
    if size is None:
        return ()
    try:
        shape = tuple(operator.index(n) for n in (size if isinstance(size, tuple) else (size,)))
    except TypeError as error:
        raise InputError(f"size is {size!r}: an integer or a tuple of them is needed") from error
    if min(shape, default=0) < 0:
        raise InputError(f"size is {size!r}: it has to be ≥ 0")
    return shape
