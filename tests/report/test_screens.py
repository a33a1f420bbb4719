"""Screens are made of dicts alone: what is shown, and how odd values are."""

import pytest

from opinionpool.report import comparison_text, pool_text, pooled_text, scores_text
from opinionpool.report.split import split_lines
from opinionpool.report.text import clean, facts, figure, short, table


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0.1, "0.10000"),
        (-1e-9, "0.00000"),
        (-0.5, "-0.50000"),
        (float("inf"), "inf"),
        ("nan", "nan"),
        (None, "-"),
        (12345, "12,345"),
    ],
)
def test_figures(x, shown):
    assert figure(x) == shown


def test_short():
    assert [short(x) for x in (1.0, 0.72006, 4.2e-11, "inf", 100.0)] == [
        "1",
        "0.7201",
        "4.2e-11",
        "inf",
        "100",
    ]


def test_a_table_lines_up():
    lines = table(["model", "loss"], [["a-long-name", "1"], ["b", "10.5"]], indent="")
    assert lines == ["model        loss", "a-long-name     1", "b            10.5"]


def test_names_cannot_move_the_cursor():
    assert clean("\x1b[2Ja\nb") == "?[2Ja?b"
    assert "\x1b" not in "".join(table(["model"], [["\x1b[31m"]]))


def test_long_facts_go_on_below_their_start():
    lines = facts({"status": "word " * 40})
    assert len(lines) == 3
    assert all(line.startswith(" " * 10) for line in lines[1:])


def pool(**changes):
    found = {
        "rule": "log",
        "weighting": "optimal",
        "models": ["a", "b", "c"],
        "weights": [0.25, 0.75, 0.0],
        "temperature": 0.8,
        "classes": list(range(12)),
        "kinds": ["logits", "probabilities", None],
        "floors": [0.0, 1e-6, 0.0],
        "settings": {"floor": "auto", "missing": "renormalise", "fallback": "uniform"},
        "loss": 0.3,
        "losses": [0.5, "inf", "nan"],
        "gap": 1e-9,
        "status": "converged",
        "rows": {"fitted": 1000, "unlabelled": 3, "with_missing": 0},
        "decomposition": {
            "average_error": 0.5,
            "ambiguity": 0.15,
            "loss_untempered": 0.35,
            "temperature_gain": 0.05,
            "loss": 0.3,
        },
        "fingerprint": "0123456789abcdef",
    }
    return {**found, **changes}


def test_a_pool():
    text = pool_text(pool(), "It was found.", notes=("Saved to p.json.",))
    lines = text.splitlines()
    assert lines[0] == "Pool of 3 models for 12 classes"
    assert text.index("  b ") < text.index("  a ") < text.index("  c ")
    for words in (
        "0.8 (sharper than its members)",
        "1e-09 nats per row",
        "converged: It was found.",
        "1e-06 (auto)",
        "3 without a label",
        "… (12 in all)",
        "0123456789ab\n",
        "no output",
        "inf",
        "= loss of the pool                 0.30000",
        "Saved to p.json.",
    ):
        assert words in text


@pytest.mark.parametrize("gap", ["nan", "inf"])
def test_a_gap_that_nobody_knows_is_no_number(gap):
    """It was "nan nats per row"."""
    text = pool_text(pool(gap=gap), "Weights of another kind.")
    assert "not bounded" in text
    assert f"{gap} nats" not in text


def test_models_of_weight_0_are_counted_when_they_are_many():
    m = 30
    many = pool(
        models=[f"m{i}" for i in range(m)],
        weights=[1.0] + [0.0] * (m - 1),
        kinds=["logits"] * m,
        losses=[0.5] * m,
        floors=[0.0] * m,
    )
    text = pool_text(many, "")
    assert "and 29 models of weight 0" in text
    assert "m5" not in text


def test_floors_and_temperatures():
    veto = {"floor": "veto", "missing": "renormalise", "fallback": "uniform"}
    text = pool_text(pool(settings=veto, temperature=1.0, floors=[0.0] * 3), "")
    assert "veto: a class" in text
    assert "temperature  1\n" in text
    given = {"floor": 0.01, "missing": "renormalise", "fallback": "uniform"}
    assert "floor        0.01\n" in pool_text(pool(settings=given, floors=[0.01] * 3), "")
    assert "inf" in pool_text(pool(temperature="inf"), "")


def test_no_split_where_it_is_not_finite():
    lines = split_lines({"average_error": "inf", "ambiguity": "inf", "loss": 0.1})
    assert "There is no split" in lines[0]
    assert split_lines(pool()["decomposition"])[-1].endswith("0.30000")


def test_scores():
    own = {"nll": 0.5, "brier": 0.3, "accuracy": 0.9, "ece": 0.01, "rows": 10}
    result = {
        "models": {"worse": {**own, "nll": 0.7}, "better": own, "silent": {"rows": 0}},
        "rows": {"rows": 10, "rows_with_missing": 2, "rows_unlabelled": 1, "rows_fallback": 1},
        "pool": {**own, "decomposition": pool()["decomposition"]},
    }
    lines = scores_text(result).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["better", "worse", "silent", "THE"]
    assert lines[3].split() == ["silent", "-", "-", "-", "-", "0"]
    text = "\n".join(lines)
    assert (
        "10 labelled rows; 1 without a label left out; 2 with a missing output; 1 answered" in text
    )


def test_a_comparison():
    row = {"difference": 0.0, "standard_error": 0.0, "note": "", "recommended": False}
    result = {
        "table": [
            {**row, "candidate": "optimal log, T fitted", "loss": 0.1},
            {**row, "candidate": "uniform log, T = 1", "loss": 0.11, "recommended": True},
            {
                **row,
                "candidate": "greedy log, T = 1",
                "loss": None,
                "difference": None,
                "standard_error": None,
                "note": "failed",
            },
        ],
        "recommended": "uniform log, T = 1",
        "notes": ["5 folds by row", "exact zeros were raised to 1e-06 for every candidate"],
    }
    lines = comparison_text(result).splitlines()
    assert lines[2].startswith("→ uniform log, T = 1")
    assert lines[3].split()[-3:] == ["-", "-", "-"]
    assert any("5 folds by row" in line for line in lines)
    assert any(line.strip() == "greedy log, T = 1: failed" for line in lines)


def test_pooled():
    result = {
        "models": ["a", "b"],
        "kinds": ["logits", "probabilities"],
        "classes": [0, 1],
        "rule": "log",
        "temperature": 1.0,
        "rows": {"rows": 2000, "rows_with_missing": 1, "rows_fallback": 2},
        "output": "p.csv",
    }
    text = pooled_text(result)
    assert text.startswith("Pooled 2 models (log rule, T = 1)\n")
    for words in ("2,000", "a: logits, b: probabilities", "1 row pooled", "2 rows that", "p.csv"):
        assert words in text
    same = {**result, "kinds": ["logits", "logits"], "output": None}
    assert "kinds     logits" in pooled_text(same)
    assert "written to" not in pooled_text(same)
