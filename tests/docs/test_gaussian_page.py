"""The page on means and variances: its examples give what they say, its commands run."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import numpy as np

from opinionpool import io
from opinionpool.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gaussian.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_examples_give_what_they_say():
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, PAGE.name, 0)
    assert len(test.examples) >= 15
    reports: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=reports.append)
    assert not reports, "".join(reports)


def test_its_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y, ids = rng.normal(size=50), np.arange(50)
    for name in ("a.csv", "b.csv"):
        io.write(Path(name), {"id": ids, "mean": y + rng.normal(size=50), "std": np.ones(50)})
    io.write(Path("labels.csv"), {"id": ids, "label": y})
    (commands,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    for line in commands.splitlines():
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    names = re.findall(r"`pooled.csv` has the columns (.*?), and", TEXT, re.DOTALL)[0]
    assert list(io.read(Path("pooled.csv")).columns) == ["id", *re.findall(r"`(\S+?)`", names)]
