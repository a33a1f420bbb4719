"""Bound pools: the same numbers as apply, for outputs that are trusted."""

import numpy as np
import pytest
from door_inputs import chances
from numpy.testing import assert_allclose
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, MissingOutputError

MODELS, Y = chances(n=120, k=4)
LOGITS = {name: np.log(p) + 3.0 for name, p in MODELS.items()}
LOGS = {name: np.log(p) for name, p in MODELS.items()}
KINDS = {"probabilities": MODELS, "logits": LOGITS, "log-probabilities": LOGS}
OPTIONS = {
    "plain": {},
    "T = 1": {"temperature": 1.0},
    "flat": {"temperature": 5.0},
    "floor": {"floor": 0.05},
    "learned": {"floor": "learned"},
    "calibrated": {"calibrate": "temperature"},
    "scaled": {"scaling": "vector"},
    "single": {"weighting": "single"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_it_is_apply(rule, kind, options):
    models = KINDS[kind]
    pool = op.fit(models, Y, rule=rule, **options)
    expected = pool.apply(models)
    bound = pool.bind()
    close = tolerance(float, 512)
    assert_allclose(bound(list(models.values())), expected, **close)
    assert_allclose(bound(np.stack(list(models.values()))), expected, **close)
    assert_allclose(bound([z[7] for z in models.values()]), expected[7], **close)
    stacked = np.stack([z[7] for z in models.values()])
    out = np.empty(4)
    assert bound(stacked, out=out) is out
    assert_allclose(out, expected[7], **close)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_missing_outputs(rule):
    pool = op.fit(LOGITS, Y, rule=rule)
    some = {name: LOGITS[name] for name in ("a", "c")}
    outputs = [LOGITS["a"], None, LOGITS["c"]]
    assert_allclose(pool.bind()(outputs), pool.apply(some), **tolerance(float, 512))
    with pytest.raises(MissingOutputError, match="no model with weight"):
        pool.bind()([None, None, None])
    strict = op.fit(LOGITS, Y, rule=rule, missing="error").bind()
    with pytest.raises(MissingOutputError, match="missing='error'"):
        strict(outputs)


def test_one_column_of_two_classes():
    models = {name: p[:, :2] / p[:, :2].sum(axis=1, keepdims=True) for name, p in MODELS.items()}
    y = (Y % 2).astype(int)
    for column in (
        {name: p[:, 1:] for name, p in models.items()},
        {name: np.log(p[:, 1:]) - np.log(p[:, :1]) for name, p in models.items()},
    ):
        pool = op.fit(column, y)
        assert_allclose(
            pool.bind()(list(column.values())), pool.apply(column), **tolerance(float, 512)
        )


def test_zeros_that_veto():
    models = {name: p.copy() for name, p in MODELS.items()}
    models["b"][5] = [0, 0.5, 0.5, 0]
    y = Y.copy()
    y[5] = 1
    pool = op.fit(models, y, floor="veto")
    found = pool.bind()(list(models.values()))
    assert_allclose(found, pool.apply(models), **tolerance(float, 512))
    assert found[5, 0] == 0


def test_what_cannot_be_bound():
    with pytest.raises(InputError, match="2 outputs for 3 models"):
        op.fit(LOGITS, Y).bind()([LOGITS["a"], LOGITS["b"]])
    confident = op.fit(LOGITS, Y, weighting="confidence")
    if confident.gamma:
        with pytest.raises(InputError, match="follow confidence"):
            confident.bind()
    two = {name: np.stack([np.zeros(5), np.ones(5)], axis=1) for name in "ab"}
    gaussian = op.fit(two, np.linspace(-1, 1, 5), family="gaussian")
    with pytest.raises(InputError, match="family='gaussian'"):
        gaussian.bind()
