"""Logits that are made a few rows at a time, and kept where memory affords them."""

import numpy as np
import pytest

from opinionpool.families import lazy as lazy_module
from opinionpool.families.lazy import Lazy, logits_in
from opinionpool.families.logits import in_parts, made
from opinionpool.kernels import threads as kernel_threads

M, N, K = 3, 500, 4
Z = np.random.default_rng(0).normal(size=(M, N, K))


class AtHand(Lazy):
    """Arrays that give their logits only when asked, and count how often."""

    def __init__(self, budget=None):
        self.shape, self.budget, self.asked, self._reads = Z.shape, budget, [], 0

    @property
    def reads(self):
        return self._reads

    def used_in_place(self):
        self._reads += 1

    def parts(self):
        raise AssertionError("normalised, which takes ten times as long")
        yield

    @property
    def at_hand(self):
        return True

    def logits_of(self, rows, into=None):
        if self.ready is not None:
            return super().logits_of(rows)
        self.asked.append(rows)
        if into is None:
            return [z[rows] + 1 for z in Z]
        for z, out in zip(Z, into, strict=True):
            np.add(z[rows], 1, out=out)
        return into

    def affords(self, row_bytes):
        return self.budget is None or row_bytes * N <= self.budget


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(kernel_threads, "LEAST_BYTES", 1 << 8)
    monkeypatch.setattr(kernel_threads, "BLOCK_BYTES", 1 << 14)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_row_is_made_once(threads, small_blocks):
    given = AtHand()
    found = made(given.logits_of, N, threads)
    for own, z in zip(found, Z, strict=True):
        np.testing.assert_array_equal(own, z + 1)
    asked = sorted((rows.start, rows.stop) for rows in given.asked if rows.stop > rows.start)
    assert len(asked) > 10
    assert [a for a, _ in asked] == [0, *(b for _, b in asked[:-1])]
    assert asked[-1][1] == N


def test_what_was_not_written_is_copied(small_blocks):
    found = made(lambda rows, into: [z[rows] for z in Z], N, 2)
    for own, z in zip(found, Z, strict=True):
        np.testing.assert_array_equal(own, z)
        assert not np.shares_memory(own, z)


def test_parts_are_worked_on_in_as_few_rooms_as_there_are_threads(small_blocks):
    rooms, total = set(), np.zeros(M)

    def work(rows, arrays):
        rooms.add(arrays[0].__array_interface__["data"][0])
        total[:] += [x.sum() for x in arrays]

    in_parts(AtHand().logits_of, N, work)
    assert len(rooms) == 1
    np.testing.assert_allclose(total, (Z + 1).sum(axis=(1, 2)), rtol=1e-12)


def test_what_is_kept_is_made_in_one_reading(small_blocks):
    given = AtHand()
    kept = given.kept(2)
    times = len(given.asked)
    for _ in range(3):
        for rows, arrays in logits_in(kept, 2):
            assert rows == slice(0, N)
            np.testing.assert_array_equal(np.stack(arrays), Z + 1)
    assert len(given.asked) == times
    assert given.reads == 1
    assert kept.kept() is kept


def test_nothing_is_kept_beyond_the_budget_or_the_memory(monkeypatch):
    tight = AtHand(budget=Z.nbytes - 1)
    assert tight.kept() is tight
    assert AtHand(budget=Z.nbytes).kept().in_place is not None
    roomy = AtHand()
    monkeypatch.setattr(lazy_module, "available_bytes", lambda: 2 * Z.nbytes - 1)
    assert roomy.kept() is roomy
    monkeypatch.setattr(lazy_module, "available_bytes", lambda: 2 * Z.nbytes)
    assert roomy.kept().in_place is not None
    monkeypatch.setattr(lazy_module, "available_bytes", lambda: None)
    assert roomy.kept().in_place is not None


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("rows", [slice(3, 90, 7), np.array([5, 2, 2, 400]), np.arange(N) % 3 == 0])
def test_a_map_of_some_rows_is_made_of_those_alone(kept, rows):
    given = AtHand()

    def quick(arrays, where, into):
        # Rows are told by their numbers in the whole, whatever was taken.
        return [x * np.arange(N)[where][:, None] for x in arrays]

    mapped = given.map(lambda block, _: block, quick=quick)
    mapped = mapped.kept() if kept else mapped
    expected = (Z + 1) * np.arange(N)[:, None]
    taken = mapped.take(rows)
    if kept:
        np.testing.assert_array_equal(np.stack(taken.in_place), expected[:, rows])
    elif isinstance(rows, slice):
        # Of a base that gives any rows at once, which only cells do.
        some = mapped.logits_of(slice(3, 90))
        np.testing.assert_array_equal(np.stack(some), expected[:, 3:90])


def test_what_is_known_follows_the_models_and_the_rows():
    given = AtHand()
    given.zeros, given.checksums, given.spread = 0, (7, 8, 9), np.array([1.0, 2.0, 3.0])
    some = given.kept().models([2, 0])
    assert (some.zeros, some.checksums, some.spread.tolist()) == (0, (9, 7), [3.0, 1.0])
    np.testing.assert_array_equal(np.stack(some.in_place), Z[[2, 0]] + 1)
    assert given.models([0, 1, 2]) is given
    given.zeros = 5  # of which models, nobody knows
    assert given.models([1]).zeros is None


def test_held_rows_are_not_counted_as_readings():
    given = AtHand()
    held = given.held()
    assert given.reads == held.reads == 0
    for _ in logits_in(held):
        pass
    assert held.reads == 0
    np.testing.assert_array_equal(np.stack(held.in_place), Z + 1)
    log_p = np.asarray(held)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=2), 1, rtol=1e-13)
    np.testing.assert_allclose(log_p - log_p[..., :1], Z - Z[..., :1], rtol=1e-9, atol=1e-12)
