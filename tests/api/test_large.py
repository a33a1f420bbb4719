"""Pools large enough for compiled kernels are pools as any other."""

import importlib
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import opinionpool as op
from opinionpool.rules import fused

pytest.importorskip("numba", reason="numba is not installed: the plain kernels are the only ones")


def problem(missing=False, zeros=False):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 7, 300)
    signal = np.eye(7)[y]
    models = {n: signal * rng.uniform(0.5, 2) + rng.normal(size=(300, 7)) for n in "abc"}
    if missing:
        models["b"][::5] = np.nan
        for z in models.values():
            z[13] = np.nan
    if zeros:
        models["a"][3, (y[3] + 1) % 7] = -np.inf
    return models, y


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("temperature", [1.0, "fit", 3.0])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("options", [{}, {"floor": "veto"}, {"weighting": "confidence"}], ids=str)
def test_fit_and_apply(options, zeros, missing, temperature, monkeypatch):
    models, y = problem(missing, zeros)
    plain = op.fit(models, y, temperature=temperature, **options)
    expected = plain.apply(models)
    monkeypatch.setattr(fused, "WORTHWHILE", 0)
    assert_allclose(plain.apply(models), expected, rtol=1e-12, atol=1e-300)
    found = op.fit(models, y, temperature=temperature, **options)
    assert found.status == plain.status
    assert found.loss == pytest.approx(plain.loss, abs=1e-6 if missing or options else 1e-9)


def test_an_infinite_temperature(monkeypatch):
    rng = np.random.default_rng(1)
    models = {name: rng.normal(size=(4000, 4)) for name in "ab"}
    wrong = np.stack(list(models.values())).sum(axis=0).argmin(axis=1)
    pool = op.fit(models, wrong, penalty=0, weighting="uniform")
    assert pool.temperature == np.inf
    monkeypatch.setattr(fused, "WORTHWHILE", 0)
    assert_allclose(pool.apply(models), 0.25)


def test_a_large_fit_says_what_it_lacks(monkeypatch):
    models, y = problem()
    module = importlib.import_module("opinionpool.fit")
    monkeypatch.setattr(module, "SLOW", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op.fit(models, y)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.warns(op.OpinionPoolWarning, match="extra 'fast'"):
        op.fit(models, y)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two"])
def test_threads_that_cannot_be(threads):
    models, y = problem()
    with pytest.raises(op.OpinionPoolError, match="threads"):
        op.fit(models, y, threads=threads)
