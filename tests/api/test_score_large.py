"""Scores of predictions large enough for compiled kernels are those of any other."""

import numpy as np
import pytest

import opinionpool as op
from opinionpool import score_parts
from opinionpool.diagnostics.sketch import ClassCurves
from opinionpool.kernels import fused
from opinionpool.predictions import in_place
from opinionpool.predictions.precise import Precise

pytestmark = [
    pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning"),
    pytest.mark.skipif(not fused.compiled(), reason="no compiled kernels are used here"),
]

N = 1500


def logits(k=5, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, N - k)])
    signal = np.eye(k)[y]
    models = {
        name: (signal * by + rng.normal(size=(N, k))).astype(dtype)
        for name, by in zip("abc", (1, 2, 0.5), strict=True)
    }
    return models, y


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def probabilities(k=5):
    models, y = logits(k)
    return {name: softmax(z) for name, z in models.items()}, y


def with_missing():
    models, y = logits()
    models["b"][::5] = np.nan
    models["c"][:] = np.nan
    models["c"][-7:] = 1.5
    for z in models.values():
        z[13] = np.nan
    return models, y


def with_zeros():
    models, y = logits()
    models["a"][np.arange(N), (y + 1) % 5] = -np.inf
    models["b"][3, y[3]] = -np.inf
    return models, y


def with_ties():
    models, y = probabilities()
    rounded = {name: np.round(p, 1) + 0.1 for name, p in models.items()}
    return {name: p / p.sum(axis=1, keepdims=True) for name, p in rounded.items()}, y


def tenths():
    """Tenths that sum to one but for rounding: whole groups of rows are on the edges of bins."""
    models, y = probabilities()
    rng = np.random.default_rng(2)
    return {n: np.stack([rng.multinomial(10, q) for q in p]) / 10 for n, p in models.items()}, y


def sorted_by_class():
    models, y = probabilities()
    order = np.argsort(y, kind="stable")
    return {name: p[order] for name, p in models.items()}, y[order]


def narrow_probabilities():
    models, y = probabilities()
    return {name: p.astype(np.float32) for name, p in models.items()}, y


def probabilities_with_missing():
    models, y = probabilities()
    models["b"][::5] = np.nan
    models["c"][13] = np.nan
    return models, y


def very_sure():
    models, y = logits()
    return {name: 100 * z for name, z in models.items()}, y


def one_column():
    models, y = probabilities(2)
    return {name: p[:, 1] for name, p in models.items()}, y


def soft():
    models, y = logits()
    return models, softmax(3 * np.eye(5)[y] + np.random.default_rng(5).normal(size=(N, 5)))


def unlabelled():
    models, y = logits()
    labels = y.astype(float)
    labels[::4] = np.nan
    return models, labels


KINDS = {
    "float64": logits,
    "float32": lambda: logits(dtype=np.float32),
    "two": lambda: logits(2),
    "probabilities": probabilities,
    "missing": with_missing,
    "zeros": with_zeros,
    "ties": with_ties,
    "tenths": tenths,
    "sorted": sorted_by_class,
    "narrow probabilities": narrow_probabilities,
    "missing probabilities": probabilities_with_missing,
    "sure": very_sure,
    "one column": one_column,
    "soft": soft,
    "unlabelled": unlabelled,
}
FITS = {
    "optimal": {},
    "T = 1": {"temperature": 1.0},
    "veto": {"floor": "veto", "weighting": "uniform", "temperature": 2.0},
    "floors": {"floor": 0.01},
    "linear": {"rule": "linear"},
    "single": {"weighting": "single"},
    "prior": {"missing": "prior"},
    "calibrated": {"calibrate": "temperature"},
    "scaled": {"scaling": "vector"},
    "confidence": {"weighting": "confidence"},
}


def assert_same(found, expected, where="", narrow=False):
    """Every number is the same to rounding, under the same names in the same order."""
    assert list(found) == list(expected), where
    for name, value in expected.items():
        place = f"{where}/{name}"
        if isinstance(value, dict):
            assert_same(found[name], value, place, narrow)
        elif isinstance(value, float):
            close = 1e-7 if narrow and "decomposition" in where else 1e-12
            assert found[name] == pytest.approx(value, abs=close, rel=1e-12, nan_ok=True), place
        else:
            assert found[name] == value, place


def both(monkeypatch, *args, **options):
    """Score as small predictions are, then as large ones; both read rows as they are."""
    expected = op.score(*args, **options)
    reads = []
    for name in ("for_each", "parts", "logits"):
        real = getattr(Precise, name)

        def noted(self, *given, real=real):
            reads.append(1)
            return real(self, *given)

        monkeypatch.setattr(Precise, name, noted)
    monkeypatch.setattr(in_place, "LARGE", 0)
    found = op.score(*args, **options)
    assert reads  # by the way of large ones
    return found, expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_models_and_pool(kind, weighted, monkeypatch):
    models, y = KINDS[kind]()
    u = np.random.default_rng(1).uniform(0.5, 2, N) if weighted else None
    pool = op.fit(models, y)
    before = {name: x.copy() for name, x in models.items()}
    found, expected = both(monkeypatch, models, y, pool=pool, sample_weight=u, ordered=True)
    assert_same(found, expected, narrow=kind in ("float32", "narrow probabilities"))
    for name, x in models.items():
        np.testing.assert_array_equal(x, before[name])


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("kind", ["float64", "missing", "zeros"])
def test_every_kind_of_pool(kind, fit, monkeypatch):
    models, y = KINDS[kind]()
    if FITS[fit].get("floor") == "veto" and kind == "zeros":
        models["b"][3, y[3]] = 0.0  # else the loss is infinite
    try:
        pool = op.fit(models, y, **FITS[fit])
    except op.OpinionPoolError:
        pytest.skip("no such pool of these")
    assert_same(*both(monkeypatch, models, y, pool=pool))


@pytest.mark.parametrize("floor", ["veto", 0.01])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_pool(kind, floor, monkeypatch):
    if (kind, floor) == ("sure", 0.01):
        pytest.skip("floored certainties are the same but for rounding, which decides their order")
    models, y = KINDS[kind]()
    assert_same(*both(monkeypatch, models, y, floor=floor))


@pytest.mark.parametrize("kind", ["float64", "probabilities", "tenths", "missing", "soft"])
def test_parts_of_many_rows_are_scored_by_the_kernels(kind, monkeypatch):
    """However few rows fit into the memory at a time."""
    models, y = KINDS[kind]()
    pool = op.fit(models, y)
    monkeypatch.setattr(in_place, "LARGE", 0)
    expected = op.score(models, y, pool=pool, ordered=True, memory="16MB")
    used, quick = [], ClassCurves.add_quickly
    noted = lambda self, *given: (used.append(1), quick(self, *given))[1]  # noqa: E731
    monkeypatch.setattr(ClassCurves, "add_quickly", noted)
    monkeypatch.setattr(score_parts, "worthwhile", lambda cells: True)
    assert_same(op.score(models, y, pool=pool, ordered=True, memory="16MB"), expected)
    assert used


def test_zeros_that_the_pool_sees_first(monkeypatch):
    models, y = logits()
    pool = op.fit(models, y)
    models["a"][5, 1] = models["b"][6, 2] = -np.inf
    assert_same(*both(monkeypatch, models, y, pool=pool))


def test_rows_that_only_a_model_without_weight_answered(monkeypatch):
    models, y = logits()
    pool = op.fit(models, y, weighting={"a": 0.5, "b": 0.5, "c": 0.0})
    for name in "ab":
        models[name][7] = np.nan
    assert_same(*both(monkeypatch, models, y, pool=pool))


def test_columns_and_models_in_another_order(monkeypatch):
    pd = pytest.importorskip("pandas")

    models, y = logits()
    pool = op.fit({n: pd.DataFrame(z, columns=list("vwxyz")) for n, z in models.items()}, y_of(y))
    turned = {
        "c": pd.DataFrame(models["c"], columns=list("vwxyz"))[list("zyxwv")],
        "a": pd.DataFrame(models["a"], columns=list("vwxyz")),
    }
    assert_same(*both(monkeypatch, turned, y_of(y), pool=pool))


def test_probabilities_of_columns_in_another_order(monkeypatch):
    pd = pytest.importorskip("pandas")

    models, y = tenths()
    frames = {n: pd.DataFrame(p, columns=list("vwxyz")) for n, p in models.items()}
    frames["b"] = frames["b"][list("zyxwv")]
    assert_same(*both(monkeypatch, frames, y_of(y)))


def y_of(y):
    return np.array(list("vwxyz"))[y]


def test_a_number_of_threads_changes_nothing_but_rounding(monkeypatch):
    models, y = logits()
    pool = op.fit(models, y)
    monkeypatch.setattr(in_place, "LARGE", 0)
    one, three = (op.score(models, y, pool=pool, threads=n, ordered=True) for n in (1, 3))
    assert_same(three, one)
