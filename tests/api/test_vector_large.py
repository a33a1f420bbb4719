"""Scaled pools of large predictions are those of small ones."""

from dataclasses import replace

import numpy as np
import pytest

import opinionpool as op
from opinionpool import one_pass
from opinionpool.kernels import fused
from opinionpool.predictions import in_place

pytestmark = [
    pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning"),
    pytest.mark.skipif(not fused.compiled(), reason="no compiled kernels are used here"),
]

N, K = 700, 6


def logits(dtype=np.float64):
    rng = np.random.default_rng(0)
    y = np.concatenate([np.arange(K), rng.integers(0, K, N - K)])
    models = {n: (np.eye(K)[y] + rng.normal(size=(N, K))).astype(dtype) for n in "abc"}
    return models, y


def probabilities():
    models, y = logits()
    return {n: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for n, z in models.items()}, y


def missing():
    models, y = logits()
    models["b"][::5] = np.nan
    for z in models.values():
        z[13] = np.nan
    return models, y


def zeros():
    models, y = logits()
    models["a"][np.arange(N), (y + 1) % K] = -np.inf
    return models, y


KINDS = {
    "float64": logits,
    "float32": lambda: logits(np.float32),
    "probabilities": probabilities,
    "missing": missing,
    "zeros": zeros,
}


def scaled_pool(models, y, **options):
    rng = np.random.default_rng(1)
    vector = np.stack([rng.uniform(0.5, 2, K), rng.normal(size=K)])
    return replace(op.fit(models, y, **options), vector=vector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("threads", [1, 3])
def test_apply(kind, rule, threads, monkeypatch):
    models, y = KINDS[kind]()
    pool = scaled_pool(models, y, rule=rule)
    expected, counts = pool.apply(models, details=True)
    monkeypatch.setattr(in_place, "LARGE", 0)
    monkeypatch.setattr(one_pass, "worthwhile", lambda cells: True)
    monkeypatch.setattr("opinionpool.kernels.threads.BLOCK_BYTES", 32 * 30 * 8 * K)
    monkeypatch.setattr("opinionpool.kernels.threads.LEAST_BYTES", 1)
    # Not scaled in one go as small ones are.
    monkeypatch.setattr("opinionpool.pooling.apply_vector", None)
    found, same = pool.apply(models, details=True, threads=threads)
    out = np.empty((N, K), np.float32)
    assert pool.apply(models, out=out, threads=threads) is out
    close = {"rtol": 1e-12, "atol": 1e-14}
    if kind == "float32":
        close = {"rtol": 1e-5, "atol": 3e-7}
    assert found.dtype == expected.dtype
    assert same == counts
    np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=3e-7)


def test_finite_logits_are_read_once(monkeypatch):
    models, y = logits(np.float32)
    pool = scaled_pool(models, y)
    monkeypatch.setattr(in_place, "LARGE", 0)
    expected = pool.apply(models)
    monkeypatch.setattr(one_pass, "worthwhile", lambda cells: True)
    monkeypatch.setattr(fused, "survey", None)
    np.testing.assert_array_equal(pool.apply(models), expected)


def test_what_is_impossible_is_an_error_as_ever(monkeypatch):
    models, y = logits()
    pool = scaled_pool(models, y, floor="veto")
    models["a"][3, :3] = models["b"][3, 3:] = -np.inf
    monkeypatch.setattr(in_place, "LARGE", 0)
    with pytest.raises(op.OpinionPoolError, match="leave no class possible"):
        pool.apply(models)
