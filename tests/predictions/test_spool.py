"""Rows of a file in another order: exactly these rows, whatever the order and the buffers."""

import gc
import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opinionpool.errors import OutputError
from opinionpool.predictions import scratch
from opinionpool.predictions.lazy import LazyValues
from opinionpool.predictions.spool import spooled


class Counted(LazyValues):
    """An array as a file, which counts how many rows were read."""

    def __init__(self, array):
        super().__init__(array.shape, array.dtype, "a.npy")
        self.array, self.n_read = array, 0

    def scan(self, step, first=0):
        for a in range(first, len(self), step):
            block = self.array[a : a + step].copy()
            self.n_read += len(block)
            yield block


def expected(array, positions):
    rows = array[positions]
    rows[positions < 0] = np.nan
    return rows


def check(array, positions, budget):
    result = spooled(Counted(array), positions, budget)
    assert result.shape == (len(positions), array.shape[1])
    assert result.dtype == array.dtype
    want = expected(array, positions)
    for step in (1, 3, len(positions)):
        blocks = list(result.scan(step))
        np.testing.assert_array_equal(np.concatenate(blocks), want)
    np.testing.assert_array_equal(result.read(len(want) // 2, len(want)), want[len(want) // 2 :])


@given(st.integers(1, 30), st.integers(1, 40), st.floats(0, 1), st.integers(1, 2000), st.randoms())
def test_any_order(n_there, n, lacking, budget, random):
    array = np.arange(3.0 * n_there).reshape(n_there, 3)
    rows = list(range(n_there))
    random.shuffle(rows)
    positions = [rows.pop() if rows and random.random() >= lacking else -1 for _ in range(n)]
    check(array, np.array(positions), budget)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_ranges(dtype):
    rng = np.random.default_rng(0)
    array = rng.random((5000, 7)).astype(dtype)
    positions = rng.permutation(5000)
    positions[::11] = -1
    check(array, positions, 10_000)


def test_everything_is_read_once_in_order():
    values = Counted(np.random.default_rng(0).random((500, 2)))
    spooled(values, np.random.default_rng(1).permutation(500), 1000)
    assert values.n_read == 500


@pytest.mark.parametrize(("first", "last"), [(0, 20), (3, 11)])
def test_a_range_stays_where_it_is(monkeypatch, first, last):
    values = Counted(np.arange(60.0).reshape(20, 3))
    monkeypatch.setattr(scratch.tempfile, "TemporaryFile", None)
    result = spooled(values, np.arange(first, last))
    assert values.n_read == 0
    np.testing.assert_array_equal(np.asarray(result), values.array[first:last])
    assert (result is values) == (last == 20)


def test_two_scans_at_a_time_do_not_disturb_each_other():
    array = np.arange(60.0).reshape(20, 3)
    result = spooled(Counted(array), np.arange(20)[::-1])
    for one, two in zip(result.scan(4), result.scan(4), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.asarray(result), array[::-1])


def test_the_file_vanishes_with_its_values(monkeypatch, tmp_path):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    result = spooled(Counted(np.zeros((20, 3))), np.arange(20)[::-1])
    stream = result._stream
    assert os.listdir(tmp_path) == []  # nameless from the start: a kill leaves nothing
    del result
    gc.collect()
    assert stream.closed


def test_a_disk_without_room_is_said_before_anything_is_read(monkeypatch):
    values = Counted(np.zeros((20, 3)))
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match=r"rows of a\.npy in order needs 480 bytes.*TMPDIR"):
        spooled(values, np.arange(20)[::-1])
    assert values.n_read == 0


def test_a_disk_that_fills_up_meanwhile(monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("opinionpool.predictions.spool.empty", full)
    with pytest.raises(OutputError, match=r"a\.npy in order: cannot write .*No space left"):
        spooled(Counted(np.zeros((20, 3))), np.arange(20)[::-1])
