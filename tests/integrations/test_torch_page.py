"""The page on PyTorch and its example do what they say."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "torch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)


def test_examples_give_what_they_say():
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    reports: list[str] = []
    assert len(BLOCKS) >= 4
    assert PAGE.count("```") == 2 * len(BLOCKS)
    code = "\n".join(BLOCKS)
    test = doctest.DocTestParser().get_doctest(code, {}, "torch.md", "torch.md", 0)
    runner.run(test, out=reports.append)
    assert not reports, "".join(reports)


@pytest.fixture(scope="module")
def losses():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    path = ROOT / "examples" / "train_through_the_pool.py"
    spec = importlib.util.spec_from_file_location("train_through_the_pool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


def test_members_trained_through_the_pool(losses):
    fitted, trained = losses["together: op.fit on held-out rows"], losses["together: as trained"]
    assert fitted < losses["apart: op.fit on held-out rows"]
    assert trained < losses["apart: equal weights"]
    # Members lean on each other: alone they are worse than those trained alone.
    for strip in ("top", "middle", "bottom"):
        assert losses[f"together: {strip} alone"] > losses[f"apart: {strip} alone"]


def test_the_table_is_the_example_s(losses):
    """To two digits: the arithmetic of another processor moves the third."""
    best = {
        how: min(v for k, v in losses.items() if k.startswith(f"{how}:") and "alone" in k)
        for how in ("apart", "together")
    }
    rows = re.findall(r"\| (?:\*\*)?(\d\.\d{4})", PAGE)
    said = [float(x) for x in rows]
    found = [
        *best.values(),
        *(losses[f"{how}: equal weights"] for how in ("apart", "together")),
        losses["together: as trained"],
        *(losses[f"{how}: op.fit on held-out rows"] for how in ("apart", "together")),
    ]
    assert said == pytest.approx(found, rel=0.1)
