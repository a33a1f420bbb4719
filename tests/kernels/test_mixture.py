"""The linear rule's compiled kernel ≡ the plain one."""

import numpy as np
import pytest
from kernels.cases import difference, needs_numba
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool.kernels import fused

pytestmark = needs_numba

F8 = np.float64
FIELDS = ("gradient", "reach", "curvature")


def likelihoods(m, n, seed=0, spread=3.0):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.ones(m))
    return rng.normal(size=(m, n)) * spread, w, rng.uniform(0.1, 2.0, n)


def assert_same(found, expected, order=2):
    assert found.value == pytest.approx(expected.value, rel=ulps(F8, 64))
    for name in FIELDS[: (0, 2, 3)[order]]:
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=ulps(F8, 256))
    for name in FIELDS[(0, 2, 3)[order] :]:
        assert getattr(found, name) is None


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8, 13, 16, 20])
@pytest.mark.parametrize("n", [1, 511, 1537])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_sums_are_the_plain_ones(m, n, order):
    log_f, w, u = likelihoods(m, n)
    plain = fused.linear_sums(log_f, w, u, kernels="reference")
    assert_same(fused.linear_sums(log_f, w, u, order=order, kernels="auto"), plain, order)
    f, top = fused.scaled_likelihoods(log_f)
    known = fused.linear_sums(log_f, w, u, f=f, top=top, order=order, kernels="auto")
    assert_same(known, plain, order)


def test_hopeless_columns_keep_their_digits():
    """All far below 1; the only likely model without weight; ruled out by some."""
    log_f, w, u = likelihoods(4, 600)
    log_f[:, 5] -= 2000
    log_f[1:, 6] -= 2000
    log_f[2, 7] = -np.inf
    w[0], w[1] = 0, w[0] + w[1]
    found = fused.linear_sums(log_f, w, u, kernels="auto")
    plain = fused.linear_sums(log_f, w, u, kernels="reference")
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_array_equal(found.gradient[0], -np.inf)
    assert difference(found.gradient[1:], plain.gradient[1:]) <= ulps(F8, 64)
    assert difference(found.curvature[1:, 1:], plain.curvature[1:, 1:]) <= ulps(F8, 64)


def test_a_column_without_weight_may_be_impossible():
    log_f, w, u = likelihoods(3, 10)
    clean = fused.linear_sums(log_f[:, 1:], w, u[1:], kernels="auto")
    log_f[:, 0], u[0] = -np.inf, 0.0
    assert_same(fused.linear_sums(log_f, w, u, kernels="auto"), clean)


def test_ratios_are_cut_where_their_squares_would_overflow():
    log_f = np.log(np.array([[1.0, 1.0], [1e-200, 1.0]]))
    w = np.array([0.0, 1.0])
    found = fused.linear_sums(log_f, w, kernels="auto")
    assert_same(found, fused.linear_sums(log_f, w, kernels="reference"))
    assert found.curvature[0, 0] == pytest.approx(1e280)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads, monkeypatch):
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 8 * 5 * 100)
    log_f, w, u = likelihoods(5, 2000)
    one = fused.linear_sums(log_f, w, u, kernels="auto")
    more = fused.linear_sums(log_f, w, u, threads=threads, kernels="auto")
    assert one.value == more.value
    for name in FIELDS:
        assert_array_equal(getattr(one, name), getattr(more, name))
