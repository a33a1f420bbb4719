"""Logarithms of probabilities: compiled ≡ plain ≡ those of a longer type."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from kernels.test_survey import LAYOUTS
from numpy.testing import assert_array_equal
from tolerance import tolerance

from opinionpool.kernels import fused

DTYPES = [np.float32, np.float64]
every_kernel = pytest.mark.parametrize(
    "kernels", ["reference", pytest.param("auto", marks=needs_numba)]
)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


def numbers(dtype, n, k):
    """Of every size, subnormal ones, 0, below 0 and NaN among them."""
    rng = np.random.default_rng(k)
    limits = np.finfo(dtype)
    span = np.log10([float(limits.smallest_subnormal), float(limits.max) / 2])
    x = np.where(rng.random((n, k)) < 0.5, 10 ** rng.uniform(*span, (n, k)), rng.random((n, k)))
    x = x.astype(dtype)
    x[1::3] = rng.random(x[1::3].shape)  # nothing special far and wide
    special = [0.0, -0.0, -1e-9, -1.0, np.nan, 1.0, limits.tiny, limits.smallest_subnormal]
    x.flat[: len(special)] = special[: x.size]
    return x


def expected_of(x):
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(x.astype(np.longdouble), 0))


def assert_logarithms(found, x):
    expected = expected_of(x)
    finite = np.isfinite(expected)
    assert found.dtype == x.dtype
    assert_array_equal(found[~finite], expected[~finite].astype(x.dtype))
    limits = tolerance(x.dtype, 4)
    off = np.abs(found[finite] - expected[finite])
    assert (off <= limits["rtol"] * np.abs(expected[finite])).all()


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [1, 2, 7, 16, 63, 64, 65, 131, 1000])
def test_of_numbers_of_every_size(kernels, dtype, k):
    x = numbers(dtype, 37, k)
    before = x.copy()
    assert_logarithms(fused.logarithms(x, kernels=kernels), x)
    assert_array_equal(x, before)


@every_kernel
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_next_to_nothing(kernels, dtype, layout):
    x = numbers(dtype, 40, 30)
    assert_logarithms(fused.logarithms(LAYOUTS[layout](x), kernels=kernels), x)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [10, 131])
def test_in_place_and_into_rows_of_another_array(kernels, dtype, k):
    x = numbers(dtype, 40, k)
    expected = fused.logarithms(x, kernels=kernels)
    wide = np.full((40, k + 3), 7, dtype)
    assert_array_equal(fused.logarithms(x, wide[:, :k], kernels=kernels), expected)
    assert_array_equal(wide[:, k:], 7)
    own = x.copy()
    assert fused.logarithms(own, own, kernels=kernels) is own
    assert_array_equal(own, expected)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 7, 16, 131, 5000])
@pytest.mark.parametrize("floor", [1e-6, 1e-3])
def test_floors_are_a_share_of_each_row(kernels, dtype, k, floor):
    rng = np.random.default_rng(k)
    p = rng.dirichlet(np.full(k, 0.2), 40).astype(dtype) * rng.uniform(0.1, 9, (40, 1)).astype(
        dtype
    )
    p[rng.random(p.shape) < 0.3] = 0
    p[:, 0], p[3, 1], p[5] = 0.5, -1e-9, np.nan
    mass = np.maximum(p.astype(np.float64), 0).sum(axis=1, keepdims=True)
    expected = np.log(np.maximum(p, floor * mass))
    given = p.copy()
    for x, out in ((p, None), (p, np.full((40, k + 3), 7, dtype)[:, :k]), (given, given)):
        found = fused.logarithms(x, out, floor=floor, kernels=kernels)
        np.testing.assert_allclose(found, expected, rtol=0, atol=8 * np.finfo(dtype).eps * 10)


@every_kernel
def test_of_no_numbers_and_of_other_numbers(kernels):
    assert fused.logarithms(np.zeros((0, 3)), kernels=kernels).shape == (0, 3)
    for dtype in ("f2", ">f4", "i4"):
        x = np.array([[1, 2], [0, 3]], dtype)
        with np.errstate(divide="ignore"):
            expected = np.log(np.maximum(x, 0))
        np.testing.assert_allclose(fused.logarithms(x, kernels=kernels), expected, rtol=1e-6)


@needs_numba
def test_errors_are_of_either_sign():
    """Mean losses of many rows are better than a single logarithm."""
    x = np.random.default_rng(0).random((1000, 1000)).astype(np.float32)
    off = fused.logarithms(x) - np.log(x.astype(np.float64))
    assert abs(off.mean()) < 1e-9
