"""The softmax of reinforcement learning and of statistical physics, for any array library."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

from .activations import softmax
from .checks import number, outcomes
from .errors import InputError
from .maths import softmax as maths
from .maths.blocks import in_blocks
from .maths.hosts import Array


class BoltzmannDistribution(NamedTuple):
    """Probabilities of states, and what normalises them.

    Attributes
    ----------
    probabilities : array, shape of the energies
        ``exp(−E/kT) / Z``.
    log_partition : array, shape of the energies without the states' axis
        ``ln Z = ln Σ exp(−E/kT)``; the free energy is ``−kT ln Z``.
    """

    probabilities: Array
    log_partition: Array


def boltzmann_policy(
    q_values: Any, temperature: float, *, axis: int = -1, allow_single: bool = False
) -> Array:
    """Probabilities of actions, ``P(a) = softmax(Q(a) / T)``: exploration by temperature.

    Parameters
    ----------
    q_values : array, shape (..., actions, ...)
        Values of the actions; -inf for those that are not available, which are never chosen.
    temperature : float
        T ≥ 0. At 0 the best actions are chosen, equally often, at inf all of them.
    axis : int
        Axis of the actions.
    allow_single : bool
        Accept a single action, as `softmax` does.

    Returns
    -------
    array, shape of `q_values`
        As exact as `softmax`; `opinionpool.sample` draws from ``q_values`` at the same
        temperature without it.

    Raises
    ------
    InputError
        For T < 0 and whatever `softmax` refuses.

    Notes
    -----
    Source: Sutton and Barto, *Reinforcement Learning* (2018), 2.8 and 13.1.

    Examples
    --------
    >>> q = [1.0, 2.0, float("-inf")]
    >>> print(boltzmann_policy(q, 10.0).round(3), boltzmann_policy(q, 0.1).round(3))
    [0.475 0.525 0.   ] [0. 1. 0.]
    """
    if number("temperature", temperature) < 0.0:
        raise InputError(f"temperature is {temperature}: it has to be ≥ 0 (0 is the greedy policy)")
    return softmax(q_values, temperature=temperature, axis=axis, allow_single=allow_single)


def boltzmann_distribution(energies: Any, kT: float, *, axis: int = -1) -> BoltzmannDistribution:
    """Thermal equilibrium: probabilities of states and the logarithm of the partition function.

    Parameters
    ----------
    energies : array, shape (..., states, ...)
        Energies E in the unit of `kT`; +inf for impossible states, which get probability 0.
    kT : float
        Boltzmann's constant times the temperature, > 0; inf makes all possible states alike.
    axis : int
        Axis of the states. A single one is welcome.

    Returns
    -------
    BoltzmannDistribution
        ``probabilities``, as exact as `softmax`, and ``log_partition``, as exact as the larger of
        −E₀/kT, with the lowest energy E₀, and the logarithm of the sum over excitations; ±inf
        where no float holds it.

    Raises
    ------
    InputError
        For kT ≤ 0, where the partition function has no limit; for NaN, energies of -inf and
        slices that are all +inf (`ProbabilityError`, which is one).

    Notes
    -----
    Source: Landau and Lifshitz, *Statistical Physics* (1980), § 28 and 31.

    Examples
    --------
    >>> p, log_z = boltzmann_distribution([0.0, 1.0, float("inf")], kT=1.0)
    >>> print(p.round(4), log_z.round(4))
    [0.7311 0.2689 0.    ] 0.3133
    """
    if number("kT", kT) <= 0.0:
        raise InputError(f"kT is {kT}: it has to be > 0, as ln Z has no limit at 0")
    x, how = outcomes(
        energies,
        axis,
        (kT, None, None),
        allow_single=True,
        name="energies",
        mask=math.inf,
    )
    if math.isinf(how["beta"]):
        raise InputError(f"kT is {kT}: its inverse is beyond what floats hold")
    x = -x
    probabilities = in_blocks(partial(maths.softmax, **how), x, how["axis"])
    log_z = in_blocks(partial(maths.log_partition, **how), x, how["axis"])
    return BoltzmannDistribution(probabilities, how["xp"].squeeze(log_z, axis=how["axis"]))
