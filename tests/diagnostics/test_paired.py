"""Standard errors from sums over blocks, against those from all rows at once."""

import numpy as np
import pytest

from opinionpool.compare import paired_difference
from opinionpool.diagnostics.paired import GROUPS, Clusters, Paired

N = 500


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.1, 1, (3, N)), rng.uniform(0.5, 2, N), rng.integers(0, 60, N)


def summed(d, u, codes, clusters, size):
    sums = Paired(len(d), clusters)
    for first in range(0, d.shape[1], size):
        here = slice(first, first + size)
        sums.add(d[:, here], u[..., here], codes[here])
    return sums


@pytest.mark.parametrize("size", [1, 7, N])
@pytest.mark.parametrize("by_row", [True, False])
def test_it_is_what_all_rows_at_once_say(size, by_row):
    d, u, codes = rows()
    codes = np.arange(N) if by_row else np.unique(codes, return_inverse=True)[1]
    clusters = Clusters.of(codes)
    assert clusters.by_row is by_row
    sums = summed(d, u, codes, clusters, size)
    for column, own in enumerate(d):
        expected = paired_difference(own, np.zeros(N), u, codes)
        assert sums.found(column) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("by_row", [True, False])
def test_rows_without_weight_play_no_part(by_row):
    d, u, codes = rows(1)
    codes = np.arange(N) if by_row else np.unique(codes, return_inverse=True)[1]
    here = codes % 3 > 0
    d[0, ~here] = np.inf
    sums = summed(d[:1], np.where(here, u, 0.0)[None], codes, Clusters.of(codes), 50)
    expected = paired_difference(d[0, here], np.zeros(here.sum()), u[here], codes[here])
    assert sums.found() == pytest.approx(expected, rel=1e-11)


def test_infinite_ones_have_no_error():
    one = np.array([[np.inf, 1.0], [np.nan, 1.0], [2.0, 2.0]])
    sums = summed(one, np.ones(2), np.arange(2), Clusters(2, True), 1)
    assert sums.found(0)[0] == np.inf
    assert np.isnan(sums.found(0)[1])
    assert sums.found(1) == (np.inf, np.inf)
    assert sums.found(2) == (2.0, 0.0)


def test_many_clusters_are_dealt_into_groups():
    """Random groups: a relative error of √(1/2G) in the standard error, four times over."""
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(3 * GROUPS), 2)
    d = np.repeat(rng.normal(size=3 * GROUPS), 2)[None] + 0.1 * rng.normal(size=len(codes))
    clusters = Clusters.of(codes)
    sums = summed(d, np.ones(len(codes)), codes, clusters, 10_000)
    mean, error = sums.found()
    expected = paired_difference(d[0], np.zeros(len(codes)), np.ones(len(codes)), codes)
    assert mean == pytest.approx(expected[0], rel=1e-11)
    assert error == pytest.approx(expected[1], rel=4 / np.sqrt(2 * GROUPS))
    # Of about equal size: a Poisson count of 3 clusters, none of more than 20.
    counts = np.bincount(clusters.group(np.arange(3 * GROUPS), GROUPS), minlength=GROUPS)
    assert counts.max() < 20
    assert counts.var() == pytest.approx(3, rel=0.1)


def test_the_groups_are_few_enough():
    assert Clusters(10, True).groups(5) == 10
    assert Clusters(10**6, True).groups(5) == GROUPS
    assert Clusters(10**6, True).groups(10**9) == 256
