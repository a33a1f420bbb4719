"""Compiled kernels ≡ plain kernels, over everything that reaches them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.cases import KINDS, Allowed, assert_same_sums, difference, make_job, needs_numba
from numpy.testing import assert_array_equal
from problems import log_softmax
from tolerance import ulps

from opinionpool.kernels import choice, fused
from opinionpool.kernels.status import LEFT

pytestmark = needs_numba

PLAIN = {"kernels": "reference"}
AUTO = {"kernels": "auto"}
DTYPES = [np.float32, np.float64]
# Below, at and above what fits a vector, the narrow kernels' limit and a tile; odd sizes.
CLASSES = [2, 3, 7, 10, 28, 29, 64, 131, 1000, 2500]

every_kind = pytest.mark.parametrize("kind", KINDS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


def assert_same_pool(found, expected, dtype):
    """Values near, special values and status the same."""
    (p, status), (q, expected_status) = found, expected
    assert p.dtype == q.dtype
    assert_array_equal(status, expected_status)
    good = np.isfinite(q)
    assert_array_equal(p[~good], q[~good])
    assert difference(p[good], q[good]) <= Allowed(dtype).pool


def rows_for(k):
    return 501 if k < 100 else 37


@every_kind
@every_dtype
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("m", [1, 2, 5, 16])
def test_sums_and_pools_are_the_plain_ones(kind, dtype, k, m):
    job = make_job(kind, dtype, m, rows_for(k), k)
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), dtype)
    for log in (False, True):
        assert_same_pool(job.apply(log=log, **AUTO), job.apply(log=log, **PLAIN), dtype)


@every_kind
@pytest.mark.parametrize("k", [10, 131, 2500])
@pytest.mark.parametrize("order", [0, 1])
def test_lower_orders_are_the_same_without_the_rest(kind, k, order):
    job = make_job(kind, np.float32, 3, rows_for(k), k)
    found = job.sums(order=order, **AUTO)
    assert_same_sums(found, job.sums(**PLAIN), np.float32)
    assert found.curvature is None
    assert (found.gradient is None) == (found.reach is None) == (order == 0)


@every_kind
@every_dtype
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("by", [0.3, 1.7])
def test_the_loss_of_a_multiple_is_found_on_the_way(kind, dtype, k, by):
    job = make_job(kind, dtype, 3, rows_for(k), k)
    found, alone = job.sums(order=1, by=by, **AUTO), job.sums(order=1, **AUTO)
    assert_same_sums(found, job.sums(by=by, **PLAIN), dtype)
    assert found.value == alone.value
    assert_array_equal(found.gradient, alone.gradient)
    job.v = by * job.v
    expected = job.sums(**PLAIN).value
    assert difference(found.rescaled, expected, least=1.0) <= Allowed(dtype).rescaled


@every_dtype
@pytest.mark.parametrize("m", [3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 17, 21])
def test_every_number_of_models_goes_through_the_registers(dtype, m):
    for k in (5, 100):
        job = make_job("plain", dtype, m, 60, k)
        assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), dtype)
        assert_same_pool(job.apply(**AUTO), job.apply(**PLAIN), dtype)


@pytest.mark.parametrize("k", [10, 131, 2500])
def test_offsets_of_float32_logits_cost_nothing_but_their_own_rounding(k):
    """Against normalised float64 log-probabilities of the very same cells."""
    job = make_job("plain", np.float32, 5, rows_for(k), k, offset=1e4)
    found = job.sums(**AUTO)
    job.arrays = [log_softmax(x.astype(np.float64)) for x in job.arrays]
    assert_same_sums(found, job.sums(**PLAIN), np.float32)


@pytest.mark.parametrize("k", [10, 131, 2500])
@pytest.mark.parametrize("m", [1, 6])
def test_means_between_two_float32_do_not_spoil_the_curvature(k, m):
    """At 1e6 float32 is 1/16 apart, and a mean rounded to it is off by up to 1/32."""
    job = make_job("plain", np.float32, m, rows_for(k), k, offset=1e6)
    found, expected = job.sums(**AUTO).curvature, job.sums(**PLAIN).curvature
    assert difference(found, expected) <= Allowed(np.float32).curvature


@pytest.mark.parametrize("k", [10, 131, 2500])
def test_masking_logits_do_not_spoil_the_curvature(k):
    """−1e9 is how some write −inf: cells of no mass, which shifts must not be taken from."""
    job = make_job("plain", np.float32, 3, rows_for(k), k, offset=0)
    for x in job.arrays:
        x[:, 0] = -1e9
    job.classes[job.classes == 0] = 1
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), np.float32)


@pytest.mark.parametrize("k", [10, 131])
def test_one_opposite_outlier_does_not_cancel(k):
    """Models that disagree by 1,000 on the pool's favourite, and agree on the pool."""
    x = np.random.default_rng(0).normal(size=(2, 40, k)).astype(np.float32) * 0.01
    x[0, :, 3], x[1, :, 3] = 1000.0, -999.9
    arguments = ([*x], np.array([0.5, 0.5]), np.arange(40) % k)
    found = fused.log_sums(*arguments, **AUTO)
    assert_same_sums(found, fused.log_sums(*arguments, **PLAIN), np.float32, apart=1000.0)
    least = np.linalg.eigvalsh(found.curvature).min()
    assert least >= -ulps(np.float32, 1) * np.trace(found.curvature)


@every_dtype
@pytest.mark.parametrize("m", [1, 5, 9])
def test_a_tile_that_outweighs_all_before_it_leaves_nothing_of_them(m, dtype):
    """Rows of several tiles, of which the last has exponentials that are 0 beside the others'."""
    job = make_job("plain", dtype, m, 12, 2500, offset=10)
    for x in job.arrays:
        x[:6, 2300:] += 900
        x[6:, :300] -= 900
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), dtype, apart=900.0)


@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_a_row_at_fault_leaves_nothing_to_the_next(fault):
    job = make_job("plain", np.float32, 3, 12, 2500, offset=0)
    others = [x[1:].copy() for x in job.arrays]
    expected = fused.log_sums(others, job.v, job.classes[1:], job.weight[1:], **AUTO)
    for x in job.arrays:
        x[0, 2000:] = fault
    found = job.sums(**AUTO)
    assert found.status[0] != 0
    assert found.value == expected.value
    assert_array_equal(found.gradient, expected.gradient)
    assert_array_equal(found.curvature, expected.curvature)


@pytest.mark.parametrize("k", [131, 1000, 5000])
@pytest.mark.parametrize("leading", [1, 2])
@pytest.mark.parametrize("order", [0, 2])
def test_what_is_small_beside_a_large_exponential_is_not_lost(k, leading, order):
    """Numbers below half of a float32's last digit, each of them lost, once made up a slope."""
    x = np.random.default_rng(0).normal(size=(3, 40, k)).astype(np.float32) - 20
    x[:, :, 50 : 50 + leading] = 0
    arguments = ([*x], np.array([0.5, 0.3, 0.2]), np.full(40, 50))
    found = fused.log_sums(*arguments, order=order, **AUTO)
    expected = fused.log_sums(*arguments, order=order, **PLAIN)
    # One of them is counted apart; what is in a lane with another, of 16, is lost.
    allowed = 2e-9 if leading == 1 else 1e-7
    assert found.value / 40 == pytest.approx(expected.value / 40, rel=0, abs=allowed)
    if order:
        assert np.abs(found.gradient - expected.gradient).max() / 40 <= 20 * allowed


@every_dtype
@pytest.mark.parametrize("k", [10, 131])
def test_a_model_twice_makes_a_singular_curvature(k, dtype):
    job = make_job("plain", dtype, 3, 200, k)
    job.arrays[1] = job.arrays[0]
    curvature = job.sums(**AUTO).curvature
    assert_array_equal(curvature, curvature.T)
    assert_array_equal(curvature[0], curvature[1])
    assert np.linalg.eigvalsh(curvature).min() >= -ulps(dtype, 16) * np.trace(curvature)


LAYOUTS = {
    "columns first": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other class": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "not aligned": lambda x: _unaligned(x),
    "read-only": lambda x: _read_only(x),
    "half precision": lambda x: x.astype(np.float16),
    "integers": lambda x: np.round(x).astype(np.int16),
}


def _unaligned(x):
    memory = bytearray(x.nbytes + 1)
    view = np.frombuffer(memory, x.dtype, x.size, 1).reshape(x.shape)
    view[:] = x
    return view


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", [7, 131])
@every_dtype
def test_any_layout(layout, k, dtype):
    job = make_job("plain", dtype, 3, 101, k, offset=10)
    job.arrays[1] = LAYOUTS[layout](job.arrays[1])
    before = [x.copy() for x in job.arrays]
    mixed = fused.apply(job.arrays, job.v, **AUTO)
    wide = all(x.dtype == np.float32 for x in job.arrays)
    assert mixed[0].dtype == (np.float32 if wide else np.float64)
    assert_same_pool(mixed, fused.apply(job.arrays, job.v, **PLAIN), mixed[0].dtype)
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), mixed[0].dtype)
    for x, old in zip(job.arrays, before, strict=True):
        assert_array_equal(x, old)


@pytest.mark.parametrize("k", [10, 300])
def test_mapped_files_are_read_in_place(k, tmp_path):
    job = make_job("plain", np.float32, 3, 101, k)
    expected = job.apply(**PLAIN), job.sums(**PLAIN)
    for a, x in enumerate(job.arrays):
        np.save(tmp_path / f"{a}.npy", x)
    job.arrays = [np.load(tmp_path / f"{a}.npy", mmap_mode="r") for a in range(3)]
    assert_same_pool(job.apply(**AUTO), expected[0], np.float32)
    assert_same_sums(job.sums(**AUTO), expected[1], np.float32)


@pytest.mark.parametrize("k", [10, 300])
@every_dtype
def test_results_go_where_they_are_wanted(k, dtype):
    job = make_job("vetoes", dtype, 3, 101, k)
    expected, _ = job.apply(**AUTO)
    out = np.full((101, k), 7.0, dtype)
    returned, _ = job.apply(out=out, **AUTO)
    assert returned is out
    assert_array_equal(out, expected)
    # Not contiguous, or another dtype: the same numbers, through a block's copy.
    wide = np.full((202, 2 * k), 7.0, np.float64)
    job.apply(out=wide[::2, ::2], **AUTO)
    assert_array_equal(wide[::2, ::2].astype(dtype), expected)
    assert (wide[1::2] == 7).all()
    assert (wide[:, 1::2] == 7).all()


@pytest.mark.parametrize("k", [3, 10, 131, 1000])
@pytest.mark.parametrize("start", range(5))
@every_dtype
def test_writing_past_the_caches_changes_nothing(k, start, dtype, monkeypatch):
    """Whatever the alignment of the result, and without touching what is beside it."""
    job = make_job("plain", dtype, 2, 67, k)
    expected, _ = job.apply(**AUTO)
    monkeypatch.setattr("opinionpool.kernels.applying.PAST_CACHES", 0)
    memory = np.full(67 * k + 16, 7.0, dtype)
    out = memory[start : start + 67 * k].reshape(67, k)
    job.apply(out=out, **AUTO)
    assert_array_equal(out, expected)
    assert (memory[:start] == 7).all()
    assert (memory[start + 67 * k :] == 7).all()


@pytest.mark.parametrize("k", [5, 100])
def test_several_blocks_are_one(k, monkeypatch):
    job = make_job("all", np.float32, 3, 101, k)
    one = job.sums(**AUTO)
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 3 * k * 4 * 10)
    assert_same_sums(job.sums(**AUTO), one, np.float32)
    assert_same_sums(job.sums(**PLAIN), one, np.float32)
    assert_same_pool(job.apply(**AUTO), job.apply(**PLAIN), np.float32)


@pytest.mark.parametrize("k", [1, 4, 100])
def test_no_rows_and_one_class(k):
    for n in (0, 3):
        job = make_job("plain", np.float64, 2, 4, k)
        job.arrays = [x[:n] for x in job.arrays]
        job.classes, job.weight = job.classes[:n], job.weight[:n]
        found = job.sums(**AUTO)
        assert_same_sums(found, job.sums(**PLAIN), np.float64)
        p, _ = job.apply(**AUTO)
        assert p.shape == (n, k)
        assert difference(p.sum(axis=1), np.ones(n)) <= ulps(np.float64, 8)
        if k == 1:
            assert found.value == 0


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from(DTYPES),
    m=st.integers(1, 9),
    n=st.integers(8, 300),
    k=st.one_of(st.integers(2, 80), st.integers(1000, 1100)),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 50.0, 1e3]),
)
def test_anything(seed, kind, dtype, m, n, k, scale):
    """Flat rows, sharp rows and rows so sharp that most exponentials vanish."""
    job = make_job(kind, dtype, m, min(n, 30 if k > 100 else n), k, seed=seed, offset=10)
    if kind not in ("vetoes", "all"):  # 0 · inf
        job.arrays = [x * dtype(scale) for x in job.arrays]
    assert_same_pool(job.apply(**AUTO), job.apply(**PLAIN), dtype)
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), dtype, apart=16.0 * max(1.0, scale))


def test_the_limit_between_wide_and_narrow_rows_is_not_felt(monkeypatch):
    job = make_job("soft", np.float64, 3, 200, 12)
    narrow = job.sums(**AUTO), job.apply(**AUTO)
    assert min(choice.NARROW_SUMS, choice.NARROW_POOL) >= 12
    monkeypatch.setattr("opinionpool.kernels.summing.NARROW_SUMS", 0)
    monkeypatch.setattr("opinionpool.kernels.applying.NARROW_POOL", 0)
    assert_same_sums(job.sums(**AUTO), narrow[0], np.float64)
    assert_same_pool(job.apply(**AUTO), narrow[1], np.float64)


def with_gaps(job, share, garbage, seed=0):
    """Leave out some outputs; what is in their cells is anybody's guess."""
    rng = np.random.default_rng(seed)
    m, n = len(job.arrays), len(job.classes)
    job.present = np.ones((m, n), bool)
    job.present[rng.integers(m, size=n), np.arange(n)] = rng.random(n) >= share
    job.present[:, 3] = False
    for x, here in zip(job.arrays, job.present, strict=True):
        x[~here] = garbage
    return job


@every_dtype
@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30, 7.0])
@pytest.mark.parametrize("k", [2, 10, 29, 64, 131, 1500])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.9])
def test_a_few_gaps(share, k, garbage, dtype):
    """Rows without gaps are summed apart from those that have some, whatever is in the gaps."""
    job = with_gaps(make_job("soft", dtype, 5, rows_for(k), k), share, garbage)
    for options in ({"order": 0}, {"by": 0.7, "order": 1}, {}):
        assert_same_sums(job.sums(**options, **AUTO), job.sums(**options, **PLAIN), dtype)
    for log in (False, True):
        assert_same_pool(job.apply(log=log, **AUTO), job.apply(log=log, **PLAIN), dtype)


@every_dtype
@pytest.mark.parametrize("k", [3, 10, 131])
def test_a_few_gaps_beside_vetoes_and_faults(k, dtype):
    job = make_job("vetoes", dtype, 3, rows_for(k), k)
    job = with_gaps(job, 0.02, np.inf)
    assert_same_sums(job.sums(**AUTO), job.sums(**PLAIN), dtype)
    for closure in (False, True):
        found, expected = (job.apply(closure=closure, **kernels) for kernels in (AUTO, PLAIN))
        assert_same_pool(found, expected, dtype)


@pytest.mark.parametrize("k", [10, 131])
def test_where_rows_without_gaps_go_is_not_felt(k, monkeypatch):
    """And a whole weight says what presence says."""
    job = with_gaps(make_job("plain", np.float64, 3, 300, k), 0.02, 7.0)
    apart = job.sums(**AUTO), job.apply(**AUTO)
    job.present = job.present.astype(float)
    assert_array_equal(job.sums(**AUTO).curvature, apart[0].curvature)
    monkeypatch.setattr("opinionpool.kernels.arrays.MOSTLY", 2.0)
    monkeypatch.setattr("opinionpool.kernels.arrays.NEARLY_ALL", 2.0)
    together = job.sums(**AUTO)
    assert not np.array_equal(together.curvature, apart[0].curvature)
    assert_same_sums(together, apart[0], np.float64)
    assert_same_pool(job.apply(**AUTO), apart[1], np.float64)


@pytest.mark.parametrize("garbage", [np.nan, 7.0])
def test_only_rows_with_gaps_are_taken_one_by_one(garbage, monkeypatch):
    """Not all of a tile of which one has a gap."""
    from opinionpool.kernels import pooled_rows, rows

    job = with_gaps(make_job("plain", np.float32, 3, 300, 10), 0.02, garbage)
    taken = []

    def summed(*args):
        taken.append(args[8] > 0)
        return sum_rows(*args)

    def pooled(*args):
        taken.append(args[9] == LEFT)
        return apply_rows(*args)

    sum_rows, apply_rows = rows.sum_rows, pooled_rows.apply_rows
    monkeypatch.setattr(rows, "sum_rows", summed)
    monkeypatch.setattr(pooled_rows, "apply_rows", pooled)
    job.sums(**AUTO)
    job.apply(closure=True, **AUTO)
    gaps = ~job.present.all(axis=0)
    assert_array_equal(taken, [gaps & (job.weight > 0), gaps])


@pytest.mark.parametrize("kind", ["plain", "all"])
@pytest.mark.parametrize("k", [5, 100])
def test_some_blocks_curvature_is_a_lower_bound(k, kind, monkeypatch):
    """And value, gradient and reach are those of all rows, to the bit."""
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 3 * k * 4 * 10)
    job = make_job(kind, np.float32, 3, 101, k, offset=10)
    whole, some = job.sums(**AUTO), job.sums(every=4, threads=2, **AUTO)
    assert some.value == whole.value
    for name in ("gradient", "reach", "status"):
        assert_array_equal(getattr(some, name), getattr(whole, name))
    rest = np.linalg.eigvalsh(whole.curvature - some.curvature)
    assert rest.min() >= -ulps(np.float32, 16) * np.trace(whole.curvature)
    # Three of eleven blocks.
    assert 0.1 < np.trace(some.curvature) / np.trace(whole.curvature) < 0.5
