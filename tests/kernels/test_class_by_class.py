"""Rows laid out class after class, and their favourites ≡ NumPy's."""

import numpy as np
import pytest
from kernels.cases import needs_numba

pytestmark = needs_numba


@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (700, 10), (130, 1000), (1100, 3)])
def test_rows_and_favourites(shape):
    from opinionpool.kernels.class_by_class import lay_out

    n, k = shape
    rows = np.random.default_rng(0).integers(0, 4, shape) / 4  # with ties: the first class counts
    p, top, which = np.full((k, n + 5), -1.0), np.full(n + 5, -1.0), np.full(n + 5, -1)
    lay_out(rows, 2, p, top, which)
    here = slice(2, 2 + n)
    np.testing.assert_array_equal(p[:, here], rows.T)
    np.testing.assert_array_equal(top[here], rows.max(axis=1))
    np.testing.assert_array_equal(which[here], rows.argmax(axis=1))
    for own in (p.T, top, which):
        assert (own[:2] == -1).all()
        assert (own[2 + n :] == -1).all()
