"""Thresholds, and what the Brier score is made of, on a screen."""

import math

import pytest

from opinionpool.report import scores_text, threshold_text

SPLIT = {
    "reliability": 0.01,
    "resolution": 0.2,
    "uncertainty": 0.5,
    "within_bin_variance": 0.003,
    "within_bin_covariance": 0.004,
}
OWN = {"nll": 0.5, "brier": 0.309, "accuracy": 0.9, "ece": 0.01, "rows": 10, "brier_split": SPLIT}


def scored(models, **more):
    return {"models": models, "rows": {"rows": 10}, **more}


def test_the_brier_score_is_split():
    lines = scores_text(scored({"a": OWN, "silent": {"rows": 0}})).splitlines()
    start = lines.index("  Brier, in 15 bins of equal mass per class:")
    assert lines[start + 2].split() == ["a", "0.01000", "0.20000", "0.50000", "-0.00100"]
    assert lines[start + 3] == ""
    assert "RPS" not in "".join(lines)
    assert max(map(len, lines)) <= 92


def test_of_many_models_the_best_are_split():
    models = {f"m{i}": {**OWN, "nll": float(i)} for i in range(12)}
    pool = {**OWN, "decomposition": {"loss": 0.1}}
    text = scores_text(scored(models, pool=pool))
    shown = text.split("per class:")[1].split("Nats")[0]
    assert [line.split()[0] for line in shown.splitlines()[2:-2]] == [
        *(f"m{i}" for i in range(8)),
        "THE",
        "and",
    ]
    assert "and 4 models more" in shown
    assert "more" not in scores_text(scored({f"m{i}": OWN for i in range(8)}, pool=pool))
    alone = scores_text(scored(models))
    assert "and 4 models more" in alone
    assert "m8" not in alone.split("per class:")[1]


def test_ordered_classes():
    result = scored({"a": {**OWN, "rps": 0.125}}, classes=["low", "mid", 3])
    text = scores_text(result)
    lines = text.splitlines()
    assert lines[0].split() == ["model", "NLL", "Brier", "accuracy", "ECE", "RPS", "rows"]
    assert lines[1].split()[-2:] == ["0.12500", "10"]
    assert "RPS from 0 to 2, for the order low, mid, 3." in " ".join(text.split())


def found(**changes):
    result = {
        "threshold": 0.31234567,
        "positive": "yes",
        "negative": "no",
        "metric": "f1",
        "value": 0.8,
        "interval": [0.3120, 0.3126],
        "counts": {"tp": 40.0, "fp": 1000.0, "fn": 2.5, "tn": 3.0},
        "reference": {"threshold": 0.5, "value": 0.7},
        "cross_validated": None,
        "bootstrap": None,
        "rows": {"rows": 10, "rows_unlabelled": 1, "rows_unanswered": 2},
        "notes": [],
    }
    return {**result, **changes}


TESTED = {"how": "5 folds by row", "value": 0.75, "optimism": 0.05, "reference": 0.7}


def costs(value, error):
    tested = {**TESTED, "reference": 0.5, "difference": value - 0.5, "standard_error": error}
    return found(
        metric="cost",
        cost={"fp": 1.0, "fn": 5.0},
        value=0.1,
        reference={"threshold": 1 / 6, "value": 0.5},
        cross_validated={**tested, "value": value},
    )


def test_a_threshold():
    bootstrap = {"low": 0.1, "high": "inf", "level": 0.9, "draws": 200}
    text = threshold_text(found(cross_validated=TESTED, bootstrap={**bootstrap, "high": math.inf}))
    lines = text.splitlines()
    assert lines[0] == "Decide for yes when P(yes) ≥ 0.3123."
    for words in (
        "f1               0.80000 on these rows",
        "0.75000, thresholds chosen on other rows (5 folds by row)",
        "thresholds above 0.312, up to 0.3126",
        "0.1 to inf (90 % of 200 bootstraps)",
        "at 0.5           0.70000 (nothing chosen)",
        "10 labelled rows; 1 without a label left out; 2 without an output left out.",
    ):
        assert words in text
    assert [line.split() for line in lines if line.startswith(("  yes ", "  no "))] == [
        ["yes", "40", "2.50"],
        ["no", "1,000", "3"],
    ]


@pytest.mark.parametrize(
    ("low", "high", "t", "shown"),
    [
        (0.0, 0.6, 0.3, "0.3"),
        (0.2434, 0.2436, 0.2435, "0.2435"),
        (0.24, 0.26, 0.2499, "0.25"),
        (0.3, 0.30000000000000004, 0.30000000000000004, "0.30000000000000004"),
        (0.0, 0.0, 0.0, "0.0"),
        (1e-9, 3e-9, 2e-9, "2e-09"),
    ],
)
def test_what_is_shown_divides_the_same_rows(low, high, t, shown):
    head = threshold_text(found(threshold=t, interval=[low, high])).splitlines()[0]
    assert head.endswith(f"≥ {shown}.")


def test_never():
    text = threshold_text(found(threshold=math.inf, interval=[1.0, 1.0], notes=["not tested"]))
    assert text.startswith("Never decide for yes: no threshold does better.\n")
    assert "  Not tested.\n" in text


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (0.3, 0.1, "it costs less than 0.1667, by 0.20000 per row (standard error 0.10000)"),
        (0.45, 0.1, "it saves 0.05000 per row (standard error 0.10000), within the noise; 0.1667"),
        (0.5, 0.0, "On other rows it saves nothing; 0.1667 needs no choosing."),
        (0.6, 0.01, "it costs more than 0.1667, by 0.10000 per row"),
    ],
)
def test_whether_it_is_worth_choosing(value, error, words):
    text = " ".join(threshold_text(costs(value, error)).split())
    assert words in text
    assert "cost per row 0.10000 (fp 1, fn 5), on these rows" in text
    assert "0.50000 (best where probabilities are calibrated: fp/(fp + fn))" in text


def test_no_verdict_without_an_error():
    assert "other rows it" not in threshold_text(costs(0.4, math.nan))


def test_the_reference_on_the_rows_that_were_tested():
    text = threshold_text(found(cross_validated={**TESTED, "reference": 0.65}))
    assert "0.70000; 0.65000 on the rows of the cross-validation (nothing chosen)" in text


def test_names_cannot_move_the_cursor():
    assert "\x1b" not in threshold_text(found(positive="\x1b[2J", negative="\x1b[1J"))
