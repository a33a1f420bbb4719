"""The pages on the softmax: their examples give what they say, their tables name what exists."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

import opinionpool as op

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"(?:<!-- needs: (\w+) -->\n)?```pycon\n(.*?)```", re.DOTALL)
PAGES = ["softmax.md", "boltzmann.md"]


def blocks(page):
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_examples_give_what_they_say(page):
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    reports: list[str] = []
    found = blocks(page)
    assert len(found) >= 3
    for package, code in found:
        if package and importlib.util.find_spec(package) is None:
            continue
        test = doctest.DocTestParser().get_doctest(code, names, page, page, 0)
        runner.run(test, out=reports.append, clear_globs=False)
        names = test.globs
    assert not reports, "".join(reports)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_is_run(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks(page))


def test_the_table_has_the_family():
    text = (DOCS / "softmax.md").read_text(encoding="utf-8")
    table = set(re.findall(r"`op\.(\w+)\(", text.split("\n\n[Policies")[0]))
    family = {
        *("softmax", "log_softmax", "softargmin", "logsumexp", "sigmoid", "log_sigmoid"),
        *("softmax_jvp", "softmax_vjp", "softmax_jacobian", "sample"),
    }
    assert table == family <= set(op.__all__)
