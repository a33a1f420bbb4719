"""Memory that blocks take turns in."""

from weakref import ref

import numpy as np

from opinionpool.predictions.buffers import Buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_nobody_looks_at_it():
    buffers = Buffers()
    first = buffers.take((100, 10), np.float32)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert first.flags.aligned
    place = address(first)
    second = buffers.take((100, 10), np.float32)
    assert address(second) != place
    del first
    assert address(buffers.take((50, 10), np.float64)) == place


def test_memory_of_a_view_is_not_used_again():
    """However the view was made, and whatever else was forgotten."""
    buffers = Buffers()
    for view in (
        lambda x: x[3:5],
        lambda x: x.T[1:],
        lambda x: x.reshape(-1)[4:],
        lambda x: x.view(np.uint8)[:, 1:],
        lambda x: np.asarray(x)[::2][1:],
        lambda x: memoryview(x)[1:],
    ):
        block = buffers.take((8, 4), np.float64)
        place = address(block)
        kept = view(block)
        del block
        others = [buffers.take((8, 4), np.float64) for _ in range(3)]
        assert place not in map(address, others)
        del kept
        assert address(buffers.take((8, 4), np.float64)) == place
        del others


def test_a_block_that_is_kept_does_not_keep_the_others():
    """The last block of every file held all the memory that reading it had needed."""
    buffers = Buffers()
    kept, gone = (buffers.take((8, 4), np.float64) for _ in range(2))
    kept[:] = 1.0
    del gone
    memory = ref(buffers._free[0])
    del buffers
    assert memory() is None
    assert kept.sum() == 32


def test_larger_blocks_get_memory_of_their_own():
    buffers = Buffers()
    small = buffers.take((2, 2), np.float64)
    del small
    large = buffers.take((20, 20), np.float64)
    large[:] = 1.0
    assert buffers.take((0, 5), np.float32).shape == (0, 5)
