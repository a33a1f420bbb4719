"""Folds: every row tested once, groups and moments whole, the future never in training."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from opinionpool import folds

CODES = st.lists(st.integers(0, 11), min_size=12, max_size=60)


def ranked(codes):
    return np.unique(codes, return_inverse=True)[1]


@given(st.integers(2, 50), st.integers(2, 8), st.integers(0, 9))
def test_by_row(n, k, seed):
    if n < k:
        with pytest.raises(folds.LabelError, match=f"{k} folds need at least as many rows"):
            folds.by_row(n, k, seed)
        return
    cut = folds.by_row(n, k, seed)
    assert_array_equal(np.sort(np.concatenate([test for _, test in cut])), np.arange(n))
    sizes = [len(test) for _, test in cut]
    assert max(sizes) - min(sizes) <= 1
    for train, test in cut:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))


@given(CODES, st.integers(2, 4), st.integers(0, 9))
def test_groups_are_never_split(codes, k, seed):
    codes = ranked(codes)
    if codes.max() + 1 < k:
        return
    cut = folds.by_group(codes, k, seed)
    assert_array_equal(np.sort(np.concatenate([test for _, test in cut])), np.arange(len(codes)))
    for train, test in cut:
        assert len(train)
        assert len(test)
        assert not set(codes[train]) & set(codes[test])


@given(CODES, st.integers(2, 4))
def test_forward_never_trains_on_the_future_nor_splits_a_moment(codes, k):
    codes = ranked(codes)
    if codes.max() < k:
        with pytest.raises(folds.LabelError, match="moments after the first"):
            folds.forward(codes, k)
        return
    cut = folds.forward(codes, k)
    assert len(cut) == k
    last = -1
    for train, test in cut:
        assert len(train)
        assert len(test)
        assert codes[train].max() < codes[test].min()
        assert codes[test].min() > last
        last = codes[test].max()
    # Each test's rows are trained on in the next fold.
    for (_, test), (train, _) in pairwise(cut):
        assert set(test) <= set(train)
    assert last == codes.max()


def test_stretches_are_about_equal():
    sizes = [len(test) for _, test in folds.forward(np.arange(100), 4)]
    assert sizes == [20] * 4
    groups = np.repeat([0, 1, 2, 3], [50, 20, 20, 10])
    assert sorted(len(test) for _, test in folds.by_group(groups, 2, 0)) == [50, 50]


def test_shuffled():
    assert_array_equal(folds.by_row(30, 3, 1)[0][1], folds.by_row(30, 3, 1)[0][1])
    first = folds.by_row(30, 3, 0)[0][1]
    assert not np.array_equal(first, folds.by_row(30, 3, 1)[0][1])
    assert not np.array_equal(first, np.arange(10))
