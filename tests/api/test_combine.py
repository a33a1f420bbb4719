"""combine(): reference values, weights, temperature, and what it says about touched rows."""

import warnings

import numpy as np
import pytest
from door_inputs import SEED_LOGITS, SEED_POOL, SEED_WEIGHTS, naive_pool, normalised, outputs
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op

PRINTED = {"rtol": 0, "atol": 0.6e-8}  # the reference values are printed to eight places
NOBODY = [np.nan] * 3


def test_reference_values():
    found = op.combine(SEED_LOGITS, weights=SEED_WEIGHTS)
    assert found.shape == (3,)
    assert_allclose(found, SEED_POOL, **PRINTED)


def test_reference_values_with_a_model_missing():
    rows = [SEED_LOGITS[0], NOBODY, SEED_LOGITS[2]]
    found, details = op.combine(rows, weights=SEED_WEIGHTS, details=True)
    assert_allclose(found, [0.44235527, 0.27882236, 0.27882236], **PRINTED)
    assert details == {"rows": 1, "rows_with_missing": 1, "rows_fallback": 0}


def test_nobody_answers_is_uniform_counted_and_said():
    with pytest.warns(op.OpinionPoolWarning, match=r"1 of 1 row\(s\) have no output.*uniform") as w:
        found, details = op.combine([NOBODY] * 3, weights=SEED_WEIGHTS, details=True)
    assert_array_equal(found, [1 / 3] * 3)
    assert details == {"rows": 1, "rows_with_missing": 0, "rows_fallback": 1}
    assert len(w) == 1
    assert w[0].filename == __file__


def test_no_warning_where_nothing_was_decided():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        op.combine(SEED_LOGITS)
        op.combine([SEED_LOGITS[0], NOBODY])
    assert said == []


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("temperature", [1, 0.4, 3.0, np.float32(2), np.int64(2)])
def test_against_a_naive_pool(rule, temperature):
    models, _ = outputs(n=20)
    w = np.array([0.2, 0.5, 0.3])
    p = normalised(np.stack(list(models.values())))
    found = op.combine(models, weights=w, rule=rule, temperature=temperature)
    assert_allclose(found, naive_pool(p, w, rule, float(temperature)), **tolerance(float, 64))
    assert_allclose(found.sum(axis=1), 1, **tolerance(float, 8))


@pytest.mark.parametrize(
    "weights",
    [
        [4, 3.5, 2.5],
        (0.4, 0.35, 0.25),
        np.array([40, 35, 25]),
        np.array([0.8, 0.7, 0.5], dtype=np.float32),
        {"c": 2.5, "a": 4, "b": 3.5},
        [4e-320, 3.5e-320, 2.5e-320],
        pytest.param([1.6e308, 1.4e308, 1.0e308]),
    ],
    ids=["scaled", "tuple", "integers", "float32", "by name", "tiny", "huge"],
)
def test_weights_are_normalised(weights):
    found = op.combine(dict(zip("abc", SEED_LOGITS, strict=True)), weights=weights)
    assert_allclose(found, SEED_POOL, rtol=0, atol=1e-7)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_no_weights_is_uniform(rule):
    models, _ = outputs(n=10)
    assert_array_equal(op.combine(models, rule=rule), op.combine(models, [1, 1, 1], rule=rule))


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_a_model_of_weight_zero_is_not_heard(rule):
    models, _ = outputs(n=10)
    alone = op.combine({"a": models["a"]}, rule=rule)
    assert_allclose(op.combine(models, [1, 0, 0], rule=rule), alone, **tolerance(float, 4))


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_one_model_and_identical_models_are_reproduced(rule):
    z = outputs(n=10)[0]["a"]
    assert_allclose(op.combine([z], rule=rule), normalised(z), **tolerance(float, 16))
    assert_allclose(op.combine([z, z, z], rule=rule), normalised(z), **tolerance(float, 16))


def test_the_log_pool_is_externally_bayesian():
    """Pool, then update by a common likelihood, is update, then pool."""
    models, _ = outputs(n=10)
    likelihood = np.array([0.2, 0.5, 0.9])
    w = [0.5, 0.3, 0.2]
    later = op.combine(models, w) * likelihood
    first = op.combine({name: z + np.log(likelihood) for name, z in models.items()}, w)
    assert_allclose(first, later / later.sum(axis=1, keepdims=True), **tolerance(float, 16))


def test_far_logits_neither_over_nor_underflow():
    far = np.array([[1e308, 0.0, -1e308], [-800.0, -801.0, -900.0]])
    found = op.combine([far, far], kind="logits", floor="veto")
    assert_allclose(found[0], [1, 0, 0], **tolerance(float))
    assert_allclose(found[1], normalised(far[1]), **tolerance(float, 256))


def test_details_count_every_row_once():
    models = np.stack([normalised(np.ones((4, 3)))] * 2)
    models[0, 1] = models[:, 2] = np.nan
    with pytest.warns(op.OpinionPoolWarning, match="1 of 4"):
        _, details = op.combine(models, details=True)
    assert details == {"rows": 4, "rows_with_missing": 1, "rows_fallback": 1}


def test_a_row_that_only_a_weightless_model_answered_gets_the_fallback():
    models = np.full((2, 1, 3), 1 / 3)
    models[0] = np.nan
    models[1] = [0.2, 0.2, 0.6]
    with pytest.warns(op.OpinionPoolWarning, match="of any model with weight"):
        found, details = op.combine(models, weights=[1, 0], details=True)
    assert_array_equal(found, [[1 / 3] * 3])
    assert details["rows_fallback"] == 1
