"""The survey of probabilities: compiled ≡ plain, and both ≡ the survey of their logarithms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.cases import needs_numba
from kernels.test_survey import LAYOUTS, outcomes, weights
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool.kernels import fused
from opinionpool.kernels.status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN

PLAIN = {"kernels": "reference", "shares": True}
AUTO = {"kernels": "auto", "shares": True}
EVERY = [pytest.param(PLAIN, id="plain"), pytest.param(AUTO, id="compiled", marks=needs_numba)]
DTYPES = [np.float32, np.float64]
# Below and above what fits a vector, the narrow kernel's limit and a span.
CLASSES = [1, 2, 3, 10, 131, 256, 257, 1000, 5000]

every_kernel = pytest.mark.parametrize("kernels", EVERY)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


def cells(k, dtype=np.float64, n=None, *, seed=0, zeros=0.05):
    """Distributions with exact zeros, roundings below 0, and what is hardly above it."""
    rng = np.random.default_rng(seed)
    n = n or (301 if k < 100 else 41)
    p = rng.dirichlet(np.full(k, 0.3), n).astype(dtype)
    if zeros and k > 1:
        p[rng.random(p.shape) < zeros] = 0
        p[:, k // 2] += dtype(0.1)
        p[9, 0], p[11, k - 1] = -1e-7, 1e-40 if dtype == np.float32 else 1e-300
    return p


def spoil(p):
    """Rows of every status."""
    p, k = p.copy(), p.shape[1]
    p[3], p[8] = np.nan, 0
    p[5, k // 2] = np.nan
    p[6, k - 1], p[10, 0] = np.inf, -np.inf
    return p


def assert_same_survey(found, expected):
    assert_array_equal(found.status, expected.status)
    for a, b in ((found.log_z, expected.log_z), (found.at_outcome, expected.at_outcome)):
        assert (a is None) == (b is None)
        if a is not None:
            assert_allclose(a, b, rtol=ulps(np.float64, 8), atol=1e-13)
    for name in ("low", "high", "zeros", "checksum", "like"):
        assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ("spread", "lost", "counted"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a == pytest.approx(b, rel=1e-12, abs=1e-12), name


@needs_numba
@every_dtype
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("zeros", [0, 0.05, 0.9])
@pytest.mark.parametrize("special", [False, True])
def test_surveys_are_the_plain_ones(dtype, k, zeros, special):
    p = cells(k, dtype, zeros=zeros)
    p = spoil(p) if special else p
    for known in outcomes(k, len(p)):
        known |= {"weight": weights(len(p)), "near": (-0.01, 0.01), "first_row": 7}
        a, b = (fused.survey(p, **known, **own) for own in (AUTO, PLAIN))
        assert_same_survey(a, b)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 10, 300, 2500])
def test_it_is_the_survey_of_logarithms(kernels, dtype, k):
    p = cells(k, dtype)
    with np.errstate(divide="ignore"):
        log_p = np.log(np.maximum(p.astype(np.float64), 0))
    for known in outcomes(k, len(p)):
        known |= {"weight": weights(len(p))}
        found = fused.survey(p, **known, **kernels)
        expected = fused.survey(log_p, **known, kernels="reference")
        assert_allclose(found.log_z, expected.log_z, rtol=0, atol=1e-12)
        if expected.at_outcome is not None:
            assert_allclose(found.at_outcome, expected.at_outcome, rtol=1e-13, atol=1e-12)
        assert (found.zeros, found.counted) == (expected.zeros, pytest.approx(expected.counted))
        assert found.spread == pytest.approx(expected.spread, rel=1e-12)
        assert found.lost == pytest.approx(expected.lost, rel=1e-12)
        assert (found.low, found.high) == (p.min(), p.max())


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 10, 300, 5000])
def test_what_is_wrong_with_a_row(kernels, dtype, k):
    p = np.full((9, k), 1 / k, dtype)
    p[1], p[2, 0], p[3, k - 1], p[4] = np.nan, np.nan, np.inf, 0
    p[5, 0], p[6, 0], p[6, 1], p[7, k - 1] = 2.0, np.nan, np.inf, -0.5
    found = fused.survey(p, np.full(9, k - 1), near=(-1e-6, 1e-6), **kernels)
    expected = [0, MISSING, PARTLY_NAN, INFINITE, IMPOSSIBLE, 0, PARTLY_NAN, 0, 0]
    assert_array_equal(found.status, expected)
    assert (found.low, found.high, found.zeros, found.like) == (-0.5, 2.0, 1, 2)
    assert found.at_outcome[7] == -np.inf
    assert np.isnan(found.at_outcome[found.status != 0]).all()


@every_kernel
@pytest.mark.parametrize("k", [3, 300])
def test_minus_infinity_is_no_probability_and_is_seen(kernels, k):
    p = np.full((40, k), 1 / k)
    p[20, 1] = -np.inf
    assert fused.survey(p, **kernels).low == -np.inf


@every_kernel
@pytest.mark.parametrize("k", [3, 300])
def test_sums_that_are_hardly_above_nothing(kernels, k):
    p = np.zeros((40, k))
    p[:, 0] = 10.0 ** np.linspace(-322, 300, 40)
    found = fused.survey(p, np.zeros(40, int), **kernels)
    assert_array_equal(found.status, 0)
    assert_allclose(found.log_z, np.log(p[:, 0]), rtol=1e-14)
    assert_allclose(found.at_outcome, 0, atol=1e-12)


@every_kernel
@pytest.mark.parametrize("k", [3, 300])
def test_no_good_row_and_no_row(kernels, k):
    for p in (np.full((5, k), np.nan), np.zeros((5, k)), np.zeros((0, k))):
        found = fused.survey(p, np.zeros(len(p), int), **kernels)
        assert np.isnan([found.low, found.high]).all()
        assert (found.zeros, found.spread) == (0, 0.0)
        assert (found.status != 0).all()


@every_kernel
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", [10, 300])
def test_a_layout_changes_nothing_at_all(kernels, dtype, layout, k):
    p = spoil(cells(k, dtype))
    y = outcomes(k, len(p))[0]["classes"]
    for found, expected in zip(
        fused.survey(LAYOUTS[layout](p), y, **kernels), fused.survey(p, y, **kernels), strict=True
    ):
        assert_array_equal(found, expected)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [1, 7, 300, 301, 5001])
def test_checksums_are_those_of_the_cells_and_add_up(kernels, dtype, k):
    p = spoil(cells(k, dtype, 90))
    edges = [0, 1, 34, 67, 90]
    parts = [fused.survey(p[a:b], first_row=a, **kernels).checksum for a, b in pairwise(edges)]
    of_cells = fused.survey(p, kernels="reference").checksum
    assert sum(parts) % 2**64 == fused.survey(p, **kernels).checksum == of_cells


@every_kernel
@pytest.mark.parametrize("k", [7, 300])
def test_blocks_and_threads_change_nothing(kernels, k, monkeypatch):
    p = spoil(cells(k, np.float32, 200))
    y, u = outcomes(k, len(p))[0]["classes"], weights(200)
    whole = fused.survey(p, y, weight=u, **kernels)
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 3 * k * 4 * 10)
    for threads in (1, 3):
        assert_same_survey(fused.survey(p, y, weight=u, threads=threads, **kernels), whole)


@every_kernel
def test_what_is_surveyed_is_not_written_to(kernels):
    p = cells(10, np.float32)
    p.flags.writeable = False
    assert (fused.survey(p, **kernels).status == 0).all()


@needs_numba
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(DTYPES),
    n=st.integers(12, 300),
    k=st.one_of(st.integers(1, 40), st.integers(250, 260)),
    zeros=st.sampled_from([0.0, 0.1, 0.9]),
    special=st.booleans(),
    kind=st.integers(0, 2),
)
def test_anything(seed, dtype, n, k, zeros, special, kind):
    p = cells(k, dtype, n, seed=seed, zeros=zeros)
    p = spoil(p) if special else p
    known = outcomes(k, n, seed)[kind] | {"weight": weights(n), "near": (-0.01, 0.01)}
    assert_same_survey(fused.survey(p, **known, **AUTO), fused.survey(p, **known, **PLAIN))
