"""Data frames of three libraries, in and out."""

import datetime as dt

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import opinionpool.io as op_io
from opinionpool.errors import InputError

MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
every_library = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_library
def test_columns_of_every_kind(make):
    day = dt.datetime(2020, 1, 2)
    frame = make(
        {
            "i": [2**62, 1],
            "f": np.array([0.5, np.nan]),
            "f32": np.array([0.5, 1], dtype=np.float32),
            "t": ["x", None],
            "b": [True, False],
            "d": [day, None],
            "none": [None, "y"],
        }
    )
    sheet = op_io.sheet_of_frame(frame, "frame of 'm'")
    assert sheet.where == "frame of 'm'"
    assert sheet.index is None or sheet.index.tolist() == [0, 1]
    kinds = {name: column.dtype.str for name, column in sheet.columns.items()}
    assert kinds.pop("d").startswith("<M8")
    assert kinds == {"i": "<i8", "f": "<f8", "f32": "<f4", "t": "|O", "b": "|b1", "none": "|O"}
    assert sheet.columns["i"].tolist() == [2**62, 1]
    assert sheet.columns["t"].tolist() == ["x", None]
    assert sheet.columns["none"].tolist() == [None, "y"]
    assert np.isnat(sheet.columns["d"]).tolist() == [False, True]
    np.testing.assert_array_equal(sheet.columns["f"], [0.5, np.nan])


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.array([1, None], dtype="Int64")),
        pd.Series([1, None], dtype=object),
        pd.Series(pd.array([True, None], dtype="boolean")),
        pl.Series([1, None]),
        pl.Series([True, None]),
        pa.array([1, None]),
        pa.array([True, None]),
    ],
    ids=lambda s: f"{type(s).__module__}-{getattr(s, 'dtype', '')}",
)
def test_absent_numbers_are_nan(series):
    make = next(m for name, m in MAKERS.items() if type(series).__module__.startswith(name))
    column = op_io.sheet_of_frame(make({"x": series})).columns["x"]
    assert column.dtype == np.float64
    np.testing.assert_array_equal(column, [1, np.nan])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": pd.Categorical(["u", None])}),
        pd.DataFrame({"x": pd.Series(["u", np.nan], dtype=object)}),
        pl.DataFrame({"x": pl.Series(["u", None], dtype=pl.Categorical)}),
        pl.DataFrame({"x": pl.Series(["u", None], dtype=pl.Enum(["u"]))}),
        pa.table({"x": pa.array(["u", None]).dictionary_encode()}),
    ],
)
def test_categories_are_text(frame):
    assert op_io.sheet_of_frame(frame).columns["x"].tolist() == ["u", None]


def test_objects_are_numbers_dates_or_text():
    def column(*cells):
        return op_io.sheet_of_frame(pd.DataFrame({"x": pd.Series(cells, dtype=object)})).columns[
            "x"
        ]

    assert column(1, 2).dtype == np.int64
    assert column(1, 2**70).dtype == np.float64
    assert column(dt.date(2020, 1, 2)).dtype == np.dtype("datetime64[D]")
    with pytest.raises(InputError, match=r"column 'x', row 1: found 'a' \(str\)"):
        column(1, "a")
    with pytest.raises(InputError, match=r"column 'x', row 0: found \[1\] \(list\)"):
        column([1])


def test_row_labels_of_libraries_that_have_them():
    frame = pd.DataFrame({"a": [1, 2, 3]})
    assert op_io.sheet_of_frame(frame).index.tolist() == [0, 1, 2]
    assert op_io.sheet_of_frame(frame[1:]).index.tolist() == [1, 2]
    assert op_io.sheet_of_frame(frame[::2]).index.tolist() == [0, 2]
    assert op_io.sheet_of_frame(frame[::-1]).index.tolist() == [2, 1, 0]
    assert op_io.sheet_of_frame(frame.set_axis(list("rst"))).index.tolist() == ["r", "s", "t"]
    assert op_io.sheet_of_frame(frame).first_row == 0


def test_names_become_text():
    frame = pd.DataFrame(np.eye(2), columns=[0, 1])
    assert list(op_io.sheet_of_frame(frame).columns) == ["0", "1"]
    with pytest.raises(InputError, match="two columns are named '1'"):
        op_io.sheet_of_frame(pd.DataFrame(np.eye(2), columns=["1", 1]))
    with pytest.raises(InputError, match=r"frame of 'm': column names must be unique"):
        op_io.sheet_of_frame(pd.DataFrame(np.eye(2), columns=["a", "a"]), "frame of 'm'")


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": [[1], [2]]}),
        pa.table({"x": [{"a": 1}]}),
        pd.DataFrame({"x": pd.to_timedelta([1], unit="s")}),
    ],
)
def test_other_types_name_the_column(frame):
    with pytest.raises(InputError, match=r"frame of 'm', column 'x': found the type"):
        op_io.sheet_of_frame(frame, "frame of 'm'")


def test_what_is_a_frame():
    for frame in (pd.DataFrame(), pl.DataFrame(), pa.table({}), nw.from_native(pl.DataFrame())):
        assert op_io.is_frame(frame)
    for other in (np.eye(2), [1], {"a": [1]}, "a.csv", pd.Series([1]), pl.Series([1]), None):
        assert not op_io.is_frame(other)


def test_a_lazy_frame_asks_to_be_collected():
    assert op_io.is_frame(pl.LazyFrame({"a": [1]}))
    with pytest.raises(InputError, match="LazyFrame; a lazy frame must be collected"):
        op_io.sheet_of_frame(pl.LazyFrame({"a": [1]}))


COLUMNS = {
    "id": np.array(["x", None], dtype=object),
    "label": np.array(["u", "v"]),
    "cat": np.array([0.25, np.nan], dtype=np.float32),
    "n": np.array([1, 2]),
    "late": np.array([None, "x"], dtype=object),
}


@every_library
def test_frames_go_out_as_they_came_in(make):
    original = make({"a": [1, 2]})
    made = op_io.frame_like(original, COLUMNS, None)
    assert type(made) is type(original)
    back = op_io.sheet_of_frame(made)
    assert list(back.columns) == list(COLUMNS)
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(back.columns[name], column)
    assert back.columns["cat"].dtype == np.float32
    assert back.columns["n"].dtype == np.int64
    assert nw.from_native(made).schema["late"] == nw.String


def test_frames_of_narwhals_stay_so():
    made = op_io.frame_like(nw.from_native(pl.DataFrame({"a": [1]})), COLUMNS)
    assert isinstance(made, nw.DataFrame)


def test_row_labels_go_out_with_their_name_and_type():
    original = pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["r", "s"], name="row"))
    made = op_io.frame_like(original, COLUMNS, op_io.sheet_of_frame(original).index)
    pd.testing.assert_index_equal(made.index, original.index)
    made = op_io.frame_like(original, COLUMNS, np.array(["s", "q"]))
    assert made.index.tolist() == ["s", "q"]
    assert op_io.frame_like(original, COLUMNS).index.tolist() == [0, 1]
    assert op_io.frame_like(pl.DataFrame({"a": [1]}), COLUMNS, np.array([4, 5])).shape == (2, 5)
