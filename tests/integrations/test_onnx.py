"""Exported graphs give what the pool gives: every rule, family, kind and policy."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from door_inputs import chances, naive_pool, nll, outputs, with_gaps
from numpy.testing import assert_allclose, assert_array_equal
from shared_data import load

import opinionpool as op
from opinionpool.errors import InputError, OpinionPoolError
from opinionpool.integrations.onnx import to_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

#: What issue and README promise of the round trip.
PROMISED = {"rtol": 0, "atol": 1e-6}
RULES = ["log", "linear"]
every_rule = pytest.mark.parametrize("rule", RULES)


def run(model, inputs):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def exported(pool, models, **options):
    dtype = options.get("dtype", "float32")
    inputs = {name: np.asarray(x, dtype) for name, x in models.items()}
    return run(to_onnx(pool, **options), inputs)[0]


def applied(pool, models, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)
        return pool.apply(models, **more)


def narrow(models):
    return {name: np.asarray(x, np.float32) for name, x in models.items()}


WAYS = {
    "plain": {},
    "T given": {"temperature": 0.4},
    "uniform": {"weighting": "uniform"},
    "single": {"weighting": "single"},
    "floor": {"floor": 0.03},
    "veto": {"floor": "veto"},
    "learned floors": {"floor": "learned"},
    "calibrated": {"calibrate": "temperature"},
    "scaled": {"scaling": "vector"},
    "confidence": {"weighting": "confidence"},
    "everything": {
        **{"weighting": "confidence", "calibrate": "temperature"},
        **{"scaling": "vector", "floor": 0.01},
    },
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_rule
@every_way
@pytest.mark.parametrize("make", [outputs, chances, with_gaps])
def test_every_way_of_fitting(rule, way, make):
    models, y = make(n=80, k=4)
    pool = op.fit(models, y, rule=rule, **way)
    new = narrow(make(n=50, k=4, seed=5)[0])
    assert_allclose(exported(pool, new), applied(pool, new), **PROMISED)
    wide = make(n=50, k=4, seed=5)[0]
    assert_allclose(exported(pool, wide, dtype="float64"), applied(pool, wide), rtol=0, atol=1e-12)


@every_rule
@pytest.mark.parametrize("missing", ["renormalise", "prior"])
@pytest.mark.parametrize("fallback", ["uniform", "prior"])
@pytest.mark.parametrize("weighting", ["optimal", "confidence", [0.5, 0.5, 0]])
def test_every_policy(rule, missing, fallback, weighting):
    models, y = with_gaps(n=80)
    pool = op.fit(models, y, rule=rule, missing=missing, fallback=fallback, weighting=weighting)
    new = narrow(with_gaps(n=60, seed=3)[0])
    assert_allclose(exported(pool, new), applied(pool, new), **PROMISED)


@every_rule
@pytest.mark.parametrize("policy", [{"missing": "error"}, {"fallback": "error"}])
def test_rows_that_apply_refuses_are_nan(rule, policy):
    models, y = chances(n=60)
    pool = op.fit(models, y, rule=rule, **policy)
    new = narrow(chances(n=6, seed=2)[0])
    new["a"][1] = np.nan
    for p in new.values():
        p[3] = np.nan
    found = exported(pool, new)
    refused = [1, 3] if "missing" in policy else [3]
    assert_array_equal(np.isnan(found).all(axis=1), np.isin(np.arange(6), refused))
    keep = ~np.isin(np.arange(6), refused)
    right = applied(pool, {name: p[keep] for name, p in new.items()})
    assert_allclose(found[keep], right, **PROMISED)


WRONG = {
    "partly NaN": ("probabilities", [0.5, np.nan, 0.5]),
    "negative": ("probabilities", [-0.2, 0.5, 0.5]),
    "above one": ("probabilities", [1.0005, 0.0, 0.0]),
    "sum": ("probabilities", [0.5, 0.3, 0.3]),
    "nothing": ("probabilities", [0.0, 0.0, 0.0]),
    "infinite": ("logits", [1.0, np.inf, 0.0]),
    "all masked": ("logits", [-np.inf, -np.inf, -np.inf]),
    "partly NaN logits": ("logits", [1.0, np.nan, 0.0]),
    "positive logs": ("log-probabilities", [0.5, -1.0, -2.0]),
    "logs of no sum": ("log-probabilities", [-0.1, -1.0, -2.0]),
}


@every_rule
@pytest.mark.parametrize("floor", ["veto", 0.02])
@pytest.mark.parametrize(("kind", "row"), WRONG.values(), ids=WRONG)
def test_rows_that_are_no_predictions_are_nan(rule, floor, kind, row):
    p, y = chances(n=40)
    made = p if kind == "probabilities" else {name: np.log(x) for name, x in p.items()}
    pool = op.fit(made, y, rule=rule, kind=kind, floor=floor)
    new = {name: x[:3].astype(np.float32) for name, x in made.items()}
    right = pool.apply(new)
    new["b"][1] = row
    with pytest.raises(OpinionPoolError):
        pool.apply(new)
    found = exported(pool, new)
    assert np.isnan(found[1]).all()
    assert_allclose(found[[0, 2]], right[[0, 2]], **PROMISED)


def test_renormalised_rows():
    p, y = chances(n=40)
    counts = {name: x * 7 for name, x in p.items()}
    pool = op.fit(counts, y, renormalise=True)
    assert_allclose(exported(pool, counts), pool.apply(narrow(counts)), **PROMISED)


@every_rule
@pytest.mark.parametrize("floor", ["auto", "veto", 0.02])
def test_exact_zeros(rule, floor):
    p, y = chances(n=60)
    pool = op.fit(p, y, rule=rule, floor=floor)  # "auto" has seen no zeros yet
    new = narrow(chances(n=8, seed=1)[0])
    new["a"][2] = [0, 0.4, 0.6]
    new["b"][5] = [0, 0, 1]
    assert_allclose(exported(pool, new), applied(pool, new), **PROMISED)


def test_a_row_whose_every_class_is_vetoed_is_nan():
    p, y = chances(n=60)
    pool = op.fit(p, y, floor="veto")
    new = narrow(chances(n=3, seed=1)[0])
    new["a"][1], new["b"][1], new["c"][1] = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    assert_array_equal(np.isnan(exported(pool, new)).all(axis=1), [False, True, False])
    with pytest.raises(OpinionPoolError, match="no class possible"):
        pool.apply(new)


def test_zeros_of_models_without_weight():
    """Under the closure they veto, with given weights they do not."""
    p, y = chances(n=60)
    new = narrow(chances(n=3, seed=1)[0])
    new["c"][1] = [0, 0.5, 0.5]
    given = op.fit(p, y, floor="veto", weighting=[0.5, 0.5, 0])
    closed = replace(given, settings=replace(given.settings, closure=True))
    for pool, vetoed in ((given, False), (closed, True)):
        found = exported(pool, new)
        assert bool(found[1, 0] == 0) is vetoed
        assert_allclose(found, pool.apply(new), **PROMISED)


@every_rule
@pytest.mark.parametrize("kind", ["probabilities", "log-probabilities", "logits"])
@pytest.mark.parametrize("positive", [None, 0])
def test_one_column_for_two_classes(rule, kind, positive):
    two, y = chances(n=60, k=2)
    turn = {
        "probabilities": lambda p: p[:, 1:],
        "log-probabilities": lambda p: np.log(p[:, 1:]),
        "logits": lambda p: np.log(p[:, 1:]) - np.log(p[:, :1]),
    }[kind]
    models = {"a": turn(two["a"]), "b": two["b"]}
    kinds = {"a": kind, "b": "probabilities"}
    # Equal weights: a column taken for the other class would not get any otherwise.
    pool = op.fit(models, y, rule=rule, kind=kinds, positive=positive, weighting="uniform")
    new = chances(n=20, k=2, seed=4)[0]
    new = {"a": turn(new["a"]), "b": new["b"]}
    new["a"][3] = np.nan
    found = exported(pool, new, single_column=["a"], dtype="float64")
    assert_allclose(found, pool.apply(new), rtol=0, atol=1e-12)


def test_a_column_of_tiny_log_probabilities():
    """1 − exp(l) without expm1: the complement keeps its digits."""
    models = {"a": np.array([[-1e-3], [-1.0]]), "b": np.array([[-1e-9], [-2.0]])}
    pool = op.fit(models, [1, 0], kind="log-probabilities", temperature=1.0, weighting="uniform")
    tiny = np.array([[-1e-16], [-1e-12], [-1e-5], [-0.99e-4], [-1.01e-4], [-0.5]])
    new = {"a": tiny, "b": tiny}
    found = exported(pool, new, single_column=["a", "b"], dtype="float64")
    assert_allclose(found[:, 0], -np.expm1(tiny[:, 0]), rtol=1e-11)


@pytest.mark.parametrize("family", ["gaussian", "variance"])
@every_rule
@pytest.mark.parametrize("kind", ["variance", "std"])
@pytest.mark.parametrize("missing", ["renormalise", "prior", "error"])
def test_means_and_variances(family, rule, kind, missing):
    rng = np.random.default_rng(0)
    y = 2000 + rng.normal(size=80) if family == "gaussian" else rng.normal(size=80)

    def models(n, gaps):
        made = {}
        for name in "abc":
            spread = np.exp(rng.normal(scale=0.3, size=(n, 1)))
            mean = y[:n, None] + rng.normal(size=(n, 1))
            made[name] = np.concatenate([mean, spread], axis=1) if family == "gaussian" else spread
        if gaps:
            made["a"][2] = made["b"][5] = made["c"][5] = np.nan
            for cells in made.values():
                cells[7] = np.nan
        return made

    gaps = missing != "error"
    pool = op.fit(models(80, False), y, family=family, rule=rule, kind=kind, missing=missing)
    new = models(30, gaps)
    found = exported(pool, new, dtype="float64")
    assert_allclose(found, applied(pool, new), rtol=1e-12)
    new["a"][4, -1] = -1.0
    assert np.isnan(exported(pool, new)[4]).all()


def test_infinite_temperature_is_the_uniform():
    p, y = chances(n=40)
    pool = replace(op.fit(p, y), temperature=np.inf)
    assert_allclose(exported(pool, p), 1 / 3, rtol=1e-7)


@pytest.mark.parametrize("own", [np.inf, 0.01])
def test_extreme_temperatures_of_models(own):
    p, y = chances(n=40)
    pool = op.fit(p, y, calibrate="temperature")
    pool = replace(pool, model_temperatures=np.array([own, 1.0, 2.0]))
    assert_allclose(exported(pool, p), pool.apply(narrow(p)), **PROMISED)


@every_rule
def test_scores_that_came_with_the_predictions(rule):
    p, y = with_gaps(n=80)
    rng = np.random.default_rng(2)
    scores = rng.random((3, 80))
    pool = op.fit(p, y, rule=rule, weighting="confidence", confidence=scores)
    pool = replace(pool, gamma=1.7)
    inputs = {**narrow(p), "confidence": scores.T.astype(np.float32)}
    (found,) = run(to_onnx(pool), inputs)
    assert_allclose(found, applied(pool, p, confidence=scores), **PROMISED)


@every_rule
def test_rows_in_which_nobody_is_sure(rule):
    p, y = chances(n=60)
    pool = replace(op.fit(p, y, rule=rule, weighting="confidence"), gamma=0.5)
    new = narrow(chances(n=5, seed=1)[0])
    for cells in new.values():
        cells[2] = 1 / 3
    assert_allclose(exported(pool, new), applied(pool, new), **PROMISED)
    scores = np.array([[0.0, 0.5, 0, 1, 0], [0, 0, 0.2, 0, 1], [0, 1, 0, 0, 0]])
    pool = op.fit(p, y, rule=rule, weighting="confidence", confidence=np.full((3, 60), 0.5))
    pool = replace(pool, gamma=0.5)
    (found,) = run(to_onnx(pool), {**new, "confidence": scores.T.astype(np.float32)})
    assert_allclose(found, applied(pool, new, confidence=scores), **PROMISED)


@every_rule
def test_the_mask_is_an_input_on_demand(rule):
    p, y = with_gaps(n=60)
    pool = op.fit(p, y, rule=rule)
    here = np.stack([~np.isnan(x[:, 0]) for x in p.values()], axis=1)
    filled = {name: np.nan_to_num(x, nan=9.0) for name, x in p.items()}
    filled["a"][~here[:, 0], 1] = np.nan  # half a row, but masked
    (found,) = run(to_onnx(pool, present=True), {**narrow(filled), "present": here})
    assert_allclose(found, applied(pool, p), **PROMISED)
    (found,) = run(to_onnx(pool, present=True), {**narrow(p), "present": np.ones_like(here)})
    assert_allclose(found, applied(pool, p), **PROMISED)


@pytest.mark.parametrize("classes", [[3, 1, 7], ["low", "mid", "ü"], [True, False]])
def test_labels(classes):
    models, y = outputs(n=50, k=len(classes))
    pool = op.fit(models, np.array(classes)[y], classes=classes)
    p, label = run(to_onnx(pool, label=True), narrow(models))
    expected = np.array(classes)[p.argmax(axis=1)]
    assert [str(x) for x in label] == [str(x) for x in expected]


@every_rule
@pytest.mark.parametrize("opset", [17, 18, 20, 21])
def test_newer_operators(rule, opset):
    models, y = outputs(n=50)
    pool = op.fit(models, y, rule=rule)
    model = to_onnx(pool, opset=opset)
    assert model.opset_import[0].version == opset
    assert_allclose(run(model, narrow(models))[0], pool.apply(models), **PROMISED)


@every_rule
@every_way
def test_computing_in_float32(rule, way):
    models, y = chances(n=80)
    pool = op.fit(models, y, rule=rule, **way)
    model = to_onnx(pool, precision="float32")
    kinds = {t.data_type for t in model.graph.initializer}
    assert onnx.TensorProto.DOUBLE not in kinds
    assert_allclose(run(model, narrow(models))[0], pool.apply(models), rtol=0, atol=1e-5)


SETS = {
    "assembled_digits": 1e-6,
    "assembled_wine": 1e-6,
    "mljar_titanic": 1e-7,
    "flusight_2016-2017_wkahead": float(np.exp(-10)),
}


@every_rule
@pytest.mark.parametrize("name", SETS)
def test_real_predictions(rule, name):
    arrays = load(name)
    models = {f"m{i}": p for i, p in enumerate(np.maximum(arrays["probs"], 0).astype(np.float32))}
    pool = op.fit(
        models,
        arrays["labels"],
        rule=rule,
        floor=SETS[name],
        kind="probabilities",
        renormalise=True,
        classes=list(range(arrays["probs"].shape[2])),
    )
    found = exported(pool, models)
    assert_allclose(found, pool.apply(models), **PROMISED)
    assert nll(found.astype(float), arrays["labels"]) == pytest.approx(pool.loss, abs=1e-5)


def test_against_a_naive_pool():
    p, y = with_gaps(n=60)
    pool = op.fit(p, y, temperature=0.7, floor=0.01, rule="log")
    cells = np.stack(list(p.values()))
    right = naive_pool(cells, pool.weights, "log", 0.7, 0.01)
    assert_allclose(exported(pool, p, dtype="float64"), right, rtol=0, atol=1e-12)


def test_the_file_and_what_it_says(tmp_path):
    models, y = outputs(n=40)
    pool = op.fit(models, y)
    path = tmp_path / "pool.onnx"
    model = to_onnx(pool, path)
    assert onnx.load(path) == model
    said = {p.key: p.value for p in model.metadata_props}
    assert json.loads(said["models"]) == ["a", "b", "c"]
    assert json.loads(said["classes"]) == [0, 1, 2]
    assert said["rule"] == "log"
    assert [i.name for i in model.graph.input] == ["a", "b", "c"]
    assert len(list(tmp_path.iterdir())) == 1


BAD = {
    "dtype": ({"dtype": "float16"}, "dtype: found 'float16'"),
    "precision": ({"precision": "bfloat16"}, "precision: found"),
    "opset": ({"opset": 16}, "opset: found 16, expected a number from 17"),
    "unknown column": ({"single_column": ["z"]}, "no model 'z'"),
    "a column of three": ({"single_column": ["a"]}, "for two classes, not 3"),
    "a word": ({"single_column": "a"}, "expected a list"),
    "unknown kind": ({"kind": {"z": "logits"}}, "kind: there is no model 'z'"),
    "another kind": ({"kind": {"a": "probabilities"}}, "fitted as 'logits', found"),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=BAD)
def test_options_that_cannot_be(options, words):
    models, y = outputs(n=30)
    with pytest.raises(InputError, match=words):
        to_onnx(op.fit(models, y), **options)


def test_names_that_are_taken():
    models, y = outputs(n=30)
    pool = op.fit({"probabilities": models["a"], "b": models["b"]}, y)
    with pytest.raises(InputError, match="'probabilities' is taken"):
        to_onnx(pool)


def test_a_model_of_unknown_kind_must_be_told():
    models, y = chances(n=30)
    models["b"][:] = np.nan
    with pytest.warns(op.OpinionPoolWarning, match="no outputs"):
        pool = op.fit(models, y)
    with pytest.raises(InputError, match="numbers of model 'b'"):
        to_onnx(pool)
    new = chances(n=20)[0]
    found = exported(pool, new, kind={"b": "probabilities"})
    assert_allclose(found, pool.apply(new), **PROMISED)


def test_labels_of_means_are_refused():
    pool = op.fit({"a": np.ones((5, 2))}, np.arange(5.0), family="gaussian")
    with pytest.raises(InputError, match="gaussian predictions have no classes"):
        to_onnx(pool, label=True)


def test_what_has_no_graph_is_refused():
    models, y = outputs(n=30)
    pool = op.fit(models, y)
    for other in (replace(pool, rule="median"), replace(pool, family="poisson")):
        with pytest.raises(InputError, match="no graph for"):
            to_onnx(other)
