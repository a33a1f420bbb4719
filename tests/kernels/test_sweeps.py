"""Sweeps in explicit vectors are NumPy's sums, whatever is left of a tile after whole vectors."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool.kernels import means, moments, powers, sweeps
from opinionpool.kernels.arrays import address
from opinionpool.kernels.jit import jit
from opinionpool.kernels.lanes import LANES, load, start_of, store
from opinionpool.kernels.scratch import scratch as scratch_within
from opinionpool.kernels.tiles import groups_of

pytestmark = needs_numba

pooled, weighted_sums, emitted = jit(sweeps.pooled), jit(means.weighted_sums), jit(sweeps.emitted)
add_products, collect, merge = jit(moments.add_products), jit(moments.collect), jit(moments.merge)


@jit
def scratch(n, like):
    return scratch_within(n, like)


DTYPES = [np.float32, np.float64]
SIZES = [1, 2, 15, 16, 17, 31, 64, 131, 1000]

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)
every_size = pytest.mark.parametrize("n", SIZES)


class Tile:
    """Cells of M models, each alone in memory whose ends nobody may touch."""

    def __init__(self, m, n, dtype, seed=0):
        rng = np.random.default_rng(seed)
        self.x = [rng.normal(size=n).astype(dtype) for _ in range(m)]
        self.at = np.array([address(x) for x in self.x], np.uint64)
        self.like = np.empty(0, dtype)
        self.v = rng.uniform(0.1, 1.0, m)
        self.wide = np.array(self.x, np.float64)


@every_dtype
@every_size
@pytest.mark.parametrize("groups", [(1, 0), (2, 0), (3, 0), (5, 0), (0, 1), (0, 2), (1, 2), (2, 3)])
def test_pooled_logits(groups, n, dtype):
    m = 4 * groups[0] + 3 * groups[1]
    tile, z = Tile(m, n, dtype), scratch(n, np.empty(0))
    top = pooled(z, tile.at, tile.at, tile.v, groups, n, tile.like)
    assert_allclose(z, tile.v @ tile.wide, rtol=0, atol=ulps(np.float64, 2 * m))
    assert top == z.max()
    behind = np.lib.stride_tricks.as_strided(z, (-(-n // LANES) * LANES,))
    assert_array_equal(behind[n:], -np.inf)


@every_dtype
@every_size
@pytest.mark.parametrize("groups", [(2, 0), (0, 1), (1, 2)])
def test_sums_of_weighted_cells(groups, n, dtype):
    """Cells less a number each: a constant of a million leaves no trace in float32 sums."""
    m = 4 * groups[0] + 3 * groups[1]
    tile, e = Tile(m, n, dtype), scratch(n, np.empty(0))
    e[:] = np.random.default_rng(1).uniform(size=n)
    h = np.linspace(-2, 2, m).astype(dtype)
    for x in tile.x:
        x += 2**20
    h += 2**20
    d = np.array(tile.x) - h[:, None]
    total = np.arange(1.0 * m)
    weighted_sums(total, e, tile.at, tile.at, h, groups, 0, n, tile.like)
    assert_allclose(total, np.arange(m) + d.astype(float) @ e, rtol=0, atol=ulps(np.float64, 4 * n))
    brief, total = scratch(n, tile.like), np.zeros(m)
    brief[:] = e
    weighted_sums(total, brief, tile.at, tile.at, h, groups, 0, n, tile.like)
    assert_allclose(total, d.astype(float) @ brief, rtol=0, atol=ulps(dtype, 4 * n))


def test_models_are_taken_in_groups_of_which_few_are_empty():
    for m in range(1, 40):
        fours, threes = groups_of(m)
        taken = 4 * fours + 3 * threes
        assert fours >= 0
        assert m <= taken <= -(-m // 4) * 4
        assert taken == m or m in (1, 2, 5)


@jit
def _exponentiated(e, z, top, n, like):
    a = np.uint64(start_of(z))
    return sweeps.exponentiated(e, z, top, n, (a, a, a, a), like)


@jit
def _brief(e, z, top, n, like):
    a = np.uint64(start_of(z))
    return means.brief_exponentials(e, z, top, n, (a, a, a, a), like)


def logits(n):
    """Pooled logits, −inf behind."""
    z = scratch(-(-n // LANES) * LANES, np.empty(0))
    z[:] = -np.inf
    z[:n] = np.random.default_rng(2).normal(size=n) * 10
    return z


@every_dtype
@every_size
@pytest.mark.parametrize("in_place", [False, True])
def test_exponentials_and_their_sum(n, dtype, in_place):
    z, other = logits(n), scratch(n, np.empty(0))
    z[n // 2] = -np.inf if n > 2 else 0.0
    expected, e = np.exp(z[:n] - 1.0), z if in_place else other
    total, check = _exponentiated(e, z, 1.0, n, np.empty(0, dtype))
    allowed = 1.2e-12 if dtype == np.float32 else ulps(np.float64, 2)
    assert_allclose(e[:n], expected, rtol=allowed)
    assert total == pytest.approx(expected.sum(), rel=2 * allowed)
    assert np.isnan(check) == (n > 2)


@every_dtype
@every_size
def test_brief_exponentials_and_their_sum(n, dtype):
    """In the dtype of the cells, and exactly 0 where that has no normal number."""
    z, e = logits(n), scratch(n, np.empty(0, dtype))
    z[n // 2] = -1e30 if n > 2 else 0.0
    top = z[:n].max()
    total, check = _brief(e, z, top, n, np.empty(0, dtype))
    expected = np.exp(z[:n] - top)
    assert_allclose(e[:n], expected, rtol=0, atol=ulps(dtype, 2))
    assert total == pytest.approx(expected.sum(), rel=ulps(dtype, 4))
    assert check == 0
    assert e[n // 2] == (0 if n > 2 else e[n // 2])
    behind = np.lib.stride_tricks.as_strided(e, (-(-n // LANES) * LANES,))
    assert_array_equal(behind[n:], 0)


@every_dtype
@pytest.mark.parametrize("n", [1, 9, 16, 100])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf, "payload"])
def test_what_is_not_finite_is_seen(n, bad, dtype):
    """Also a NaN whose lowest bits are set, which powers of two shift into the exponent."""
    odd = np.array([0x7FF8000000000001], np.uint64).view(float)[0] if bad == "payload" else bad
    like, e, wide = np.empty(0, dtype), scratch(n, np.empty(0, dtype)), scratch(n, np.empty(0))
    z = logits(n)
    assert _brief(e, z, z[:n].max(), n, like)[1] == 0
    assert _exponentiated(wide, z, z[:n].max(), n, like)[1] == 0
    for where in {0, n // 2, n - 1}:
        spoiled = logits(n)
        spoiled[where] = odd
        assert np.isnan(_brief(e, spoiled, 1.0, n, like)[1])
        assert np.isnan(_exponentiated(wide, spoiled, 1.0, n, like)[1])


@every_dtype
@every_size
@pytest.mark.parametrize("groups", [(1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (1, 1), (2, 2)])
def test_exponentials_with_sums_are_those_without(groups, n, dtype):
    m = 4 * groups[0] + 3 * groups[1]
    tile, z, like = Tile(m, n, dtype), logits(n), np.empty(0, dtype)
    h, top = np.zeros(m, dtype), z[:n].max()
    e, other = scratch(n, like), scratch(n, like)
    found, expected = np.zeros(m), np.zeros(m)
    mass = _brief(e, z, top, n, like)
    weighted_sums(expected, e, tile.at, tile.at, h, groups, 0, n, like)
    assert _with_sums(found, other, z, top, tile.at, h, groups, n, like) == mass
    assert_array_equal(other, e)
    assert_array_equal(found, expected)


@jit
def _with_sums(sums, e, z, top, at, h, groups, n, like):
    return means.exponentials_and_sums(sums, e, z, top, at, at, h, groups, n, like)


@every_dtype
@every_size
@pytest.mark.parametrize("past_caches", [False, True])
@pytest.mark.parametrize("start", [0, 1, 5])
def test_results_are_written_where_they_belong(n, dtype, past_caches, start):
    x = np.random.default_rng(3).normal(size=n)
    memory = np.full(n + 48, 7.0, dtype)
    emitted(memory[start : start + n], x, 3.0, -1.0, n, past_caches, np.empty(0, dtype))
    allowed = {"rtol": ulps(dtype, 1), "atol": ulps(np.float64, 8)}  # products may be fused
    assert_allclose(memory[start : start + n], x * 3.0 - 1.0, **allowed)
    assert (memory[:start] == 7).all()
    assert (memory[start + n :] == 7).all()


def products(tile, p, h, m, n, real=None):
    """The sums of :mod:`moments`, gathered; the models behind the ``real`` ones are zeros."""
    real = m if real is None else real
    sums, total = scratch(moments.sums_of(m) * LANES, tile.like), np.zeros((m, m))
    add_products(sums, p, tile.at, tile.at, h, real, n, tile.like)
    collect(total, sums, tile.like)
    assert_array_equal(sums, 0)
    return total


def weights(n, dtype):
    """Weights of columns, 0 behind."""
    p = scratch(-(-n // LANES) * LANES, np.empty(0, dtype))
    p[:n] = np.random.default_rng(4).uniform(size=n)
    return p


@every_dtype
@every_size
@pytest.mark.parametrize("m", [4, 8, 12, 16])
def test_products_of_deviations(m, n, dtype):
    tile, p = Tile(m, n, dtype), weights(n, dtype)
    h = np.linspace(-1, 1, m).astype(dtype)
    d = tile.wide - h[:, None].astype(float)
    expected = (p[:n] * d) @ d.T
    found = products(tile, p, h, m, n)
    assert_array_equal(np.triu(found, 1), 0)
    allowed = ulps(dtype, 4 + n / LANES) * np.abs(expected).max()
    assert_allclose(found, np.tril(expected), rtol=0, atol=allowed)


@every_dtype
@every_size
@pytest.mark.parametrize("real", [1, 2, 3, 5, 6, 7, 11])
def test_products_of_models_that_zeros_fill_up(real, n, dtype):
    """Whose products with others are zero; of the last three with one another, six are enough."""
    m = -(-real // 4) * 4
    tile, p, h = Tile(m, n, dtype), weights(n, dtype), np.zeros(m, dtype)
    zeros = np.zeros(n + LANES, dtype)
    tile.at[real:] = zeros.ctypes.data
    tile.wide[real:] = 0
    found = products(tile, p, h, m, n, real)
    expected = np.tril((p[:n] * tile.wide) @ tile.wide.T)
    allowed = ulps(dtype, 4 + n / LANES) * np.abs(expected).max()
    assert_allclose(found, expected, rtol=0, atol=allowed)


@every_dtype
def test_products_are_merged_and_begin_anew(dtype):
    like = np.empty(0, dtype)
    into, sums = scratch(3 * LANES, like), scratch(3 * LANES, like)
    into[:], sums[:] = 2, np.arange(3 * LANES)
    merge(into, 0.5, sums, 3.0, like)
    assert_array_equal(into, 1 + 3 * np.arange(3 * LANES))
    assert_array_equal(sums, 0)


@every_dtype
@pytest.mark.parametrize(("a", "b"), [(0, 1), (2, 7), (1, 11), (6, 10)])
def test_identical_models_have_the_same_products(a, b, dtype):
    """Whichever blocks of registers they fall into; the order of factors is all that differs."""
    tile, p, h = Tile(12, 131, dtype), weights(131, dtype), np.zeros(12, dtype)
    tile.at[b] = tile.at[a]
    lower = products(tile, p, h, 12, 131)
    full = lower + np.tril(lower, -1).T
    assert_allclose(full[a], full[b], rtol=0, atol=ulps(dtype, 4) * full.max())
    assert np.linalg.eigvalsh(full).min() >= -ulps(dtype, 4) * np.trace(full)


@jit
def _exponentials32(t, out):
    for k in range(0, len(t), LANES):
        store(out, k, powers.near_exponential32(load(t, start_of(t), k)))


def test_exponentials_in_float32():
    t = np.concatenate([np.linspace(-87, 87, 64_000), np.linspace(-1, 1, 64_000)])
    t = t.astype(np.float32)
    out = np.zeros(len(t), np.float32)
    _exponentials32(t, out)
    error = out / np.exp(t.astype(np.longdouble)) - 1
    # The product of t and log₂e is rounded: relative to t, not to 1.
    assert np.abs(error / np.maximum(1, np.abs(t))).max() <= ulps(np.float32, 1)
    for part in (slice(64_000), slice(64_000, None)):
        assert abs(error[part].mean()) <= 1e-8
    special = np.full(LANES, np.nan, np.float32)
    out = np.zeros(LANES, np.float32)
    _exponentials32(special, out)
    assert np.isnan(out).all()
