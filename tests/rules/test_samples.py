"""Samples of a problem's rows: which ones, and where they are."""

import numpy as np
import pytest
from kernels.cases import needs_numba

import opinionpool as op
from opinionpool.predictions import in_place
from opinionpool.rules import objective
from opinionpool.weightings import base


@pytest.mark.parametrize(
    ("most", "expected"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3), (24, 23), (100, 97)]
)
def test_the_largest_prime_that_is_not_larger(most, expected):
    assert objective._prime(most) == expected


def seen_samples(monkeypatch, k, n=4000, seed=0):
    """Fit in place and return what was sampled, with the arrays."""
    samples = []

    def noted(self, *args):
        samples.append(of_problem(self, *args))
        return samples[-1]

    of_problem = objective.PooledLoss.sample
    monkeypatch.setattr(objective.PooledLoss, "sample", noted)
    monkeypatch.setattr(in_place, "LARGE", 0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, n)
    arrays = {name: rng.normal(size=(n, k)) + np.eye(k)[y] for name in "ab"}
    pool = op.fit(arrays, y, seed=seed)
    assert pool.gap <= base.ENOUGH
    return samples, arrays, y


@needs_numba
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_a_prime_number_apart_and_in_place(monkeypatch, seed):
    samples, arrays, y = seen_samples(monkeypatch, k=300, seed=seed)
    sample, rough = (own.evidence for own in samples)
    held = sample.parameters.in_place[1]
    assert np.shares_memory(held, arrays["b"])
    apart = held.strides[0] // arrays["b"].strides[0]
    assert apart == 11  # 4000 / 333 = 12
    first = np.flatnonzero((arrays["b"] == held[0]).all(axis=1))[0]
    assert 0 <= first < apart
    np.testing.assert_array_equal(sample.outcomes.classes, y[first::apart])
    assert sample.n_rows / 10 < rough.n_rows < sample.n_rows / 6


@needs_numba
def test_short_rows_are_put_side_by_side(monkeypatch):
    samples, arrays, _ = seen_samples(monkeypatch, k=5)
    for sample in samples:
        held = sample.evidence.parameters.in_place[0]
        assert held.flags.c_contiguous
        assert not np.shares_memory(held, arrays["a"])


def missing_one(monkeypatch, k=5, n=4000):
    """A fit in place of models of which one lacks one row, and the samples it took."""
    samples = []
    of_problem = objective.PooledLoss.sample

    def noted(self, *args):
        samples.append(of_problem(self, *args))
        return samples[-1]

    monkeypatch.setattr(objective.PooledLoss, "sample", noted)
    monkeypatch.setattr(in_place, "LARGE", 0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, n)
    arrays = {name: (rng.normal(size=(n, k)) + np.eye(k)[y]).astype("f4") for name in "abc"}
    arrays["b"][7] = np.nan
    return op.fit(arrays, y), samples


@needs_numba
def test_a_sample_without_gaps_is_an_ordinary_problem_on_what_was_read(monkeypatch):
    _, (sample,) = missing_one(monkeypatch)
    assert sample.convex
    assert sample.evidence.parameters.in_place[0].dtype == np.float32


@needs_numba
def test_a_search_ends_where_nothing_is_promised(monkeypatch):
    """The survey, the sample, four readings at most and the loss at T = 1."""
    pool, _ = missing_one(monkeypatch)
    assert pool.status.value == "stationary"
    assert pool.passes <= 7
