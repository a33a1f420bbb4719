"""The survey of one model: compiled ≡ plain, and both ≡ what SciPy and extended precision say."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.cases import difference, needs_numba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from tolerance import ulps

from opinionpool.kernels import fused, near_sums, powers, survey_narrow
from opinionpool.kernels.status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN

PLAIN = {"kernels": "reference"}
AUTO = {"kernels": "auto"}
EVERY = [pytest.param(PLAIN, id="plain"), pytest.param(AUTO, id="compiled", marks=needs_numba)]
DTYPES = [np.float32, np.float64]
# Below and above what fits a vector, the narrow kernel's limit and a tile.
CLASSES = [1, 2, 3, 10, 131, 256, 257, 1000, 2500, 5000]

#: Errors of logarithms of sums of exponentials of float32 cells: two ulps of a float32 mass.
NARROW = ulps(np.float32, 2)

every_kernel = pytest.mark.parametrize("kernels", EVERY)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


def cells(k, dtype=np.float64, n=None, *, seed=0, offset=0.0, scale=3.0):
    """Raw logits, each row with a constant of its own."""
    rng = np.random.default_rng(seed)
    n = n or (301 if k < 100 else 41)
    x = rng.normal(size=(n, k)) * scale + rng.normal(size=(n, 1)) * offset
    return x.astype(dtype)


def spoil(x):
    """Rows of every status, near each other and apart; the last class is vetoed here and there."""
    x = x.copy()
    n, k = x.shape
    x[3], x[8] = np.nan, -np.inf
    x[5, k // 2] = np.nan if k > 1 else np.inf
    x[6, k - 1] = np.inf
    x[n // 2 :: 7, k - 1] = -np.inf
    return x


def outcomes(k, n, seed=1):
    """Class numbers, some unknown; and probabilities, some rows and cells 0."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, k, n)
    classes[rng.random(n) < 0.1] = -1
    soft = rng.dirichlet(np.ones(k), n) * (rng.random((n, k)) < 0.7)
    soft[rng.random(n) < 0.1] = 0
    return {"classes": classes}, {"soft": soft}, {}


def weights(n, seed=2):
    """Row weights, some 0."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2, n) * (rng.random(n) < 0.9)


def assert_same_survey(found, expected, dtype):
    """Logarithms near, everything else the same.

    Float32 cells are exponentiated in float32, perhaps on both sides; either way logarithms are no
    better than an ulp of the largest logit near, of which they are differences.
    """
    largest = max(1.0, *np.abs(np.nan_to_num([expected.low, expected.high])))
    allowed = ulps(np.float64, 4) * largest + (NARROW if dtype == np.float32 else 0)
    assert_array_equal(found.status, expected.status)
    assert_array_equal(np.isnan(found.log_z), found.status != 0)
    for a, b in ((found.log_z, expected.log_z), (found.at_outcome, expected.at_outcome)):
        assert (a is None) == (b is None)
        if a is not None:
            finite = np.isfinite(b)
            assert_array_equal(a[~finite], b[~finite])
            assert_allclose(a[finite], b[finite], rtol=0, atol=allowed)
    assert_array_equal(found[3:7], expected[3:7])
    assert found.checksum == expected.checksum
    assert found.like == expected.like
    assert found.counted == pytest.approx(expected.counted, rel=ulps(np.float64, 64))
    assert found.lost == pytest.approx(expected.lost, rel=1e-15, abs=allowed * found.counted)


@needs_numba
@every_dtype
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("special", [False, True])
def test_surveys_are_the_plain_ones(dtype, k, offset, special):
    x = cells(k, dtype, offset=offset)
    x = spoil(x) if special else x
    for given_outcomes in outcomes(k, len(x)):
        given_outcomes |= {"weight": weights(len(x)), "near": (1.0, 4.0), "first_row": 7}
        a, b = (fused.survey(x, **given_outcomes, **own) for own in (AUTO, PLAIN))
        assert_same_survey(a, b, dtype)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 10, 300, 2500])
def test_normalisers_and_losses_are_scipys(kernels, dtype, k):
    x = spoil(cells(k, dtype))
    (classes, soft, _), wide = outcomes(k, len(x)), x.astype(np.float64)
    found = fused.survey(x, **classes, **kernels)
    allowed = NARROW if dtype == np.float32 and kernels == AUTO else 1e-12
    good = found.status == 0
    log_z = np.full(len(x), np.nan)
    log_z[good] = logsumexp(wide[good], axis=1)
    log_p = wide - log_z[:, None]
    assert difference(found.log_z[good], log_z[good]) <= allowed
    y = classes["classes"]
    labelled = good & (y >= 0)
    own = log_p[np.arange(len(x)), np.maximum(y, 0)]
    finite = labelled & np.isfinite(own)
    assert difference(found.at_outcome[finite], own[finite]) <= allowed
    assert_array_equal(found.at_outcome[labelled & ~finite], -np.inf)
    assert_array_equal(found.at_outcome[y < 0], 0)
    assert np.isnan(found.at_outcome[~good & (y >= 0)]).all()
    q = soft["soft"]
    expected = np.where(q > 0, q * np.where(q > 0, log_p, 0), 0).sum(axis=1)
    found = fused.survey(x, **soft, **kernels)
    asked = good & (q.sum(axis=1) > 0)
    finite = asked & np.isfinite(expected)
    assert difference(found.at_outcome[finite], expected[finite]) <= allowed
    assert_array_equal(found.at_outcome[asked & ~finite], -np.inf)
    assert_array_equal(found.at_outcome[q.sum(axis=1) == 0], 0)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [3, 10, 131, 1000])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_normalisers_in_extended_precision(kernels, dtype, k, offset):
    x = cells(k, dtype, 5, offset=offset, scale=20.0)
    found = fused.survey(x, **kernels).log_z
    with mpmath.workdps(40):
        for row, own in zip(x.astype(float), found, strict=True):
            exact = mpmath.log(mpmath.fsum(mpmath.e ** mpmath.mpf(cell) for cell in row))
            allowed = NARROW if dtype == np.float32 and kernels == AUTO else 1e-12
            assert abs(mpmath.mpf(own) - exact) <= allowed + ulps(np.float64, 2) * abs(exact)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 10, 300, 2500])
@pytest.mark.parametrize("constant", [0.0, -1e7, 1e12, 1e20, 1e30])
def test_classes_that_tie_far_from_zero_lose_ln_k(kernels, dtype, k, constant):
    """Normalisers of 1e12 kept four digits of it, and of 1e20 none."""
    y = np.arange(40) % k
    hard = fused.survey(np.full((40, k), constant, dtype), y, checksum=False, **kernels)
    assert_allclose(hard.at_outcome, -np.log(k), rtol=NARROW)
    soft = np.full((40, k), 0.5 / k)
    both = fused.survey(np.full((40, k), constant, dtype), soft=soft, checksum=False, **kernels)
    rounding = abs(constant) * 1e-15  # of Σ q x
    assert_allclose(both.at_outcome, -0.5 * np.log(k), rtol=1e-6, atol=rounding)


@every_kernel
@pytest.mark.parametrize("k", [2, 10, 300, 1025])
def test_what_is_wrong_with_a_row(kernels, k):
    x = np.zeros((9, k))
    x[1], x[2, 0], x[3, k - 1], x[4] = np.nan, np.nan, np.inf, -np.inf
    x[5, 0], x[6, 0], x[6, 1], x[7, k - 1] = 2.0, np.nan, np.inf, -np.inf
    found = fused.survey(x, np.full(9, k - 1), **kernels)
    expected = [0, MISSING, PARTLY_NAN, INFINITE, IMPOSSIBLE, 0, PARTLY_NAN, 0, 0]
    assert_array_equal(found.status, expected)
    assert (found.low, found.high, found.zeros, found.spread) == (0.0, 2.0, 1, 2.0)
    assert found.at_outcome[7] == -np.inf


#: Bits of NaN: quiet, signalling, negative, all ones. They might add up with those of exponents.
NANS = {
    np.float32: [0x7FC00000, 0x7FC00001, 0x7F800001, 0xFFC000FF, 0x7FC00181, 0xFFFFFFFF],
    np.float64: [0x7FF8 << 48, (0x7FF8 << 48) + 1, (0x7FF << 52) + 1, (0xFFF8 << 48) + 2047],
}


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 7, 16, 17, 67, 131, 256, 257, 400, 4200])
def test_whatever_is_not_finite_is_found_wherever_it_is(kernels, dtype, k):
    rng = np.random.default_rng(k)
    for place in rng.permutation(k)[:40]:
        x = cells(k, dtype, 40)
        a, b = rng.permutation(40)[:2]
        x[b, place] = [np.inf, -np.inf][place % 2]
        if place % 3 == 0:
            x[a, rng.integers(k)] = [np.inf, -np.inf][place % 2]
        bits = x.view(np.dtype(f"u{x.itemsize}"))
        bits[a, place] = NANS[dtype][place % len(NANS[dtype])]
        found = fused.survey(x, np.zeros(40, int), **kernels)
        expected = np.zeros(40)
        expected[a] = PARTLY_NAN if k > 1 else MISSING
        expected[b] = INFINITE if place % 2 == 0 else IMPOSSIBLE if k == 1 else 0
        assert_array_equal(found.status, expected)
        assert found.zeros == (place % 2 if k > 1 else 0)
        found = fused.survey(x, rows=False, normalisers=False, **kernels)
        assert_array_equal(found.status, expected)


@needs_numba
@pytest.mark.parametrize("k", [3, 10, 300, 9000])
@pytest.mark.parametrize("constant", [50.0, 90.0, 2.0**19, 2.0**20, 1e8, 1e30, 3e38])
def test_rows_come_to_the_same_whatever_came_before(k, constant):
    """Exponentials are shifted by what suited the last rows, if that suits these."""
    rng = np.random.default_rng(k)
    x = cells(k, np.float32, 600 if k < 100 else 20)
    x += np.float32(constant) * rng.integers(-1, 2, (len(x), 1)).astype(np.float32)
    x[::5] = x[::5, :1] + rng.uniform(-200, 0, (len(x[::5]), k)).astype(np.float32)
    for own in (x, x[::-1], np.sort(x, axis=0), np.sort(x, axis=1)):
        a, b = (fused.survey(own, np.zeros(len(x), int), **kernels) for kernels in (AUTO, PLAIN))
        assert_same_survey(a, b, np.float32)


@every_kernel
@pytest.mark.parametrize("k", [2, 10, 300])
def test_rows_without_any_class_among_rows_that_have_some(kernels, k):
    """No NaN near, so that the narrow kernel keeps the tile."""
    x = cells(k, n=40)
    x[[4, 30]], x[20, 0] = -np.inf, -np.inf
    found = fused.survey(x, **kernels)
    assert_array_equal(np.flatnonzero(found.status == IMPOSSIBLE), [4, 30])
    assert_array_equal(np.flatnonzero(np.isnan(found.log_z)), [4, 30])
    assert found.zeros == 1
    good = np.delete(x, [4, 30], axis=0)
    finite = good[np.isfinite(good)]
    assert (found.low, found.high) == (finite.min(), finite.max())
    least = np.where(np.isfinite(good), good, np.inf).min(axis=1)
    assert found.spread == (good.max(axis=1) - least).max()


@every_kernel
@pytest.mark.parametrize("k", [3, 300])
def test_no_good_row_and_no_row(kernels, k):
    for x in (np.full((5, k), np.nan), np.full((5, k), -np.inf), np.zeros((0, k))):
        found = fused.survey(x, np.zeros(len(x), int), **kernels)
        assert np.isnan([found.low, found.high]).all()
        assert (found.zeros, found.spread) == (0, 0.0)
        assert (found.status != 0).all()
    assert found.checksum == 0


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [3, 300])
def test_cells_so_far_apart_that_exponentials_vanish(kernels, dtype, k):
    x = np.zeros((20, k), dtype)
    x[:, 0], x[1::2, 1] = 2000.0, -2000.0
    found = fused.survey(x, np.ones(20, int), **kernels)
    assert_array_equal(found.log_z, 2000.0)
    assert_array_equal(found.at_outcome, np.where(np.arange(20) % 2, -4000.0, -2000.0))
    assert found.spread == 4000


LAYOUTS = {
    "columns first": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other class": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "not aligned": lambda x: np.frombuffer(b" " + x.tobytes(), x.dtype, x.size, 1).reshape(x.shape),
}


@every_kernel
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", [10, 300])
def test_a_layout_changes_nothing_at_all(kernels, dtype, layout, k):
    x = spoil(cells(k, dtype))
    y = outcomes(k, len(x))[0]["classes"]
    for found, expected in zip(
        fused.survey(LAYOUTS[layout](x), y, **kernels), fused.survey(x, y, **kernels), strict=True
    ):
        assert_array_equal(found, expected)


@every_kernel
@pytest.mark.parametrize("dtype", ["f2", ">f4", ">f8", "i4"])
def test_other_numbers_are_read_as_float64(kernels, dtype):
    x = cells(10).astype(dtype)
    assert_same_survey(
        fused.survey(x, **kernels), fused.survey(x.astype(np.float64), **PLAIN), np.float64
    )


def exact_checksum(x, first_row=0):
    """In whole numbers: every 64-bit word, plus its upper half, times twice its place plus one."""
    start = first_row * x.shape[1] * x.itemsize // 4
    data = np.ascontiguousarray(x).astype(x.dtype.newbyteorder("<")).tobytes()
    data = bytes(4 * (start % 2)) + data + bytes(4)
    words = [int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(len(data) // 8)]
    folded = [word + (word >> 32) for word in words]
    return sum(word * (2 * (start // 2 + i) + 1) for i, word in enumerate(folded)) % 2**64


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [1, 3, 10, 301, 1500])
def test_checksums_in_whole_numbers(kernels, dtype, k):
    """Float32 cells of an odd number of classes: rows, and blocks, begin within a word."""
    x = spoil(cells(k, dtype, 23))
    assert fused.survey(x, **kernels).checksum == exact_checksum(x)
    for first_row in (1, 10**8, 10**8 + 1):
        found = fused.survey(x, first_row=first_row, **kernels).checksum
        assert found == exact_checksum(x, first_row)
    assert fused.survey(x, checksum=False, **kernels).checksum == 0


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [1, 7, 300, 301, 5001])
def test_checksums_of_blocks_add_up(kernels, dtype, k):
    x = spoil(cells(k, dtype, 90))
    edges = [0, 1, 34, 67, 90]
    parts = [fused.survey(x[a:b], first_row=a, **kernels).checksum for a, b in pairwise(edges)]
    assert sum(parts) % 2**64 == fused.survey(x, **kernels).checksum


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [3, 300])
def test_checksums_tell_values_and_places_apart(kernels, dtype, k):
    """Signs and powers of two are highest bits of words, which sums modulo 2**64 keep least of."""
    x = cells(k, dtype, 64)
    sums = [fused.survey(x, **kernels).checksum]
    for change in (
        lambda x: -x,
        lambda x: np.where(np.arange(64)[:, None] < 2, -x, x),
        lambda x: 2 * x,
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: np.nextafter(x, dtype(np.inf)),
        lambda x: np.roll(x, 1, axis=0),
        lambda x: np.where(np.arange(k) == 1, x * dtype(0.5), x),
    ):
        sums.append(fused.survey(change(x), **kernels).checksum)
    assert len(set(sums)) == len(sums)


@every_kernel
@pytest.mark.parametrize("k", [7, 300])
def test_blocks_and_threads_change_nothing(kernels, k, monkeypatch):
    x = spoil(cells(k, np.float32, 200))
    y = outcomes(k, len(x))[0]["classes"]
    whole = fused.survey(x, y, **kernels)
    parts = [
        fused.survey(x[a : a + 70], y[a : a + 70], first_row=a, **kernels) for a in (0, 70, 140)
    ]
    assert sum(part.checksum for part in parts) % 2**64 == whole.checksum
    assert sum(part.zeros for part in parts) == whole.zeros
    assert max(part.spread for part in parts) == whole.spread
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 3 * k * 4 * 10)
    for threads in (1, 3):
        found = fused.survey(x, y, threads=threads, **kernels)
        assert_same_survey(found, whole, np.float32)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [3, 10, 131, 300, 2500])
def test_without_normalisers_the_rest_is_the_same(kernels, dtype, k):
    for x in (cells(k, dtype, 200), spoil(cells(k, dtype, 200))):
        whole = fused.survey(x, **kernels)
        found = fused.survey(x, rows=False, normalisers=False, **kernels)
        assert_array_equal(found.status, whole.status)
        for name in ("low", "high", "zeros", "spread", "checksum"):
            assert getattr(found, name) == getattr(whole, name), name
        assert (found.log_z, found.at_outcome) == (None, None)
        assert (found.like, found.lost, found.counted) == (0, 0.0, 0.0)


@every_kernel
def test_what_is_surveyed_is_not_written_to(kernels):
    x = cells(10, np.float32)
    x.flags.writeable = False
    (classes, _, _) = outcomes(10, len(x))
    classes["classes"].flags.writeable = False
    assert (fused.survey(x, **classes, **kernels).status == 0).all()


@needs_numba
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(DTYPES),
    n=st.integers(10, 300),
    k=st.one_of(st.integers(1, 40), st.integers(250, 260), st.integers(1020, 1030)),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 50.0, 1e3]),
    special=st.booleans(),
    kind=st.integers(0, 2),
)
def test_anything(seed, dtype, n, k, scale, special, kind):
    """Flat rows, sharp rows and rows so sharp that most exponentials vanish."""
    x = cells(k, dtype, n, seed=seed, offset=10, scale=scale)
    x = spoil(x) if special else x
    given_outcomes = outcomes(k, n, seed)[kind]
    a, b = (fused.survey(x, **given_outcomes, **own) for own in (AUTO, PLAIN))
    assert_same_survey(a, b, dtype)


@every_kernel
@every_dtype
@pytest.mark.parametrize("k", [2, 10, 300])
def test_losses_are_summed_over_labelled_rows(kernels, dtype, k):
    """Rows at fault, rows of no weight and rows without a label count nothing."""
    x = cells(k, dtype)
    x[3], x[8], x[6, k - 1] = np.nan, -np.inf, np.inf
    u = weights(len(x))
    for given_outcomes in outcomes(k, len(x))[:2]:
        y = given_outcomes.get("classes")
        u = u if y is None else np.where(y >= 0, u, 0)
        found = fused.survey(x, **given_outcomes, weight=u, **kernels)
        counts = (found.status == 0) & (u > 0)
        assert found.counted == pytest.approx(u[counts].sum())
        assert found.lost == pytest.approx(-(u[counts] * found.at_outcome[counts]).sum())
        assert found.lost > 0
        short = fused.survey(x, **given_outcomes, weight=u, rows=False, **kernels)
        assert (short.log_z, short.at_outcome) == (None, None)
        assert (short.lost, short.counted) == (found.lost, found.counted)


@every_kernel
@pytest.mark.parametrize("k", [3, 300])
def test_rows_like_log_probabilities_are_counted(kernels, k):
    x = cells(k, np.float32, 60)
    x -= logsumexp(x, axis=1)[:, None]
    x[:20] += 0.01
    x[30] = np.nan
    assert fused.survey(x, near=(-1e-3, 1e-3), **kernels).like == 39


@needs_numba
@pytest.mark.parametrize("k", [10, 1000])
def test_mean_losses_of_many_rows_are_better_than_those_of_one(k):
    """Errors of float32 exponentials are of both signs."""
    x = cells(k, np.float32, 20_000, scale=2.0)
    y, u = np.zeros(len(x), int), np.ones(len(x))
    a, b = (fused.survey(x, y, weight=u, rows=False, **own) for own in (AUTO, PLAIN))
    assert a.lost / len(x) == pytest.approx(b.lost / len(x), abs=1e-8)


def test_what_is_near_is_what_float32_powers_are_good_for():
    """Exponents of −126 to 127, of sums of eight, and shifts that leave the bias its digits."""
    assert near_sums.LEAST32 - 0.05 > -126
    assert near_sums.GREATEST32 + 4 < 127
    assert survey_narrow.NEAR32 / np.log(2) + 0.5 < 126
    assert powers.MOST32 / np.log(2) < 2**21
    assert np.float32(powers.MAGIC32) == powers.MAGIC32
