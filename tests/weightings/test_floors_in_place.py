"""Floors learned from rows that are left where they are: those of copies of them, or better."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import opinionpool as op
from opinionpool.families.floors import log_odds
from opinionpool.families.lazy import Held, as_array
from opinionpool.predictions import in_place
from opinionpool.rules import LOG
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import Penalty, PooledLoss
from opinionpool.weightings import floors_in_place
from opinionpool.weightings.base import Task
from opinionpool.weightings.floored_loss import FlooredLoss
from opinionpool.weightings.learned_floors import _value_and_slope, floored_evidence

pytest.importorskip("numba", reason="numba is not installed: nothing is left in place")

N, K = 3000, 6


def problem(kind):
    """Models that are wrong now and then, and sure of it: floors help them."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, K, N)
    models = {}
    for name, wrong in zip("abc", (0.02, 0.06, 0.12), strict=True):
        believed = np.where(rng.random(N) < wrong, rng.integers(0, K, N), y)
        z = 1.2 * rng.normal(size=(N, K))
        z[np.arange(N), believed] += 8.0
        models[name] = z
    options = {}
    if kind == "float32":
        models = {name: z.astype(np.float32) for name, z in models.items()}
    if kind in ("zeros", "probabilities"):
        for z in models.values():
            z[rng.random((N, K)) < 0.05] = -np.inf
            z[:, 0] = np.maximum(z[:, 0], -3)  # never nothing at all
    if kind in ("probabilities", "columns"):
        models = {name: softmax(z) for name, z in models.items()}
    if kind in ("missing", "prior", "missing T = 1"):
        models["b"][::5] = np.nan
        models["c"][100:300] = np.nan
        for z in models.values():
            z[13] = np.nan
    if kind == "prior":
        options["missing"] = "prior"
    if kind == "weighted":
        options["sample_weight"] = rng.uniform(0.5, 2.0, N) * (rng.random(N) > 0.1)
    if kind == "soft":
        y = 0.9 * np.eye(K)[y] + 0.1 * rng.dirichlet(np.ones(K), N)
    if "T = 1" in kind:
        options["temperature"] = 1.0
    if kind == "no penalty":
        options["penalty"] = 0
    if kind == "twice":
        models["again"] = models["b"].copy()
    if kind == "columns":
        pd = pytest.importorskip("pandas")
        models = {name: pd.DataFrame(p, columns=list("uvwxyz")) for name, p in models.items()}
        models["b"] = models["b"][list("zyxuvw")]
        y = np.array(list("uvwxyz"))[y]
    return models, y, options


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def objective(pool):
    """What is minimised: the loss with its penalty."""
    if pool.rule == "linear" or pool.settings.penalty == 0:
        return pool.loss
    penalty = Penalty(1.0, pool.rows["fitted"], np.ones(len(pool.models)))
    return pool.loss + penalty.evaluate(pool.weights / pool.temperature)[0]


@pytest.fixture
def left_in_place(left_in_place, monkeypatch):
    """Search to the end, too."""

    def leave():
        left_in_place()
        monkeypatch.setattr(floors_in_place, "ENOUGH", 1e-9)

    return leave


KINDS = [
    *("plain", "float32", "zeros", "probabilities", "columns", "weighted", "prior", "twice"),
    *("T = 1", "no penalty"),
]


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("kind", [*KINDS, "soft", "missing", "missing T = 1"])
def test_the_same_pool(kind, left_in_place):
    models, y, options = problem(kind)
    expected = op.fit(models, y, floor="learned", **options)
    left_in_place()
    found = op.fit(models, y, floor="learned", **options)
    # In memory the search ends where it gains no more than 1e-6: that is how far it may be behind.
    # (The prior is mixed while floors are learned, but not afterwards.)
    assert objective(found) < objective(expected) + (1e-5 if kind == "prior" else 1e-7)
    assert_allclose(found.weights, expected.weights, rtol=0, atol=5e-3)
    assert_allclose(found.floors, expected.floors, rtol=0.15, atol=3e-5)
    assert_allclose(found.losses, expected.losses, rtol=0, atol=5e-3)
    assert found.status is expected.status is op.Status.STATIONARY
    assert np.isnan(found.gap)
    assert found.rows == expected.rows
    if kind not in ("weighted", "soft"):  # score knows no weights
        near = 1e-7 if kind == "float32" else 1e-10
        assert op.score(models, y, pool=found)["pool"]["nll"] == pytest.approx(found.loss, abs=near)


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_linear_pool(kind, left_in_place):
    models, y, options = problem(kind)
    options["rule"] = "linear"
    expected = op.fit(models, y, floor="learned", **options)
    left_in_place()
    found = op.fit(models, y, floor="learned", **options)
    assert found.loss == pytest.approx(expected.loss, abs=1e-7)
    assert_allclose(found.weights, expected.weights, rtol=0, atol=1e-6)
    assert_allclose(found.floors, expected.floors, rtol=1e-6, atol=1e-9)
    assert found.status is expected.status


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("kind", ["soft", "missing"])
def test_linear_pools_of_all_cells_are_made_of_copies(kind, monkeypatch):
    """What is left of the rows is not one number per model, and is looked at again and again."""
    models, y, options = problem(kind)
    expected = op.fit(models, y, rule="linear", floor="learned", **options)
    monkeypatch.setattr(in_place, "LARGE", 0)
    found = op.fit(models, y, rule="linear", floor="learned", **options)
    assert_allclose(found.weights, expected.weights, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["plain", "zeros", "weighted", "soft", "missing"])
def test_value_and_slopes_are_those_of_a_pool_of_floored_models(kind):
    models, y, options = problem(kind)
    z = np.stack(list(models.values()))[:, :500]
    present = None if kind != "missing" else ~np.isnan(z).any(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_p = np.log(softmax(z.reshape(-1, K))).reshape(z.shape)
    outcomes = Outcomes(soft=y[:500]) if kind == "soft" else Outcomes(classes=y[:500])
    weight = options.get("sample_weight", np.ones(N))[:500]
    held = Evidence(log_p, outcomes, weight, present, np.full(K, -np.log(K))).answered()
    lazy = replace(held, parameters=as_array(Held(list(held.parameters))))
    v, epsilon = np.array([0.9, 0.5, 0.4]), np.array([0.3, 1e-3, 1e-6])
    x = np.concatenate([v, log_odds(epsilon)])
    found = FlooredLoss(PooledLoss(LOG, lazy, 1.0)).evaluate(x)
    floored = floored_evidence(held, epsilon)
    expected = PooledLoss(LOG, floored, 1.0).evaluate(v)
    _, slope = _value_and_slope(Task(LOG, held, "fit", 1.0), floored, v, epsilon)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert_allclose(found.gradient[:3], expected.gradient, rtol=1e-9, atol=1e-12)
    assert_allclose(found.gradient[3:], slope * epsilon * (1 - epsilon), rtol=1e-9, atol=1e-14)
    assert_allclose(found.curvature[:3, :3], expected.curvature, rtol=1e-9)
    assert np.linalg.eigvalsh(found.curvature)[0] > -1e-12


def test_the_same_seed_gives_the_same_bits_whatever_the_threads(left_in_place):
    models, y, _ = problem("float32")
    left_in_place()
    first, again = (op.fit(models, y, floor="learned", threads=n, seed=3) for n in (1, 2))
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.floors.tobytes() == again.floors.tobytes()


def test_floors_are_learned_from_files_in_a_dozen_readings(tmp_path, left_in_place):
    models, y, _ = problem("float32")
    paths = {}
    for name, z in models.items():
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], z)
    left_in_place()
    in_memory = op.fit(models, y, floor="learned")
    found = op.fit(paths, y, floor="learned", memory="16MB")
    assert_allclose(found.weights, in_memory.weights, rtol=0, atol=1e-4)
    assert found.loss == pytest.approx(in_memory.loss, abs=1e-6)
    assert found.passes < 25
