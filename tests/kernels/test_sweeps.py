"""Sweeps in explicit vectors are NumPy's sums, whatever is left of a tile after whole vectors."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool.kernels import moments, powers, sweeps
from opinionpool.kernels.arrays import address
from opinionpool.kernels.jit import jit
from opinionpool.kernels.lanes import LANES, load, start_of, store
from opinionpool.kernels.scratch import scratch as scratch_within
from opinionpool.kernels.tiles import groups_of

pytestmark = needs_numba

pooled, add_means, emitted = jit(sweeps.pooled), jit(sweeps.add_means), jit(sweeps.emitted)
add_products, collect = jit(moments.add_products), jit(moments.collect)


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
    pooled(z, tile.at, tile.at, tile.v, groups, n, tile.like)
    assert_allclose(z, tile.v @ tile.wide, rtol=0, atol=ulps(np.float64, 2 * m))
    behind = np.lib.stride_tricks.as_strided(z, (-(-n // LANES) * LANES,))
    assert_array_equal(behind[n:], -np.inf)


@every_dtype
@every_size
@pytest.mark.parametrize("groups", [(2, 0), (0, 1), (1, 2)])
def test_means(groups, n, dtype):
    m = 4 * groups[0] + 3 * groups[1]
    tile, e = Tile(m, n, dtype), scratch(n, np.empty(0))
    e[:] = np.random.default_rng(1).uniform(size=n)
    total = np.arange(1.0 * m)
    add_means(total, e, tile.at, tile.at, groups, n, tile.like)
    assert_allclose(total, np.arange(m) + tile.wide @ e, rtol=0, atol=ulps(np.float64, 4 * n))


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


@every_dtype
@every_size
@pytest.mark.parametrize("in_place", [False, True])
def test_exponentials_and_their_sum(n, dtype, in_place):
    z, other = scratch(-(-n // LANES) * LANES, np.empty(0)), scratch(n, np.empty(0))
    z[:] = -np.inf
    z[:n] = np.random.default_rng(2).normal(size=n) * 10
    z[n // 2] = -np.inf if n > 2 else 0.0
    expected, e = np.exp(z[:n] - 1.0), z if in_place else other
    total = _exponentiated(e, z, 1.0, n, np.empty(0, dtype))
    allowed = 1.2e-12 if dtype == np.float32 else ulps(np.float64, 2)
    assert_allclose(e[:n], expected, rtol=allowed)
    assert total == pytest.approx(expected.sum(), rel=2 * allowed)


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


def products(tile, p, h, m, n):
    """The sums of :mod:`moments`, gathered."""
    sums, total = scratch(moments.sums_of(m) * LANES, tile.like), np.zeros((m, m))
    add_products(sums, p, tile.at, h, n, tile.like)
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
