"""Short rows turned into columns, and back, are NumPy's; Gram matrices of short rows too."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
from kernels.cases import Allowed, difference, make_job, needs_numba
from numpy.testing import assert_array_equal
from tolerance import ulps

from opinionpool.kernels import fused, moments
from opinionpool.kernels import gram as grams
from opinionpool.kernels import scratch as memory
from opinionpool.kernels.arrays import address
from opinionpool.kernels.jit import jit
from opinionpool.kernels.lanes import LANES, start_of
from opinionpool.kernels.narrow import rows_of_tile
from opinionpool.kernels.turned import filled_up, turn, turn_back

pytestmark = needs_numba
add_gram, collect = jit(grams.add_gram), jit(moments.collect)


@jit
def scratch(n, like):
    return memory.scratch(n, like)


@jit
def scratch_rows(m, n, like):
    return memory.scratch_rows(m, n, like)


DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


@jit
def _turn(to, x, K):
    turn(x, start_of(to), start_of(x), K)


@jit
def _turn_back(to, columns, K):
    turn_back(to, start_of(to), start_of(columns), K)


@every_dtype
@pytest.mark.parametrize("k", [*range(1, 34), 61, 64])
def test_there_and_back(k, dtype):
    x = np.random.default_rng(k).normal(size=LANES * k + 3).astype(dtype)
    x[-3:] = np.nan  # may be read, and means nothing
    width = -(-k // 4) * 4
    columns = np.full(LANES * (width + 1), 7, dtype)
    _turn(columns, x, k)
    assert_array_equal(columns.reshape(-1, LANES)[:k], x[:-3].reshape(LANES, k).T)
    assert (columns[LANES * width :] == 7).all()
    back = np.full(LANES * k + 4, 7, dtype)
    _turn_back(back, columns, k)
    assert_array_equal(back[: LANES * k], x[:-3])
    assert back[-1] == 7  # three cells behind are spilled over at most


@every_dtype
@pytest.mark.parametrize("m", [4, 8, 12, 20])
def test_gram_matrices(m, dtype):
    like = np.empty(0, dtype)
    c = scratch_rows(m, 96, like)
    c[:, :96] = np.random.default_rng(m).normal(size=(m, 96))
    at = np.array([address(own) for own in c], np.uint64)
    sums, total = scratch(LANES * moments.sums_of(m), like), np.zeros((m, m))
    for _ in range(2):
        add_gram(sums, at, 96, like)
    collect(total, sums, like)
    own = c[:, :96].astype(np.float64)
    assert difference(np.tril(total), np.tril(2 * own @ own.T)) <= ulps(dtype, 8)


def shortened(job, rows):
    """The first rows of a job."""
    job.arrays = [np.ascontiguousarray(x[:rows]) for x in job.arrays]
    job.classes, job.weight = job.classes[:rows], job.weight[:rows]
    return job


@every_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("k", [2, 3, 10, 27, 28])
def test_a_tile_that_follows_does_not_spoil_one(k, bad, dtype):
    """Cells behind the last row of a tile are read along with it, whatever they are."""
    rows = 2 * rows_of_tile(k)
    job = make_job("plain", dtype, 5, rows + 40, k)
    short = shortened(make_job("plain", dtype, 5, rows + 40, k), rows)
    for x in job.arrays:
        x[rows:] = bad
    job.weight[rows:] = 1.0
    for order in (0, 1, 2):
        a, b = job.sums(order=order, kernels="auto"), short.sums(order=order, kernels="auto")
        assert (a.status[:rows] == 0).all()
        assert (a.status[rows:] != 0).all()
        assert a.value == pytest.approx(b.value, rel=1e-14)
        for name in ("gradient", "reach", "curvature")[: (0, 2, 3)[order]]:
            assert difference(getattr(a, name), getattr(b, name)) <= ulps(np.float64, 64)
    p, q = (own.apply(kernels="auto")[0] for own in (job, short))
    assert_array_equal(p[:rows], q)


@pytest.fixture
def guarded():
    """A page of memory behind which nothing may be read."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * size)
    x = np.frombuffer(memory, np.uint8)
    behind = ctypes.c_void_p(address(x) + size)
    if libc.mprotect(behind, ctypes.c_size_t(size), 0):
        pytest.skip("memory cannot be protected here")
    yield x[:size]
    libc.mprotect(behind, ctypes.c_size_t(size), mmap.PROT_READ | mmap.PROT_WRITE)


@pytest.mark.skipif(sys.platform != "linux", reason="uses mprotect")
@every_dtype
@pytest.mark.parametrize("k", [2, 3, 10, 28])
def test_nothing_behind_an_array_is_read(guarded, k, dtype):
    for n in (16, 17, 33 if k < 28 else 18):
        job = make_job("plain", dtype, 1, n, k)
        x = guarded[len(guarded) - job.arrays[0].nbytes :].view(dtype).reshape(n, k)
        x[:] = job.arrays[0]
        expected, p = job.sums(kernels="auto"), job.apply(kernels="auto")[0]
        job.arrays = [x]
        found = job.sums(kernels="auto")
        assert found.value == expected.value
        assert_array_equal(found.curvature, expected.curvature)
        assert_array_equal(job.apply(kernels="auto")[0], p)


@every_dtype
@pytest.mark.parametrize("k", [2, 7, 10, 16, 28])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 95, 96, 97, 300])
def test_rows_that_do_not_fill_a_vector(k, n, dtype):
    job = make_job("plain", dtype, 3, n, k, seed=n)
    a, b = (job.sums(kernels=own) for own in ("auto", "reference"))
    allowed = Allowed(dtype)
    assert difference(a.value, b.value, least=1.0) <= allowed.sums
    assert difference(a.gradient, b.gradient, least=1.0) <= allowed.sums
    assert difference(a.curvature, b.curvature, least=1e-6) <= allowed.curvature
    p, q = (fused.apply(job.arrays, job.v, kernels=own)[0] for own in ("auto", "reference"))
    assert difference(p, q) <= allowed.pool


@every_dtype
@pytest.mark.parametrize("k", [2, 10, 28])
def test_nobody_looks_at_the_outcome_of_a_row_without_weight(k, dtype):
    job = make_job("plain", dtype, 3, 60, k)
    expected = job.sums(kernels="auto")
    for outcome in (-1, 1 << 40):
        job.classes[job.weight == 0] = outcome
        found = job.sums(kernels="auto")
        for name in ("value", "gradient", "reach", "curvature"):
            assert_array_equal(getattr(found, name), getattr(expected, name))


def test_classes_are_filled_up_to_fours():
    assert [filled_up(k) for k in (1, 4, 5, 28)] == [4, 4, 8, 28]
