"""Policies with a temperature, costs, and statistical mechanics of small systems."""

import math

import exact
import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool import (
    BoltzmannDistribution,
    boltzmann_distribution,
    boltzmann_policy,
    logsumexp,
    sigmoid,
    softargmin,
    softmax,
)
from opinionpool.errors import InputError, ProbabilityError

INF = math.inf
F8 = np.float64
RNG = np.random.default_rng(42)
E = RNG.normal(scale=5.0, size=(6, 4))


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 40.0])
def test_policy_is_the_softmax_of_values_over_temperature(host, temperature):
    q = host.array([[1.0, 2.0, -INF, 0.5], [0.0, 0.0, 0.0, 0.0]])
    found = boltzmann_policy(q, temperature)
    assert type(found) is type(q)
    right = softmax(host.numpy(q).astype(float) / temperature)
    assert_allclose(host.numpy(found), right, rtol=2e-5, atol=1e-37)
    assert host.numpy(found)[0, 2] == 0.0


def test_policy_from_greedy_to_random():
    q = [1.0, 3.0, 3.0, -INF]
    assert_array_equal(boltzmann_policy(q, 0), [0, 0.5, 0.5, 0])
    assert_allclose(boltzmann_policy(q, INF), [1 / 3, 1 / 3, 1 / 3, 0], rtol=ulps(F8, 1))
    best = [boltzmann_policy(q, t)[1] for t in (10.0, 3.0, 1.0, 0.3, 0.1)]
    assert best == sorted(best)
    assert_array_equal(boltzmann_policy(np.asarray([q, q]).T, 0, axis=0).T, [[0, 0.5, 0.5, 0]] * 2)


@pytest.mark.parametrize(
    ("temperature", "message"),
    [(-1, "temperature is -1: it has to be ≥ 0"), (math.nan, "nan"), (None, "None"), ("x", "'x'")],
)
def test_policies_that_are_none(temperature, message):
    with pytest.raises(InputError, match=message):
        boltzmann_policy([1.0, 2.0], temperature)


def test_policy_refuses_what_softmax_refuses():
    with pytest.raises(ProbabilityError, match="has no outcome"):
        boltzmann_policy([-INF, -INF], 1.0)
    with pytest.raises(InputError, match="allow_single"):
        boltzmann_policy([1.0], 1.0)
    assert boltzmann_policy([1.0], 1.0, allow_single=True) == 1.0


@pytest.mark.parametrize("kt", [0.025, 1.0, 300.0])
def test_distribution_against_arbitrary_precision(kt):
    for row in E:
        found = boltzmann_distribution(row, kt)
        assert isinstance(found, BoltzmannDistribution)
        with mp.workdps(exact.DIGITS):
            beta = 1 / mp.mpf(kt)
            right = exact.softmax(-row, beta)
            log_z = exact.log_total(-row, beta) - beta * mp.mpf(row.min())
            larger = max(abs(float(beta * mp.mpf(row.min()))), float(exact.log_total(-row, beta)))
            assert abs(mp.mpf(float(found.log_partition)) - log_z) <= 4 * np.spacing(larger)
        assert exact.ulps_off(found.probabilities, right) <= 4.0


def test_distribution_in_every_library(host):
    right = boltzmann_distribution(E, 1.7, axis=0)
    assert_allclose(right.log_partition, logsumexp(-E / 1.7, axis=0), rtol=1e-14)
    for dtype in host.floats:
        energies = host.array(E, dtype)
        p, log_z = boltzmann_distribution(energies, 1.7, axis=0)
        assert p.dtype == log_z.dtype == energies.dtype
        exactly = boltzmann_distribution(host.numpy(energies).astype(float), 1.7, axis=0)
        eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype) or float(np.finfo(dtype).eps)
        assert_allclose(host.numpy(p), exactly.probabilities, rtol=4 * eps, atol=2.0**-24)
        assert_allclose(host.numpy(log_z), exactly.log_partition, rtol=2 * eps, atol=2 * eps)
    assert tuple(log_z.shape) == (4,)


def test_impossible_states(host):
    p, log_z = boltzmann_distribution(host.array([0.0, INF, 0.0]), 2.0)
    assert host.numpy(p).tolist() == [0.5, 0.0, 0.5]
    assert_allclose(host.numpy(log_z), math.log(2), rtol=1e-6)


def test_limits_and_shifts():
    p, log_z = boltzmann_distribution([3.0, 9.0, INF, -5.0], INF)
    assert_allclose(p, [1 / 3, 1 / 3, 0, 1 / 3], rtol=ulps(F8, 1))
    assert_allclose(log_z, math.log(3), rtol=ulps(F8, 2))
    p, log_z = boltzmann_distribution([1000.0, 1010.0], 0.5)  # Z itself would be 0
    assert_allclose(log_z, -2000.0 + math.exp(-20), rtol=ulps(F8, 2))
    assert_allclose(p[1], math.exp(-20) / (1 + math.exp(-20)), rtol=1e-14)
    p, log_z = boltzmann_distribution([7.0], 2.0)
    assert (p.item(), log_z.item()) == (1.0, -3.5)
    assert boltzmann_distribution([1e308, -1e308], 1e300).probabilities.tolist() == [0.0, 1.0]


def test_mean_energy_is_a_derivative_of_the_log_partition_function():
    step = 1e-6
    higher, lower = (
        boltzmann_distribution(E, 1 / b).log_partition for b in (0.8 + step, 0.8 - step)
    )
    p = boltzmann_distribution(E, 1 / 0.8).probabilities
    assert_allclose(-(higher - lower) / (2 * step), (p * E).sum(axis=-1), rtol=1e-7)


def test_two_levels_are_a_sigmoid():
    p = boltzmann_distribution([0.0, 0.3], 0.1).probabilities
    assert_allclose(p[1], sigmoid(-0.3, temperature=0.1), rtol=ulps(F8, 4))


@pytest.mark.parametrize(
    ("kt", "message"),
    [
        (0.0, "kT is 0.0: it has to be > 0, as ln Z has no limit"),
        (-1.0, "kT is -1.0: it has to be > 0"),
        (math.nan, "kT is nan: a number"),
        (None, "kT is None: a number"),
        (1e-310, "kT is 1e-310: its inverse is beyond"),
    ],
)
def test_temperatures_without_a_partition_function(kt, message):
    with pytest.raises(InputError, match=message):
        boltzmann_distribution([0.0, 1.0], kt)


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        ([0.0, -INF], r"energies\[1\] is -inf: entries are finite, or \+inf for a masked"),
        ([INF, INF], r"energies\[:\] has no outcome: all of its 2 entries are \+inf"),
        ([0.0, math.nan], r"energies\[1\] is NaN"),
        (3.0, "energies is a single number"),
        ([True, False], "energies has dtype bool"),
    ],
)
def test_energies_that_are_none(energies, message):
    with pytest.raises(InputError, match=message):
        boltzmann_distribution(energies, 1.0)


def test_costs(host):
    z = host.array([[1.0, INF, 1.0, 4.0], [2.0, 3.0, 0.5, 0.5]])
    plain = host.numpy(z).astype(float)
    for scale in ({}, {"temperature": 0}, {"beta": -2}, {"base": 3}):
        found = softargmin(z, **scale)
        assert type(found) is type(z)
        assert_allclose(host.numpy(found), softmax(-plain, **scale), rtol=2e-6)
    assert host.numpy(softargmin(z, temperature=0)).tolist() == [[0.5, 0, 0.5, 0], [0, 0, 0.5, 0.5]]


def test_costs_that_are_none():
    with pytest.raises(ProbabilityError, match=r"z\[0\] is -inf"):
        softargmin([-INF, 1.0])
    with pytest.raises(ProbabilityError, match=r"no outcome: all of its 2 entries are \+inf"):
        softargmin([INF, INF])
    with pytest.raises(InputError, match="sigmoid"):
        softargmin([1.0])
