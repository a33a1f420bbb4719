"""Mixtures of Gaussians, held to numerical integrals and to mpmath in the tails."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import norm
from tolerance import ulps

import opinionpool as op
from opinionpool.errors import InputError
from opinionpool.families.mixture import Mixture

F8 = np.float64


def mixture(*components):
    """One row from (weight, mean, variance) triples."""
    w, mean, variance = np.array(components, dtype=float).T
    return Mixture(w[:, None], mean[:, None], variance[:, None])


ROWS = {
    "one": [(1.0, 0.7, 2.5)],
    "two": [(0.3, -1.0, 0.5), (0.7, 1.5, 1.2)],
    "three": [(0.2, -2.0, 1.0), (0.5, 0.0, 0.3), (0.3, 4.0, 2.0)],
    "unused": [(0.4, -1.0, 0.5), (0.0, 100.0, 9.0), (0.6, 1.5, 1.2)],
    "same mean": [(0.5, 1.0, 0.01), (0.5, 1.0, 4.0)],
}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def exact_cdf(row, y, sign=1):
    """P(Y ≤ y), or for sign −1 P(Y > y), with 50 digits."""
    with mp.workdps(50):
        return mp.fsum(
            mp.mpf(w) * mp.ncdf(sign * (mp.mpf(y) - mp.mpf(m)) / mp.sqrt(mp.mpf(v)))
            for w, m, v in row
        )


def integral(p, f):
    """∫ f p over everything that matters, split at the means."""
    used = p.weights[:, 0] > 0
    reach = 14 * np.sqrt(p.variances[used].max())
    low, high = p.means[used].min() - reach, p.means[used].max() + reach
    value, _ = quad(
        lambda y: f(y) * p.density(y)[0], low, high,
        points=np.unique(p.means[used]), limit=500, epsabs=1e-13, epsrel=1e-12,
    )  # fmt: skip
    return value


@every_row
def test_moments_are_those_of_the_density(row):
    p = mixture(*row)
    assert p.n_rows == 1
    assert integral(p, lambda y: 1.0) == pytest.approx(1, rel=1e-10)
    mean = integral(p, lambda y: y)
    assert_allclose(p.mean, mean, rtol=1e-10)
    assert_allclose(p.variance, integral(p, lambda y: (y - mean) ** 2), rtol=1e-10)
    assert_array_equal(p.std, np.sqrt(p.variance))
    assert_allclose(p.density(0.3), np.exp(p.log_density(0.3)), rtol=0)


@every_row
@pytest.mark.parametrize("y", [-30.0, -8.0, -1.0, 0.3, 1.5, 9.0, 40.0])
def test_tails_and_densities_are_exact(row, y):
    p = mixture(*row)
    below, above = exact_cdf(row, y), exact_cdf(row, y, -1)
    assert_allclose(p.cdf(y), float(below), rtol=1e-12, atol=1e-300)
    assert_allclose(p.survival(y), float(above), rtol=1e-12, atol=1e-300)
    with mp.workdps(50):
        log_density = mp.log(
            mp.fsum(mp.mpf(w) * mp.npdf(y, mp.mpf(m), mp.sqrt(mp.mpf(v))) for w, m, v in row)
        )
    assert_allclose(p.log_density(y), float(log_density), rtol=1e-13, atol=1e-13)


SHARES = [1e-300, 1e-12, 1e-3, 0.05, 0.3, 0.5, 0.77, 0.999, 1 - 1e-12]


@every_row
@pytest.mark.parametrize("q", SHARES)
def test_the_quantile_has_that_much_below_it(row, q):
    y = mixture(*row).quantile(q)[0]
    if q <= 0.5:
        assert float(exact_cdf(row, y)) == pytest.approx(q, rel=1e-11, abs=0)
    else:
        assert float(exact_cdf(row, y, -1)) == pytest.approx(1 - q, rel=1e-11, abs=0)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    components=st.lists(
        st.tuples(st.floats(0.0, 1.0), st.floats(-50, 50), st.floats(1e-6, 1e4)),
        min_size=1,
        max_size=5,
    ),
    q=st.floats(1e-12, 1 - 1e-12) | st.floats(-300, -1).map(lambda x: 10.0**x),
)
def test_quantile_and_tail_undo_each_other(components, q):
    w = np.array([c[0] for c in components]) + 1e-3
    p = mixture(*((a, m, v) for a, (_, m, v) in zip(w / w.sum(), components, strict=True)))
    y = p.quantile(q)
    # In a gap between modes the tail is flat and any point of it will do: compare tails. A
    # quantile between two numbers is off by the density times their distance.
    lost = 8 * ulps(F8, 1) * np.maximum(np.abs(y), 1e-3) * p.density(y)
    if q <= 0.5:
        assert_allclose(p.cdf(y), q, rtol=1e-10, atol=lost.max())
    else:
        assert_allclose(p.survival(y), 1 - q, rtol=1e-10, atol=lost.max())


def test_the_median_between_two_far_modes():
    """The distribution function is flat there: any point that has half below it is right."""
    for apart in (30.0, 1e4, 1e9):
        p = mixture((0.5, -apart, 1.0), (0.5, apart, 1.0))
        y = p.quantile(0.5)
        assert y[0] == 0  # the mean, where the search starts, is as right as any point
        assert_allclose(p.cdf(y), 0.5, rtol=1e-12)
        assert_allclose(p.survival(y), 0.5, rtol=1e-12)
        uneven = mixture((0.25, -apart, 1.0), (0.75, apart, 1.0))
        assert_allclose(uneven.quantile(0.125), -apart, rtol=1e-12)
        assert_allclose(uneven.quantile(0.625), apart, rtol=1e-12)


def test_a_narrow_mode_far_from_a_wide_one_is_found_on_its_own_scale():
    """Steps used to stop at the rounding of the whole mixture's spread, 1e10."""
    p = mixture((0.5, 0.0, 1e-12), (0.5, 1e10, 1.0))
    y = p.quantile(0.2)
    assert y[0] == pytest.approx(1e-6 * norm.ppf(0.4), rel=1e-9)
    assert_allclose(p.cdf(y), 0.2, rtol=1e-10)


def test_one_component_is_the_normal_distribution():
    μ, σ = np.array([0.3, -2.0, 1e6]), np.array([0.5, 3.0, 1e-2])
    p = Mixture(np.ones((1, 3)), μ[None], (σ**2)[None])
    y = μ + σ * np.array([-2.0, 0.1, 1.5])
    # Rounding of y − μ counts in standard deviations: 1e6/1e-2 of them here.
    close = {"rtol": 1e-7, "atol": 0}
    assert_allclose(p.log_density(y), norm.logpdf(y, μ, σ), **close)
    assert_allclose(p.density(y), norm.pdf(y, μ, σ), **close)
    assert_allclose(p.cdf(y), norm.cdf(y, μ, σ), **close)
    assert_allclose(p.survival(y), norm.sf(y, μ, σ), **close)
    for q in SHARES:
        assert_allclose(p.quantile(q), norm.ppf(q, μ, σ), rtol=1e-9)
    assert_array_equal(p.mean, μ)
    assert_array_equal(p.variance, σ**2)
    z = (y - μ) / σ
    crps = σ * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert_allclose(p.crps(y), crps, **close)


@every_row
@pytest.mark.parametrize("y", [-3.0, 0.2, 1.0, 7.0])
def test_the_crps_is_the_integral_of_squared_differences(row, y):
    """∫ (F(t) − 1{y ≤ t})² dt."""
    p = mixture(*row)
    used = p.weights[:, 0] > 0
    reach = 14 * np.sqrt(p.variances[used].max())
    low = min(p.means[used].min() - reach, y)
    high = max(p.means[used].max() + reach, y)
    points = np.clip(np.unique(p.means[used]), low, high)
    left, _ = quad(lambda t: p.cdf(t)[0] ** 2, low, y, limit=500, epsabs=1e-12,
                   points=points[(points > low) & (points < y)])  # fmt: skip
    right, _ = quad(lambda t: p.survival(t)[0] ** 2, y, high, limit=500, epsabs=1e-12,
                    points=points[(points > y) & (points < high)])  # fmt: skip
    assert_allclose(p.crps(y), left + right, rtol=1e-9, atol=1e-10)


def test_a_component_without_weight_changes_nothing():
    with_it, without = mixture(*ROWS["unused"]), mixture(*(c for c in ROWS["unused"] if c[0]))
    for y in (-1.0, 0.0, 100.0):
        for what in ("log_density", "cdf", "survival", "crps"):
            a, b = (getattr(p, what)(y) for p in (with_it, without))
            assert_allclose(a, b, rtol=1e-13)
    for q in SHARES:
        assert_array_equal(with_it.quantile(q), without.quantile(q))
    assert_allclose(with_it.mean, without.mean, rtol=1e-14)
    assert_allclose(with_it.variance, without.variance, rtol=1e-14)


METHODS = ["log_density", "density", "cdf", "survival", "crps"]


@pytest.mark.parametrize("method", METHODS)
def test_y_broadcasts_against_the_rows(method):
    """A single number used to be an IndexError, and (3, N) to the CRPS an error or nonsense."""
    rows = [ROWS["two"], [(0.5, 0.0, 1.0), (0.5, 3.0, 0.2)]]
    w, mean, variance = np.moveaxis(np.array(rows), [2, 1], [0, 1])
    p = Mixture(w, mean, variance)
    at = getattr(p, method)
    grid = np.array([[-1.0, 0.5], [0.0, 2.0], [1.0, 3.0]])
    alone = [[getattr(mixture(*r), method)(y)[0] for r, y in zip(rows, ys, strict=True)]
             for ys in grid]  # fmt: skip
    assert_allclose(at(grid), alone, rtol=1e-14)
    assert_allclose(at(grid[1]), alone[1], rtol=1e-14)
    assert at(0.5).shape == (2,)
    assert_array_equal(at(0.5), at(np.array([0.5, 0.5])))
    assert_array_equal(at([0.5]), at(0.5))
    assert at(np.array([[0.5], [1.0], [2.0]])).shape == (3, 2)


def test_infinity_is_a_place_too():
    p = mixture(*ROWS["two"])
    assert_array_equal(p.cdf(np.inf), [1.0])
    assert_array_equal(p.cdf(-np.inf), [0.0])
    assert_array_equal(p.survival(np.inf), [0.0])
    assert_array_equal(p.density(np.inf), [0.0])


def test_rows_can_be_taken():
    rows = np.random.default_rng(0)
    p = Mixture(np.full((2, 5), 0.5), rows.normal(size=(2, 5)), rows.uniform(1, 2, (2, 5)))
    some = p.take(np.array([3, 1]))
    assert some.n_rows == 2
    assert_array_equal(some.quantile(0.3), p.quantile(0.3)[[3, 1]])
    assert_array_equal(p.take(slice(1, 2)).mean, p.mean[1:2])


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5, np.nan, np.inf, "0.5", None, [0.1, 0.9]])
def test_a_quantile_is_of_a_share_inside_zero_and_one(q):
    with pytest.raises(InputError, match=r"q: found .*expected a number above 0 and below 1"):
        mixture(*ROWS["two"]).quantile(q)


@pytest.mark.parametrize("c", [1e-150, 1e150])
def test_any_unit_will_do(c):
    """Squares of 1e155 are no numbers; 1e155 may still be two standard deviations."""
    plain = mixture(*ROWS["three"])
    scaled = mixture(*((w, c * m, c * v * c) for w, m, v in ROWS["three"]))
    for y in (-3.0, 0.1, 5.0):
        assert_allclose(scaled.log_density(c * y), plain.log_density(y) - np.log(c), rtol=1e-13)
        assert_allclose(scaled.cdf(c * y), plain.cdf(y), rtol=1e-12)
        assert_allclose(scaled.crps(c * y) / c, plain.crps(y), rtol=1e-12)
    for q in (1e-6, 0.5, 0.9):
        assert_allclose(scaled.quantile(q) / c, plain.quantile(q), rtol=1e-12)
    wide = mixture((1.0, 0.0, 2e307))
    z = 1e155 / np.sqrt(2e307)
    assert_allclose(wide.log_density(1e155), norm.logpdf(z) - 0.5 * np.log(2e307), rtol=1e-14)


def test_the_public_name():
    assert op.Mixture is Mixture
