"""Blocks of several models' rows at once."""

import threading

import numpy as np
import pytest

from opinionpool.predictions.lazy import LazyValues
from opinionpool.predictions.together import together

N, K = 23, 3


class Costly(LazyValues):
    """A file that is decoded; it notes who reads it, and may be damaged."""

    costly = True

    def __init__(self, values, readers, damaged=N, threads=True):
        super().__init__(values.shape, values.dtype, "a file")
        self.values, self.readers, self.damaged, self.threads = values, readers, damaged, threads

    def serial(self):
        return Costly(self.values, self.readers, self.damaged, threads=False)

    def scan(self, step, first=0):
        try:
            for a in range(first, len(self), step):
                self.readers.append((threading.get_ident(), self.threads))
                if a + step > self.damaged:
                    raise ValueError(f"row {self.damaged}")
                yield self.values[a : a + step].copy()
        finally:
            self.readers.append("closed")


def files(m, damaged=()):
    rng = np.random.default_rng(0)
    readers = [[] for _ in range(m)]
    return readers, {
        f"m{i}": Costly(rng.random((N, K)), readers[i], dict(damaged).get(i, N + 99))
        for i in range(m)
    }


@pytest.mark.parametrize("step", [1, 5, N, 99])
@pytest.mark.parametrize("threads", [1, 2, 3, 9])
def test_every_model_has_its_rows(threads, step):
    readers, given = files(5)
    given["array"] = np.arange(N * K, dtype=float).reshape(N, K)
    blocks = list(together(given, step, threads))
    assert all(list(block) == list(given) for block in blocks)
    for name, own in given.items():
        whole = np.asarray(getattr(own, "values", own))
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks]), whole)
    who = {entry for own in readers for entry in own if entry != "closed"}
    assert len({ident for ident, _ in who}) <= min(threads, 5)
    # Who has a thread to himself needs none of the decoder's.
    assert {own for _, own in who} == {threads == 1}


def test_what_need_not_be_decoded_is_read_by_one():
    given = {name: np.zeros((N, K)) for name in "abc"}
    before = threading.active_count()
    blocks = together(given, 2, 8)
    next(blocks)
    assert threading.active_count() <= before + 1
    blocks.close()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_first_wrong_row_and_model_are_named(threads):
    _, given = files(4, damaged=[(1, 12), (2, 11), (3, 2)])
    with pytest.raises(ValueError, match="row 2"):
        list(together(given, 2, threads))
    _, given = files(4, damaged=[(1, 12), (2, 13)])
    with pytest.raises(ValueError, match="row 12"):
        list(together(given, 4, threads))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_whoever_stops_closes_all_files(threads):
    readers, given = files(4)
    before = threading.active_count()
    blocks = together(given, 2, threads)
    next(blocks)
    blocks.close()
    assert [own[-1] for own in readers] == ["closed"] * 4
    assert threading.active_count() == before
