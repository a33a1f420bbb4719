"""Bayesian stacking: weights of a linear pool from log-densities alone, at any size."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from tolerance import ulps

import opinionpool as op
from opinionpool.errors import InputError, Status, VetoError


def densities(m, n, seed=0, noise=0.3):
    """Log-densities of M Gaussians of different place and width, with noise, at N outcomes."""
    rng = np.random.default_rng(seed)
    y, place, width = rng.normal(size=n), rng.normal(size=(m, 1)), np.exp(rng.normal(size=(m, 1)))
    return -0.5 * ((y - place) / width) ** 2 - np.log(width) + noise * rng.normal(size=(m, n))


def loss(w, log_f, u=None):
    """Mean loss, row by row with the row's largest density taken out."""
    top = log_f.max(axis=0)
    return -np.average(top + np.log(w @ np.exp(log_f - top)), weights=u)


def named(log_f):
    return {f"m{i}": row for i, row in enumerate(log_f)}


def em(log_f, rounds=20_000):
    """Expectation maximisation: monotone, slow, and independent of everything else here."""
    f = np.exp(log_f - log_f.max(axis=0))
    w = np.full(len(f), 1 / len(f))
    for _ in range(rounds):
        w = w * (f / (w @ f)).mean(axis=1)
    return w


@pytest.mark.parametrize("seed", range(8))
def test_against_expectation_maximisation_and_slsqp(seed):
    log_f = densities(5, 80, seed)
    found = op.stack(log_f)
    peer = minimize(
        lambda w: loss(w, log_f),
        np.full(5, 0.2),
        method="SLSQP",
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.status is Status.CONVERGED
    assert found.loss == pytest.approx(loss(found.weights, log_f), rel=1e-12)
    assert found.loss <= min(peer.fun, loss(em(log_f), log_f)) + 1e-10
    assert_allclose(found.weights, em(log_f), atol=1e-4)
    assert_allclose(found.losses, -log_f.mean(axis=1), rtol=ulps(float, 16))


@pytest.mark.parametrize(
    "shape", [(10_000, 100), (500, 2_000), (300, 300), (100, 3_000), (8, 60_000)]
)
def test_any_shape_is_certified(shape):
    log_f = densities(*shape, seed=1)
    found = op.stack(named(log_f))
    assert found.status is Status.CONVERGED
    assert 0 <= found.gap <= 1e-9
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (found.weights >= 0).all()
    # The certificate again, from its definition: no model would still help.
    top = log_f.max(axis=0)
    f = np.exp(log_f - top)
    assert np.log((f / (found.weights @ f)).mean(axis=1).max()) <= 2e-9


def test_a_working_set_finds_what_all_models_together_do():
    log_f = densities(260, 400, seed=3)
    found = op.stack(log_f)  # above 200 models: a working set
    w = em(log_f, 5_000)
    assert found.loss <= loss(w, log_f) + 1e-9
    active = found.weights > 0
    assert_allclose(op.stack(log_f[active]).loss, found.loss, atol=1e-9)


@pytest.mark.parametrize("shift", [-900.0, 900.0])
def test_densities_that_overflow_or_underflow_exp(shift):
    """The naive form exponentiates first and returns equal weights."""
    log_f = densities(4, 200)
    plain, moved = op.stack(log_f), op.stack(log_f + shift)
    assert_allclose(moved.weights, plain.weights, atol=1e-6)
    assert moved.loss == pytest.approx(plain.loss - shift, rel=1e-12)
    one = log_f.copy()
    one[:, 0] = [-800.0, -801, -802, -803]
    assert op.stack(one).gap <= 1e-9


def test_densities_that_are_zero():
    log_f = densities(3, 50)
    log_f[0, 7] = log_f[1, 8] = -np.inf
    found = op.stack(log_f)
    assert found.status is Status.CONVERGED
    assert np.isfinite(found.loss)
    assert_array_equal(np.isinf(found.losses), [True, True, False])
    log_f[:, 3] = -np.inf
    with pytest.raises(VetoError, match=r"in 1 row.*row 3"):
        op.stack(log_f)


def test_only_one_model_explains_one_row_among_thousands():
    log_f = np.full((300, 1000), -5.0) + 0.1 * np.random.default_rng(0).normal(size=(300, 1000))
    log_f[:, 0] = -np.inf
    log_f[250, 0], log_f[250, 1:] = -1.0, -200.0
    found = op.stack(log_f)
    assert found.gap <= 1e-9
    assert found.weights[250] == pytest.approx(1 / 1000, rel=1e-3)  # one row in a thousand


def test_identical_models_share_and_order_does_not_matter():
    log_f = densities(4, 300)
    twice = op.stack(log_f[[0, 1, 1, 2, 3]])
    once = op.stack(log_f)
    assert twice.weights[1] == twice.weights[2]
    assert_allclose(twice.weights[[0, 1, 3, 4]] * [1, 2, 1, 1], once.weights, atol=1e-7)
    order = [2, 0, 3, 1]
    assert_allclose(op.stack(log_f[order]).weights, once.weights[order], atol=1e-7)
    many = np.concatenate([densities(250, 300, 5), densities(250, 300, 5)])
    found = op.stack(named(many)).weights
    assert_allclose(found[:250], found[250:], rtol=0, atol=0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 6), n=st.integers(6, 40))
def test_a_weight_is_that_many_rows(seed, m, n):
    rng = np.random.default_rng(seed)
    log_f, counts = densities(m, n, seed), rng.integers(0, 4, n)
    counts[0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)  # M > N after dropping rows
        a = op.stack(log_f, sample_weight=counts)
        b = op.stack(np.repeat(log_f, counts, axis=1))
    assert a.loss == pytest.approx(b.loss, abs=2e-9)
    assert a.gap <= 1e-9


def test_the_same_seed_gives_the_same_bits_and_another_the_same_optimum():
    log_f = densities(6, 50_000)
    a, b, c = op.stack(log_f), op.stack(log_f), op.stack(log_f, seed=7)
    assert_array_equal(a.weights, b.weights)
    assert a.loss == pytest.approx(c.loss, abs=2e-9)


def test_what_can_be_stacked():
    log_f = densities(3, 40)
    expected = op.stack(log_f)
    assert expected.models == ("m0", "m1", "m2")
    frame = pd.DataFrame(log_f.T, columns=["a", "b", "c"])
    elpd = {name: SimpleNamespace(elpd_i=row) for name, row in zip("abc", log_f, strict=True)}
    for given_ in (dict(zip("abc", log_f, strict=True)), frame, elpd):
        found = op.stack(given_)
        assert found.models == ("a", "b", "c")
        assert_array_equal(found.weights, expected.weights)
    assert_array_equal(op.stack(list(elpd.values())).weights, expected.weights)
    assert "a=" in repr(op.stack(frame))
    alone = op.stack(log_f[:1])
    assert_array_equal(alone.weights, [1.0])


def test_it_is_the_linear_pool_that_fit_finds():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 200)
    p = rng.dirichlet(np.ones(3), (4, 200))
    p[:, np.arange(200), y] += 0.3
    p /= p.sum(axis=-1, keepdims=True)
    pool = op.fit(list(p), y, rule="linear", temperature=1.0, penalty=0)
    found = op.stack(np.log(p[:, np.arange(200), y]))
    assert_allclose(found.weights, pool.weights, atol=1e-6)
    assert found.loss == pytest.approx(pool.loss, abs=2e-9)


def test_an_array_that_looks_like_its_transpose():
    with pytest.warns(op.OpinionPoolWarning, match=r"5 models and 3 rows.*transpose"):
        op.stack(densities(5, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op.stack(named(densities(5, 3)))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.array([[0.0, np.nan]]), "model 'm0', row 1: found nan"),
        (np.array([[0.0, np.inf]]), r"row 1: found inf"),
        (np.zeros(3), r"found shape \(3,\)"),
        (np.zeros((0, 3)), r"found shape \(0, 3\)"),
        (np.zeros((2, 0)), r"found shape \(2, 0\)"),
        ({}, "no model"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"'b': found shape \(4,\), expected \(3,\)"),
        ({"a": np.zeros((3, 2))}, "one number per row"),
        ([["x", "y"]], "cannot be read as numbers"),
        (np.zeros((2, 3), complex), "complex"),
    ],
)
def test_bad_input(bad, said):
    with pytest.raises(InputError, match=said):
        op.stack(bad)


@pytest.mark.parametrize("weight", [np.ones(3), -np.ones(40), np.zeros(40), np.full(40, np.nan)])
def test_bad_weights(weight):
    with pytest.raises(InputError, match="sample_weight"):
        op.stack(densities(3, 40), sample_weight=weight)
