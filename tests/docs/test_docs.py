"""The documentation says what the code does: included sources, snippets, defaults, links."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import opinionpool as op

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def include():
    spec = importlib.util.spec_from_file_location("docs_include", ROOT / "docs" / "include.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_included_sources_are_current(page, include):
    text = page.read_text(encoding="utf-8")
    assert include.filled(text) == text, "run: python docs/include.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200)
    names = ("logits_a", "logits_b", "logits_c", "test_a", "test_b", "test_c")
    names_and_values = {name: 2 * np.eye(4)[y] + rng.normal(size=(200, 4)) for name in names}
    namespace = {"y": y, **names_and_values}
    (code,) = snippets(ROOT / "README.md")
    exec(code, namespace)
    assert namespace["p"].shape == (200, 4)
    assert op.load("pool.json").models == ("resnet", "vit", "mlp")


def test_the_example_weighting_works():
    code = next(s for s in snippets(ROOT / "docs" / "add-your-own.md") if "Exponential" in s)
    namespace: dict[str, object] = {"__name__": "example"}
    exec(code, namespace)
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 100)
    models = {
        name: scale * np.eye(3)[y] + rng.normal(size=(100, 3))
        for name, scale in (("good", 3.0), ("poor", 0.1))
    }
    pool = op.fit(models, y, weighting=namespace["Exponential"]())
    assert pool.weights[0] > pool.weights[1] > 0
    assert pool.weights.sum() == pytest.approx(1)


def test_the_python_of_how_to_choose_runs():
    (code,) = snippets(ROOT / "docs" / "how-to-choose.md")
    namespace: dict[str, object] = {}
    exec(code, namespace)
    assert namespace["found"].gap < 1e-9
    assert namespace["found"].weights.sum() == pytest.approx(1)


def test_the_defaults_of_the_design_are_the_code_s():
    fit = inspect.signature(op.fit).parameters
    assert {name: fit[name].default for name in fit if name not in ("predictions", "y")} == {
        "rule": "log",
        "weighting": "optimal",
        "temperature": "fit",
        "family": "categorical",
        "floor": "auto",
        "penalty": "auto",
        "missing": "renormalise",
        "fallback": "uniform",
        "kind": "auto",
        "classes": None,
        "positive": None,
        "renormalise": False,
        "sample_weight": None,
        "metric": None,
        "resample": 0,
        "confidence": None,
        "calibrate": None,
        "scaling": None,
        "threads": None,
        "seed": None,
        "memory": None,
    }


@pytest.mark.parametrize("name", [n for n in op.__all__ if inspect.isfunction(getattr(op, n))])
def test_public_functions_document_themselves(name):
    doc = inspect.getdoc(getattr(op, name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n{'-' * len(section)}" in doc, f"{name} lacks {section}"
