"""``opinionpool combine`` against the values of maths.md §2 and against the library."""

import csv
import io as text_io

import numpy as np
import pytest

import opinionpool as op
from opinionpool import io

LOGITS = [[2, 1, 0.5], [1.5, 2.5, 0], [0.8, 1.2, 2]]
POOLED = [0.4016861, 0.42228099, 0.17603291]
WITHOUT_SECOND = [0.44235527, 0.27882236, 0.27882236]


def parse(text):
    rows = list(csv.reader(text_io.StringIO(text)))
    return rows[0], np.array(rows[1:], dtype=float)


@pytest.fixture(params=[".csv", ".npy", ".npz", ".parquet"])
def seeds(request, tmp_path):
    def write(values):
        paths = []
        for name, row in zip("abc", values, strict=True):
            path = tmp_path / f"{name}{request.param}"
            io.write(path, {str(k): np.array([x], dtype=float) for k, x in enumerate(row)})
            paths.append(path)
        return paths

    return write


def test_seed_values(run, seeds):
    ran = run("combine", *seeds(LOGITS), "--weights", "a=.4,b=.35,c=.25")
    assert ran.code == 0
    names, values = parse(ran.out)
    assert names == ["0", "1", "2"]
    np.testing.assert_allclose(values[0], POOLED, atol=5e-9)


def test_seed_values_without_the_second_model(run, seeds):
    values = [LOGITS[0], [np.nan] * 3, LOGITS[2]]
    ran = run("combine", *seeds(values), "--weights", ".4,.35,.25")
    np.testing.assert_allclose(parse(ran.out)[1][0], WITHOUT_SECOND, atol=5e-9)
    assert "1 row pooled over who answered" in ran.err


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".npy"])
def test_every_format_out(run, files, tmp_path, suffix):
    paths = files()
    out = tmp_path / f"pooled{suffix}"
    ran = run("combine", paths["a"], paths["b"], "--rule", "linear", "-o", out)
    assert ran.code == 0
    assert str(out) in ran.out
    assert "60" in ran.out
    assert "logits" in ran.out
    expected = op.combine([paths["a"], paths["b"]], rule="linear")
    content = io.read(out)
    if suffix == ".npy":
        np.testing.assert_array_equal(content, expected)
    elif suffix == ".npz":
        np.testing.assert_array_equal(content["probs"], expected)
        assert content["ids"].tolist() == list(range(100, 160))
    else:
        assert list(content.columns) == ["id", "cat", "dog", "owl"]
        np.testing.assert_array_equal(content.columns["id"], np.arange(100, 160))
        np.testing.assert_array_equal(content.columns["dog"], expected[:, 1])


def test_csv_on_stdout_is_the_csv_of_the_file(run, files, tmp_path):
    paths = files()
    ran = run("combine", paths["a"], paths["b"])
    run("combine", paths["a"], paths["b"], "-o", tmp_path / "pooled.csv")
    assert ran.out == (tmp_path / "pooled.csv").read_text()


def test_json(run, files):
    paths = files()
    ran = run("combine", paths["a"], f"second={paths['b']}", "--json", "--temperature", "2")
    found = ran.json
    assert found["models"] == ["a", "second"]
    assert found["weights"] == [0.5, 0.5]
    assert found["kinds"] == ["logits", "logits"]
    assert found["classes"] == ["cat", "dog", "owl"]
    assert found["rows"] == {"rows": 60, "rows_with_missing": 0, "rows_fallback": 0}
    assert found["ids"] == list(range(100, 160))
    expected = op.combine({"a": paths["a"], "second": paths["b"]}, temperature=2.0)
    np.testing.assert_array_equal(found["probabilities"], expected)


def test_json_beside_a_file_holds_no_probabilities(run, arrays, tmp_path):
    out = tmp_path / "p.csv"
    found = run("combine", arrays["a"], arrays["b"], "--json", "-o", out).json
    assert "probabilities" not in found
    assert found["output"] == str(out)


def test_float32_stays(run, tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.array([[2, 1, 0]], dtype=np.float32))
    run("combine", tmp_path / "a.npy", tmp_path / "b.npy", "-o", tmp_path / "p.npy")
    assert np.load(tmp_path / "p.npy").dtype == np.float32


def test_options_reach_the_library(run, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, [0.9, 0.2])
    argv = ["--classes", "no,yes", "--positive", "no", "--kind", "a=probabilities", "--json"]
    found = run("combine", path, *argv).json
    assert found["classes"] == ["no", "yes"]
    np.testing.assert_allclose(found["probabilities"], [[0.9, 0.1], [0.2, 0.8]])
    np.save(path, [[1.0, 3.0]])
    found = run("combine", path, "--kind", "probabilities", "--renormalise", "--json").json
    np.testing.assert_allclose(found["probabilities"], [[0.25, 0.75]])


def test_floor(run, tmp_path):
    np.save(tmp_path / "a.npy", [[1.0, 0.0, 0.0]])
    np.save(tmp_path / "b.npy", [[0.2, 0.3, 0.5]])
    two = [tmp_path / "a.npy", tmp_path / "b.npy"]
    assert run("combine", *two, "--floor", "veto", "--json").json["probabilities"] == [[1, 0, 0]]
    ran = run("combine", *two, "--json")
    assert ran.err.count("opinionpool: warning: 2 cells are exactly 0") == 1
    assert "--floor veto keeps zeros" in ran.err
    assert run("combine", *two, "--json", "--quiet").err == ""
    assert ran.json["probabilities"][0][1] > 0


def test_a_row_nobody_answered(run, tmp_path):
    np.save(tmp_path / "a.npy", [[np.nan, np.nan], [0.4, 0.6]])
    ran = run("combine", tmp_path / "a.npy", "--json")
    assert ran.json["probabilities"][0] == [0.5, 0.5]
    assert ran.json["rows"]["rows_fallback"] == 1
    assert ran.err.startswith("opinionpool: warning: 1 of 2 row(s)")


def test_an_archive_brings_its_own_models(run, tmp_path, logits):
    np.savez(
        tmp_path / "two.npz",
        logits=np.stack([logits["a"], logits["b"]]),
        models=np.array(["cnn", "vit"]),
    )
    np.save(tmp_path / "c.npy", logits["c"])
    found = run("combine", tmp_path / "two.npz", f"mlp={tmp_path / 'c.npy'}", "--json").json
    assert found["models"] == ["cnn", "vit", "mlp"]


def test_a_folder_of_parts(run, tmp_path, files):
    paths = files(".parquet")
    table = io.read(paths["a"]).columns
    folder = tmp_path / "parts.v1"
    folder.mkdir()
    for number, rows in enumerate((slice(0, 20), slice(20, None))):
        io.write(folder / f"{number}.parquet", {n: c[rows] for n, c in table.items()})
    found = run("combine", folder, paths["b"], "--json").json
    assert found["models"] == ["parts.v1", "b"]
    expected = op.combine([paths["a"], paths["b"]])
    np.testing.assert_array_equal(found["probabilities"], expected)
