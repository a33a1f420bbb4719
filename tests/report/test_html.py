"""The page: complete, self-contained, safe whatever models are called, and the same every time."""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("matplotlib", reason="pages need the extra [report]")
pytest.importorskip("jinja2", reason="pages need the extra [report]")

from report.explained import KINDS, NASTY, explained

import opinionpool as op
from opinionpool.report import explanation_html
from opinionpool.report.charts import COLOURS, short_label
from opinionpool.report.figures_of import plain

every_kind = pytest.mark.parametrize("kind", KINDS)
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements, their attributes and text, and whether everything that opens is closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def page():
    made = {}

    def make(kind):
        if kind not in made:
            text = explanation_html(explained(kind))
            made[kind] = text, Page(text)
        return made[kind]

    return make


@every_kind
def test_it_is_well_formed(page, kind):
    text, parsed = page(kind)
    assert text.startswith("<!DOCTYPE html>")
    assert parsed.open == []
    assert len(parsed.all("h1")) == 1
    assert parsed.all("html") == [{"lang": "en"}]
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in parsed.elements:
        for name in ("aria-labelledby", "href", "xlink:href"):
            target = attrs.get(name, "")
            if name == "aria-labelledby" and target:
                assert target in ids
            if target.startswith("#"):
                assert target[1:] in ids


@every_kind
def test_nothing_is_loaded(page, kind):
    text, parsed = page(kind)
    for tag, attrs in parsed.elements:
        assert tag not in ("script", "img", "iframe", "object", "embed", "image")
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:,"))
        assert not any(name.startswith("on") for name in attrs)
    assert "url(http" not in text
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []


@every_kind
def test_every_chart_has_a_title_and_its_figures_beneath(page, kind):
    text, parsed = page(kind)
    charts = parsed.all("svg")
    assert len(charts) >= 3
    assert all(chart["role"] == "img" for chart in charts)
    assert text.count("<details>") == len(charts)
    for rest in text.split("</svg>")[1:]:
        assert re.match(r"\s*</div>\s*<details><summary>[^<]+</summary><div[^>]*>\s*<table", rest)


@every_kind
def test_only_the_page_s_colours(page, kind):
    """A colour that is not a variable would not change in the dark."""
    svg = "".join(re.findall(r"<svg.*?</svg>", page(kind)[0], re.DOTALL))
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]+", svg) == []
    assert re.findall(r"(?:fill|stroke): (?:black|white)", svg) == []
    assert "var(--accent)" in svg


def test_colours_are_in_the_style_for_light_and_dark(page):
    style = re.search(r"<style>(.*?)</style>", page("classes")[0], re.DOTALL)[1]
    light, dark = style.split("prefers-color-scheme:dark")[:2]
    for role, colour in COLOURS.items():
        assert f"--{role}:{colour}" in light
        assert f"--{role}:#" in dark
    assert "@media print" in style


@every_kind
def test_it_is_small(page, kind):
    assert len(page(kind)[0].encode()) < 1_000_000


def test_names_are_text_whatever_they_are(page):
    text, parsed = page("nasty")
    shown = "".join(parsed.text)
    for name in NASTY:
        assert name in shown
        assert short_label("".join(c if c.isprintable() else "?" for c in name)) in shown
    assert "<script" not in text
    assert "{{ 7 * 7 }}" in shown
    assert not re.search(r"Q\d+Qn*", text)


def test_figures_are_the_explanation_s(page):
    shown = " ".join("".join(page("classes")[1].text).split())
    e = explained("classes")
    assert plain(e["headline"]["loss"]) in shown
    for m in e["certainty"]["models"]:
        assert plain(m["weight"]) in shown
        assert plain(m["standard_error"]) in shown
    for p in e["calibration"]["pool"]["reliability"]:
        assert plain(p["observed"]) in shown


def test_models_that_are_not_drawn_are_counted(page):
    text, parsed = page("many")
    assert text.count("10 models of less weight not shown.") == 3
    assert "m39" in "".join(parsed.text)
    assert "not shown" not in page("classes")[0]


def test_the_same_explanation_is_the_same_page(page):
    again = json.loads(json.dumps(explained("classes")))
    assert explanation_html(again) == page("classes")[0]
    assert "<metadata" not in page("classes")[0]


def test_settings_of_matplotlib_are_left_alone():
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcParams["font.size"] = 33.0
        before = dict(matplotlib.rcParams)
        explanation_html(explained("two"))
        assert dict(matplotlib.rcParams) == before


# ------------------------------------------------------------ notebooks


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["weights", "left_out", "decomposition", "reliability", "disagreement", "pareto"]
)
def test_plots_draw_into_the_axes_they_are_given(axes, name, kind):
    assert getattr(op.plot, name)(explained(kind), ax=axes) is axes
    drawn = len(axes.lines) + len(axes.patches) + len(axes.collections)
    assert drawn > 0 or (name == "left_out" and kind == "one")


def test_a_plot_without_axes_makes_some():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    ax = op.plot.weights(explained())
    weights = {m["model"]: m["weight"] for m in explained()["certainty"]["models"]}
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == sorted(weights, key=weights.get, reverse=True)
    assert [bar.get_width() for bar in ax.patches] == [weights[name] for name in names]
    pyplot.close(ax.figure)


def test_reliability_of_a_model(axes):
    op.plot.reliability(explained(), "b", ax=axes)
    points = explained()["calibration"]["models"]["b"]["reliability"]
    assert axes.get_title() == "b"
    assert axes.lines[-1].get_ydata().tolist() == [p["observed"] for p in points]


def test_what_cannot_be_drawn():
    with pytest.raises(op.OpinionPoolError, match=r"expected what op\.explain returned"):
        op.plot.weights({})
    with pytest.raises(op.OpinionPoolError, match="expected one of a, b, c"):
        op.plot.reliability(explained(), "d")
