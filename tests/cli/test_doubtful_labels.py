"""Labels that may name the columns wrongly: one line on stderr, whatever the command."""

import numpy as np
import pytest
from door_inputs import outputs

MODELS, Y = outputs(n=120, k=12)
LINE = "opinionpool: warning: "


@pytest.fixture(params=["fit", "score", "compare"])
def argv(request, tmp_path):
    """Write models without names of columns; return a command that lacks its labels."""
    for name, z in MODELS.items():
        np.save(tmp_path / f"{name}.npy", z)
    more = {
        "fit": ["-o", tmp_path / "pool.json"],
        "score": [],
        "compare": ["--folds", "2", "-o", tmp_path / "pool.json"],
    }
    models = [tmp_path / f"{name}.npy" for name in MODELS]
    return [request.param, *models, *more[request.param], "--labels"]


def remarks(ran):
    assert ran.code == 0
    lines = [line for line in ran.err.splitlines() if line.startswith(LINE)]
    return [line.removeprefix(LINE) for line in lines if "column" in line]


def written(y, path):
    np.save(path, y)
    return path


def test_a_stray_number(run, argv, tmp_path):
    labels = written(np.where(Y == 5, 999, Y), tmp_path / "y.npy")
    (line,) = remarks(run(*argv, labels))
    assert line.startswith("all but 999 of the 12 classes of the labels are among 0…11, but there")
    assert remarks(run(*argv, labels, "--classes", "0,1,2,3,4,6,7,8,9,10,11,999")) == []
    assert remarks(run(*argv, written(Y, tmp_path / "y.npy"))) == []


def test_numbers_as_text(run, argv, tmp_path):
    labels = written(Y.astype(str), tmp_path / "y.npy")
    (line,) = remarks(run(*argv, labels))
    assert "column 2 is '10', not '2'" in line
    assert remarks(run(*argv, labels, "--classes", ",".join(map(str, range(12))))) == []


def test_numbers_in_a_table_are_no_text(run, argv, tmp_path):
    labels = tmp_path / "y.csv"
    labels.write_text("\n".join(["label", *map(str, Y.tolist())]) + "\n")
    assert remarks(run(*argv, labels)) == []
