"""``score`` and ``compare``: what the library says, as JSON and as tables."""

import json

import numpy as np
import pytest

import opinionpool as op


def same(found, expected):
    assert found == json.loads(json.dumps(expected))


def test_score_is_the_library_score(run, files, tmp_path):
    paths = files()
    models = {name: paths[name] for name in "abc"}
    ran = run("score", *models.values(), "--labels", paths["labels"], "--json")
    assert ran.code == 0
    same(ran.json, op.score(models, paths["labels"]))
    out = tmp_path / "pool.json"
    run("fit", *models.values(), "--labels", paths["labels"], "-o", out)
    ran = run("score", *models.values(), "--labels", paths["labels"], "--pool", out, "--json")
    same(ran.json, op.score(models, paths["labels"], pool=op.load(out)))


def test_score_prints_the_best_model_first(run, files, tmp_path):
    paths = files()
    out = tmp_path / "pool.json"
    argv = [paths["c"], paths["a"], "--labels", paths["labels"]]
    run("fit", *argv, "-o", out)
    lines = run("score", *argv, "--pool", out).out.splitlines()
    assert lines[0].split() == ["model", "NLL", "Brier", "accuracy", "ECE", "rows"]
    assert [line.split()[0] for line in lines[1:4]] == ["a", "c", "THE"]


def test_score_of_ordered_classes(run, files):
    paths = files()
    argv = [paths["a"], "--labels", paths["labels"], "--ordered"]
    expected = op.score({"a": paths["a"]}, paths["labels"], ordered=True)
    same(run("score", *argv, "--json").json, expected)
    out = run("score", *argv, "--classes", "owl,cat,dog").out
    assert out.splitlines()[0].split()[-2:] == ["RPS", "rows"]
    assert "RPS from 0 to 2, for the order owl, cat, dog." in " ".join(out.split())


def test_score_says_why_a_loss_is_infinite(run, tmp_path):
    np.save(tmp_path / "a.npy", [[1.0, 0.0], [0.5, 0.5]])
    np.save(tmp_path / "y.npy", [1, 0])
    argv = ["score", tmp_path / "a.npy", "--labels", tmp_path / "y.npy"]
    ran = run(*argv)
    assert "inf" in ran.out
    assert ran.err.startswith("opinionpool: warning: these models give 0")
    assert "inf" not in run(*argv, "--floor", "1e-6").out


def test_a_pool_says_how_files_are_read(fails, files, tmp_path):
    paths = files()
    argv = ["score", paths["a"], "--labels", paths["labels"], "--pool", tmp_path / "pool.json"]
    for option in (["--floor", "0.1"], ["--kind", "logits"], ["--renormalise"]):
        assert "--pool: the pool says how files are read" in fails(*argv, *option)


def test_compare_is_the_library_compare(run, files, tmp_path):
    paths = files()
    models = {name: paths[name] for name in "abc"}
    out = tmp_path / "pool.json"
    argv = [*models.values(), "--labels", paths["labels"], "--folds", "3", "--seed", "1"]
    ran = run("compare", *argv, "-o", out, "--json")
    assert ran.code == 0
    expected = op.compare(models, paths["labels"], folds=3, seed=1)
    same(ran.json["table"], expected.table)
    assert ran.json["recommended"] == expected.recommended
    assert ran.json["notes"] == expected.notes
    assert json.loads(out.read_text()) == ran.json["pool"]
    np.testing.assert_array_equal(op.load(out).weights, expected.pool.weights)
    assert run("compare", *argv, "--json").json["pool"] is None


@pytest.mark.parametrize(
    ("option", "library", "words"),
    [
        (["--group", "site"], {"groups": "site"}, "by group"),
        (["--time", "day"], {"time": "day"}, "by moment"),
    ],
)
def test_groups_and_times(run, files, option, library, words):
    paths = files()
    argv = [paths["a"], paths["b"], "--labels", paths["labels"], "--folds", "3", *option]
    ran = run("compare", *argv)
    assert words in " ".join(ran.out.split())
    expected = op.compare({n: paths[n] for n in "ab"}, paths["labels"], folds=3, **library)
    same(run("compare", *argv, "--json").json["table"], expected.table)


def test_compare_prints_a_table(run, files, tmp_path):
    paths = files()
    out = tmp_path / "pool.json"
    argv = [paths["a"], paths["b"], "--labels", paths["labels"], "--folds", "3", "-o", out]
    ran = run("compare", *argv)
    assert sum(line.startswith("→ ") for line in ran.out.splitlines()) == 1
    assert "Recommended: " in ran.out
    assert f"is in {out}." in ran.out


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--group", "site", "--time", "day"], "give one of them"),
        (["--group", "nowhere"], "there is no column 'nowhere' beside the labels"),
        (["--folds", "1"], "at least 2"),
        (["--folds", "2.5"], "expected a whole number"),
        (["--folds", "1000"], "1000 folds need at least as many rows"),
    ],
)
def test_what_cannot_be_compared(fails, files, option, words):
    paths = files()
    assert words in fails("compare", paths["a"], "--labels", paths["labels"], *option)


def test_the_time_limit_is_said(run, files):
    paths = files()
    ran = run("compare", paths["a"], paths["b"], "--labels", paths["labels"], "--time-limit", "0")
    assert ran.code == 0
    assert "The time limit of 0 s was reached" in " ".join(ran.out.split())
