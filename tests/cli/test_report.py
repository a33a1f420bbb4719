"""``report``: what the library explains, as JSON, as a screen and as a page."""

import json

import pytest

import opinionpool as op
from opinionpool.report import explanation_html, explanation_text

QUICK = ["--draws", "20", "--folds", "0"]


@pytest.fixture
def pooled(run, files, tmp_path):
    """A pool on disk, and the arguments that explain it."""
    paths = files()
    op.fit({name: paths[name] for name in "abc"}, paths["labels"]).save(tmp_path / "pool.json")
    models = [paths[name] for name in "abc"]
    return [tmp_path / "pool.json", *models, "--labels", paths["labels"]]


def expected(pooled, **keywords):
    pool, *models = pooled[:4]
    given = {path.stem: path for path in models}
    return op.explain(op.load(pool), given, pooled[-1], **{"draws": 20, "folds": 0, **keywords})


OPTIONS = [
    ([], {}),
    (["--costs", "a=1,b=2,c=3"], {"costs": {"a": 1, "b": 2, "c": 3}}),
    (["--ordered", "--temperature", "fit"], {"ordered": True, "temperature": "fit"}),
    (["--group", "site", "--seed", "2"], {"groups": "site", "seed": 2}),
    (["--sample", "20", "--memory", "1GB"], {"sample": 20, "memory": "1GB"}),
]


@pytest.mark.parametrize(("options", "keywords"), OPTIONS)
@pytest.mark.parametrize("form", [["--json"], ["--format", "json"]])
def test_json_is_what_the_library_explains(run, pooled, options, keywords, form):
    ran = run("report", *pooled, *QUICK, *options, *form)
    assert ran.code == 0, ran.err
    assert ran.json == expected(pooled, **keywords)


def test_folds_and_time(run, pooled):
    ran = run("report", *pooled, "--draws", "0", "--folds", "3", "--time", "day", "--json")
    assert ran.json == expected(pooled, draws=0, folds=3, time="day")


def test_the_screen(run, pooled):
    assert run("report", *pooled, *QUICK).out == explanation_text(expected(pooled)) + "\n"


def test_files(run, pooled, tmp_path):
    for name, options in (("a.json", []), ("b.txt", []), ("c.html", ["--format", "json"])):
        ran = run("report", *pooled, *QUICK, *options, "-o", tmp_path / name)
        assert (ran.code, ran.out) == (0, "")
        assert f"Saved to {tmp_path / name}." in ran.err
    assert json.loads((tmp_path / "a.json").read_text()) == expected(pooled)
    assert (tmp_path / "b.txt").read_text() == explanation_text(expected(pooled)) + "\n"
    assert json.loads((tmp_path / "c.html").read_text()) == expected(pooled)


def test_the_page(run, pooled, tmp_path):
    pytest.importorskip("matplotlib", reason="pages need the extra [report]")
    pytest.importorskip("jinja2", reason="pages need the extra [report]")
    page = tmp_path / "report.html"
    assert run("report", *pooled, *QUICK, "-o", page).code == 0
    made = explanation_html(expected(pooled), apply_to=str(pooled[0]))
    assert page.read_text(encoding="utf-8") == made + "\n"


def test_a_page_needs_its_packages(run, pooled, tmp_path, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "jinja2" else real(name, *a)
    )
    ran = run("report", *pooled, *QUICK, "-o", tmp_path / "report.html")
    assert ran.code == 2
    assert "needs jinja2" in ran.err
    assert "opinionpool[report]" in ran.err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "pdf"], "--format: found 'pdf', expected one of html, text, json"),
        (["--format", "html"], "say where the page goes"),
        (["--json", "--format", "text"], "--json: not together with --format"),
        (["--costs", "a=1"], "costs: expected a number for each of a, b, c"),
        (["--costs", "a"], "--costs: found 'a', expected name=value"),
        (["--draws", "-1"], "draws: found -1"),
        (["--folds", "1"], "at least 2"),
        (["--temperature", "0"], "temperature: found 0"),
        (["-o", "report.csv"], "a report is .html, .txt or .json"),
    ],
)
def test_bad_options(fails, pooled, options, words):
    assert words in fails("report", *pooled, *options)


def test_bad_files(fails, pooled, tmp_path):
    absent = fails("report", tmp_path / "none.json", *pooled[1:])
    assert "none.json: there is no such file" in absent
    assert "none were given" in fails("report", *pooled[:4])
    assert "it is an input" in fails("report", *pooled, "-o", pooled[0])
