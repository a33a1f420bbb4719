"""``threshold``: what the library says, as JSON and as text, and one line for what is wrong."""

import json

import numpy as np
import pytest

import opinionpool as op
from opinionpool import io

N = 80


@pytest.fixture
def paths(tmp_path):
    """Two models of two classes with ids, their labels, and a pool of them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N)
    found = {name: tmp_path / f"{name}.csv" for name in ("a", "b", "labels")}
    for name in "ab":
        p = 1 / (1 + np.exp(-(rng.normal(size=N) + 2 * y - 1)))
        io.write(found[name], {"id": np.arange(N), "no": 1 - p, "yes": p})
    columns = {
        "id": np.arange(N),
        "label": np.array(["no", "yes"], dtype=object)[y],
        "site": np.arange(N) % 8,
        "day": np.arange(N),
        "size": rng.integers(1, 4, N),
    }
    io.write(found["labels"], {name: column[::-1] for name, column in columns.items()})
    pool = op.fit({name: found[name] for name in "ab"}, found["labels"])
    pool.save(tmp_path / "pool.json")
    return {**found, "pool": tmp_path / "pool.json"}


@pytest.fixture
def pooled(paths):
    """The arguments that cut the pool."""
    return [paths["a"], paths["b"], "--labels", paths["labels"], "--pool", paths["pool"]]


OPTIONS = [
    ([], {}),
    (["--metric", "mcc", "--seed", "3"], {"metric": "mcc", "seed": 3}),
    (["--cost", "fp=1,fn=5", "--folds", "3"], {"cost": {"fp": 1, "fn": 5}, "folds": 3}),
    (["--cost", "fn=.5, fp=2"], {"cost": {"fp": 2, "fn": 0.5}}),
    (["--group", "site"], {"groups": "site"}),
    (["--time", "day", "--draws", "0"], {"time": "day", "draws": 0}),
    (["--folds", "0", "--positive", "no"], {"folds": 0, "positive": "no"}),
    (["--sample-weight", "size"], {"sample_weight": "size"}),
]


@pytest.mark.parametrize(("options", "keywords"), OPTIONS)
def test_it_is_the_library_threshold(run, paths, pooled, options, keywords):
    ran = run("threshold", *pooled, *options, "--json")
    assert ran.code == 0, ran.err
    models = {name: paths[name] for name in "ab"}
    expected = op.threshold(models, paths["labels"], pool=op.load(paths["pool"]), **keywords)
    assert ran.json == json.loads(json.dumps(expected))


def test_one_model_needs_no_pool(run, paths):
    ran = run("threshold", paths["a"], "--labels", paths["labels"], "--json")
    assert ran.json == json.loads(json.dumps(op.threshold({"a": paths["a"]}, paths["labels"])))


def test_the_text_says_how_to_decide(run, paths, pooled):
    out = run("threshold", *pooled).out
    found = op.threshold(
        {name: paths[name] for name in "ab"}, paths["labels"], pool=op.load(paths["pool"])
    )
    first = out.splitlines()[0]
    assert first.startswith("Decide for yes when P(yes) ≥ 0.")
    shown = float(first.removesuffix(".").split()[-1])
    low, high = found["interval"]
    assert low < shown <= high
    assert f"{found['value']:.5f} on these rows" in out
    assert "(5 folds by row)" in out
    assert all(len(line) <= 92 for line in out.splitlines())


def test_the_text_says_whether_it_is_worth_it(run, pooled):
    out = " ".join(run("threshold", *pooled, "--cost", "fp=1,fn=4").out.split())
    assert "(fp 1, fn 4), on these rows" in out
    assert "at 0.2 " in out
    assert "needs no choosing." in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metric", "auc"], "metric: found 'auc', expected one of accuracy, balanced-accuracy"),
        (["--metric", "f1", "--cost", "fp=1,fn=1"], "metric and cost: give one of them"),
        (["--cost", "fp=1"], "cost: found {'fp': 1.0}, expected two numbers, fp and fn"),
        (["--cost", "1,5"], "--cost: found '1,5', expected two numbers: fp=1,fn=5"),
        (["--cost", "fp=1,fn=x"], "--cost: found 'fp=1,fn=x'"),
        (["--cost", "fp=1,fp=1"], "--cost: found 'fp=1,fp=1'"),
        (["--cost", "fp=1,fn=5,tp=0"], "--cost: found 'fp=1,fn=5,tp=0'"),
        (["--cost", "fp=0,fn=5"], "fp=0.0, expected a finite number above 0"),
        (["--cost", "fp=nan,fn=5"], "fp=nan, expected a finite number above 0"),
        (["--positive", "sick"], "found 'sick', expected one of the two classes"),
        (["--folds", "1"], "at least 2"),
        (["--folds", "81"], "81 folds need at least as many rows; there are 80"),
        (["--draws", "-3"], "draws: found -3"),
        (["--draws", "some"], "expected a whole number"),
        (["--group", "nowhere"], "there is no column 'nowhere' beside the labels"),
        (["--group", "site", "--time", "day"], "give one of them"),
        (["--folds", "0", "--group", "site"], "groups and time belong to the folds"),
        (["--kind", "logits"], "--pool: the pool says how files are read"),
        (["--family", "gaussian"], "--pool: the pool says how files are read"),
        (["--renormalise"], "--pool: the pool says how files are read"),
    ],
)
def test_bad_options(fails, pooled, options, words):
    assert words in fails("threshold", *pooled, *options)


def test_bad_files(fails, paths, tmp_path):
    two = [paths["a"], paths["b"], "--labels", paths["labels"]]
    assert "found 2 models (a, b) and no pool" in fails("threshold", *two)
    absent = fails("threshold", *two, "--pool", tmp_path / "none.json")
    assert "none.json: there is no such file" in absent
    assert "none were given" in fails("threshold", paths["a"])
    other = paths["a"].rename(tmp_path / "other.csv")
    unknown = fails("threshold", other, *two[1:], "--pool", paths["pool"])
    assert "the pool does not know the model(s) other" in unknown


def test_more_than_two_classes(fails, files):
    three = files()
    message = fails("threshold", three["a"], "--labels", three["labels"])
    assert "found 3 classes (cat, dog, owl); a threshold divides two" in message


def test_predictions_without_classes(fails, paths):
    argv = ["threshold", paths["a"], "--labels", paths["labels"], "--family", "gaussian"]
    assert "--family: a threshold divides two classes" in fails(*argv)


def test_labels_of_one_class(fails, paths):
    paths["labels"].write_text("id,label\n" + "".join(f"{i},yes\n" for i in range(N)))
    message = fails("threshold", paths["a"], "--labels", paths["labels"])
    assert "all 80 are of the class yes" in message
