"""Reference values, identities and limits of the softmax family."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance, ulps

from opinionpool.activations import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax

INF = math.inf
F8 = np.float64
RNG = np.random.default_rng(20240611)
Z = RNG.normal(scale=4.0, size=(7, 6)) + 3.0
BETAS = [0.3, 1.0, 2.5, -0.7, -3.0]


# To 8 digits, with mpmath:
#   z = [1, 2, 3, 4, 1, 2, 3]; s = sum(mp.exp(v) for v in z); [mp.nstr(mp.exp(v)/s, 8) for v in z]
#   z = [mp.mpf(v)/10 for v in z]           and the same again
#   z = [0, 10], [mp.mpf(0)/100, mp.mpf(10)/100] and the same again
@pytest.mark.parametrize(
    ("z", "temperature", "expected"),
    [
        (
            [1, 2, 3, 4, 1, 2, 3],
            None,
            [0.02364054, 0.06426166, 0.1746813, 0.474833, 0.02364054, 0.06426166, 0.1746813],
        ),
        (
            [0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3],
            None,
            [0.12495305, 0.13809447, 0.152618, 0.16866897, 0.12495305, 0.13809447, 0.152618],
        ),
        ([0, 10], None, [4.53978687e-05, 0.99995460]),
        ([0, 10], 100, [0.47502081, 0.52497919]),
    ],
)
def test_reference_values(xp, z, temperature, expected):
    z = xp.asarray(z, dtype=xp.float64)
    assert_allclose(np.asarray(softmax(z, temperature=temperature)), expected, rtol=0, atol=1e-8)


# mp.mp.dps = 30
# mp.log(1 + mp.exp(-1)) + 2, mp.log(mp.exp(mp.mpf(1)/2) + mp.exp(1)) * 2
# -mp.log1p(mp.exp(-50)), 1/(1 + mp.exp(3)), -mp.log1p(mp.exp(-40))
def test_reference_values_of_the_relatives():
    assert_allclose(logsumexp([1.0, 2.0]), 2.3132616875182228340, **tolerance(F8))
    assert_allclose(logsumexp([1.0, 2.0], temperature=2), 2.9481539683602133617, **tolerance(F8))
    assert_allclose(log_softmax([0.0, -50.0])[0], -1.9287498479639177830e-22, **tolerance(F8))
    assert_allclose(sigmoid(-3.0), 0.047425873177566780879, **tolerance(F8))
    assert_allclose(log_sigmoid(40.0), -4.2483542552915889863e-18, **tolerance(F8))


@pytest.mark.parametrize("beta", BETAS)
def test_a_constant_changes_nothing(beta):
    z = np.round(Z * 1024) / 1024  # so that z + c is exact
    assert_array_equal(softmax(z + 512.0, beta=beta), softmax(z, beta=beta))
    assert_array_equal(log_softmax(z + 512.0, beta=beta), log_softmax(z, beta=beta))
    shifted = logsumexp(z, beta=beta) + 512.0
    assert_allclose(logsumexp(z + 512.0, beta=beta), shifted, **tolerance(F8))


@pytest.mark.parametrize("beta", BETAS)
def test_permuted_logits_give_permuted_probabilities(beta):
    order = RNG.permutation(Z.shape[1])
    for function in (softmax, log_softmax):
        permuted = function(Z[:, order], beta=beta)
        assert_allclose(permuted, function(Z, beta=beta)[:, order], **tolerance(F8))
    assert_allclose(logsumexp(Z[:, order], beta=beta), logsumexp(Z, beta=beta), **tolerance(F8))


@pytest.mark.parametrize("beta", [0.25, 4.0, -0.5, -8.0])
def test_scale_belongs_to_the_logits(beta):
    # Powers of two, so that βz is exact and the two sides may differ by rounding alone.
    assert_allclose(softmax(Z, beta=beta), softmax(beta * Z), **tolerance(F8))
    assert_allclose(log_softmax(Z, beta=beta), log_softmax(beta * Z), **tolerance(F8, 8))
    assert_allclose(logsumexp(Z, beta=beta), logsumexp(beta * Z) / beta, **tolerance(F8))
    assert_allclose(sigmoid(Z, beta=beta), sigmoid(beta * Z), **tolerance(F8))
    assert_allclose(log_sigmoid(Z, beta=beta), log_sigmoid(beta * Z), **tolerance(F8))
    assert not np.allclose(softmax(Z, beta=beta), softmax(Z))  # not scale invariant


def test_temperature_beta_and_base_name_the_same_scale():
    for function in (softmax, log_softmax, logsumexp, sigmoid, log_sigmoid):
        assert_array_equal(function(Z, beta=0.25), function(Z, temperature=4.0))
        assert_allclose(
            function(Z, base=2.0), function(Z, beta=math.log(2.0)), **tolerance(F8, 100)
        )
        assert_array_equal(function(Z), function(Z, beta=1.0))
    powers = np.asarray([3, 1, 5, 0])
    assert_allclose(softmax(powers, base=2), 2.0**powers / 43.0, **tolerance(F8))
    assert_allclose(softmax(powers, base=0.5), 32 * 0.5**powers / 53.0, **tolerance(F8))


@pytest.mark.parametrize("beta", BETAS)
def test_logsumexp_is_bounded_by_the_extreme(beta):
    value, slack = logsumexp(Z, beta=beta), math.log(Z.shape[1]) / beta
    extreme = Z.max(axis=-1) if beta > 0 else Z.min(axis=-1)
    lower, upper = sorted([extreme, extreme + slack], key=lambda bound: bound.sum())
    assert np.all(lower <= value)
    assert np.all(value <= upper)
    assert_allclose(logsumexp([[2.5] * 6], beta=beta), 2.5 + slack, **tolerance(F8))


@pytest.mark.parametrize("beta", BETAS)
def test_gradient_of_logsumexp_is_the_softmax(beta):
    step = 2.0**-17  # about the cube root of eps: truncation and rounding errors are alike
    for i in range(Z.shape[1]):
        bump = np.zeros(Z.shape[1])
        bump[i] = step
        slope = (logsumexp(Z + bump, beta=beta) - logsumexp(Z - bump, beta=beta)) / (2 * step)
        atol = beta**2 * step**2 + ulps(F8, 4) * abs(Z).max() / step
        assert_allclose(slope, softmax(Z, beta=beta)[:, i], rtol=0, atol=atol)


@pytest.mark.parametrize("beta", [*BETAS, 0.0, INF, -INF])
def test_two_outcomes_are_the_sigmoid(beta):
    x = np.concatenate([Z.ravel(), [0.0, -30.0, 700.0, -700.0, 1e300]])
    pairs = np.stack([np.zeros_like(x), x], axis=-1)
    assert_allclose(softmax(pairs, beta=beta)[:, 1], sigmoid(x, beta=beta), **tolerance(F8))
    assert_allclose(log_softmax(pairs, beta=beta)[:, 1], log_sigmoid(x, beta=beta), **tolerance(F8))


@pytest.mark.parametrize("beta", BETAS)
def test_logarithm_and_sum_fit_together(beta):
    p, logs = softmax(Z, beta=beta), log_softmax(Z, beta=beta)
    assert_allclose(np.exp(logs), p, **tolerance(F8, 4 + abs(logs).max()))
    partition = beta * logsumexp(Z, beta=beta, keepdims=True)
    assert_allclose(beta * Z - partition, logs, rtol=0, atol=ulps(F8, 4) * abs(beta * Z).max())
    assert_allclose(p.sum(axis=-1), 1.0, **tolerance(F8))


Q, H = 1 / 4, 1 / 2


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({"beta": INF}, [0, H, 0, 0, H]),
        ({"temperature": 0}, [0, H, 0, 0, H]),
        ({"base": INF}, [0, H, 0, 0, H]),
        ({"beta": -INF}, [1, 0, 0, 0, 0]),
        ({"beta": 0.0}, [Q, Q, Q, 0, Q]),
        ({"temperature": INF}, [Q, Q, Q, 0, Q]),
        ({"base": 1}, [Q, Q, Q, 0, Q]),
    ],
)
def test_limits_are_values(xp, scale, expected):
    z = xp.asarray([[-1.5, 2.5, 1.0, -INF, 2.5], [-1.5, 2.5, 1.0, -INF, 2.5]], dtype=xp.float64)
    assert_array_equal(np.asarray(softmax(z, **scale)), [expected, expected])
    logs = [math.log(p) if p else -INF for p in expected]
    assert_allclose(np.asarray(log_softmax(z, **scale)), [logs, logs], **tolerance(F8))


def test_logsumexp_tends_to_the_extremes():
    z = [-1.5, 2.5, 1.0, -INF, 2.5]
    assert (logsumexp(z, beta=INF), logsumexp(z, beta=-INF)) == (2.5, -1.5)
    assert_allclose(logsumexp(z, beta=1e5), 2.5 + math.log(2) / 1e5, **tolerance(F8))


@pytest.mark.parametrize("beta", [*BETAS, 0.0, INF, -INF, 1e300, -1e-300])
def test_masked_outcomes_are_no_outcomes(xp, beta):
    z = xp.asarray([[2.0, -INF, 3.5, -INF, -1.0], [-1e308, -INF, -1.7e308, 2.0, -INF]])
    for row, kept in ((0, [0, 2, 4]), (1, [0, 2, 3])):
        alone = xp.stack([z[row, i] for i in kept])
        masked = [i for i in range(5) if i not in kept]
        p = np.asarray(softmax(z, beta=beta))[row]
        logs = np.asarray(log_softmax(z, beta=beta))[row]
        assert_array_equal(p[masked], 0.0)
        assert_array_equal(logs[masked], -INF)
        assert_allclose(p[kept], np.asarray(softmax(alone, beta=beta)), **tolerance(F8))
        assert_allclose(logs[kept], np.asarray(log_softmax(alone, beta=beta)), **tolerance(F8))
        if beta:
            assert float(logsumexp(z, beta=beta)[row]) == float(logsumexp(alone, beta=beta))


LARGEST = float(np.finfo(F8).max)


@pytest.mark.parametrize("beta", [10.0, 1.0, -10.0, 0.5, LARGEST, -LARGEST])
@pytest.mark.parametrize("big", [1e308, LARGEST])
def test_nothing_overflows(beta, big):
    z = [big, -big, 0.0, big, -big]
    expected = [H, 0, 0, H, 0] if beta > 0 else [0, H, 0, 0, H]
    assert_array_equal(softmax(z, beta=beta), expected)
    logs = log_softmax(z, beta=beta)
    assert_allclose(np.exp(logs), expected, **tolerance(F8))
    assert np.all(np.isfinite(logs))  # −β·2e308 saturates: still an outcome
    assert_allclose(logsumexp(z, beta=beta), math.copysign(big, beta), **tolerance(F8))
    assert_array_equal(sigmoid(z, beta=beta), [beta > 0, beta < 0, 0.5, beta > 0, beta < 0])
    assert np.all(np.isfinite(log_sigmoid(z, beta=beta)))
    assert_array_equal(softmax([-LARGEST, -INF], beta=beta), [1.0, 0.0])


def test_float32_saturates_at_its_own_lowest_number():
    z = np.asarray([3e38, -3e38], np.float32)
    lowest = np.finfo(np.float32).min
    assert_array_equal(log_softmax(z, beta=3.0), np.asarray([0.0, lowest], np.float32))
    assert_array_equal(log_sigmoid(z, beta=3.0), np.asarray([0.0, lowest], np.float32))


def test_tiny_scale_of_huge_logits():
    # −1e308 − 1e308 overflows, but times 1e-308 it is −2.
    expected = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))]
    assert_allclose(softmax([1e308, -1e308], beta=1e-308), expected, **tolerance(F8))
    assert_allclose(softmax([1e308, -1e308], temperature=1e308), expected, **tolerance(F8))
    assert_allclose(softmax([1e-308, -1e-308], beta=1e308), expected, **tolerance(F8))
    assert_allclose(softmax([1e-308, -1e-308], temperature=1e-308), expected, **tolerance(F8))


def test_certainty_in_sigmoids():
    assert_array_equal(sigmoid([INF, -INF]), [1.0, 0.0])
    assert_array_equal(sigmoid([INF, -INF], beta=-2), [0.0, 1.0])
    assert_array_equal(sigmoid([INF, -INF, -3.0], beta=0), [0.5, 0.5, 0.5])
    assert_array_equal(sigmoid([INF, -INF, 3.0, 0.0], beta=INF), [1.0, 0.0, 1.0, 0.5])
    assert_array_equal(log_sigmoid([INF, -INF]), [0.0, -INF])
    assert_allclose(log_sigmoid([INF, -1.0, 0.0], beta=INF), [0.0, -INF, -math.log(2)])
    assert_allclose(log_sigmoid([3.0, INF], beta=0), -math.log(2), **tolerance(F8))


def test_one_outcome_if_allowed():
    assert_array_equal(softmax([[3.0], [-7.0]], allow_single=True), [[1.0], [1.0]])
    logs = log_softmax([[3.0], [-7.0]], beta=-2.0, allow_single=True)
    assert_array_equal(logs, [[0.0], [0.0]])
    assert not np.any(np.signbit(logs))
    assert_array_equal(logsumexp([[3.0], [-7.0]], temperature=3.0), [3.0, -7.0])
