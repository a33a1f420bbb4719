"""Draws have the probabilities they should have, with a fixed seed; and no hidden state."""

import math

import numpy as np
import pytest
from hosts import has
from numpy.testing import assert_array_equal
from scipy.stats import chisquare

from opinionpool import log_softmax, sample, softmax
from opinionpool.errors import InputError, ProbabilityError

INF = math.inf
Z = np.asarray([1.0, -INF, 2.5, 0.0, -3.0, 2.5])
DRAWS = 200_000


@pytest.mark.parametrize("scale", [{}, {"temperature": 3.0}, {"beta": -0.5}, {"base": 2}])
def test_frequencies(scale):
    counts = np.bincount(sample(Z, size=DRAWS, rng=0, **scale), minlength=6)
    assert counts[1] == 0
    expected = np.delete(softmax(Z, **scale), 1) * DRAWS
    assert chisquare(np.delete(counts, 1), expected).pvalue > 1e-3


def test_draws_are_independent():
    draws = sample(np.stack([Z, Z]), size=DRAWS, rng=1)
    pairs = np.zeros((6, 6))
    np.add.at(pairs, tuple(draws.T), 1)
    p = np.delete(softmax(Z), 1)
    pairs = np.delete(np.delete(pairs, 1, 0), 1, 1)
    assert chisquare(pairs.ravel(), (DRAWS * np.outer(p, p)).ravel()).pvalue > 1e-3
    following = np.zeros((6, 6))
    np.add.at(following, (draws[:-1, 0], draws[1:, 0]), 1)
    following = np.delete(np.delete(following, 1, 0), 1, 1)
    expected = np.outer(p, p) * (DRAWS - 1)
    assert chisquare(following.ravel(), expected.ravel()).pvalue > 1e-3


def test_at_temperature_zero_maximisers_are_drawn_equally_often():
    counts = np.bincount(sample(Z, size=10_000, rng=2, temperature=0), minlength=6)
    assert counts[[2, 5]].sum() == 10_000
    assert chisquare(counts[[2, 5]]).pvalue > 1e-3
    counts = np.bincount(sample(Z, size=10_000, rng=2, beta=0), minlength=6)
    assert counts[1] == 0
    assert chisquare(np.delete(counts, 1)).pvalue > 1e-3
    assert_array_equal(sample(Z, size=20, rng=3, beta=-INF), 4)


def test_masked_outcomes_are_never_drawn_and_improbable_ones_beat_them():
    # However improbable, a finite outcome comes before a masked one.
    z = np.asarray([-INF, -1.7e308, -INF])
    assert_array_equal(sample(z, size=1000, rng=4), 1)
    assert_array_equal(sample(z, size=1000, rng=4, beta=10.0), 1)
    lone = np.where(np.arange(50) == 17, -700.0, -INF)
    assert_array_equal(sample(lone, size=1000, rng=5), 17)


def test_log_probabilities_are_logits():
    assert_array_equal(sample(log_softmax(Z), size=100, rng=6), sample(Z, size=100, rng=6))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("size", [None, 5, (2, 3), (), 0])
def test_shapes(host, axis, size):
    z = host.array(np.random.default_rng(0).normal(size=(3, 4, 5)))
    draws = sample(z, size=size, axis=axis, rng=0)
    batch = tuple(n for a, n in enumerate((3, 4, 5)) if a != axis % 3)
    front = {None: (), 5: (5,), 0: (0,)}.get(size, size)
    assert tuple(draws.shape) == (*front, *batch)
    assert type(draws) is type(z)
    assert host.xp.isdtype(draws.dtype, "integral")
    found = host.numpy(draws)
    assert np.all((found >= 0) & (found < (3, 4, 5)[axis]))
    right = sample(host.numpy(z).astype(float), size=size, axis=axis, rng=0)
    assert np.mean(found != right) <= 0.02 if found.size else True


def test_every_library_draws_the_same(host):
    for dtype in host.floats:
        z = host.array([[1.0, 2.0, -INF], [0.0, 0.0, 4.0]], dtype)
        expected = sample(np.asarray([[1.0, 2.0, -INF], [0.0, 0.0, 4.0]]), size=50, rng=9)
        assert_array_equal(host.numpy(sample(z, size=50, rng=9)), expected)


def test_generators_go_on_and_seeds_start_again():
    rng = np.random.default_rng(8)
    first, second = sample(Z, size=50, rng=rng), sample(Z, size=50, rng=rng)
    assert np.any(first != second)
    assert_array_equal(sample(Z, size=50, rng=8), first)
    assert_array_equal(sample(Z, size=50, rng=np.int64(8)), first)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
    sample(Z, size=50, rng=8)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_pieces_of_a_large_job_change_nothing(monkeypatch):
    import opinionpool.maths.sampling as maths

    z = np.random.default_rng(3).normal(size=(20, 10))
    expected = sample(z, size=40, rng=1)
    monkeypatch.setattr(maths, "_ENTRIES", 700)
    assert_array_equal(sample(z, size=40, rng=1), expected)


def test_one_outcome():
    assert_array_equal(sample([[3.0], [1.0]], rng=0), [0, 0])


@has("torch")
def test_tensors_that_require_derivatives():
    import torch

    z = torch.tensor(Z, requires_grad=True)
    assert sample(z, size=3, rng=0).dtype == torch.int64


@has("jax")
def test_nothing_to_draw_from_while_tracing():
    import jax

    with pytest.raises(InputError, match="the same at every call"):
        jax.jit(lambda z: sample(z, rng=0))(jax.numpy.asarray([1.0, 2.0]))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"rng": None}, "rng is None: a numpy.random.Generator or a seed"),
        ({"rng": True}, "rng is True"),
        ({"rng": -1}, "rng is -1"),
        ({"rng": 1.0}, "rng is 1.0"),
        ({"rng": np.random.RandomState(0)}, "rng is RandomState"),
        ({"rng": 0, "size": -1}, "size is -1: it has to be ≥ 0"),
        ({"rng": 0, "size": (2, -3)}, r"size is \(2, -3\)"),
        ({"rng": 0, "size": 2.5}, "size is 2.5: an integer or a tuple"),
        ({"rng": 0, "size": ("a",)}, "size is"),
        ({"rng": 0, "temperature": -1.0}, "temperature is -1.0"),
        ({"rng": 0, "axis": 3}, "axis is 3, but logits of shape"),
    ],
)
def test_impossible_requests(keywords, message):
    with pytest.raises(InputError, match=message):
        sample(Z, **keywords)


def test_impossible_logits():
    with pytest.raises(ProbabilityError, match=r"logits\[1\] is NaN"):
        sample([0.0, math.nan], rng=0)
    with pytest.raises(ProbabilityError, match=r"logits\[1, :\] has no outcome"):
        sample([[0.0, 1.0], [-INF, -INF]], rng=0)
    with pytest.raises(TypeError):
        sample(Z)  # no randomness without saying from where
