"""Cells read again in float64 are the log-probabilities of small predictions, to the bit."""

import numpy as np
import pytest

from opinionpool.predictions.cells import Source
from opinionpool.predictions.precise import _log_p
from opinionpool.predictions.table import Table


@pytest.mark.parametrize("order", [None, (2, 0, 1, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.dtype(">f8")])
def test_probabilities(order, dtype):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(5, 0.3), 500)
    p[::3] = rng.multinomial(10, np.full(5, 0.2), len(p[::3])) / 10
    p[7], p[8, 1] = np.nan, p[8, 1] + p[8, 0] + 5e-7
    p[8, 0] = -5e-7  # rounding's
    source = Source(Table(p.astype(dtype), "x"), "probabilities", order)
    found = np.empty(p.shape)
    _log_p(found, source.table.array, source, 0)
    np.testing.assert_array_equal(found, source.log_p(source.table.array, 0))
    assert np.isneginf(found).any()
