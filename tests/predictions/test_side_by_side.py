"""Work on several models at once: in order, bounded, and given up together."""

import threading
import time

import pytest

from opinionpool.predictions.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_whoever_is_first(threads):
    def work(i, beside):
        time.sleep(0.02 * (3 - i))
        return i

    assert list(side_by_side(work, 4, threads)) == [0, 1, 2, 3]
    assert list(side_by_side(work, 0, threads)) == []


def test_no_more_results_wait_than_there_are_threads():
    begun = []
    some = side_by_side(lambda i, beside: begun.append(i), 9, 2)
    next(some)
    time.sleep(0.05)
    assert len(begun) <= 3  # the one that was taken, and two
    some.close()
    assert len(begun) < 9


def test_the_first_error_in_order_is_raised_and_the_others_give_up():
    saw = threading.Event()

    def work(i, beside):
        if i == 0:
            time.sleep(0.02)
            raise ValueError("model 0")
        if not beside.given_up.wait(10):
            raise AssertionError("nobody told")
        saw.set()

    with pytest.raises(ValueError, match="model 0"):
        list(side_by_side(work, 3, 2))
    assert saw.is_set()


def test_a_caller_that_stops_does_not_wait_for_what_it_no_longer_wants():
    some = side_by_side(lambda i, beside: i == 0 or beside.given_up.wait(10), 2, 2)
    assert next(some) is True
    began = time.perf_counter()
    some.close()
    assert time.perf_counter() - began < 5
