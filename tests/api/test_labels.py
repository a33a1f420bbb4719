"""Labels of every type, absent ones, soft ones, and how much each row counts."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from door_inputs import chances, outputs
from numpy.testing import assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError, LabelError

MODELS, Y = outputs(n=30)
FITTED = op.fit(MODELS, Y)
TEXT = np.array(["x", "y", "z"])[Y]
TWO, Y2 = chances(n=30, k=2)


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (Y.tolist(), (0, 1, 2)),
        (Y.astype(np.int8), (0, 1, 2)),
        (Y.astype(np.uint64), (0, 1, 2)),
        (Y.astype(float), (0.0, 1.0, 2.0)),
        (Y.astype(str), ("0", "1", "2")),
        (Y.astype(object), (0, 1, 2)),
        (tuple(Y), (0, 1, 2)),
        (Y[:, None], (0, 1, 2)),
        (TEXT, ("x", "y", "z")),
        (TEXT.tolist(), ("x", "y", "z")),
        (pd.Series(TEXT), ("x", "y", "z")),
        (pd.Categorical(TEXT, categories=["z", "x", "y", "unused"]), ("x", "y", "z")),
        (pd.Series(TEXT, dtype="category"), ("x", "y", "z")),
        (pd.Series(TEXT, dtype="string"), ("x", "y", "z")),
        (pd.Series(Y, dtype="Int64"), (0, 1, 2)),
        (pd.DataFrame({"label": TEXT}), ("x", "y", "z")),
        (pd.DataFrame({"anything": TEXT}), ("x", "y", "z")),
        (pd.DataFrame({"week": range(30), "label": TEXT}), ("x", "y", "z")),
        (pl.Series(TEXT), ("x", "y", "z")),
        (pl.Series(TEXT, dtype=pl.Categorical), ("x", "y", "z")),
        (pl.DataFrame({"label": Y}), (0, 1, 2)),
    ],
    ids=lambda v: f"{type(v).__module__}.{type(v).__name__}-{getattr(v, 'dtype', '')}",
)
def test_labels_of_every_type(y, classes):
    pool = op.fit(MODELS, y)
    assert pool.classes == classes
    assert [type(c) for c in pool.classes] == [type(c) for c in classes]
    assert_array_equal(pool.weights, FITTED.weights)
    assert pool.loss == FITTED.loss


def test_labels_of_few_bits_that_are_further_apart_than_these_can_say():
    """Counting them from the least one overflowed int8."""
    models, y = outputs(n=300)
    assert op.fit(models, (100 * (y - 1)).astype(np.int8)).classes == (-100, 0, 100)


@pytest.mark.parametrize(
    "make", [list, np.array, pd.Series, pl.Series, lambda y: pd.Series(y, dtype="boolean")]
)
def test_booleans(make):
    pool = op.fit(TWO, make([bool(v) for v in Y2]))
    assert pool.classes == (False, True)
    assert pool.loss == op.fit(TWO, Y2).loss


def test_dates_are_labels_too():
    days = [dt.date(2024, 1, 1 + v) for v in Y]
    assert op.fit(MODELS, days).classes == ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.mark.parametrize("unit", ["ns", "us", "s", "D"])
def test_timestamps_are_labels_too(unit):
    days = np.datetime64("2024-01-01") + Y
    for y in (
        pd.Series(days.astype(f"M8[{'s' if unit == 'D' else unit}]")),
        days.astype(f"M8[{unit}]"),
    ):
        assert op.fit(MODELS, y).loss == FITTED.loss


def test_bytes_are_text():
    assert op.fit(MODELS, TEXT.astype("S")).classes == ("x", "y", "z")


@pytest.mark.parametrize("label", [3, 3.0, "3", "3.0", " 3 ", np.float32(3), np.int8(3)])
@pytest.mark.parametrize("column", ["3", "3.0", 3, 3.0])
def test_numbers_and_their_text_are_one_class(label, column):
    p = TWO["a"]
    frame = pd.DataFrame({column: p[:, 0], "4": p[:, 1]})
    y = [label, 4] * 15 if not isinstance(label, str) else [label, "4"] * 15
    pool = op.fit({"a": frame}, y)
    assert pool.loss == op.fit({"a": p}, [0, 1] * 15).loss


@pytest.mark.parametrize(
    "y",
    [
        np.where(np.arange(30) % 5 == 0, np.nan, Y),
        [None if i % 5 == 0 else v for i, v in enumerate(Y)],
        [None if i % 5 == 0 else v for i, v in enumerate(TEXT)],
        pd.Series([None if i % 5 == 0 else v for i, v in enumerate(TEXT)]),
        pd.Series([None if i % 5 == 0 else v for i, v in enumerate(TEXT)], dtype="category"),
        pd.Categorical([None if i % 5 == 0 else v for i, v in enumerate(TEXT)]),
        pd.Series([None if i % 5 == 0 else v for i, v in enumerate(Y)], dtype="Int64"),
        pd.DataFrame({"label": [None if i % 5 == 0 else v for i, v in enumerate(TEXT)]}),
        pl.Series([None if i % 5 == 0 else v for i, v in enumerate(TEXT)]),
        pl.Series([None if i % 5 == 0 else int(v) for i, v in enumerate(Y)]),
        pytest.param(
            pd.Series([None if i % 5 == 0 else v for i, v in enumerate(TEXT)], dtype="string"),
        ),
        pytest.param([pd.NA if i % 5 == 0 else v for i, v in enumerate(TEXT)]),
        pytest.param([float("nan") if i % 5 == 0 else str(v) for i, v in enumerate(TEXT)]),
    ],
)
def test_rows_without_a_label_are_ignored_and_counted(y):
    pool = op.fit(MODELS, y)
    assert (pool.rows["fitted"], pool.rows["unlabelled"]) == (24, 6)
    kept = np.arange(30) % 5 != 0
    less = op.fit({name: z[kept] for name, z in MODELS.items()}, Y[kept])
    assert_array_equal(pool.weights, less.weights)
    assert pool.loss == less.loss
    counts = op.score(MODELS, y, pool=pool)["rows"]
    assert (counts["rows"], counts["rows_unlabelled"]) == (24, 6)


def test_absent_nullable_booleans_are_ignored():
    y = pd.Series([None, *map(bool, Y2[1:])], dtype="boolean")
    assert op.fit(TWO, y).rows["unlabelled"] == 1


def test_no_labels_at_all():
    for y in ([None] * 30, np.full(30, np.nan), np.full((30, 3), np.nan)):
        with pytest.raises(LabelError, match="no row has a label"):
            op.fit(MODELS, y, classes=[0, 1, 2])
    with pytest.raises(InputError, match="labels: none were given"):
        op.fit(MODELS)


def test_labels_outside_the_classes():
    with pytest.raises(LabelError, match="row 4: label '7' is none of the classes '0', '1', '2'"):
        op.fit(MODELS, [*Y[:4], 7, *Y[5:]], classes=[0, 1, 2])
    frames = {name: pd.DataFrame(z, columns=list("uvw")) for name, z in MODELS.items()}
    with pytest.raises(LabelError, match="row 29: label 'q' is none of the classes 'u', 'v', 'w'"):
        op.fit(frames, [*"uvw"] * 9 + ["u", "v", "q"])


def test_errors_name_the_row_as_given():
    y = [None] * 4 + ["q"] + list(Y[5:])
    with pytest.raises(LabelError, match="row 4: label 'q'"):
        op.fit(MODELS, y, classes=[0, 1, 2])
    soft = np.full((30, 3), 1 / 3)
    soft[:4] = np.nan
    soft[7] = [2, 3, 4]
    with pytest.raises(LabelError, match="row 7: soft label"):
        op.fit(MODELS, soft)


def test_one_class_of_labels_is_remarked():
    with pytest.warns(op.OpinionPoolWarning, match="all 30 labels are of one class"):
        op.fit(MODELS, np.zeros(30, int))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (Y[:-1], "29 labels for 30 predicted rows"),
        ([*Y, 0], "31 labels for 30 predicted rows"),
        ([], "0 labels for 30"),
        (1, r"shape \(\)"),
        ({"label": Y}, r"shape \(\)"),
        (np.zeros((30, 3, 1)), r"shape \(30, 3, 1\)"),
        (np.full((30, 2), "u"), "must be probabilities"),
        pytest.param(Y + 1j, "complex"),
        pytest.param(np.eye(3)[Y] + 0j, "complex"),
        pytest.param(pd.DataFrame({"species": TEXT, "week": range(30)}), "'label'"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_what_are_no_labels(y, words):
    with pytest.raises(InputError, match=words):
        op.fit(MODELS, y)


def test_sample_weights_by_the_name_of_a_column():
    w = np.linspace(0.5, 2, len(Y))
    frame = pd.DataFrame({"label": TEXT, "count": w})
    named = op.fit(MODELS, frame, sample_weight="count")
    assert_array_equal(named.weights, op.fit(MODELS, TEXT, sample_weight=w).weights)
    assert named.weights[0] != op.fit(MODELS, TEXT).weights[0]
    with pytest.raises(InputError, match="no column 'weight' beside the labels; found: count"):
        op.fit(MODELS, frame, sample_weight="weight")
