"""Labels that are distributions, and how much each row counts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from door_inputs import SOLVED, chances, nll, outputs
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError, LabelError

MODELS, Y = outputs(n=30)
FITTED = op.fit(MODELS, Y)
TWO, Y2 = chances(n=30, k=2)


def test_soft_labels_that_are_hard_are_the_same_fit():
    soft = op.fit(MODELS, np.eye(3)[Y])
    assert_allclose(soft.weights, FITTED.weights, **SOLVED)
    assert soft.loss == pytest.approx(FITTED.loss, rel=1e-12)
    assert soft.classes == (0, 1, 2)


def test_soft_labels_are_weighted_hard_ones():
    q = np.random.default_rng(3).dirichlet(np.ones(3), 30)
    soft = op.fit(MODELS, q)
    thrice = {name: np.repeat(z, 3, axis=0) for name, z in MODELS.items()}
    hard = op.fit(thrice, np.tile([0, 1, 2], 30), sample_weight=q.ravel())
    assert_allclose(soft.weights, hard.weights, **SOLVED)
    assert soft.temperature == pytest.approx(hard.temperature, rel=1e-9)
    assert soft.loss == pytest.approx(hard.loss, rel=1e-12)


def test_soft_binary_labels():
    q = np.random.default_rng(3).random(30)
    both = op.fit(TWO, np.stack([1 - q, q], axis=1))
    for given in (q, q.tolist(), pd.Series(q), pl.Series(q), q[:, None], q.astype(np.longdouble)):
        one = op.fit(TWO, given)
        assert one.classes == (0, 1)
        assert one.loss == pytest.approx(both.loss, rel=1e-12)
    # A few of them may be exactly 0 or 1.
    q[:20] = np.arange(20) % 2
    assert op.fit(TWO, q).classes == (0, 1)
    columns = {name: p[:, 1] for name, p in TWO.items()}
    assert op.fit(columns, q).loss == pytest.approx(op.fit(TWO, q).loss, rel=1e-12)
    gone = q.copy()
    gone[3] = np.nan
    assert op.fit(columns, gone).rows["unlabelled"] == 1


def test_soft_binary_labels_with_none():
    columns = {name: p[:, 1] for name, p in TWO.items()}
    pool = op.fit(columns, [None, *[0.25, 0.75] * 14, 0.25])
    assert pool.classes == (0, 1)
    assert pool.rows["unlabelled"] == 1


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_soft_labels_in_a_frame_are_matched_by_name(make):
    q = np.random.default_rng(3).dirichlet(np.ones(3), 30)
    frames = {name: make(dict(zip("uvw", z.T, strict=True))) for name, z in MODELS.items()}
    y = make({"w": q[:, 2], "u": q[:, 0], "v": q[:, 1]})
    pool = op.fit(frames, y)
    assert pool.classes == ("u", "v", "w")
    assert pool.loss == pytest.approx(op.fit(MODELS, q).loss, rel=1e-12)
    with pytest.raises(LabelError, match="soft labels for w, u; the classes are u, v, w"):
        op.fit(frames, y[["w", "u"]])


def test_soft_labels_that_are_no_distributions():
    q = np.full((30, 3), 1 / 3)
    for bad in ([0.5, 0.6, 0.1], [1.5, -0.5, 0], [0, 0, 0], [np.inf, 0, 0], [np.nan, 0.5, 0.5]):
        q[7] = bad
        with pytest.raises(LabelError, match=r"labels, row 7: soft label .* sum to one"):
            op.fit(MODELS, q)
    with pytest.raises(LabelError, match="2 columns for 3 classes"):
        op.fit(MODELS, np.full((30, 2), 0.5))
    with pytest.raises(LabelError, match="second of two classes, but there are 3"):
        op.fit(MODELS, np.full(30, 0.4))
    q[7] = [1 / 3 + 5e-4, 1 / 3, 1 / 3]  # within rounding
    op.fit(MODELS, q)


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("weighting", ["optimal", "uniform", "greedy"])
def test_sample_weights_are_repeated_rows(rule, weighting):
    times = np.random.default_rng(5).integers(0, 4, 30)
    times[:3] = 1
    weighted = op.fit(MODELS, Y, rule=rule, weighting=weighting, sample_weight=times)
    repeated = {name: np.repeat(z, times, axis=0) for name, z in MODELS.items()}
    again = op.fit(repeated, np.repeat(Y, times), rule=rule, weighting=weighting)
    assert_allclose(weighted.weights, again.weights, rtol=1e-8, atol=1e-10)
    assert weighted.temperature == pytest.approx(again.temperature, rel=1e-8)
    assert weighted.loss == pytest.approx(again.loss, rel=1e-12)
    assert_allclose(weighted.losses, again.losses, rtol=1e-12)
    p = weighted.apply(MODELS)
    assert weighted.loss == pytest.approx(nll(p, Y, times), rel=1e-12)


@pytest.mark.parametrize("penalty", ["auto", 0])
def test_weight_zero_is_an_absent_row(penalty):
    weight = np.ones(30)
    weight[[5, 9]] = 0
    kept = weight > 0
    some = op.fit(MODELS, Y, sample_weight=weight, penalty=penalty)
    less = op.fit({n: z[kept] for n, z in MODELS.items()}, Y[kept], penalty=penalty)
    assert_array_equal(some.weights, less.weights)
    assert some.temperature == less.temperature
    assert some.rows["fitted"] == 28
    # Nothing is read of such a row's label.
    odd = Y.astype(object)
    odd[5] = "unheard of"
    named = op.fit(MODELS, odd, sample_weight=weight, penalty=penalty, classes=[0, 1, 2])
    assert_array_equal(named.weights, less.weights)


def test_scaling_all_weights_does_not_matter_without_a_penalty():
    some = op.fit(MODELS, Y, penalty=0, sample_weight=np.full(30, 2.5))
    assert_allclose(some.weights, op.fit(MODELS, Y, penalty=0).weights, **SOLVED)


def test_weights_that_count_hardly_any_rows_are_remarked():
    with pytest.warns(op.OpinionPoolWarning, match="sample_weight: 30 rows weigh 0.3 together"):
        op.fit(MODELS, Y, sample_weight=np.full(30, 0.01))


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.ones(29), r"found shape \(29,\), expected \(30,\)"),
        (np.ones((30, 1)), r"found shape \(30, 1\)"),
        (2.0, r"found shape \(\)"),
        ("heavy", "no column 'heavy' beside the labels"),
        ([*["x"] * 30], "one number per label"),
        ([1] * 3 + [-1] + [1] * 26, "row 3: found -1.0"),
        ([1] * 3 + [np.nan] + [1] * 26, "row 3: found nan"),
        ([1] * 3 + [np.inf] + [1] * 26, "row 3: found inf"),
        (np.zeros(30), "positive weight"),
    ],
)
def test_impossible_sample_weights(weight, words):
    for door in (op.fit, op.score, op.compare):
        with pytest.raises(InputError, match=words):
            door(MODELS, Y, sample_weight=weight)
