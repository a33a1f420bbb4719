"""Cells in files, of which some rows are held in memory."""

import tracemalloc

import numpy as np
import pytest

from opinionpool.predictions.cells import Cells, Source
from opinionpool.predictions.lazy import LazyValues
from opinionpool.predictions.table import Table

M, N, K = 3, 60_000, 10
X = np.random.default_rng(0).standard_normal((M, N, K), dtype=np.float32)


class InAFile(LazyValues):
    def __init__(self, values):
        super().__init__(values.shape, values.dtype, "a file")
        self.values = values

    def scan(self, step, first=0):
        for a in range(first, len(self), step):
            yield self.values[a : a + step].copy()


def cells(budget):
    sources = [Source(Table(InAFile(x), "a file"), "logits") for x in X]
    return Cells(sources, X.shape, budget)


@pytest.mark.parametrize("budget", [None, 1 << 16, 1 << 20])
@pytest.mark.parametrize("rows", [slice(None), slice(5, None, 31), slice(7, 8)])
def test_held_rows_are_those_of_the_files(rows, budget):
    held = cells(budget).take(rows).held()
    assert len(held.in_place) == M
    for own, x in zip(held.in_place, X, strict=True):
        assert own.dtype == np.float32
        np.testing.assert_array_equal(own, x[rows])


def test_held_rows_are_in_memory_once():
    some = cells(1 << 20).take(slice(0, None, 2))
    size = X.nbytes // 2
    tracemalloc.start()
    try:
        held = some.held()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held.in_place[0].nbytes * M == size
    assert peak < size + (2 << 20)


@pytest.mark.parametrize(
    "rows", [slice(5, None, 31), np.array([7, 3, 3, 50_000]), np.arange(N) % 1000 == 1]
)
@pytest.mark.parametrize("budget", [None, 1 << 20])
def test_a_map_knows_the_rows_that_were_taken_before(rows, budget):
    """Presence, and whatever else a map is told, has numbers of rows of the whole."""
    factor = 1 + np.arange(N)[:, None] / N

    def quick(arrays, where, into):
        return [x * factor[where] for x in arrays]

    in_memory = Cells([Source(Table(x, "an array"), "logits") for x in X], X.shape, budget)
    for base in (in_memory, cells(budget)):
        mapped = base.map(lambda block, where: block * factor[where], quick=quick)
        for taken in (mapped.take(rows), mapped.take(slice(0, N)).take(rows)):
            whole = np.asarray(base.take(rows))
            np.testing.assert_allclose(np.asarray(taken), whole * factor[rows], rtol=1e-12)
            if isinstance(rows, slice):
                held = taken.held()
                own = np.stack(held.in_place if hasattr(held, "in_place") else list(held))
                z = own - own[..., :1]
                expected = X[:, rows] * factor[rows]
                np.testing.assert_allclose(z, expected - expected[..., :1], rtol=1e-9, atol=1e-9)
