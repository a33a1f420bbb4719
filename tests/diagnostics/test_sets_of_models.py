"""Near-duplicates, the order of a matrix, presence patterns, and the Pareto front."""

import numpy as np
import pytest

from opinionpool.diagnostics.duplicates import clustered_order, near_duplicates
from opinionpool.diagnostics.pareto import Fitted, all_sets, front, greedy_path
from opinionpool.diagnostics.patterns import Patterns
from opinionpool.diagnostics.worst_rows import highest


def distances(points):
    x = np.asarray(points, dtype=float)
    return (x[:, None] - x) ** 2


def test_duplicates_are_chained():
    assert near_duplicates(distances([0, 5, 0.02, 9, 0.04])) == [[0, 2, 4]]
    # A twentieth of the middle one of 0.01, 25, 81 and their like.
    assert near_duplicates(distances([0, 5, 0.1, 9])) == [[0, 2]]
    assert near_duplicates(distances([0, 5, 9])) == []
    assert near_duplicates(distances([0, 0.01])) == [[0, 1]]
    assert near_duplicates(distances([0, 0.2])) == []
    assert near_duplicates(np.zeros((1, 1))) == []


def test_like_is_put_by_like():
    order = clustered_order(distances([0, 10, 1, 11, 2]))
    assert order in ([0, 2, 4, 1, 3], [3, 1, 4, 2, 0])
    far = distances([0, 10, 1, 11, 2])
    far[0, 1] = far[1, 0] = np.inf
    assert sorted(clustered_order(far)) == list(range(5))


PRESENT = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 0, 1]], dtype=bool)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_patterns_are_counted_block_by_block(size):
    patterns, weight = Patterns(2), np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    for first in range(0, 5, size):
        rows = slice(first, first + size)
        patterns.add(PRESENT[:, rows], weight[rows], 10 * weight[rows])
    found = [(p.present.tolist(), p.rows, p.weight, p.loss) for p in patterns.frequent()]
    assert found == [
        ([True, False], 2, 3.0, 30.0),
        ([True, True], 2, 4.0, 40.0),
        ([False, True], 1, 1.0, 10.0),
    ]
    assert patterns.short == 0


def test_rare_patterns_are_forgotten_and_it_is_said_how_many_rows_that_may_be():
    rng = np.random.default_rng(0)
    present = rng.random((8, 4000)) < 0.5
    present[:, ::2] = present[:, :1]  # half of the rows are alike
    patterns = Patterns(8, most=40)
    for first in range(0, 4000, 50):
        here = present[:, first : first + 50]
        patterns.add(here, np.ones(50), np.ones(50))
    most = patterns.frequent()[0]
    true = int((present == present[:, :1]).all(axis=0).sum())
    assert (most.present == present[:, 0]).all()
    assert true - patterns.short <= most.rows <= true
    assert len(patterns.frequent()) <= 40 + 50
    assert patterns.short > 0


def fitted(models, loss):
    return Fitted(tuple(models), np.full(len(models), 1 / len(models)), 1.0, np.zeros(1), loss)


def test_a_front_by_hand():
    fits = [
        fitted([0], 5.0),
        fitted([1], 4.0),
        fitted([0, 1], 3.0),
        fitted([1, 2], 3.5),
        fitted([0, 1, 2], 3.0),
    ]
    kept = front(fits, np.array([1.0, 2.0, 0.5]))
    assert [(f.models, c) for f, c in kept] == [
        ((0,), 1.0),
        ((1,), 2.0),
        ((1, 2), 2.5),
        ((0, 1), 3.0),
    ]


def test_all_sets_are_all():
    assert len(list(all_sets(4))) == len(set(all_sets(4))) == 15


def test_a_path_adds_the_best_of_the_promising():
    loss = {(2,): 5, (0, 2): 4.5, (1, 2): 4, (2, 3): 1, (0, 1, 2): 3, (1, 2, 4): 3.5}
    asked = []

    def fit(models):
        asked.append(models)
        return fitted(models, loss[models]) if models in loss else None

    singles = [fitted([i], 9 if i != 2 else 5) for i in range(5)]
    promise = np.array([3.0, 2.0, 9.0, -1.0, 1.0])
    path = greedy_path(fit, singles, lambda now: promise)
    # The third is not promising enough to be tried at first.
    assert [f.models for f in path] == [(2,), (1, 2), (0, 1, 2)]
    assert (2, 3) not in asked


def test_highest():
    values = np.array([1.0, np.nan, 3.0, 3.0, np.inf])
    assert highest(values, 3).tolist() == [4, 2, 3]
    assert highest(np.array([np.nan]), 3).tolist() == []


@pytest.mark.parametrize("most", [0, 2])
def test_highest_of_few(most):
    assert len(highest(np.arange(5.0), most)) == most
