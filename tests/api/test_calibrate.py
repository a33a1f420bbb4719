"""Temperatures of the models themselves before pooling, vector scaling after it."""

import numpy as np
import pytest
from door_inputs import chances
from numpy.testing import assert_allclose
from scipy.optimize import minimize, minimize_scalar
from shared_data import load
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, PoolFileError

MODELS, Y = chances(n=400, k=3)


def nll(p, y=Y):
    return -np.log(p[np.arange(len(y)), y]).mean()


def tempered(p, temperature):
    q = p ** (1 / temperature)
    return q / q.sum(axis=1, keepdims=True)


def test_each_model_gets_the_temperature_of_its_own_least_loss():
    pool = op.fit(MODELS, Y, calibrate="temperature", penalty=0)
    for p, t in zip(MODELS.values(), pool.model_temperatures, strict=True):
        own = minimize_scalar(lambda b, p=p: nll(tempered(p, 1 / b)), bounds=(0.01, 100))
        assert 1 / t == pytest.approx(own.x, rel=1e-4)
    losses = [
        nll(tempered(p, t)) for p, t in zip(MODELS.values(), pool.model_temperatures, strict=True)
    ]
    assert_allclose(pool.losses, losses, rtol=1e-12)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_calibrating_first_is_pooling_calibrated_models(rule, tmp_path):
    pool = op.fit(MODELS, Y, rule=rule, calibrate="temperature")
    own = zip(MODELS.items(), pool.model_temperatures, strict=True)
    already = {name: tempered(p, t) for (name, p), t in own}
    plain = op.fit(already, Y, rule=rule)
    assert_allclose(pool.weights, plain.weights, atol=1e-6)
    assert pool.loss == pytest.approx(plain.loss, rel=1e-9)
    pool.save(tmp_path / "pool.json")
    found = op.load(tmp_path / "pool.json").apply(MODELS)
    assert nll(found) == pytest.approx(pool.loss, rel=1e-12)


def test_the_log_pool_with_a_fitted_temperature_does_not_need_it():
    """Weights absorb the models' own temperatures: v_α = w_α β_α/T is the same cone."""
    a = op.fit(MODELS, Y, penalty=0)
    b = op.fit(MODELS, Y, penalty=0, calibrate="temperature")
    assert a.loss == pytest.approx(b.loss, abs=1e-8)


def test_gaussians_too():
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    sure = np.stack([y + rng.normal(size=500), np.full(500, 0.25)], axis=1)
    pool = op.fit({"a": sure}, y, family="gaussian", calibrate="temperature", penalty=0)
    expected = ((y - sure[:, 0]) ** 2).mean() / 0.25
    assert_allclose(pool.model_temperatures, [expected], rtol=1e-6)


def test_compare_calibrates_inside_the_folds():
    overconfident = {name: tempered(p, 0.2) for name, p in MODELS.items()}
    plain = op.compare(overconfident, Y)
    found = op.compare(overconfident, Y, calibrate="temperature")
    losses = [{row["candidate"]: row["loss"] for row in c.table} for c in (plain, found)]
    # A single model gains; the mean of over-confident ones may be right where each is too sure.
    assert losses[1]["best single model"] < losses[0]["best single model"]
    assert losses[1]["uniform linear, T = 1"] > losses[0]["uniform linear, T = 1"]
    assert found.pool.model_temperatures is not None


def test_vector_scaling_is_the_optimum_of_its_objective(tmp_path):
    base = op.fit(MODELS, Y)
    pool = op.fit(MODELS, Y, scaling="vector")
    log_p = np.log(base.apply(MODELS))

    def objective(x):
        z = x[:3] * log_p + x[3:]
        z = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
        away = ((x[:3] - 1) ** 2).sum() + (x[3:] ** 2).sum()
        return -z[np.arange(len(Y)), Y].mean() + away / len(Y)

    found = minimize(objective, np.repeat([1.0, 0.0], 3), method="BFGS", options={"gtol": 1e-8})
    assert objective(pool.vector.ravel()) <= found.fun + 1e-9
    p = pool.apply(MODELS)
    assert nll(p) == pytest.approx(pool.loss, rel=1e-12)
    assert pool.loss <= base.loss
    parts = pool.decomposition
    total = parts["average_error"] - parts["ambiguity"] - parts["temperature_gain"]
    assert total - parts["scaling_gain"] == pytest.approx(parts["loss"], rel=1e-12)
    pool.save(tmp_path / "pool.json")
    assert_allclose(op.load(tmp_path / "pool.json").apply(MODELS), p, **tolerance(float))
    text = (tmp_path / "pool.json").read_text()
    (tmp_path / "pool.json").write_text(text.replace('"vector": [\n', '"vector": [[1.0],\n', 1))
    with pytest.raises(PoolFileError):
        op.load(tmp_path / "pool.json")


def test_vector_scaling_leaves_the_fallback_alone():
    models = {name: p.copy() for name, p in MODELS.items()}
    for p in models.values():
        p[:3] = np.nan
    with pytest.warns(op.OpinionPoolWarning, match="fallback"):
        found = op.fit(models, Y, scaling="vector").apply(models)
    assert_allclose(found[:3], 1 / 3)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_vector_scaling_on_real_forecasts(rule):
    arrays = load("assembled_digits")
    p, y = arrays["probs"].astype(np.float64), arrays["labels"]
    even, odd = slice(0, None, 2), slice(1, None, 2)
    options = {"rule": rule, "floor": 1e-6, "renormalise": True}
    pool = op.fit(list(p[:, even]), y[even], scaling="vector", **options)
    plain = op.fit(list(p[:, even]), y[even], **options)
    test = [nll(q.apply(list(p[:, odd])), y[odd]) for q in (pool, plain)]
    assert pool.loss < plain.loss
    assert test[0] < test[1] + 0.02  # it may be a little worse on new rows, not far


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"calibrate": "isotonic"}, "calibrate: found 'isotonic', expected 'temperature'"),
        ({"calibrate": True}, "calibrate: found True"),
        ({"scaling": "matrix"}, "scaling: found 'matrix', expected 'vector'"),
        ({"calibrate": "temperature", "floor": "learned"}, "not together"),
        ({"scaling": "vector", "family": "gaussian"}, "no classes"),
    ],
)
def test_options_that_do_not_fit(options, said):
    with pytest.raises(InputError, match=said):
        op.fit(MODELS, Y, **options)
