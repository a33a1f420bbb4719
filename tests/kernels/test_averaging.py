"""The linear pool of rows: Σ w softmax(x), and its logarithm however small it is."""

import numpy as np
import pytest
from kernels.cases import KINDS, make_job, needs_numba
from mpmath import mp
from numpy.testing import assert_allclose, assert_array_equal
from problems import log_softmax
from tolerance import ulps

from opinionpool.kernels import fused, reference
from opinionpool.kernels.status import IMPOSSIBLE, INVALID, UNANSWERED

DTYPES = [np.float32, np.float64]
KERNELS = [pytest.param("auto", marks=needs_numba), "reference"]

every_kernel = pytest.mark.parametrize("kernels", KERNELS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: t.__name__)


def expected_of(arrays, w, s=1.0, present=None):
    """Return log-probabilities in float64 by the plain formulas."""
    log_p = log_softmax(np.stack([np.asarray(x, np.float64) for x in arrays]))
    if present is None:
        mixture = reference.log_mixture(w, log_p)
    else:
        shares = w[:, None] * present
        shares = shares / shares.sum(axis=0)
        log_p = np.where(present[:, :, None] > 0, log_p, -np.inf)
        mixture = reference.log_mixture(shares[:, :, None], log_p)
    return mixture if s == 1 else log_softmax(s * mixture)


def weights(m):
    w = np.random.default_rng(m).dirichlet(np.ones(m))
    return w


@every_kernel
@every_dtype
@pytest.mark.parametrize("s", [1.0, 0.5, 2.0])
@pytest.mark.parametrize(("m", "k"), [(1, 2), (3, 7), (2, 131), (5, 1000)])
def test_it_is_the_mixture(kernels, dtype, s, m, k):
    job = make_job("plain", dtype, m, 37, k)
    w = weights(m)
    expected = expected_of(job.arrays, w, s)
    log_p, status = fused.mix(job.arrays, w, s, log=True, kernels=kernels)
    p, _ = fused.mix(job.arrays, w, s, kernels=kernels)
    assert log_p.dtype == p.dtype == dtype
    assert not status.any()
    # Logits of 1e4 are rounded by as much as they are large.
    assert_allclose(log_p, expected, rtol=ulps(dtype, 4), atol=ulps(dtype, 8))
    # Where it is tempered, what logarithms lost is seen in probabilities.
    assert_allclose(p, np.exp(expected), rtol=ulps(dtype, 16 if s == 1 else 64), atol=1e-38)


@every_kernel
@every_dtype
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "soft"])
def test_absent_models_and_zeros(kernels, dtype, kind):
    job = make_job(kind, dtype, 4, 101, 9)
    w = weights(4)
    present = job.present
    found, status = fused.mix(job.arrays, w, log=True, present=present, kernels=kernels)
    here = np.ones((4, 101)) if present is None else present
    clean = status == 0
    assert clean.sum() > 50
    with np.errstate(invalid="ignore"):
        expected = expected_of([x[clean] for x in job.arrays], w, present=here[:, clean])
    assert_allclose(found[clean], expected, rtol=ulps(dtype, 4), atol=ulps(dtype, 8))


@every_kernel
@every_dtype
def test_a_mixture_that_underflows_keeps_its_logarithm(kernels, dtype):
    x = [np.array([[0.0, -1000.0, -2000.0]], dtype), np.array([[0.0, -900.0, -np.inf]], dtype)]
    w = np.array([0.25, 0.75])
    found, _ = fused.mix(x, w, log=True, kernels=kernels)
    mp.dps = 40
    second = mp.log(mp.mpf("0.25") * mp.exp(-1000) + mp.mpf("0.75") * mp.exp(-900))
    third = mp.log(mp.mpf("0.25") * mp.exp(-2000))
    assert_allclose(found[0], [0.0, float(second), float(third)], rtol=ulps(dtype, 2))
    half, _ = fused.mix(x, w, 0.5, log=True, kernels=kernels)
    assert_allclose(half[0], [0.0, float(second / 2), float(third / 2)], rtol=ulps(dtype, 2))


@every_kernel
def test_a_class_that_every_model_rules_out_stays_ruled_out(kernels):
    x = [np.array([[0.0, -np.inf, 1.0]]), np.array([[2.0, -np.inf, 1.0]])]
    found, status = fused.mix(x, np.array([0.5, 0.5]), log=True, kernels=kernels)
    assert_array_equal(np.isneginf(found[0]), [False, True, False])
    assert status[0] == 0


@every_kernel
def test_rows_without_answers_and_rows_with_nan(kernels):
    x = [np.zeros((3, 2)), np.zeros((3, 2))]
    x[1][1] = np.nan
    present = np.array([[True, True, False], [True, False, False]])
    p, status = fused.mix(x, np.array([0.5, 0.5]), present=present, kernels=kernels)
    assert_array_equal(status, [0, 0, UNANSWERED])
    assert_array_equal(p, [[0.5, 0.5], [0.5, 0.5], [0, 0]])
    log_p, _ = fused.mix(x, np.array([0.5, 0.5]), log=True, present=present, kernels=kernels)
    assert np.isneginf(log_p[2]).all()
    p, status = fused.mix(x, np.array([0.5, 0.5]), kernels=kernels)
    assert_array_equal(status, [0, INVALID, 0])
    assert np.isnan(p[1]).all()


@every_kernel
def test_a_model_without_weight_is_not_looked_at(kernels):
    x = [np.zeros((2, 3)), np.full((2, 3), np.nan)]
    p, status = fused.mix(x, np.array([1.0, 0.0]), kernels=kernels)
    assert not status.any()
    assert_allclose(p, 1 / 3, rtol=ulps(np.float64, 2))


@every_kernel
@every_dtype
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("s", [1.0, 0.5])
def test_probabilities_need_no_logarithms(kernels, dtype, log, s):
    """Rows of any sum; beside logits; a model absent somewhere; and what rounding made negative."""
    job = make_job("missing", np.float64, 3, 101, 9, offset=1.0)
    w, present = weights(3), job.present.copy()
    present[:, present.sum(axis=0) == 0] = True
    arrays = [x.astype(dtype) for x in job.arrays]
    shares = [True, False, True]
    given = [
        (3 * np.exp(x - x.max(axis=1, keepdims=True))).astype(dtype) if own else x
        for x, own in zip(arrays, shares, strict=True)
    ]
    given[0][5, 2] = 0
    with np.errstate(divide="ignore"):
        logits = [np.log(x) if own else x for x, own in zip(given, shares, strict=True)]
    given[0][5, 2] = -1e-9
    for own, here in zip(given, present, strict=True):
        own[~here] = np.nan
    expected, plain = fused.mix(logits, w, s, log=log, present=present, kernels=kernels)
    found, status = fused.mix(given, w, s, log=log, present=present, shares=shares, kernels=kernels)
    assert_array_equal(status, plain)
    assert_allclose(found, expected, rtol=ulps(dtype, 16), atol=ulps(dtype, 16))


@every_kernel
@every_dtype
def test_small_probabilities_keep_their_logarithms(kernels, dtype):
    small = dtype(np.finfo(dtype).tiny)
    p = [np.array([[1.0, small, 0.0]], dtype), np.array([[1.0, 4 * small, 0.0]], dtype)]
    w = np.array([0.25, 0.75])
    found, status = fused.mix(p, w, log=True, shares=[True, True], kernels=kernels)
    assert not status.any()
    expected = np.log(np.float64(small)) + np.log(3.25)
    assert_allclose(found[0], [0, expected, -np.inf], rtol=ulps(dtype, 2))


@every_kernel
def test_probabilities_that_are_none_are_noted(kernels):
    p = [np.array([[0.5, 0.5], [0.0, 0.0], [0.5, np.nan]])]
    _, status = fused.mix(p, np.ones(1), shares=[True], kernels=kernels)
    assert_array_equal(status, [0, IMPOSSIBLE, INVALID])


@needs_numba
@every_dtype
@pytest.mark.parametrize("s", [1.0, 0.5])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1, 37, 2), (3, 101, 7), (4, 16, 10), (2, 64, 131), (3, 40, 128), (2, 5, 5000)],
)
def test_mixtures_of_probabilities_are_the_plain_ones(dtype, s, log, absent, m, n, k):
    """Rows of any sum; without any probability, with NaN and with −inf; and absent ones."""
    rng = np.random.default_rng(k)
    p = [rng.dirichlet(np.full(k, 0.4), n).astype(dtype) for _ in range(m)]
    p[0][0, 0], p[-1][n // 2], p[0][n // 3, k - 1] = -1e-9, 0, np.nan
    p[0][3] *= 3
    p[0][2, 1] = -np.inf
    w, present = weights(m), rng.random((m, n)) < 0.8 if absent else None
    given = {"log": log, "present": present, "shares": [True] * m}
    found, status = fused.mix(p, w, s, **given, kernels="auto")
    expected, plain = fused.mix(p, w, s, **given, kernels="reference")
    assert_array_equal(status, plain)
    assert_array_equal(np.isnan(found), np.isnan(expected))
    near = {"rtol": ulps(dtype, 16), "atol": ulps(dtype, 16) if log else 0}
    assert_allclose(found, expected, **near)


@every_kernel
@pytest.mark.parametrize("k", [10, 300])
def test_what_is_mixed_into_is_written_wherever_it_is(kernels, k):
    p = [np.random.default_rng(a).dirichlet(np.ones(k), 40).astype(np.float32) for a in range(2)]
    expected, _ = fused.mix(p, weights(2), shares=[True, True], kernels=kernels)
    wide = np.full((40, k + 3), 7.0)
    fused.mix(p, weights(2), shares=[True, True], out=wide[:, :k], kernels=kernels)
    assert_allclose(wide[:, :k], expected, rtol=ulps(np.float32, 2))
    assert_array_equal(wide[:, k:], 7)


@every_kernel
def test_threads_and_blocks_change_nothing(kernels, monkeypatch):
    job = make_job("plain", np.float32, 3, 4000, 60)
    before = [x.copy() for x in job.arrays]
    w, out = weights(3), np.empty((4000, 60), np.float32)
    one, _ = fused.mix(job.arrays, w, log=True, kernels=kernels)
    monkeypatch.setattr("opinionpool.kernels.threads.LEAST_BYTES", 1 << 12)
    found, _ = fused.mix(job.arrays, w, out=out, log=True, threads=2, kernels=kernels)
    assert found is out
    assert_array_equal(found, one)
    for x, y in zip(job.arrays, before, strict=True):
        assert_array_equal(x, y)
