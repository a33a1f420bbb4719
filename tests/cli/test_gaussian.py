"""Means and variances from the shell: files in, files, JSON and tables out."""

import csv
import io as text_io
import json

import numpy as np
import pytest
from gaussian_inputs import MODELS, N, Y, in_std

import opinionpool as op
from opinionpool import io

IDS = np.arange(100, 100 + N)
FAMILY = ["--family", "gaussian"]


@pytest.fixture(params=[".csv", ".parquet"])
def tables(request, tmp_path):
    """Three models as tables with ids, b with standard deviations, and the labels."""
    paths = {}
    for name, p in {**MODELS, "b": in_std(MODELS)["b"]}.items():
        paths[name] = tmp_path / f"{name}{request.param}"
        spread = "std" if name == "b" else "variance"
        io.write(paths[name], {"id": IDS, "mean": p[:, 0], spread: p[:, 1]})
    order = np.random.default_rng(1).permutation(N)
    paths["labels"] = tmp_path / f"labels{request.param}"
    io.write(paths["labels"], {"id": IDS[order], "label": Y[order]})
    return paths


def models_of(paths):
    return [paths[name] for name in "abc"]


def parse(text):
    rows = list(csv.reader(text_io.StringIO(text)))
    return rows[0], np.array(rows[1:], dtype=float)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_combine(run, tables, rule):
    ran = run("combine", *models_of(tables), "--rule", rule, *FAMILY)
    assert ran.code == 0
    names, cells = parse(ran.out)
    assert names == ["id", "mean", "variance"]
    np.testing.assert_array_equal(cells[:, 0], IDS)
    expected = op.combine(MODELS, rule=rule, family="gaussian")
    np.testing.assert_allclose(cells[:, 1:], expected, rtol=1e-12)
    assert "gaussian" in ran.err
    assert {"log": "of the pooled Gaussian", "linear": "of the mixture"}[rule] in ran.err


def test_fit_show_apply_and_score(run, tables, tmp_path):
    pool_file, out = tmp_path / "pool.json", tmp_path / "pooled.csv"
    argv = [*models_of(tables), "--labels", tables["labels"], *FAMILY]
    ran = run("fit", *argv, "-o", pool_file, "--json")
    assert ran.code == 0
    expected = op.fit(MODELS, Y, family="gaussian")
    pool = op.load(pool_file)
    assert ran.json["family"] == pool.family == "gaussian"
    assert pool.kinds == ("variance", "std", "variance")
    np.testing.assert_allclose(pool.weights, expected.weights, atol=1e-9)
    shown = run("show", pool_file)
    assert shown.code == 0
    assert "gaussian" in shown.out
    ran = run("apply", pool_file, *models_of(tables), "--quantiles", "0.05, 0.5,0.95", "-o", out)
    assert ran.code == 0
    columns = io.read(out).columns
    assert list(columns) == ["id", "mean", "variance", "q0.05", "q0.5", "q0.95"]
    p = expected.distribution(MODELS)
    np.testing.assert_allclose(columns["variance"], p.variance, rtol=1e-9)
    for q in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(columns[f"q{q}"], p.quantile(q), rtol=1e-9, atol=1e-9)
    ran = run("score", *models_of(tables), "--labels", tables["labels"], "--pool", pool_file)
    lines = ran.out.splitlines()
    assert lines[0].split()[:5] == ["model", "NLL", "CRPS", "RMSE", "bias"]
    assert [line.split()[0] for line in lines[1:5]] == ["a", "b", "c", "THE"]
    found = run("score", *argv, "--json").json
    same = op.score(MODELS, Y, family="gaussian")
    for name, own in same["models"].items():
        assert found["models"][name] == pytest.approx(own, rel=1e-12)


def test_json_has_the_predictions_by_column(run, tables):
    ran = run("combine", *models_of(tables), *FAMILY, "--quantiles", "0.9", "--json")
    said = ran.json
    assert said["family"] == "gaussian"
    assert said["variance"].startswith("of the pooled Gaussian")
    assert said["ids"] == IDS.tolist()
    assert list(said["predictions"]) == ["mean", "variance", "q0.9"]
    expected = op.combine(MODELS, family="gaussian")
    np.testing.assert_allclose(said["predictions"]["mean"], expected[:, 0], rtol=1e-12)


def test_quantiles_that_are_nearly_the_same_have_columns_of_their_own(run, tables):
    """Named by six digits, 0.9999999 and 0.99999999 were both q1, and one was lost."""
    ran = run("combine", *models_of(tables), *FAMILY, "--quantiles", "0.9999999,0.99999999")
    assert parse(ran.out)[0][-2:] == ["q0.9999999", "q0.99999999"]


def test_compare(run, tables, tmp_path):
    argv = [*models_of(tables), "--labels", tables["labels"], *FAMILY, "--folds", "3"]
    ran = run("compare", *argv, "-o", tmp_path / "pool.json", "--json")
    assert ran.code == 0
    expected = op.compare(MODELS, Y, family="gaussian", folds=3)
    assert ran.json["recommended"] == expected.recommended
    assert ran.json["pool"]["family"] == "gaussian"
    assert op.load(tmp_path / "pool.json").family == "gaussian"
    assert expected.recommended in run("compare", *argv).out


def test_residual_models(run, tmp_path):
    paths = []
    for name, p in MODELS.items():
        paths.append(tmp_path / f"{name}.npy")
        np.save(paths[-1], np.sqrt(p[:, 1]))
    np.save(tmp_path / "y.npy", Y)
    how = ["--family", "variance", "--kind", "std"]
    ran = run("fit", *paths, "--labels", tmp_path / "y.npy", *how, "-o", tmp_path / "p.json")
    assert ran.code == 0
    out = run("apply", tmp_path / "p.json", *paths).out
    names, cells = parse(out)
    assert names == ["variance"]
    variances = {name: p[:, 1] for name, p in MODELS.items()}
    expected = op.fit(variances, Y, family="variance").apply(variances)
    np.testing.assert_allclose(cells, expected, rtol=1e-9)


BAD = {
    "not a share": (["--quantiles", "0.5,2"], "--quantiles: found '2', expected numbers between"),
    "text": (["--quantiles", "median"], "--quantiles: found 'median', expected numbers"),
    "an unknown family": (["--family", "poisson"], "family: found 'poisson', expected one of"),
    "classes": (["--classes", "a,b"], "classes: gaussian predictions have no classes"),
    "a floor": (["--floor", "0.1"], "floor: found 0.1, but gaussian predictions have no zeros"),
    "a tempered mixture": (["--rule", "linear", "--temperature", "2"], "temperature: found 2.0"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_options(fails, tmp_path, options, message):
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    path.write_text("mean,variance\n0,1\n1,2\n", encoding="utf-8")
    family = [] if "--family" in options else FAMILY
    assert message in fails("combine", path, *family, *options, "-o", out)
    assert not out.exists()


def test_classes_have_no_quantiles(fails, tmp_path):
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    path.write_text("x,y\n0.2,0.8\n0.5,0.5\n", encoding="utf-8")
    message = fails("combine", path, "--quantiles", "0.5", "-o", out)
    assert "quantiles: classes have none" in message
    assert not out.exists()


FILES = {
    "id,mean,std\n1,0,1\n2,1,-2\n": "a.csv, id 2, column 'std': found -2.0, expected a finite std",
    "mean\n0\n1\n": "a.csv: found a mean without a variance",
    "mean,std,variance\n0,1,1\n": "a.csv: found the columns 'mean', 'std', 'variance'; expected",
    "mean,variance\n0,1\n1,wide\n": "a.csv, row 3, column 'variance': found 'wide'",
    "mean,variance\n0,1\n1,\n": "a.csv, row 3: found only a mean",
    "mean,variance\n0,1\ninf,1\n": "a.csv, row 3, column 'mean': found inf",
}


@pytest.mark.parametrize(("text", "message"), FILES.items(), ids=range(len(FILES)))
def test_bad_files(fails, tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert message in fails("combine", path, *FAMILY)


def test_the_saved_pool_is_plain_json(run, tables, tmp_path):
    argv = [*models_of(tables), "--labels", tables["labels"], *FAMILY, "-o", tmp_path / "p.json"]
    run("fit", *argv)
    content = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert (content["family"], content["classes"]) == ("gaussian", [])
    assert content["settings"]["fallback"] == "prior"
    assert len(content["prior"]) == 2
