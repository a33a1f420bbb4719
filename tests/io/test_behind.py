"""What is done while the caller prepares the next."""

import threading

import pytest

from opinionpool.io import behind


def test_in_order_and_in_another_thread():
    done = []
    with behind() as later:
        for i in range(5):
            later(lambda i: done.append((i, threading.get_ident())), i)
    assert [i for i, _ in done] == list(range(5))
    assert threading.get_ident() not in {thread for _, thread in done}


def failing(more):
    done = []
    with behind() as later:
        later(lambda: 1 / 0)
        for _ in range(more):
            later(done.append, 1)


@pytest.mark.parametrize("more", [0, 1])
def test_what_goes_wrong_is_raised_by_the_next_call_or_at_the_end(more):
    with pytest.raises(ZeroDivisionError):
        failing(more)


def interrupted(done):
    begun = threading.Event()

    def slow():
        begun.wait(10)
        done.append(1)

    with behind() as later:
        later(slow)
        threading.Timer(0.05, begun.set).start()
        raise KeyError("own")


def test_an_error_of_the_caller_waits_for_what_is_being_done():
    done = []
    with pytest.raises(KeyError):
        interrupted(done)
    assert done == [1]
