"""Means and variances that cannot be used: what was found, where, and what would be right."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import opinionpool as op
from opinionpool.errors import (
    AlignmentError,
    DistributionError,
    InputError,
    LabelError,
    ProbabilityError,
)

GAUSSIAN = {"family": "gaussian"}
Y = np.array([0.1, -0.4, 1.2, 0.7])
GOOD = np.array([[0.0, 1.0], [-0.5, 2.0], [1.0, 0.5], [1.0, 1.5]])


def spoiled(row, column, value, good=GOOD):
    bad = good.copy()
    bad[row, column] = value
    return bad


INF = np.inf
STD = {"kind": "std"}
NARROW = r"expected a variance from 2\.2e-308"
WIDE = r"expected a variance .*to 2\.2e\+307"
CELLS = {
    "negative variance": (
        spoiled(2, 1, -1),
        {},
        r"row 2, column 'variance': found -1\.0, .*above 0",
    ),
    "zero variance": (spoiled(2, 1, 0), {}, r"row 2, column 'variance': found 0\.0, .*above 0"),
    "infinite variance": (spoiled(2, 1, INF), {}, r"row 2, column 'variance': found inf, .*finite"),
    "subnormal variance": (spoiled(2, 1, 1e-320), {}, rf"row 2, .*found 1e-320, {NARROW}"),
    "huge variance": (spoiled(2, 1, 1e308), {}, rf"row 2, .*found 1e\+308, {WIDE}"),
    "negative std": (spoiled(2, 1, -1), STD, r"row 2, column 'std': found -1\.0, .*above 0"),
    # 1e-160 is above 0 and finite: the message used to ask for just that.
    "tiny std": (spoiled(2, 1, 1e-160), STD, r"row 2, .*1e-160, expected a std from 1\.5e-154"),
    "huge std": (spoiled(2, 1, 1e160), STD, r"row 2, .*1e\+160, expected a std .*to 4\.7e\+153"),
    "infinite mean": (
        spoiled(1, 0, -INF),
        {},
        r"row 1, column 'mean': found -inf, .*finite number",
    ),
    "no variance": (spoiled(3, 1, np.nan), {}, r"row 3: found only a mean .*row of NaN"),
    "no mean": (spoiled(3, 0, np.nan), {}, r"row 3: found only a variance \(1 such row"),
    "no mean, std": (spoiled(3, 0, np.nan), STD, r"row 3: found only a std"),
    "three columns": (np.ones((4, 3)), {}, r"found 3 columns, expected 2: mean and variance"),
    "one column": (np.ones((4, 1)), {}, r"found a mean without a variance \(one column\)"),
}


@pytest.mark.parametrize(("bad", "more", "message"), CELLS.values(), ids=CELLS)
def test_arrays(bad, more, message):
    with pytest.raises(DistributionError, match=f"^model 'b'.*{message}"):
        op.fit({"a": GOOD, "b": bad}, Y, **more, **GAUSSIAN)
    with pytest.raises(DistributionError, match=f"^model 'b'.*{message}"):
        op.combine({"a": GOOD, "b": bad}, **more, **GAUSSIAN)


def frame(**columns):
    return pd.DataFrame(dict.fromkeys(columns, GOOD[:, 1]) | columns)


COLUMNS = {
    "no variance": (["mean"], "found a mean without a variance; expected the columns 'mean' and"),
    "no mean": (["variance"], "found the columns 'variance'; expected 'mean' and"),
    "both": (["mean", "std", "variance"], "found the columns 'mean', 'std', 'variance'; expected"),
    "unknown": (["mean", "variance", "skew"], "found the columns .*'skew'; expected"),
    "other words": (["mu", "sigma"], "found the columns 'mu', 'sigma'; expected 'mean' and"),
    # The second used to win without a word.
    "twice": (["mean", "Mean", "variance"], "'mean', 'Mean', 'variance', one of them twice"),
}


@pytest.mark.parametrize(("columns", "message"), COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_columns(columns, message, make):
    bad = make(dict.fromkeys(columns, GOOD[:, 1]))
    with pytest.raises(DistributionError, match=f"^model 'b'.*{message}"):
        op.fit({"a": GOOD, "b": bad}, Y, **GAUSSIAN)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            ["mean", "variance"],
            "found the columns 'mean', 'variance'; expected 'variance' or 'std'",
        ),
        (["variance", "std"], "found the columns 'variance', 'std'; expected"),
    ],
)
def test_columns_of_residual_models(columns, message):
    bad = pd.DataFrame(dict.fromkeys(columns, GOOD[:, 1]))
    with pytest.raises(DistributionError, match=f"^model 'b'.*{message}"):
        op.fit({"a": GOOD[:, 1], "b": bad}, Y, family="variance")
    with pytest.raises(
        DistributionError, match=r"^model 'b'.*found 2 columns, expected 1: variance"
    ):
        op.fit({"a": GOOD[:, 1], "b": GOOD}, Y, family="variance")


PAIRS = {
    # A scalar beside the means used to be a TypeError.
    "a constant": ((GOOD[:, 0], 0.5), r"two columns of shapes \(4,\) and \(\)"),
    "ragged": ((GOOD[:, 0], GOOD[:2, 1]), r"two columns of shapes \(4,\) and \(2,\)"),
    "too deep": ((GOOD[:, 0], GOOD), r"two columns of shapes \(4,\) and \(4, 2\)"),
}


@pytest.mark.parametrize(("pair", "message"), PAIRS.values(), ids=PAIRS)
def test_pairs_of_columns(pair, message):
    with pytest.raises(InputError, match=f"model 'b': .*{message}"):
        op.combine({"a": GOOD, "b": pair}, **GAUSSIAN)


def test_text_is_no_number():
    with pytest.raises(ProbabilityError, match=r"model 'b'.*expected numbers"):
        op.combine({"a": GOOD, "b": GOOD.astype(str)}, **GAUSSIAN)
    bad = frame(mean=GOOD[:, 0], variance=["1.0", "2.0", "wide", "1.5"])
    with pytest.raises(InputError, match=r"model 'b'.*variance.*wide"):
        op.combine({"a": GOOD, "b": bad}, **GAUSSIAN)


def test_a_file_names_itself_and_its_row(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("id,mean,std\n1,0.0,1.0\n2,0.5,-2.0\n3,1,1\n", encoding="utf-8")
    with pytest.raises(DistributionError, match=r"b\.csv.*id 2, column 'std': found -2\.0"):
        op.combine({"b": path}, **GAUSSIAN)
    path.write_text("mean,std\n0.0,1.0\n0.5,wide\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.csv.*std.*wide"):
        op.combine({"b": path}, **GAUSSIAN)


def test_rows_that_do_not_match():
    with pytest.raises(AlignmentError, match=r"'b'.*3.*4|4.*'b'.*3"):
        op.fit({"a": GOOD, "b": GOOD[:3]}, Y, **GAUSSIAN)
    twice = frame(id=[1, 2, 2, 3], mean=GOOD[:, 0], variance=GOOD[:, 1])
    with pytest.raises(AlignmentError, match=r"model 'b'.*id.*2"):
        op.fit({"a": twice.assign(id=[1, 2, 3, 4]), "b": twice}, Y, **GAUSSIAN)


LABELS = {
    "text": (["1", "2", "high", "4"], r"row 2: found 'high', expected a number"),
    "infinite": ([0.0, 1.0, INF, 2.0], r"row 2: found inf, expected a finite number"),
    "two columns": (np.ones((4, 2)), r"found 2 columns of labels, expected one number per row"),
    "too few": (Y[:3], r"found 3 labels for 4 predicted rows"),
    "none known": (np.full(4, np.nan), r"no row has a label"),
    "complex": (Y + 1j, r"complex"),
}


@pytest.mark.parametrize(("y", "message"), LABELS.values(), ids=LABELS)
def test_labels(y, message):
    with pytest.raises(LabelError, match=f"labels.*{message}"):
        op.fit({"a": GOOD, "b": GOOD + 0.1}, y, **GAUSSIAN)


def test_no_labels():
    with pytest.raises(InputError, match="labels: none were given"):
        op.fit({"a": GOOD}, **GAUSSIAN)


OPTIONS = {
    "family": ({"family": "poisson"}, "family: found 'poisson', .*categorical, gaussian, variance"),
    "classes": ({"classes": ["a", "b"]}, "classes: gaussian predictions have no classes"),
    "positive": ({"positive": 1}, "positive: gaussian predictions have no classes"),
    "renormalise": ({"renormalise": True}, "renormalise: gaussian predictions have no sums"),
    "kind": ({"kind": "logits"}, "kind: found 'logits', expected 'auto', 'variance' or 'std'"),
    "kind of a model": ({"kind": {"a": "probabilities"}}, "kind: found 'probabilities'"),
    "kind of nobody": ({"kind": {"z": "std"}}, "kind: there is no model 'z'"),
    "floor": ({"floor": 0.01}, "floor: found 0.01, but gaussian predictions have no zeros"),
    "learned floor": ({"floor": "learned"}, "floor: found 'learned', but gaussian predictions"),
    "tempered mixture": (
        {"rule": "linear", "temperature": 2.0},
        r"temperature: found 2\.0, but the linear pool of gaussian .*rule='log'",
    ),
    "temperature": ({"rule": "linear", "temperature": -1}, "temperature: found -1"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options(options, message):
    with pytest.raises(InputError, match=message):
        op.fit({"a": GOOD, "b": GOOD + 0.1}, Y, **{**GAUSSIAN, **options})


@pytest.mark.parametrize("name", ["classes", "renormalise", "floor", "tempered mixture", "kind"])
def test_options_of_combine(name):
    options, message = OPTIONS[name]
    with pytest.raises(InputError, match=message):
        op.combine({"a": GOOD, "b": GOOD + 0.1}, **{**GAUSSIAN, **options})


def test_a_mixture_at_temperature_one_is_one():
    plain = op.combine({"a": GOOD, "b": GOOD + 0.1}, rule="linear", **GAUSSIAN)
    same = op.combine({"a": GOOD, "b": GOOD + 0.1}, rule="linear", temperature=1, **GAUSSIAN)
    np.testing.assert_array_equal(plain, same)


def test_scores_of_ordered_classes():
    with pytest.raises(InputError, match="ordered: gaussian predictions have no classes"):
        op.score({"a": GOOD}, Y, ordered=True, **GAUSSIAN)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_labels_that_no_density_reaches_are_blamed_on_the_unit(rule):
    """An overflow used to be reported as an exact zero that wants a floor, after warnings."""
    with pytest.raises(DistributionError, match=r"3 label\(s\) are so far.*row 1.*a, b.*same unit"):
        op.fit({"a": GOOD, "b": GOOD + 0.1}, Y * 1e200 * (np.arange(4) > 0), rule=rule, **GAUSSIAN)


def test_an_applied_model_of_the_wrong_kind():
    pool = op.fit({"a": GOOD, "b": GOOD + 0.1}, Y, weighting="uniform", **GAUSSIAN)
    with pytest.raises(DistributionError, match=r"^model 'a'.*found 3 columns"):
        pool.apply({"a": np.ones((4, 3)), "b": GOOD})
    with pytest.raises(AlignmentError, match=r"does not know the model.*z"):
        pool.apply({"z": GOOD})
