"""``opinionpool demo``, run once."""

import json
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from opinionpool.cli import main
from opinionpool.cli.demo import _commands
from opinionpool.report import demo_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "digits"


@pytest.fixture(scope="module")
def demo(folder):
    pytest.importorskip("sklearn")
    pytest.importorskip("pyarrow")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["demo", "--json", "--keep", str(folder)]) == 0
    assert err.getvalue() == ""
    return json.loads(out.getvalue())


def test_the_models_differ_and_are_real(demo):
    assert len(demo["models"]) >= 6
    for own in demo["models"].values():
        assert 0.03 < own["test_loss"] < 1.5
        assert 0.85 < own["test_accuracy"] < 1.0
    assert len({own["test_loss"] for own in demo["models"].values()}) == len(demo["models"])


def test_the_pool_beats_what_is_simple(demo):
    baselines = {name: own["test_loss"] for name, own in demo["baselines"].items()}
    assert len(baselines) == 6
    assert demo["pool"]["test_loss"] < min(baselines.values())
    assert demo["pool"]["test_loss"] < min(own["test_loss"] for own in demo["models"].values())


def test_the_pool_is_explained(demo):
    pool = demo["pool"]
    assert set(pool["weights"]) == set(demo["models"])
    assert sum(pool["weights"].values()) == pytest.approx(1)
    assert pool["status"] == "converged"
    assert pool["gap"] < 1e-6
    split = pool["decomposition"]
    assert pool["test_loss"] == pytest.approx(split["loss"], abs=1e-12)
    assert split["average_error"] - split["ambiguity"] - split["temperature_gain"] == pytest.approx(
        split["loss"], abs=1e-9
    )
    assert demo["seconds"]["training"] > 0
    assert "scikit-learn" in demo["versions"]


def test_one_screen(demo):
    lines = demo_text(demo).splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    other = {**demo, "optimal": demo["pool"]}
    assert len(demo_text(other).splitlines()) == len(lines) + 1


def test_the_printed_commands_repeat_it(demo, folder, run):
    recommended = None
    for line in _commands(folder, demo)[1:]:
        argv = []
        for word in shlex.split(line)[1:]:
            if word.endswith("*.parquet"):  # what the shell would do
                argv += sorted(Path(word).parent.glob("*.parquet"))
            else:
                argv.append(word)
        ran = run(*argv)
        assert ran.code == 0, ran.err
        if argv[0] == "compare":
            recommended = ran.out
    assert demo["pool"]["recommended"] in recommended
    assert (folder / "pooled.parquet").exists()


@pytest.mark.parametrize("package", ["sklearn", "pyarrow"])
def test_what_is_needed_is_said(fails, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = fails("demo")
    assert "opinionpool demo needs" in message
    assert 'pip install "opinionpool[demo]"' in message
