"""Property tests of the softmax family against arbitrary precision."""

import math

import exact
import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from opinionpool.activations import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax

fixed = settings(derandomize=True, deadline=None, max_examples=200)
unit = st.floats(-1, 1)
masked = st.just(-math.inf)
decades = st.floats(-300, 300)
LIMIT = 4.0


@st.composite
def rows(draw, entries=unit):
    """Logits of one magnitude between 1e-300 and 1e300, mixed with ordinary ones and masks."""
    size = 10.0 ** draw(decades)
    entry = entries.map(lambda v: size * v) | st.floats(-800, 800) | masked
    z = draw(st.lists(entry, min_size=2, max_size=10))
    assume(max(z) > -math.inf)
    return z


@st.composite
def scaled_rows(draw):
    """Logits of one magnitude and a scale that makes exponents of up to a thousand of them."""
    size = 10.0 ** draw(decades)
    z = [size * v for v in draw(st.lists(unit, min_size=2, max_size=10))]
    scale = 10.0 ** draw(st.floats(-2, 3)) / size
    assume(1e-307 < scale < 1e307)
    return z, scale


def close_to_a_common_offset():
    """Logits whose differences matter, but do not fit a float: −700 + 1e-3, 1e5 + π, …"""
    return st.tuples(st.floats(-1e6, 1e6), st.lists(st.floats(-745, 745), min_size=1, max_size=9))


@fixed
@given(rows())
def test_softmax_of_any_magnitude(z):
    assert exact.ulps_off(softmax(z), exact.softmax(z)) <= LIMIT
    assert exact.ulps_off(log_softmax(z), exact.log_softmax(z)) <= LIMIT


@fixed
@given(close_to_a_common_offset())
def test_differences_that_no_float_holds(case):
    offset, differences = case
    z = [offset, *(offset + d for d in differences)]
    assert exact.ulps_off(softmax(z), exact.softmax(z)) <= LIMIT
    assert exact.ulps_off(log_softmax(z), exact.log_softmax(z)) <= LIMIT


@fixed
@given(scaled_rows(), st.sampled_from([1, -1]))
def test_any_beta(case, sign):
    z, beta = case[0], sign * case[1]
    assert exact.ulps_off(softmax(z, beta=beta), exact.softmax(z, mp.mpf(beta))) <= LIMIT
    assert exact.ulps_off(log_softmax(z, beta=beta), exact.log_softmax(z, mp.mpf(beta))) <= LIMIT


@fixed
@given(scaled_rows())
def test_any_temperature(case):
    z, temperature = case[0], 1.0 / case[1]
    with mp.workdps(exact.DIGITS):
        beta = 1 / mp.mpf(temperature)
    assert exact.ulps_off(softmax(z, temperature=temperature), exact.softmax(z, beta)) <= LIMIT
    logs = log_softmax(z, temperature=temperature)
    assert exact.ulps_off(logs, exact.log_softmax(z, beta)) <= LIMIT


@fixed
@given(st.floats(0.01, 100), st.lists(st.floats(-500, 500) | masked, min_size=2, max_size=10))
def test_any_base(base, z):
    assume(max(z) > -math.inf)
    with mp.workdps(exact.DIGITS):
        beta = mp.log(mp.mpf(base))
    assert exact.ulps_off(softmax(z, base=base), exact.softmax(z, beta)) <= LIMIT
    assert exact.ulps_off(log_softmax(z, base=base), exact.log_softmax(z, beta)) <= LIMIT


@fixed
@given(rows(), st.sampled_from([1.0, 0.1, 7.0, -1.0, -0.3]))
def test_logsumexp_is_as_exact_as_its_larger_part(z, beta):
    with mp.workdps(exact.DIGITS):
        extreme = (max if beta > 0 else min)(v for v in z if v > -math.inf)
        excess = exact.log_total(z, mp.mpf(beta)) / mp.mpf(beta)
        right = mp.fadd(extreme, excess, exact=True)
        larger = max(abs(extreme), abs(float(excess)))
        error = abs(mp.fsub(float(logsumexp(z, beta=beta)), right, exact=True))
        assert error <= LIMIT * float(np.spacing(larger))


@fixed
@given(st.floats(-800, 800) | st.floats(allow_nan=False, allow_infinity=False))
def test_sigmoids(x):
    assert exact.ulps_off(sigmoid(x), [exact.sigmoid(x)]) <= LIMIT
    assert exact.ulps_off(log_sigmoid(x), [exact.log_sigmoid(x)]) <= LIMIT


@fixed
@given(scaled_rows(), st.sampled_from([1, -1]))
def test_scaled_sigmoids(case, sign):
    x, beta = case[0], sign * case[1]
    right = [exact.sigmoid(v, mp.mpf(beta)) for v in x]
    assert exact.ulps_off(sigmoid(x, beta=beta), right) <= LIMIT
    right = [exact.log_sigmoid(v, mp.mpf(beta)) for v in x]
    assert exact.ulps_off(log_sigmoid(x, beta=beta), right) <= LIMIT


@fixed
@given(st.floats(0.01, 100), st.lists(st.floats(-500, 500), min_size=1, max_size=10))
def test_sigmoids_of_any_base(base, x):
    with mp.workdps(exact.DIGITS):
        beta = mp.log(mp.mpf(base))
    right = [exact.sigmoid(v, beta) for v in x]
    assert exact.ulps_off(sigmoid(x, base=base), right) <= LIMIT
    right = [exact.log_sigmoid(v, beta) for v in x]
    assert exact.ulps_off(log_sigmoid(x, base=base), right) <= LIMIT


@fixed
@given(st.floats(0.01, 100), st.floats(100, 700))
def test_logsumexp_that_is_all_excess(temperature, gap):
    with mp.workdps(exact.DIGITS):
        beta = 1 / mp.mpf(temperature)
        right = exact.log_total([0.0, -gap * temperature], beta) / beta
    found = logsumexp([0.0, -gap * temperature], temperature=temperature)
    assert exact.ulps_off(found, [right]) <= LIMIT


@fixed
@given(st.lists(st.floats(-100, 100, width=32) | masked, min_size=2, max_size=10))
def test_float32_is_computed_in_float64(z):
    assume(max(z) > -math.inf)
    z = np.asarray(z, np.float32)
    for function, right in ((softmax, exact.softmax), (log_softmax, exact.log_softmax)):
        found = function(z)
        assert found.dtype == np.float32
        assert exact.ulps_off(found, right(z)) <= 1.0  # half a unit, but for subnormal ties


def test_subnormal_probabilities():
    z = [0.0, -710.0, -740.0, -745.0, -746.0]
    assert exact.ulps_off(softmax(z), exact.softmax(z)) <= 1.0
    assert softmax(z)[3] == sigmoid(-745.0) == 5e-324


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("outcomes", [1000, 20_000])
def test_many_outcomes_in_any_layout(outcomes, axis):
    # A running sum drifts: a thousand times 0.1 is 126 units off.
    z = np.full((outcomes, 3), math.log(0.1))
    z[0] = 0.0
    z = z if axis == 0 else np.ascontiguousarray(z.T)
    with mp.workdps(exact.DIGITS):
        tenth = mp.exp(mp.mpf(math.log(0.1)))
        right = tenth / (1 + (outcomes - 1) * tenth)
    found = np.moveaxis(softmax(z, axis=axis), axis, -1)
    assert exact.ulps_off(np.unique(found[:, 1:]), [right]) <= LIMIT
    # The same where all but one are improbable.
    z = np.where(z == 0.0, 0.0, -60.1)
    with mp.workdps(exact.DIGITS):
        right = -mp.log1p((outcomes - 1) * mp.exp(mp.mpf(-60.1)))
    found = np.moveaxis(log_softmax(z, axis=axis), axis, -1)
    assert exact.ulps_off(np.unique(found[:, 0]), [right]) <= LIMIT
