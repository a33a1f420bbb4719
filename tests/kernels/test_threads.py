"""Threads: the same bits however many, and none left."""

import threading

import numpy as np
import pytest
from kernels.cases import KINDS, make_job
from numpy.testing import assert_array_equal

from opinionpool.kernels import fused
from opinionpool.kernels.threads import MOST_BLOCKS, blocks, in_threads


@pytest.mark.parametrize("kernels", ["auto", "reference"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [5, 100])
def test_any_number_of_threads_gives_the_same_bits(kernels, kind, k, monkeypatch):
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 3 * k * 4 * 11)
    before = threading.active_count()
    job = make_job(kind, np.float32, 3, 202, k)
    one, pool = job.sums(kernels=kernels), job.apply(kernels=kernels)
    assert len(blocks(202, 3 * k * 4)) == 19
    for threads in (1, 2, 5, 40):
        more = job.sums(threads=threads, kernels=kernels)
        assert more.value == one.value
        for a, b in zip(more[1:], one[1:], strict=True):
            assert_array_equal(a, b)
        for a, b in zip(job.apply(threads=threads, kernels=kernels), pool, strict=True):
            assert_array_equal(a, b)
    assert threading.active_count() == before


@pytest.mark.parametrize(("n", "row"), [(0, 4), (1, 1 << 30), (10, 1 << 22), (10_000_000, 4000)])
def test_blocks_are_all_rows_once(n, row):
    spans = blocks(n, row)
    assert [first for first, _ in spans[1:]] == [last for _, last in spans[:-1]]
    assert sum(last - first for first, last in spans) == n
    assert len(spans) <= MOST_BLOCKS


def test_an_error_in_a_thread_is_an_error():
    def work(first, last):
        raise ZeroDivisionError(f"{first}:{last}")

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="0:1"):
        in_threads(work, [(0, 1), (1, 2)], 2)
    assert threading.active_count() == before


def test_threads_really_work_side_by_side():
    both = threading.Barrier(2, timeout=10)
    assert in_threads(lambda first, last: both.wait() >= 0, [(0, 1), (1, 2)], 2) == [True, True]


def test_an_array_too_few_is_seen():
    with pytest.raises((ValueError, IndexError)):
        fused.apply([np.zeros((2, 3))], np.ones(2), kernels="reference")
