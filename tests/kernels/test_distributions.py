"""Probabilities that are looked at while they are pooled."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from kernels.test_finite import CLASSES, small_blocks
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool.kernels import fused

pytestmark = needs_numba

WITHIN = fused.Bounds(0.999, 1.001, 1 + 1e-6)
ANY_SUM = fused.Bounds(1e-38, 1e38, np.inf)
W = np.array([0.5, 0.3, 0.0])
RULES = ["log", "linear"]

of_rules = pytest.mark.parametrize("rule", RULES)
of_classes = pytest.mark.parametrize("k", CLASSES)


def shares(k, dtype=np.float32, n=301, seed=0):
    """Three models' probabilities."""
    rng = np.random.default_rng(seed)
    e = np.exp(rng.normal(size=(3, n, k)))
    return list((e / e.sum(axis=2, keepdims=True)).astype(dtype))


def pooled(rule, arrays, bounds=WITHIN, s=1.0, out=None, w=W, threads=2):
    """Whether all rows are distributions, and their pool."""
    out = np.empty(arrays[0].shape, arrays[0].dtype) if out is None else out
    if rule == "linear":
        w = w / w.sum()
        return fused.mix_distributions(arrays, w, s, bounds, out=out, threads=threads), out
    return fused.apply_distributions(arrays, s * w, bounds, out=out, threads=threads), out


def plainly(rule, arrays, s=1.0, w=W):
    """The same in NumPy."""
    p = np.stack(arrays).astype(np.float64)
    p /= p.sum(axis=2, keepdims=True)
    if rule == "linear":
        q = np.einsum("m,mnk->nk", w / w.sum(), p) ** s
    else:
        q = np.exp(s * np.einsum("m,mnk->nk", w, np.log(p)))
    return q / q.sum(axis=1, keepdims=True)


@of_rules
@of_classes
@pytest.mark.parametrize("s", [1.0, 1.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions_are_pooled(dtype, s, k, rule):
    arrays = shares(k, dtype)
    sound, out = pooled(rule, arrays, s=s)
    assert sound
    assert_allclose(out, plainly(rule, arrays, s), rtol=ulps(dtype, 64), atol=0)
    assert_array_equal(pooled(rule, arrays, s=s, threads=1)[1], out)


@of_rules
@of_classes
@pytest.mark.parametrize("model", [0, 2], ids=["with weight", "without"])
@pytest.mark.parametrize("row", [0, 150, 300])
@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf, -1e-7, 1.0001])
def test_a_cell_that_is_no_probability_is_seen(cell, row, model, k, rule, monkeypatch):
    """Where the row's sum would do, too."""
    small_blocks(monkeypatch, k)
    arrays = shares(k)
    own = arrays[model][row]
    own[:] = 0 if cell > 1 else own
    own[k - 1] = cell
    assert not pooled(rule, arrays)[0]


@of_rules
@of_classes
@pytest.mark.parametrize("by", [0.99, 1.01, 0.0])
@pytest.mark.parametrize("row", [0, 300])
def test_a_sum_that_is_not_one_is_seen(row, by, k, rule):
    arrays = shares(k)
    arrays[1][row] *= np.float32(by)
    assert not pooled(rule, arrays)[0]
    assert pooled(rule, arrays, ANY_SUM)[0] == (by > 0)


@of_rules
@of_classes
def test_any_sum_is_normalised_where_that_is_asked_for(k, rule):
    arrays = [x * np.float32(by) for x, by in zip(shares(k), (1e-20, 0.2, 1e10), strict=True)]
    sound, out = pooled(rule, arrays, ANY_SUM)
    assert sound
    assert_allclose(out, plainly(rule, arrays), rtol=ulps(np.float32, 64), atol=0)


@of_classes
def test_a_zero_is_left_to_others_where_it_vetoes(k):
    arrays = shares(k)
    arrays[1][7] = np.eye(k, dtype=np.float32)[0]
    assert not pooled("log", arrays)[0]
    sound, out = pooled("linear", arrays)
    assert sound
    assert_allclose(out, plainly("linear", arrays), rtol=ulps(np.float32, 64), atol=0)


@of_rules
@pytest.mark.parametrize("k", [10, 131, 1000])
def test_arrays_of_any_layout_and_results_of_another_dtype(k, rule):
    arrays = shares(k)
    odd = [
        np.asfortranarray(arrays[0]),
        arrays[1][::-1].copy()[::-1],
        arrays[2].astype(">f4"),
    ]
    out = np.empty((301, 2 * k))[:, ::2]
    assert pooled(rule, odd, out=out)[0]
    assert_allclose(out, plainly(rule, arrays), rtol=ulps(np.float32, 64), atol=0)
    mixed = [arrays[0], arrays[1].astype(np.float64), arrays[2].astype(np.float16)]
    sound, out = pooled(rule, mixed, out=np.empty((301, k)))
    assert sound
    assert_allclose(out, plainly(rule, mixed), rtol=1e-10, atol=0)


@of_rules
def test_reading_ends_where_a_row_is_none(rule, monkeypatch):
    small_blocks(monkeypatch, 10)
    arrays = shares(10, n=900)
    arrays[0][5, 0] = np.nan
    out = np.full((900, 10), 7.0, np.float32)
    assert not pooled(rule, arrays, out=out, threads=1)[0]
    assert (out[100:] == 7).all()


@of_rules
@pytest.mark.parametrize("m", [1, 2, 5, 8, 17])
@pytest.mark.parametrize("k", [10, 300])
def test_any_number_of_models_and_of_rows(k, m, rule):
    for n in (0, 1, 15, 16, 17, 100):
        arrays = [shares(k, n=n, seed=a)[0] for a in range(m)]
        w = np.arange(1.0, m + 1) / m**2
        sound, out = pooled(rule, arrays, w=w)
        assert sound
        assert_allclose(out, plainly(rule, arrays, w=w), rtol=ulps(np.float32, 256), atol=0)


def test_nobody_with_weight_is_left_to_others():
    assert not pooled("log", shares(10), w=np.zeros(3))[0]
