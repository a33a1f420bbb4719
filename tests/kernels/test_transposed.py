"""Rows turned into columns and back, sixteen at a time, are NumPy's."""

import mmap

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_array_equal

from opinionpool.kernels.arrays import address
from opinionpool.kernels.lanes import LANES
from opinionpool.kernels.tiles import scratch
from opinionpool.kernels.transposed import to_columns, to_rows

pytestmark = needs_numba


def at_the_end_of_a_page(x):
    """The same numbers where the next byte belongs to nobody."""
    size = -(-x.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, size), np.uint8)
    there = memory[size - x.nbytes :].view(x.dtype)
    there[:] = x
    return there


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [*range(1, 34), 131])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 40])
def test_there_and_back(k, rows, dtype):
    like = np.empty(0, dtype)
    x = at_the_end_of_a_page(np.random.default_rng(k).normal(size=rows * k).astype(dtype))
    stride = -(-rows // LANES) * LANES
    columns = scratch(k * stride, like)
    to_columns(columns, np.uint64(address(x)), rows, k, stride, like)
    table = columns.reshape(k, stride)
    assert_array_equal(table[:, :rows].T, x.reshape(rows, k))
    # The last row is repeated.
    assert_array_equal(table[:, rows:], np.repeat(table[:, rows - 1 : rows], stride - rows, axis=1))
    back = np.full(rows * k + LANES, 7, dtype)
    to_rows(back, columns, rows, k, stride)
    assert_array_equal(back[: rows * k], x)
    assert_array_equal(back[rows * k :], 7)
