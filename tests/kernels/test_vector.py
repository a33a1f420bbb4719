"""exp and log that vectorise: accuracy and special values, to extended precision."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_array_equal
from tolerance import ulps

from opinionpool.kernels import powers, sweeps
from opinionpool.kernels.jit import jit

pytestmark = needs_numba
first_at = jit(sweeps.first_at)


@jit
def _exp(t, out, narrow):
    for i in range(len(t)):
        out[i] = powers.exponential(t[i], narrow)


@jit
def _log(x, out):
    for i in range(len(x)):
        out[i] = powers.logarithm(x[i])


@pytest.mark.parametrize(("narrow", "limit"), [(True, 1.2e-12), (False, ulps(np.float64, 1))])
def test_exponentials(narrow, limit):
    t = -np.concatenate([np.logspace(-18, np.log10(707.9), 40_000), np.linspace(0, 3, 40_000)])
    out = np.empty_like(t)
    _exp(t, out, narrow)
    exact = np.exp(t.astype(np.longdouble))
    assert np.abs((out - exact) / exact).max() <= limit
    special = np.array([0.0, -np.inf, np.nan, -709.0, -1e308])
    _exp(special, out, narrow)
    assert_array_equal(out[:5], [1, 0, np.nan, 0, 0])


def test_logarithms():
    tiny = np.finfo(float).tiny
    x = np.concatenate([np.logspace(-307, 308, 40_000), np.linspace(0.5, 2, 40_001), [tiny, 1.0]])
    out = np.empty_like(x)
    _log(x, out)
    exact = np.log(x.astype(np.longdouble))
    error = np.abs(out - exact)
    assert (error <= ulps(np.float64, 2) * np.abs(exact)).all()
    assert out[-1] == 0


@pytest.mark.parametrize("n", [1, 7, 64, 255, 256, 257, 1000])
def test_the_first_of_equals(n):
    z = np.full(n + 16, -np.inf)[:n]  # vectors are read to their end
    z[:] = 0
    assert first_at(z, n, 0.0) == 0
    for where in {0, n // 2, n - 1}:
        z[:] = 0
        z[where:] = 1
        assert first_at(z, n, 1.0) == where
