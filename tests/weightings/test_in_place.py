"""Weightings on rows that are left where they are choose what they choose in memory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool.predictions import in_place
from opinionpool.predictions.predictions import Predictions
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings import WEIGHTINGS, confidence

pytest.importorskip("numba", reason="numba is not installed: nothing is left in place")

N, K = 900, 6
WAYS = [
    *({"weighting": name} for name in WEIGHTINGS if name not in ("optimal", "greedy")),
    *({"weighting": "score", "metric": metric} for metric in ("auc", "brier", "log-loss")),
    {"resample": 4},
]


def problem(kind, n=N):
    rng = np.random.default_rng(5)
    y = rng.integers(0, K, n)
    models = {
        name: np.eye(K)[y] * rng.uniform(0.5, 2.0) + rng.normal(size=(n, K)) for name in "abcd"
    }
    options = {}
    if kind == "missing":
        models["b"][::5] = np.nan
        models["c"][100:300] = np.nan
        for z in models.values():
            z[13] = np.nan
    if kind == "zeros":
        models["a"][3:40, :] = np.where(np.eye(K)[y[3:40]] > 0, 1.0, -np.inf)
        models["a"][3:40, 0] = 0.0
    if kind == "weighted":
        options["sample_weight"] = rng.uniform(0.5, 2.0, n) * (rng.random(n) > 0.1)
    if kind == "soft":
        y = 0.7 * np.eye(K)[y] + 0.3 * rng.dirichlet(np.ones(K), n)
    if kind == "prior":
        models["b"][::5] = np.nan
        options["missing"] = "prior"
    if kind == "calibrated":
        options["calibrate"] = "temperature"
    if kind == "T = 1":
        options["temperature"] = 1.0
    return models, y, options


def fitted(models, y, options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPINIONPOOL_KERNELS", "reference")
        return op.fit(models, y, **options)


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize(
    "kind",
    ["plain", "missing", "zeros", "weighted", "soft", "prior", "calibrated", "T = 1"],
)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(map(str, way.values())))
def test_the_same_pool(way, kind, left_in_place):
    models, y, options = problem(kind)
    expected = fitted(models, y, {**options, **way})
    left_in_place()
    found = op.fit(models, y, **options, **way)
    # Confidence searches where there are many minima.
    weak = "confidence" in way.values()
    assert_allclose(found.weights, expected.weights, rtol=0, atol=2e-3 if weak else 1e-6)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6 if weak else 1e-7)
    assert_allclose(found.losses, expected.losses, rtol=0, atol=1e-9)
    assert found.status == expected.status
    assert found.rows == expected.rows
    assert np.isnan(found.gap) == np.isnan(expected.gap)


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("kind", ["plain", "missing", "weighted", "soft", "T = 1"])
def test_of_many_rows_a_sample_says_where_confidence_is_best(kind, left_in_place, monkeypatch):
    """All of a profile's 200 evaluations went over all rows."""
    models, y, options = problem(kind, 30_000)
    rng = np.random.default_rng(0)
    for z in models.values():  # who is sure knows something
        unsure = rng.random(len(z)) < 0.5
        z[unsure] = np.where(np.isnan(z[unsure]), np.nan, rng.normal(size=(unsure.sum(), K)))
    left_in_place()
    readings = []
    of_all = PooledLoss._sums

    def counted(self, *args):
        readings.append(self.evidence.n_rows > 15_000)
        return of_all(self, *args)

    monkeypatch.setattr(PooledLoss, "_sums", counted)
    found = op.fit(models, y, **options, weighting="confidence")
    assert found.gamma > 0.1
    assert sum(readings) < 80 < len(readings)
    monkeypatch.setattr(confidence._Search, "sample", lambda self: None)
    expected = op.fit(models, y, **options, weighting="confidence")
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert found.gamma == pytest.approx(expected.gamma, rel=1e-2)
    assert_allclose(found.weights, expected.weights, rtol=0, atol=2e-3)


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("way", [{"weighting": "single"}, {"weighting": "score"}, {"resample": 3}])
def test_the_same_linear_pool(way, left_in_place):
    models, y, options = problem("missing")
    options["rule"] = "linear"
    expected = fitted(models, y, {**options, **way})
    left_in_place()
    found = op.fit(models, y, **options, **way)
    assert_allclose(found.weights, expected.weights, rtol=0, atol=1e-5)
    # Of bootstraps that are no convex problems, which end where little is left to be gained.
    assert found.loss == pytest.approx(expected.loss, abs=1e-5 if "resample" in way else 1e-7)


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("kind", ["plain", "missing", "weighted", "soft", "T = 1"])
def test_vector_scaling_is_fitted_to_the_pool_there_is_without_it(kind, rule, left_in_place):
    models, y, options = problem(kind)
    options["rule"] = rule
    left_in_place()
    alone, found = op.fit(models, y, **options), op.fit(models, y, **options, scaling="vector")
    assert_array_equal(found.weights, alone.weights)
    given = dict(zip(alone.models, alone.weights, strict=True))
    s = {"temperature": alone.temperature}
    same = fitted(models, y, {**options, **s, "weighting": given, "scaling": "vector"})
    assert found.loss == pytest.approx(same.loss, abs=1e-9)
    assert_allclose(found.vector, same.vector, rtol=0, atol=1e-4)


def test_exact_zeros_are_an_error_in_place_too(left_in_place):
    models, y, _ = problem("zeros")
    left_in_place()
    with pytest.raises(op.OpinionPoolError, match="exact zeros make divergences infinite"):
        op.fit(models, y, weighting="heskes", floor="veto")


def test_a_callable_metric_sees_what_it_sees_in_memory(left_in_place):
    models, y, options = problem("missing")

    def metric(labels, p):
        assert_allclose(p.sum(axis=1), 1)
        return float((p.argmax(axis=1) == labels).mean())

    expected = fitted(models, y, {**options, "weighting": "score", "metric": metric})
    left_in_place()
    found = op.fit(models, y, **options, weighting="score", metric=metric)
    assert_allclose(found.weights, expected.weights, rtol=1e-14)


def test_soft_labels_of_the_linear_rule_are_not_normalised_in_every_pass(monkeypatch):
    """Bootstraps of it had taken three times as long as in memory."""
    models, y, options = problem("soft")
    monkeypatch.setattr(in_place, "LARGE", 0)
    taken = []
    whole = Predictions.whole
    monkeypatch.setattr(Predictions, "whole", lambda self: taken.append(self) or whole(self))
    op.fit(models, y, rule="linear", resample=3, **options)
    assert taken
