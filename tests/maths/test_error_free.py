"""The error-free transformations are free of error, which fractions can tell."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import ulps

from opinionpool.maths.error_free import accurate_sum, split_float, two_difference, two_product

fixed = settings(derandomize=True, deadline=None, max_examples=300)
numbers = st.floats(-1e150, 1e150).filter(lambda v: v == 0.0 or abs(v) > 1e-120)


@fixed
@given(numbers, numbers)
def test_difference_and_product_with_their_errors_are_exact(a, b):
    for (value, error), exact in (
        (two_difference(a, b), Fraction(a) - Fraction(b)),
        (two_product(a, b), Fraction(a) * Fraction(b)),
    ):
        assert value == float(exact)
        assert Fraction(value) + Fraction(error) == exact


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
