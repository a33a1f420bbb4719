"""The page on decisions: its examples give what they say, its table names the metrics."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from opinionpool.diagnostics.decisions import METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "decisions.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_examples_give_what_they_say():
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, PAGE.name, 0)
    assert len(test.examples) >= 10
    reports: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=reports.append)
    assert not reports, "".join(reports)


def test_every_metric_is_in_the_table():
    table = TEXT.split("| `metric` |")[1].split("\n\n")[0]
    assert set(re.findall(r'`"([\w-]+)"`', table)) == set(METRICS)
