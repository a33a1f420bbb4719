"""What kernels read in place, and what is copied for them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from opinionpool.kernels.arrays import (
    Rows,
    address,
    attendance_of,
    common_dtype,
    is_ready,
    left_over,
)
from opinionpool.kernels.status import LEFT

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
X = np.arange(12.0).reshape(4, 3)

READY = {
    "as it is": (X, True, True),
    "every other row": (X[::2], True, False),
    "backwards": (X[::-1], True, False),
    "one row of many": (X[::5], True, True),
    "one class of many": (X[:, :1], True, False),
    "some classes": (X[:, :2], True, False),
    "every other class": (X[:, ::2], False, False),
    "columns first": (np.asfortranarray(X), False, False),
    "float32": (X.astype(np.float32), False, False),
    "other byte order": (X.astype(X.dtype.newbyteorder()), False, False),
    "not aligned": (np.frombuffer(b"x" * 97, np.float64, 12, 1).reshape(4, 3), False, False),
}


@pytest.mark.parametrize("layout", READY)
def test_what_is_ready(layout):
    x, rows_apart, adjacent = READY[layout]
    assert is_ready(x, F8, adjacent_rows=False) == rows_apart
    assert is_ready(x, F8, adjacent_rows=True) == adjacent


@pytest.mark.parametrize("layout", READY)
@pytest.mark.parametrize("adjacent", [False, True])
def test_rows_are_where_the_addresses_say(layout, adjacent):
    x = READY[layout][0]
    rows = Rows([x, X[: len(x), : x.shape[1]].copy()], F8, adjacent_rows=adjacent)
    base, step, copies = rows.block(0, len(x))
    assert len(copies) == (not READY[layout][1 + adjacent])
    assert (int(base[0]) == address(x)) == (not copies)
    if copies:
        assert_array_equal(copies[0], x)
        assert (base[0], step[0]) == (address(copies[0]), copies[0].strides[0])


def test_later_blocks_start_later():
    forward, backward = X.copy(), X.copy()[::-1]
    base, step, copies = Rows([forward, backward], F8, adjacent_rows=False).block(2, 4)
    assert base.tolist() == [address(forward[2:]), address(backward[2:])]
    assert step.tolist() == [24, -24]
    assert copies == []


def test_dtypes_and_attendance():
    assert common_dtype([X.astype(F4)] * 2) == F4
    assert common_dtype([X.astype(F4), X]) == common_dtype([X.astype(np.float16)]) == F8
    assert attendance_of(None, 0, 2).shape == (0, 0)
    m = attendance_of(np.array([[True, False, True]]), 1, 3)
    assert m.flags.c_contiguous
    assert_array_equal(m, [[0.0, 1.0]])


def test_runs_of_rows_that_a_kernel_left():
    status = np.array([LEFT, LEFT, 0, 3, LEFT, 0, LEFT], np.uint8)
    assert left_over(status) == [(0, 2), (4, 5), (6, 7)]
    assert status.tolist() == [0, 0, 0, 3, 0, 0, 0]
    assert left_over(status) == []
