"""Bins from cells, against bins of the values themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerance import ulps

from opinionpool.diagnostics.calibration import (
    brier_split,
    calibration_error,
    equal_mass_bins,
)
from opinionpool.diagnostics.reliability import reliability_curve
from opinionpool.diagnostics.sketch import (
    FINEST,
    OCTAVES,
    ClassCurves,
    Curve,
    cell_of,
    digits_for,
    equal_mass_groups,
    n_cells,
)
from opinionpool.families.outcomes import Outcomes
from opinionpool.kernels import fused
from opinionpool.weightings.scored import METRICS

F8 = np.float64
Z = 1.959963984540054


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(3, FINEST))
def test_cells_are_in_the_order_of_the_values(values, digits):
    p = np.sort(np.array(values))
    cell = cell_of(p, digits)
    assert (np.diff(cell) >= 0).all()
    assert cell.min() >= 0
    assert cell.max() < n_cells(digits)


@given(st.floats(2.0**-OCTAVES, 0.499), st.integers(3, FINEST))
def test_a_cell_is_as_narrow_as_it_says(p, digits):
    """Two probabilities in one cell differ by at most its relative width."""
    width = 2.0**-digits
    far = np.array([p, p * (1 + 1.001 * width)])
    assert len(set(cell_of(far, digits))) == 2
    # And the same towards 1, as far as 1 − p has digits at all.
    assert len(set(cell_of(1 - far, digits))) == 2


@given(st.floats(0, 1))
def test_both_ends_are_alike(p):
    lower, upper = cell_of(np.array([p, 1 - p]), 6)
    if 1 - (1 - p) == p != 0.5:
        assert lower == n_cells(6) - 1 - upper


def forecasts(n=4000, k=3, seed=0, sharp=3.0):
    rng = np.random.default_rng(seed)
    log_p = sharp * rng.normal(size=(n, k))
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    drawn = np.exp(0.7 * log_p).cumsum(axis=1)
    y = (drawn < drawn[:, -1:] * rng.random((n, 1))).sum(axis=1)
    return log_p, Outcomes(classes=y), rng.uniform(0.5, 2, n)


def in_blocks(n, size=700):
    return [slice(first, first + size) for first in range(0, n, size)]


@pytest.mark.parametrize("k", [2, 3, 7])
def test_the_brier_score_is_split_without_remainder(k):
    log_p, outcomes, weight = forecasts(k=k)
    q, p = outcomes.probabilities(k), np.exp(log_p)
    curves = ClassCurves(k, 4)
    for rows in in_blocks(len(p)):
        curves.add(p[rows], q[rows], weight[rows])
    s = curves.brier_split()
    total = s["reliability"] - s["resolution"] + s["uncertainty"]
    total += s["within_bin_variance"] - s["within_bin_covariance"]
    brier = weight @ ((p - q) ** 2).sum(axis=1) / weight.sum()
    assert total == pytest.approx(brier, rel=ulps(F8, 64))


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("sharp", [1.0, 8.0])
def test_parts_are_close_to_those_of_bins_of_equal_mass(k, sharp):
    log_p, outcomes, weight = forecasts(k=k, sharp=sharp)
    curves = ClassCurves(k, FINEST)
    curves.add(np.exp(log_p), outcomes.probabilities(k), weight)
    exact = brier_split(log_p, outcomes, weight)
    for part, value in curves.brier_split().items():
        assert value == pytest.approx(exact[part], abs=2e-3)
    auc = METRICS["auc"](log_p, outcomes, weight)
    assert curves.auc() == pytest.approx(auc, abs=1e-5)


def test_values_that_fill_few_cells_are_binned_exactly():
    """Where no two values share a cell, nothing is lost: the same bins, the same numbers."""
    rng = np.random.default_rng(0)
    p = rng.choice(np.linspace(0.03, 0.97, 40), 3000)
    happened, weight = (rng.random(3000) < p).astype(float), rng.uniform(0.5, 2, 3000)
    curve = Curve(FINEST)
    for rows in in_blocks(3000):
        curve.add(p[rows], happened[rows], weight[rows])
    expected = reliability_curve(p, happened, weight, Z)
    points = curve.points(Z)
    assert len(points) == len(expected)
    for found, own in zip(points, expected, strict=True):
        assert found == pytest.approx(own, rel=1e-11)
    error = calibration_error(p, happened, weight)
    assert curve.calibration_error() == pytest.approx(error, rel=1e-10)


def test_cells_are_put_in_bins_as_values_are():
    rng = np.random.default_rng(4)
    values = rng.integers(0, 30, 500).astype(float)
    mass = np.bincount(values.astype(int), minlength=30).astype(float)
    by_value = equal_mass_bins(values, np.ones(500))
    np.testing.assert_array_equal(equal_mass_groups(mass)[values.astype(int)], by_value)


def test_resolution_follows_from_the_budget():
    assert digits_for(1, 5, 1 << 25) == FINEST
    assert digits_for(10**9, 5, 1 << 25) == 3
    few, many = digits_for(200, 3, 1 << 26), digits_for(4000, 3, 1 << 26)
    assert many < few
    assert 8 * 3 * 4000 * n_cells(many) <= 1 << 26


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("k", [2, 7])
def test_the_compiled_kernel_counts_as_numpy_does(k, soft):
    if not fused.compiled():
        pytest.skip("no compiled kernels here")
    rng = np.random.default_rng(k)
    p, u = rng.dirichlet(np.full(k, 0.2), 500), rng.uniform(0, 2, 500)
    p[:3] = np.eye(k)[0], np.eye(k)[1], 0.5 * (np.eye(k)[0] + np.eye(k)[1])
    happened = Outcomes(classes=rng.integers(0, k, 500))
    if soft:
        happened = Outcomes(soft=rng.dirichlet(np.ones(k), 500))
    q = happened.probabilities(k)
    plain, quick = ClassCurves(k, 5), ClassCurves(k, 5)
    plain.add(p, q, u)
    brier = quick.add_quickly(p, happened, u)
    np.testing.assert_allclose(quick._sums, plain._sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(quick._whole, plain._whole, rtol=1e-12, atol=1e-12)
    assert brier == pytest.approx(float(u @ ((p - q) ** 2).sum(axis=1)), rel=1e-12)
