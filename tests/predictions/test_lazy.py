"""Values that stay in their file: blocks, ranges, and reading ahead."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from opinionpool.errors import FileError, MemoryLimitError
from opinionpool.predictions.lazy import LazyValues, ahead
from opinionpool.predictions.pieces import Joined, cut, lengths
from opinionpool.predictions.table import Table


class InMemory(LazyValues):
    """An array that pretends to be a file, and counts who reads it."""

    def __init__(self, array):
        super().__init__(array.shape, array.dtype, "the array")
        self.array, self.under_way = array, 0

    def scan(self, step, first=0):
        self.under_way += 1
        try:
            for a in range(first, len(self), step):
                yield self.array[a : a + step].copy()
        finally:
            self.under_way -= 1


@pytest.fixture
def values():
    return InMemory(np.arange(60, dtype=np.float32).reshape(20, 3))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() == before


def test_what_is_known_without_reading(values):
    assert (values.shape, values.dtype, values.nbytes) == ((20, 3), np.float32, 240)
    assert (len(values), values.ndim, values.overhead) == (20, 2, 0)
    assert values.within(1) is values


def test_a_range_is_read_and_its_scan_closed(values):
    np.testing.assert_array_equal(values.read(4, 9), values.array[4:9])
    assert values.under_way == 0
    assert values.read(7, 7).shape == (0, 3)
    assert values.read(7, 7).dtype == np.float32


@pytest.mark.parametrize("step", [1, 4, 12, 100])
def test_a_range_of_rows_stays_unread(values, step):
    part = values.rows(5, 17)
    assert values.rows(0, 20) is values
    assert part.shape == (12, 3)
    blocks = list(part.scan(step, 2))
    assert [len(b) for b in blocks] == list(lengths(10, step))
    np.testing.assert_array_equal(np.concatenate(blocks), values.array[7:17])
    assert list(part.scan(step, 12)) == []
    assert values.under_way == 0
    np.testing.assert_array_equal(part.rows(1, 3), values.array[6:8])


def test_a_block_cut_from_a_larger_one_lets_go_of_it(values):
    (*_, last) = values.rows(0, 5).scan(3)
    assert last.base is None


def test_an_array_of_everything(values, monkeypatch):
    np.testing.assert_array_equal(np.asarray(values), values.array)
    assert np.asarray(values, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="the array lies in a file"):
        np.array(values, copy=False)
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 239)
    with pytest.raises(MemoryLimitError, match=r"the array \(20 x 3 float32\) needs 240 bytes"):
        np.asarray(values)


@pytest.mark.parametrize("step", [1, 3, 7, 50])
@pytest.mark.parametrize("first", [0, 4, 5, 13, 20])
def test_files_are_joined(step, first):
    array = np.arange(60.0).reshape(20, 3)
    parts = [InMemory(array[a:b]) for a, b in [(0, 5), (5, 5), (5, 6), (6, 20)]]
    parts[2] = InMemory(array[5:6].astype(np.float32))
    whole = Joined(parts, "folder")
    assert whole.dtype == np.float64
    blocks = list(whole.scan(step, first))
    assert [len(b) for b in blocks] == list(lengths(20 - first, step))
    assert all(b.dtype == np.float64 and b.flags.c_contiguous for b in blocks)
    np.testing.assert_array_equal(np.concatenate([*blocks, np.empty((0, 3))]), array[first:])
    scan = whole.scan(2)
    next(scan)
    scan.close()
    assert [part.under_way for part in parts] == [0, 0, 0, 0]


def test_blocks_within_a_piece_are_not_copied():
    whole = np.arange(20.0).reshape(10, 2)
    blocks = list(cut(iter([whole[:7], whole[7:]]), [2, 4, 3, 1], "a.x"))
    assert np.array_equal(np.concatenate(blocks), whole)
    assert [np.shares_memory(block, whole) for block in blocks] == [True, True, False, True]
    assert all(block.flags.c_contiguous for block in blocks)


def test_pieces_of_the_right_length_are_not_copied():
    pieces = [np.ones((3, 2)), np.ones((2, 2)), np.ones((1, 2)), np.ones((3, 2))]
    blocks = list(cut(iter(pieces), [3, 3, 3], "a.x"))
    assert blocks[0] is pieces[0]
    assert blocks[2] is pieces[3]


@pytest.mark.parametrize(
    ("wanted", "message"), [([3, 3], "fewer rows"), ([2, 2], "more rows"), ([4], "more rows")]
)
def test_pieces_that_are_not_what_was_said(wanted, message):
    pieces = [np.ones((3, 2)), np.ones((2, 2))]
    with pytest.raises(FileError, match=rf"a\.x is damaged: found {message}"):
        list(cut(iter(pieces), wanted, "a.x"))


def test_the_rows_of_a_table_keep_their_names():
    ids = np.array(["a", "b", "c", "d"])
    table = Table(np.zeros((4, 2)), "a.csv", ids=ids, labels=np.arange(4), first_row=2)
    block = table.rows(1, 3, np.ones((2, 2)))
    assert [block.row_name(0), block.row_name(1)] == ["id b", "id c"]
    assert block.labels.tolist() == [1, 2]
    plain = Table(np.zeros((4, 2)), "a.csv", extras={"fold": np.arange(4)}, first_row=2)
    block = plain.rows(1, 3, np.ones((2, 2)))
    assert block.row_name(1) == "row 4"
    assert block.extras["fold"].tolist() == [1, 2]
    np.testing.assert_array_equal(block.values, 1)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_items_come_in_order(depth):
    assert list(ahead(range(100), depth)) == list(range(100))
    assert list(ahead([], depth)) == []


def test_the_next_item_is_made_while_the_caller_works():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    blocks = ahead(items())
    assert next(blocks) == 1
    assert made.wait(10)  # without being asked for
    assert next(blocks) == 2
    blocks.close()


@pytest.mark.parametrize("depth", [1, 2])
def test_no_more_than_depth_items_are_made_ahead(depth):
    made = []

    def items():
        for i in range(50):
            made.append(i)
            yield i

    blocks = ahead(items(), depth)
    for taken in range(1, 5):
        next(blocks)
        time.sleep(0.05)
        assert len(made) <= taken + depth
    blocks.close()


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise FileError("a.npy is truncated")

    blocks = ahead(items())
    assert next(blocks) == 1
    with pytest.raises(FileError, match=r"a\.npy is truncated"):
        next(blocks)
    assert list(blocks) == []


def test_a_caller_who_stops_ends_the_thread_and_closes_the_source(values):
    scan = values.scan(2)
    blocks = ahead(scan)
    next(blocks)
    assert values.under_way == 1
    blocks.close()
    assert values.under_way == 0
    assert list(scan) == []
    for _ in ahead(values.scan(2)):
        break  # the generator is forgotten
    gc.collect()
    assert values.under_way == 0


def test_what_was_never_asked_for_starts_no_thread(values):
    before = threading.active_count()
    blocks = ahead(values.scan(2))
    assert threading.active_count() == before
    blocks.close()
    assert values.under_way == 0


def test_an_item_that_the_caller_dropped_is_not_kept():
    class Item:
        pass

    blocks = ahead(Item() for _ in range(3))
    seen = weakref.ref(next(blocks))
    next(blocks)
    gc.collect()
    assert seen() is None
    blocks.close()
