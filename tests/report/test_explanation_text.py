"""The text form of an explanation: a screen with the same figures."""

import json

import pytest
from report.explained import KINDS, explained

from opinionpool.report import explanation_text
from opinionpool.report.figures_of import plain

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_fits_the_screen(kind):
    text = explanation_text(explained(kind))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) < 50
    assert plain(explained(kind)["headline"]["loss"]) in lines[0]
    assert "None" not in text
    assert "nan" not in text


def test_it_reads_back_from_json():
    e = explained("classes")
    assert explanation_text(json.loads(json.dumps(e))) == explanation_text(e)


def test_the_figures_are_the_explanation_s():
    e = explained("classes")
    text = explanation_text(e)
    split = e["decomposition"]
    for key in ("average_error", "ambiguity", "temperature_gain", "loss"):
        assert plain(split[key]) in text
    for m in e["contributions"]["models"]:
        line = next(x for x in text.splitlines() if x.split()[:1] == [m["model"]])
        assert line.split()[1] == plain(m["weight"])
        assert plain(m["loss_alone"]) in line


def test_a_gain_is_a_loss_that_falls():
    e = explained("classes")
    single = e["headline"]["best_single"]
    assert single["gain"] > 0
    said = (
        f"({plain(single['loss'])}): −{plain(single['gain'])} ± {plain(single['standard_error'])}"
    )
    assert said in explanation_text(e)


def test_what_has_no_figure_says_so():
    text = explanation_text(explained("infinite"))
    assert "There is no split of the loss" in text


def test_names_cannot_move_the_cursor():
    e = json.loads(json.dumps(explained("classes")).replace('"a"', '"\\u001b[2Ja"'))
    assert "\x1b" not in explanation_text(e)
