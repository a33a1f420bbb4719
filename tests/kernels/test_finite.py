"""Pooling that says whether every cell was finite."""

import numpy as np
import pytest
from kernels.cases import make_job, needs_numba
from numpy.testing import assert_array_equal

from opinionpool.kernels import fused

KERNELS = ["reference", pytest.param("auto", marks=needs_numba)]
# Few classes, more than a vector, more than pooling turns into columns, more than a tile.
CLASSES = [2, 10, 131, 2500]

with_kernels = pytest.mark.parametrize("kernels", KERNELS)
of_classes = pytest.mark.parametrize("k", CLASSES)


def small_blocks(monkeypatch, k):
    """Blocks of some 30 rows, so that there are many."""
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 30 * 3 * k * 4)
    monkeypatch.setattr("opinionpool.kernels.threads.LEAST_BYTES", 1)


@with_kernels
@of_classes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_cells_are_pooled_as_ever(k, dtype, kernels):
    job = make_job("plain", dtype, 3, 301, k)
    out = np.empty((301, k), dtype)
    assert fused.apply_finite(job.arrays, job.v, out=out, threads=2, kernels=kernels)
    assert_array_equal(out, job.apply(kernels=kernels)[0])


@with_kernels
@of_classes
@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("model", [0, 2], ids=["with weight", "without"])
@pytest.mark.parametrize("row", [0, 150, 300])
def test_one_cell_that_is_not_is_seen(k, cell, model, row, kernels, monkeypatch):
    small_blocks(monkeypatch, k)
    job = make_job("plain", np.float32, 3, 301, k)
    job.arrays[model][row, k - 1] = cell
    out = np.empty((301, k), np.float32)
    assert not fused.apply_finite(job.arrays, job.v, out=out, threads=2, kernels=kernels)


@with_kernels
def test_one_thread_does_not_undo_what_another_found(kernels, monkeypatch):
    """That all is sound so far was read before a block, and written after it: the last one won."""
    small_blocks(monkeypatch, 131)
    job = make_job("plain", np.float32, 3, 900, 131)
    job.arrays[0][5, 0] = np.nan
    out = np.empty((900, 131), np.float32)
    for _ in range(20):
        assert not fused.apply_finite(job.arrays, job.v, out=out, threads=4, kernels=kernels)


@with_kernels
def test_reading_ends_where_a_cell_is_not_finite(kernels, monkeypatch):
    small_blocks(monkeypatch, 10)
    job = make_job("plain", np.float32, 3, 900, 10)
    job.arrays[0][5, 0] = -np.inf
    out = np.full((900, 10), 7.0, np.float32)
    assert not fused.apply_finite(job.arrays, job.v, out=out, kernels=kernels)
    assert (out[100:] == 7).all()


@with_kernels
@pytest.mark.parametrize("k", [10, 131])
def test_sums_beyond_what_a_float_holds_are_not_finite(k, kernels):
    x = np.full((5, k), 1e308)
    out = np.empty((5, k))
    assert not fused.apply_finite([x, x], np.array([1.0, 1.0]), out=out, kernels=kernels)


@with_kernels
def test_nobody_with_weight_is_left_to_others(kernels):
    x, out = np.zeros((5, 3)), np.empty((5, 3))
    assert not fused.apply_finite([x, x], np.zeros(2), out=out, kernels=kernels)


@with_kernels
@pytest.mark.parametrize("k", [10, 131])
def test_arrays_of_any_layout_and_results_of_another_dtype(k, kernels):
    job = make_job("plain", np.float32, 3, 301, k)
    odd = [np.asfortranarray(job.arrays[0]), job.arrays[1][::-1][::-1], job.arrays[2]]
    out = np.empty((301, 2 * k))[:, ::2]
    assert fused.apply_finite(odd, job.v, out=out, threads=2, kernels=kernels)
    assert_array_equal(out.astype(np.float32), job.apply(kernels=kernels)[0])
    odd[0][300, 0] = np.nan
    assert not fused.apply_finite(odd, job.v, out=out, threads=2, kernels=kernels)
