"""Scaling a few rows at a time ≡ scaling all of them in plain NumPy."""

import numpy as np
import pytest
from kernels.cases import needs_numba

from opinionpool.kernels import fused
from opinionpool.weightings.vector_scaling import apply_vector

KERNELS = ["reference", pytest.param("auto", marks=needs_numba)]
N = 301


def log_p_of(k, zeros=False):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(k, 0.5), N)
    if zeros:
        p[::7, 0], p[5] = 0.0, 0.0
    with np.errstate(divide="ignore"):
        return np.log(p)


def vector_of(k):
    rng = np.random.default_rng(1)
    return np.stack([rng.uniform(0.3, 3, k), rng.normal(size=k)])


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("k", [2, 10, 131, 2500])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("log", [False, True])
def test_scaled_rows(k, zeros, log, kernels):
    log_p, vector = log_p_of(k, zeros), vector_of(k)
    expected = apply_vector(log_p.copy(), vector)
    out = np.empty((N, k))
    fused.scale(log_p.copy(), vector, out=out, log=log, kernels=kernels)
    np.testing.assert_allclose(out, expected if log else np.exp(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_a_few_at_a_time(threads, monkeypatch):
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 32 * 30 * 8 * 10)
    monkeypatch.setattr("opinionpool.kernels.threads.LEAST_BYTES", 1)
    log_p, vector, out, spans = log_p_of(10), vector_of(10), np.empty((N, 10), np.float32), []

    def pool(first, last, into):
        spans.append((first, last))
        into[:] = log_p[first:last]
        return True

    assert fused.pool_scaled(pool, vector, out=out, threads=threads)
    assert len(spans) > 8
    np.testing.assert_allclose(out, np.exp(apply_vector(log_p, vector)), rtol=1e-6, atol=1e-9)
    done = len(spans)
    assert not fused.pool_scaled(lambda a, b, _: spans.append((a, b)), vector, out=out)
    assert len(spans) == done + 1  # reading ends where it is known
