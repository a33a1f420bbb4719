"""``fit``, ``apply`` and ``show``: the same pool as the library's, saved, applied and shown."""

import json

import numpy as np
import pytest

import opinionpool as op
from opinionpool import io
from opinionpool.pool_file import document


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_fit_is_the_library_fit(run, files, tmp_path, suffix):
    paths = files(suffix)
    out = tmp_path / "pool.json"
    models = [paths[name] for name in "abc"]
    ran = run("fit", *models, "--labels", paths["labels"], "-o", out, "--json")
    assert ran.code == 0
    pool = op.fit({name: paths[name] for name in "abc"}, paths["labels"])
    assert ran.json == json.loads(json.dumps(document(pool)))
    assert json.loads(out.read_text()) == ran.json


def test_fit_of_arrays_by_position(run, arrays, logits, y):
    ran = run("fit", *(arrays[name] for name in "abc"), "--labels", arrays["y"], "--json")
    np.testing.assert_allclose(ran.json["weights"], op.fit(logits, y).weights, atol=1e-12)


def test_labels_of_a_models_own_table(run, tmp_path, logits, y):
    for name in "ab":
        columns = {str(k): logits[name][:, k] for k in range(3)}
        io.write(tmp_path / f"{name}.csv", {**columns, "label": y})
    ran = run("fit", tmp_path / "a.csv", tmp_path / "b.csv", "--json")
    np.testing.assert_allclose(
        ran.json["weights"], op.fit({n: logits[n] for n in "ab"}, y).weights, atol=1e-9
    )


def test_no_labels_at_all(fails, arrays):
    assert "labels: none were given" in fails("fit", arrays["a"], arrays["b"])


def test_every_option(run, files):
    paths = files()
    argv = {
        "rule": "linear",
        "weighting": "greedy",
        "temperature": "1.5",
        "floor": "1e-4",
        "penalty": "0",
        "missing": "prior",
        "fallback": "prior",
        "kind": "a=logits,b=auto",
        "seed": "3",
    }
    options = [part for name, value in argv.items() for part in (f"--{name}", value)]
    two = {name: paths[name] for name in "ab"}
    ran = run("fit", *two.values(), "--labels", paths["labels"], *options, "--json")
    pool = op.fit(
        two,
        paths["labels"],
        rule="linear",
        weighting="greedy",
        temperature=1.5,
        floor=1e-4,
        penalty=0.0,
        missing="prior",
        fallback="prior",
        kind={"a": "logits", "b": "auto"},
        seed=3,
    )
    assert ran.json == json.loads(json.dumps(document(pool)))


@pytest.mark.parametrize("numbers", ["a=.75,b=.25", ".75,.25", "3,1"])
def test_weighting_as_numbers(run, files, numbers):
    paths = files()
    ran = run(
        "fit", paths["a"], paths["b"], "--labels", paths["labels"], "--json", "--weighting", numbers
    )
    assert ran.json["weights"] == [0.75, 0.25]
    assert ran.json["weighting"] == "given"


def test_metric_and_resample_are_the_library_s(run, files):
    paths = files()
    argv = ["fit", paths["a"], paths["b"], "--labels", paths["labels"], "--json"]
    models = {name: paths[name] for name in "ab"}
    for given, wanted in (
        (["--weighting", "score", "--metric", "brier"], {"weighting": "score", "metric": "brier"}),
        (["--resample", "5", "--seed", "2"], {"resample": 5, "seed": 2}),
    ):
        ran = run(*argv, *given)
        assert ran.json["weights"] == op.fit(models, paths["labels"], **wanted).weights.tolist()


def test_fit_prints_a_screen(run, files, tmp_path):
    paths = files()
    argv = ["fit", paths["a"], paths["b"], "--labels", paths["labels"]]
    ran = run(*argv)
    assert ran.code == 0
    for words in ("rule", "weighting", "temperature", "converged", "ambiguity", "logits"):
        assert words in ran.out
    assert "Saved" not in ran.out
    out = tmp_path / "p.json"
    assert f"Saved to {out}." in run(*argv, "-o", out).out
    shown = run("show", out)
    assert shown.code == 0
    assert shown.out.strip() == ran.out.strip()
    assert run("show", out, "--json").json == json.loads(out.read_text())


@pytest.fixture
def pool(run, files, tmp_path):
    paths = files()
    out = tmp_path / "pool.json"
    run("fit", paths["a"], paths["b"], "--labels", paths["labels"], "-o", out)
    return out


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".npy"])
def test_apply_is_the_library_apply(run, files, pool, tmp_path, suffix):
    paths = files()
    out = tmp_path / f"pooled{suffix}"
    ran = run("apply", pool, paths["b"], paths["a"], "-o", out)
    assert ran.code == 0
    expected = op.load(pool).apply({"a": paths["a"], "b": paths["b"]})
    content = io.read(out)
    if suffix == ".npy":
        found = content
    elif suffix == ".npz":
        found = content["probs"]
    else:
        found = np.stack([content.columns[c] for c in ("cat", "dog", "owl")], axis=1)
    np.testing.assert_array_equal(found, expected)


def test_apply_without_a_model(run, files, pool):
    paths = files()
    found = run("apply", pool, paths["a"], "--json").json
    assert found["rows"]["rows_with_missing"] == 60
    assert found["models"] == ["a", "b"]
    np.testing.assert_array_equal(found["probabilities"], op.load(pool).apply({"a": paths["a"]}))


def test_apply_prints_csv(run, files, pool):
    paths = files()
    ran = run("apply", pool, paths["a"], paths["b"])
    assert ran.out.splitlines()[0] == "id,cat,dog,owl"
    assert len(ran.out.splitlines()) == 61
    assert "Pooled 2 models" in ran.err
    assert run("apply", pool, paths["a"], paths["b"], "--quiet").err == ""


def test_json_writes_what_is_not_finite_as_text(run, tmp_path):
    np.save(tmp_path / "a.npy", [[1.0, 0.0], [0.5, 0.5]])
    np.save(tmp_path / "b.npy", [[0.5, 0.5], [0.4, 0.6]])
    np.save(tmp_path / "y.npy", [1, 0])
    two = [tmp_path / "a.npy", tmp_path / "b.npy", "--labels", tmp_path / "y.npy"]
    assert run("score", *two, "--json").json["models"]["a"]["nll"] == "inf"
    found = run("fit", *two, "--rule", "linear", "--json", "--weighting", "uniform").json
    assert found["losses"][0] == "inf"


def test_sample_weights_by_the_name_of_a_column(run, fails, arrays, logits, y, tmp_path):
    weight = np.linspace(0.5, 2.0, len(y))
    table = tmp_path / "weighted.csv"
    io.write(table, {"label": y, "count": weight})
    models = [arrays[name] for name in "abc"]
    ran = run("fit", *models, "--labels", table, "--sample-weight", "count", "--json")
    expected = op.fit(logits, y, sample_weight=weight)
    np.testing.assert_allclose(ran.json["weights"], expected.weights, atol=1e-9)
    said = fails("fit", *models, "--labels", table, "--sample-weight", "age")
    assert "there is no column 'age' beside the labels; found: count" in said
