"""Bins of equal mass without sorting ≡ bins of sorted rows."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_allclose

from opinionpool.diagnostics.calibration import (
    calibration_error,
    equal_mass_bins,
    one_against_rest,
)
from opinionpool.kernels.binning import split_classes

pytestmark = needs_numba

SHAPES = {
    "spread": lambda rng, n: rng.uniform(size=n),
    "near 0": lambda rng, n: np.exp(-30 * rng.uniform(size=n)),
    "near 1": lambda rng, n: 1 - np.exp(-30 * rng.uniform(size=n)),
    "all alike": lambda rng, n: 0.3 + 1e-9 * rng.uniform(size=n),
    "one value": lambda rng, n: np.full(n, 0.25),
    "ties": lambda rng, n: np.round(rng.uniform(size=n), 1),
    "certain": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "zeros and little": lambda rng, n: np.where(rng.uniform(size=n) < 0.5, 0, 5e-324),
    "a little above 1": lambda rng, n: np.where(rng.uniform(size=n) < 0.5, 1, 1 + 2e-16),
    "halves": lambda rng, n: np.nextafter(0.5, rng.integers(0, 2, n)),
}


def plain(p, o, u, bins):
    bin_of = equal_mass_bins(p, u, bins)
    share = u / u.sum()
    parts = one_against_rest(p, o, share, bin_of)
    return [*parts, share @ (p - o) ** 2, calibration_error(p, o, u, bins)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 14, 16, 300, 20_000])
@pytest.mark.parametrize("bins", [1, 3, 15])
@pytest.mark.parametrize("weighted", [None, "whole", "real"])
def test_classes_are_split_as_sorted_ones_are(shape, n, bins, weighted):
    rng = np.random.default_rng(0)
    p = np.stack([SHAPES[shape](rng, n), SHAPES["spread"](rng, n), SHAPES[shape](rng, n)])
    y = rng.integers(0, 3, n)
    u = {None: np.ones(n), "whole": rng.integers(1, 5, n) * 1.0, "real": rng.uniform(0.5, 2, n)}[
        weighted
    ]
    o = np.eye(3)[y].T
    expected = np.array([plain(p[k], o[k], u, bins) for k in range(3)])
    found, left = split_classes(p, y, None, u, bins)
    crowded = shape == "a little above 1" and n > 10_000  # two values in one cell
    assert crowded or not left.any()
    found, expected = found[~left], expected[~left]
    assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    soft = rng.dirichlet(np.ones(3), n).T
    expected = np.array([plain(p[k], soft[k], u, bins) for k in range(3)])
    found = split_classes(p, None, soft, u, bins)[0]
    assert_allclose(found[~left], expected[~left], rtol=1e-12, atol=1e-14)


def test_threads_change_nothing():
    rng = np.random.default_rng(1)
    p, y = rng.dirichlet(np.ones(40), 500).T, rng.integers(0, 40, 500)
    one, three = (split_classes(p, y, None, np.ones(500), 15, threads=n)[0] for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_columns_with_too_many_rows_to_sort_are_left():
    """Two cells at the ends of what a double holds, and all rows in the middle of one."""
    rng = np.random.default_rng(2)
    n = 40_000
    crowd = 0.3 + 1e-12 * rng.uniform(size=n)
    crowd[:2] = 5e-324, 1 - 1e-16
    other = rng.uniform(size=n)
    y = rng.integers(0, 2, n)
    found, left = split_classes(np.stack([crowd, other]), y, None, np.ones(n), 15)
    assert left.tolist() == [True, False]
    assert (found[0] == 0).all()
