"""Near-duplicates, the order of a matrix, presence patterns, and the Pareto front."""

import numpy as np
import pytest

from opinionpool.diagnostics.duplicates import clustered_order, near_duplicates
from opinionpool.diagnostics.pareto import Fitted, all_sets, front, greedy_path
from opinionpool.diagnostics.patterns import presence_patterns
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


def test_patterns_are_counted():
    present = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 0, 1]], dtype=bool)
    patterns = presence_patterns(present)
    assert [(p.tolist(), rows.tolist()) for p, rows in patterns] == [
        ([True, False], [1, 3]),
        ([True, True], [0, 4]),
        ([False, True], [2]),
    ]


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
