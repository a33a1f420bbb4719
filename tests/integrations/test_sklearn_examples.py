"""The examples run, and show what they say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_decision_with_costs(capsys):
    costs = runpy.run_path(str(EXAMPLES / "binary_decision.py"))["main"]()
    half, theory, tuned = costs.values()
    assert min(theory, tuned) < half  # a missed case costs ten times an alarm
    shown = capsys.readouterr().out
    assert "logistic" in shown
    assert "tuned" in shown


def test_between_bagging_and_bumping(capsys):
    results = runpy.run_path(str(EXAMPLES / "balancing.py"))["main"](seeds=3, members=10)
    assert results["uniform"].mean() < results["single"].mean()
    assert results["optimal"].mean() < results["single"].mean()
    assert results["optimal"].mean() == pytest.approx(results["uniform"].mean(), rel=0.2)
    assert capsys.readouterr().out.count("\n") == 6


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (EXAMPLES.parent / "docs" / "sklearn.md").read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(snippet, namespace)
    assert (tmp_path / "pool.json").exists()
    assert namespace["low_middle_high"].shape == (442, 3)
