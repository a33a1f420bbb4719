"""Axes, layouts and dtypes of the softmax family, and everything that is refused."""

import math
from functools import partial

import array_api_compat.numpy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance, ulps

from opinionpool.activations import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax
from opinionpool.errors import InputError, ProbabilityError
from opinionpool.maths import softmax as pure

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(5)
CUBE = RNG.normal(scale=3.0, size=(3, 4, 5)) - 1.0
ALONG_AXIS = [softmax, log_softmax, logsumexp]
EVERY = [*ALONG_AXIS, sigmoid, log_sigmoid]
# Other layouts may be added up in another order, other libraries have other exponentials; and the
# parts of logsumexp, of the size of the logits, may cancel.
assert_close = partial(assert_allclose, **tolerance(np.float64))


def close_for(function):
    atol = ulps(np.float64, 4) * abs(CUBE).max() if function is logsumexp else 0.0
    return partial(assert_allclose, rtol=ulps(np.float64, 4), atol=atol)


@pytest.mark.parametrize("function", ALONG_AXIS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis(xp, function, axis):
    found = np.asarray(function(xp.asarray(CUBE), axis=axis))
    close_for(function)(found, np.apply_along_axis(function, axis, CUBE))
    if function is logsumexp:
        kept = np.asarray(logsumexp(xp.asarray(CUBE), axis=axis, keepdims=True))
        assert_array_equal(kept, np.expand_dims(found, axis))


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("scale", [{}, {"temperature": 0.3}, {"beta": -2}, {"beta": INF}])
def test_array_libraries_agree_and_are_kept(xp, function, scale):
    z = xp.asarray(CUBE)
    found = function(z, **scale)
    assert type(found) is type(z)
    close_for(function)(np.asarray(found), function(CUBE, **scale))


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [{}, {"base": 0.1}, {"beta": INF}])
def test_precision_is_kept(xp, function, dtype, scale):
    z = xp.asarray(CUBE, dtype=getattr(xp, dtype))
    assert function(z, **scale).dtype == z.dtype
    if function in (softmax, sigmoid):
        assert function(z, beta=0).dtype == z.dtype


@pytest.mark.parametrize("function", EVERY)
def test_lists_and_integers_become_float64(xp, function):
    whole = [[1, 2, -3], [0, 5, 4]]
    expected = function(np.asarray(whole, float))
    for given in (whole, tuple(whole), np.asarray(whole, np.int8), np.asarray(whole, ">f8")):
        assert_array_equal(function(given), expected)
    assert function(whole).dtype == np.float64
    assert function(xp.asarray(whole)).dtype == xp.float64


@pytest.mark.parametrize("function", EVERY)
def test_layout_does_not_matter_and_input_is_not_written_to(function):
    large = RNG.normal(scale=5.0, size=(300, 400)) + 2.0  # several blocks
    large[::7, 3] = -INF
    expected = function(np.ascontiguousarray(large[::-2, ::3]))
    view = large[::-2, ::3]
    view.flags.writeable = False
    before = large.copy()
    assert_close(function(view), expected)
    assert_close(function(np.asfortranarray(view)), expected)
    assert_array_equal(large, before)


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("shape", [(700, 100), (4, 30_000), (40, 30, 70), (70_000, 2)])
def test_blocks_change_nothing(function, shape):
    z = RNG.normal(scale=5.0, size=shape)
    whole = partial(getattr(pure, function.__name__), xp=array_api_compat.numpy)
    for keywords in [{"axis": a} for a in range(z.ndim)] if function in ALONG_AXIS else [{}]:
        assert_close(function(z, **keywords), whole(z, **keywords))


@pytest.mark.parametrize("function", ALONG_AXIS)
def test_no_rows(function):
    assert function(np.empty((0, 4))).shape == ((0,) if function is logsumexp else (0, 4))


def test_numbers_for_the_sigmoid():
    assert_close(sigmoid(2), 1 / (1 + math.exp(-2)))
    assert sigmoid(2).shape == ()


def test_pure_logsumexp_of_no_outcome_is_an_empty_sum(xp):
    z = xp.asarray([[-INF, -INF], [1.0, -INF]], dtype=xp.float64)
    assert_array_equal(np.asarray(pure.logsumexp(z, xp=xp)), [-INF, 1.0])
    assert_array_equal(np.asarray(pure.logsumexp(z, beta=-2.0, xp=xp)), [INF, 1.0])


@pytest.mark.parametrize("function", ALONG_AXIS)
@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((1, 2, 3), NAN, r"z\[1, 2, 3\] is NaN"),
        ((1, 2, 3), INF, r"z\[1, 2, 3\] is \+inf"),
        ((1, 2), -INF, r"z\[1, 2, :\] has no outcome: all of its 5 entries are -inf"),
    ],
)
def test_what_is_no_logit_is_refused_with_its_place(xp, function, place, value, message):
    bad = CUBE.copy()
    bad[place] = value
    bad[2, 3] = value  # only the first is named
    with pytest.raises(ProbabilityError, match=message):
        function(xp.asarray(bad))


def test_slice_without_outcome_is_named_along_its_axis():
    bad = CUBE.copy()
    bad[2, :, 4] = -INF
    with pytest.raises(ProbabilityError, match=r"z\[2, :, 4\] has no outcome: all of its 4"):
        softmax(bad, axis=1)
    with pytest.raises(ProbabilityError, match=r"z\[:\] has no outcome"):
        softmax([-INF, -INF])


@pytest.mark.parametrize("function", [sigmoid, log_sigmoid])
def test_nan_is_no_log_odds(xp, function):
    with pytest.raises(ProbabilityError, match=r"x\[1, 0\] is NaN"):
        function(xp.asarray([[1.0, INF], [NAN, NAN]]))
    with pytest.raises(ProbabilityError, match="x is NaN"):
        function(NAN)


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_one_outcome_is_a_bug_unless_allowed(function):
    message = r"axis 1 of z has size 1 \(its shape is \(3, 1\)\).*opinionpool\.sigmoid"
    with pytest.raises(InputError, match=message):
        function([[1.0], [2.0], [3.0]], axis=1)
    assert function([[1.0], [2.0], [3.0]], axis=0).shape == (3, 1)


@pytest.mark.parametrize("function", ALONG_AXIS)
@pytest.mark.parametrize(
    ("z", "axis", "message"),
    [
        (3.0, -1, "single number.*opinionpool.sigmoid"),
        ([], 0, r"axis 0 of z has size 0"),
        (np.empty((3, 0)), -1, r"axis -1 of z has size 0 \(its shape is \(3, 0\)\)"),
        (CUBE, 3, r"axis is 3, but z of shape \(3, 4, 5\) has 3 axes"),
        (CUBE, -4, "axis is -4"),
        (CUBE, (0, 1), r"axis is \(0, 1\): one integer"),
        (CUBE, None, "axis is None: one integer"),
        (CUBE, 1.0, "axis is 1.0: one integer"),
    ],
)
def test_impossible_axes(function, z, axis, message):
    with pytest.raises(InputError, match=message):
        function(z, axis=axis)


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize(
    ("z", "message"),
    [
        ([[1.0, 2.0], [3.0]], "no regular array"),
        (["a", "b"], "dtype <U1"),
        ([None, 1.0], "dtype object"),
        ([True, False], "dtype bool"),
        ([1j, 2.0], "dtype complex128"),
        (np.asarray([1, 2], "m8[s]"), "dtype timedelta64"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked array.*-inf"),
    ],
)
def test_what_is_no_array_of_real_numbers(function, z, message):
    with pytest.raises(InputError, match=message):
        function(z)


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"temperature": 1.0, "beta": 1.0}, "temperature and beta are given"),
        ({"beta": 2.0, "base": 2.0}, "beta and base are given"),
        ({"temperature": -1e-9}, r"temperature is -1e-09: it has to be ≥ 0.*negative beta"),
        ({"base": 0.0}, "base is 0.0: it has to be > 0"),
        ({"base": -2.0}, "base is -2.0"),
        ({"temperature": NAN}, "temperature is nan"),
        ({"beta": NAN}, "beta is nan"),
        ({"base": NAN}, "base is nan"),
        ({"temperature": "warm"}, "temperature is 'warm'"),
        ({"beta": np.asarray([1.0, 2.0])}, "beta is array.*one number"),
    ],
)
def test_impossible_scales(function, scale, message):
    with pytest.raises(InputError, match=message):
        function([1.0, 2.0], **scale)


@pytest.mark.parametrize("scale", [{"beta": 0}, {"temperature": INF}, {"base": 1}])
def test_logsumexp_has_no_value_at_beta_zero(scale):
    with pytest.raises(InputError, match="no value there"):
        logsumexp([1.0, 2.0], **scale)
