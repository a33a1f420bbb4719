"""How the texts of the command line become values."""

from pathlib import Path

import pytest

from opinionpool.cli.models import ModelFile, model_files
from opinionpool.cli.options import Reading, by_model, weighting_of, weights_of, word_or_number
from opinionpool.cli.output import jsonable
from opinionpool.errors import InputError


def test_names_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1").mkdir()
    (tmp_path / "x=1.csv").touch()
    found = model_files(
        ["a=b.csv", "lr=0.1/c.csv", "x=1.csv", "d=lr=0.1/d.csv", "e.npz", "./y=2.csv", "lr=0.1"]
    )
    assert [(f.expected_name, str(f.path)) for f in found] == [
        ("a", "b.csv"),
        # Its first part is not a path, but there is no slash in a name.
        ("lr", "0.1/c.csv"),
        ("x=1", "x=1.csv"),
        ("d", "lr=0.1/d.csv"),
        (None, "e.npz"),
        ("y=2", "y=2.csv"),
        ("lr=0.1", "lr=0.1"),
    ]


def test_a_home_folder_behind_a_name():
    assert model_files(["a=~/b.csv"]) == [ModelFile(Path("~/b.csv").expanduser(), "a")]


def test_a_name_twice():
    with pytest.raises(InputError, match=r"two models are called 'a' \(a.csv and x/a.parquet\)"):
        model_files(["a.csv", "x/a.parquet"])
    with pytest.raises(InputError, match="two models are called 'b'"):
        model_files(["b=1.csv", "b=2.csv"])


def test_numbers():
    assert by_model("a=1,b=2e-1", "weights", float) == {"a": 1.0, "b": 0.2}
    assert by_model("lr=0.1=.5", "weights", float) == {"lr=0.1": 0.5}
    assert weights_of("1, 2") == [1.0, 2.0]
    assert weighting_of("greedy") == "greedy"
    assert weighting_of("2") == [2.0]
    assert word_or_number("veto") == "veto"
    with pytest.raises(InputError, match="named twice"):
        by_model("a=1,a=2", "weights", float)
    with pytest.raises(InputError, match="one number per model"):
        weights_of("a,b")


def test_reading():
    assert Reading(kind="logits", classes="a, b").keywords() == {
        "family": "categorical",
        "kind": "logits",
        "classes": ["a", "b"],
        "positive": None,
        "renormalise": False,
    }
    assert Reading(kind="a=logits").keywords()["kind"] == {"a": "logits"}


def test_jsonable():
    import numpy as np

    found = jsonable(
        {1: np.float64("nan"), "b": (np.inf, -np.inf), "c": np.arange(2), "d": Path("p"), "e": None}
    )
    assert found == {"1": "nan", "b": ["inf", "-inf"], "c": [0, 1], "d": "p", "e": None}
