"""The page on ONNX does what it says."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:<!-- needs: (\w+) -->\n)?```pycon\n(.*?)```", PAGE, re.DOTALL)


def test_examples_give_what_they_say():
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    reports: list[str] = []
    assert len(BLOCKS) == 2
    assert PAGE.count("```") == 2 * len(BLOCKS)
    able = [code for needs, code in BLOCKS if not needs or importlib.util.find_spec(needs)]
    test = doctest.DocTestParser().get_doctest("\n".join(able), {}, "onnx.md", "onnx.md", 0)
    runner.run(test, out=reports.append)
    assert not reports, "".join(reports)
