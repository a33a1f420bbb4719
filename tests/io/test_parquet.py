"""Parquet files and folders of them."""

import datetime as dt
import decimal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, MemoryLimitError

DAY = dt.date(2020, 1, 2)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2]), np.array([1, 2])),
        (pa.array([1, None]), np.array([1, np.nan])),
        (pa.array([0.5, None], pa.float32()), np.array([0.5, np.nan], np.float32)),
        (pa.array([1, 2], pa.uint8()), np.array([1, 2], np.uint8)),
        (pa.array(["x", None]), np.array(["x", None], object)),
        (pa.array(["x", None], pa.large_string()), np.array(["x", None], object)),
        (pa.array(["x", None]).dictionary_encode(), np.array(["x", None], object)),
        (pa.array([7, None]).dictionary_encode(), np.array([7, np.nan])),
        (pa.array([b"x", None]), np.array(["x", None], object)),
        (pa.array([True, False]), np.array([True, False])),
        (pa.array([True, None]), np.array([1, np.nan])),
        (pa.array([DAY, None]), np.array([DAY, None], "datetime64[D]")),
        (pa.array([dt.datetime(2020, 1, 2)]), np.array(["2020-01-02"], "datetime64[us]")),
        (pa.array([decimal.Decimal("0.50"), None]), np.array([0.5, np.nan])),
        (pa.nulls(2), np.array([np.nan, np.nan])),
    ],
    ids=lambda value: str(getattr(value, "type", "")) or None,
)
@pytest.mark.parametrize("chunks", [1, 2])
def test_types(tmp_path, column, expected, chunks):
    table = pa.table({"x": column})
    pq.write_table(pa.concat_tables([table] * chunks), tmp_path / "a.parquet", row_group_size=2)
    got = op_io.read(tmp_path / "a.parquet").columns["x"]
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, np.concatenate([expected] * chunks))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0], [2.0]]),
        pa.array([{"a": 1}]),
        pa.array([dt.timedelta(1)]),
        pa.array([["a"]]),
    ],
    ids=lambda column: str(column.type),
)
def test_types_that_are_no_numbers_name_the_column(tmp_path, column):
    pq.write_table(pa.table({"ok": [1] * len(column), "bad": column}), tmp_path / "a.parquet")
    with pytest.raises(FileError, match=r"a\.parquet, column 'bad': found the type"):
        op_io.read(tmp_path / "a.parquet")


def test_many_columns_keep_their_order(tmp_path):
    names = ["c", *(f"x{i}" for i in range(99)), "c.1", "id"]  # a dot is no nesting
    pq.write_table(pa.table({name: [i] for i, name in enumerate(names)}), tmp_path / "a.parquet")
    columns = op_io.read(tmp_path / "a.parquet").columns
    assert list(columns) == names
    assert [int(column[0]) for column in columns.values()] == list(range(102))


def test_only_texts_are_written_with_a_dictionary(tmp_path):
    """Trying one for numbers, and giving it up, took most of the time of writing."""
    columns = {"id": np.array(["a", "b"], dtype=object), "cat": np.array([0.25, 0.75])}
    op_io.write(tmp_path / "a.parquet", columns)
    types = {name: column.dtype for name, column in columns.items()}
    with op_io.writing(tmp_path / "b.parquet", types, 2) as out:
        out.append(columns)
    for name in ("a.parquet", "b.parquet"):
        group = pq.ParquetFile(tmp_path / name).metadata.row_group(0)
        assert [group.column(j).has_dictionary_page for j in range(2)] == [True, False]


def test_duplicate_names(tmp_path):
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(FileError, match=r"a\.parquet: the column name 'a' appears twice"):
        op_io.read(tmp_path / "a.parquet")


def test_bytes_that_are_no_text(tmp_path):
    pq.write_table(pa.table({"a": [b"\xff"]}), tmp_path / "a.parquet")
    with pytest.raises(FileError, match=r"a\.parquet is damaged"):
        op_io.read(tmp_path / "a.parquet")


def test_few_bytes_that_promise_many_rows_are_refused(tmp_path, monkeypatch):
    table = pa.table({"a": np.zeros(1_000_000), "b": np.zeros(1_000_000)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 10_000_000)
    with pytest.raises(MemoryLimitError, match=r"a\.parquet needs 16 MB"):
        op_io.read(tmp_path / "a.parquet")


def test_the_row_labels_of_a_data_frame_are_no_class(tmp_path):
    pd = pytest.importorskip("pandas")
    pd.DataFrame({"cat": [0.1, 0.2]}, index=["r", "s"]).to_parquet(tmp_path / "a.parquet")
    sheet = op_io.read(tmp_path / "a.parquet")
    assert list(sheet.columns) == ["cat"]
    assert sheet.index.tolist() == ["r", "s"]


def test_writing_a_mixed_column_names_it(tmp_path):
    with pytest.raises(InputError, match="column 'a' cannot be written"):
        op_io.write(tmp_path / "a.parquet", {"a": np.array(["x", 1], dtype=object)})
    assert not list(tmp_path.iterdir())


def parts(folder, **tables):
    folder.mkdir(exist_ok=True)
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_parts_are_joined_in_the_order_of_their_names(tmp_path):
    folder = parts(
        tmp_path / "m",
        p2={"cat": [3], "id": ["c"]},
        p1={"id": ["a", "b"], "cat": [1, None]},
    )
    (folder / "_SUCCESS").touch()
    (folder / ".p0.parquet").write_text("half-written by somebody else")
    sheet = op_io.read(folder)
    assert list(sheet.columns) == ["id", "cat"]
    assert sheet.columns["id"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(sheet.columns["cat"], [1, np.nan, 3])
    assert sheet.where == str(folder)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"id": [1]}, r"p2\.parquet lacks the column 'cat' that p1\.parquet has"),
        ({"id": [1], "cat": [0.5], "dog": [0.5]}, r"p1\.parquet lacks the column 'dog' that p2"),
        ({"id": ["x"], "cat": [0.5]}, r"p2\.parquet, column 'id': found text where p1\.parquet"),
    ],
)
def test_parts_that_disagree_are_named(tmp_path, second, message):
    folder = parts(tmp_path / "m", p1={"id": [1], "cat": [0.5]}, p2=second)
    with pytest.raises(FileError, match=message):
        op_io.read(folder)


def test_a_bad_part_is_named(tmp_path):
    folder = parts(tmp_path / "m", p1={"id": [1]})
    (folder / "p2.parquet").write_text("garbage")
    with pytest.raises(FileError, match=r"p2\.parquet is not a readable Parquet file"):
        op_io.read(folder)


def test_a_folder_without_parts(tmp_path):
    (tmp_path / "a.csv").touch()
    with pytest.raises(FileError, match=r"found no \.parquet part in the folder, but a\.csv"):
        op_io.read(tmp_path)


def test_all_parts_together_must_fit(tmp_path, monkeypatch):
    folder = parts(tmp_path / "m", **{f"p{i}": {"a": np.zeros(1000)} for i in range(4)})
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 20_000)
    assert op_io.read(folder / "p1.parquet").n_rows == 1000
    with pytest.raises(MemoryLimitError, match=r"p0\.parquet and 3 more parts needs 32"):
        op_io.read(folder)


def test_pandas_stays_where_it_is(tmp_path):
    """Arrow would import it to turn a column into an array: a quarter of a second, 35 MB."""
    pytest.importorskip("pandas")
    table = {"id": np.arange(4), "label": ["b", "a", "b", "a"], "a": np.arange(4.0), "b": [0.5] * 4}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    program = f"""
import sys
import opinionpool as op
from opinionpool.io import read
columns = read({str(tmp_path / "m.parquet")!r}).columns
assert columns["label"].tolist() == ["b", "a", "b", "a"], columns
pool = op.fit({{"m": {str(tmp_path / "m.parquet")!r}}}, columns["label"], memory="16MB")
op.write_pooled(pool, {{"m": {str(tmp_path / "m.parquet")!r}}}, {str(tmp_path / "p.parquet")!r})
assert "pandas" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_what_was_read_leaves_nothing_behind_in_the_readers_memory(tmp_path):
    rng = np.random.default_rng(0)
    pq.write_table(pa.table({"id": rng.integers(0, 99, 10**6)}), tmp_path / "a.parquet")
    pool, released = pa.default_memory_pool(), []

    class Pool:
        def release_unused(self):
            released.append(pool.bytes_allocated())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pa, "default_memory_pool", Pool)
        columns = op_io.read(tmp_path / "a.parquet").columns
    assert len(columns["id"]) == 10**6
    assert len(released) == 1
