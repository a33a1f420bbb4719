"""The reference kernels against loops; compiled twins will be held to the same."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import evidence_kind
from tolerance import ulps

from opinionpool.kernels import reference as kernels

F8 = np.float64
LOG_P = evidence_kind("hard").parameters
M, N, K = LOG_P.shape
V = np.array([0.7, 0.1, 0.5])
V_ROWS = np.random.default_rng(3).uniform(0, 1, (M, N))
close = {"rtol": ulps(F8, 64), "atol": ulps(F8, 64)}


@pytest.mark.parametrize("v", [V, V_ROWS], ids=["one per model", "one per row"])
def test_weighted_sum(v):
    of = np.broadcast_to(v if v.ndim == 2 else v[:, None], (M, N))
    naive = [
        [math.fsum(of[a, n] * LOG_P[a, n, k] for a in range(M)) for k in range(K)] for n in range(N)
    ]
    assert_allclose(kernels.weighted_sum(v, LOG_P), naive, **close)


def test_softmax():
    z = 3 * LOG_P[0]
    z[0, 1] = -np.inf
    z[1] += 1e6  # nothing overflows
    p, log_z = kernels.softmax(z)
    for n in range(N):
        top = max(z[n])
        naive = top + math.log(math.fsum(math.exp(x - top) for x in z[n]))
        assert log_z[n] == pytest.approx(naive, rel=ulps(F8, 8))
        # exp(x − naive): at 1e6 the difference itself is only good to 1e-10
        assert_allclose(p[n], [math.exp(x - naive) for x in z[n]], rtol=1e-9, atol=0)
        assert math.fsum(p[n]) == pytest.approx(1, rel=ulps(F8, 8))


def test_moments():
    p = np.exp(LOG_P[1])
    u = np.random.default_rng(4).uniform(0, 2, N)
    mean, covariance = kernels.moments(p, LOG_P, u)
    naive_mean = np.zeros((M, N))
    naive = np.zeros((M, M))
    for n in range(N):
        for a in range(M):
            naive_mean[a, n] = math.fsum(p[n, k] * LOG_P[a, n, k] for k in range(K))
        for a in range(M):
            for b in range(M):
                naive[a, b] += u[n] * math.fsum(
                    p[n, k]
                    * (LOG_P[a, n, k] - naive_mean[a, n])
                    * (LOG_P[b, n, k] - naive_mean[b, n])
                    for k in range(K)
                )
    assert_allclose(mean, naive_mean, **close)
    assert_allclose(covariance, naive, **close)


def test_covariances_stay_positive_semidefinite_far_from_the_origin():
    """E[ℓℓ'] − E[ℓ]E[ℓ'] would cancel: at 1e9 nats it is wrong by hundreds."""
    far = LOG_P - 1e9
    _, covariance = kernels.moments(np.exp(LOG_P[1]), far, np.ones(N))
    _, near = kernels.moments(np.exp(LOG_P[1]), LOG_P, np.ones(N))
    assert_allclose(covariance, near, rtol=1e-5, atol=0)
    assert np.linalg.eigvalsh(covariance).min() >= -ulps(F8, 64) * np.trace(near)


@pytest.mark.parametrize("shape", ["(M,)", "like log_f"])
def test_log_mixture(shape):
    w = V if shape == "(M,)" else np.repeat(V_ROWS[:, :, None], K, axis=2)
    each = np.broadcast_to(w if w.ndim == 3 else w[:, None, None], (M, N, K))
    naive = [
        [
            math.log(math.fsum(each[a, n, k] * math.exp(LOG_P[a, n, k]) for a in range(M)))
            for k in range(K)
        ]
        for n in range(N)
    ]
    assert_allclose(kernels.log_mixture(w, LOG_P), naive, **close)
