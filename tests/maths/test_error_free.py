"""The error-free transformations are free of error, which fractions can tell."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tolerance import ulps

from opinionpool.maths.error_free import accurate_sum, split_float, two_difference, two_product

fixed = settings(derandomize=True, deadline=None, max_examples=300)
numbers = st.floats(-1e150, 1e150).filter(lambda v: v == 0.0 or abs(v) > 1e-120)


@fixed
@given(numbers, numbers)
def test_difference_with_its_error_is_exact(a, b):
    value, error = two_difference(a, b)
    exact = Fraction(a) - Fraction(b)
    assert value == float(exact)
    assert Fraction(value) + Fraction(error) == exact


@fixed
@given(st.floats(-1, 1), st.floats(0.1, 3e3), numbers)
def test_product_with_its_error_is_almost_exact(part, bound, factor):
    for number, bits, below, tiny in ((float, 53, -78, -1060), (np.float32, 24, -34, -140)):
        a, scale = number(part * bound), float(number(factor % 1e10))
        value, error = two_product(a, scale, 1.01 * bound, bits)
        assert bits == 53 or value.dtype == error.dtype == np.float32
        exact = Fraction(float(a)) * Fraction(scale)
        lost = Fraction(2.0**below) * Fraction(bound) * Fraction(scale) + Fraction(2.0**tiny)
        assert abs(Fraction(float(value)) + Fraction(float(error)) - exact) <= lost
        unit = Fraction(ulps(number, 0.5))
        assert abs(Fraction(float(value)) - exact) <= unit * abs(exact) + lost


@fixed
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_halves_of_a_float(value):
    head, tail = split_float(value)
    assert Fraction(head) + Fraction(tail) == Fraction(value)
    assert np.float64(head).view(np.int64) & (2**27 - 1) == 0 or abs(head) < 2.3e-308


@fixed
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(-300, 300))
def test_sum_has_hardly_more_than_one_rounding(terms, power):
    terms = np.asarray(terms) * 10.0**power
    low = terms * 2.0**-45
    exact = sum(map(Fraction, terms.tolist())) + sum(map(Fraction, low.tolist()))
    found = Fraction(accurate_sum(terms, low, terms.max(), np).item())
    assert abs(found - exact) <= Fraction(ulps(np.float64, 0.51)) * exact + Fraction(2.0**-1070)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_of_many_in_a_layout_that_is_added_up_one_by_one(dtype):
    terms = np.full((10_000, 3), 0.1, dtype).T
    found = accurate_sum(terms, terms * 0, terms.max(), np)
    assert found.dtype == dtype
    right = 10_000 * float(dtype(0.1))
    assert_allclose(terms.cumsum(axis=1)[:, -1], right, rtol=1e-3)
    assert np.all(terms.cumsum(axis=1)[:, -1] != right)
    assert_allclose(found[:, 0], right, rtol=ulps(dtype, 1))
