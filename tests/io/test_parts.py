"""Folders of parts: complete parts only, resumed without a row twice or lacking."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from killed import killed

import opinionpool.io as op_io
from opinionpool.atomic import TEMPORARY
from opinionpool.errors import FileError, InputError, OutputError
from opinionpool.io import PartsWriter
from opinionpool.io.manifest import NAME, Manifest, read_manifest

N, STEP = 1000, 90


def columns(rows):
    numbers = np.arange(N)[rows]
    return {"id": np.array([f"r{i}" for i in numbers], object), "cat": np.sqrt(numbers)}


def write(folder, key="k", upto=None):
    parts = PartsWriter(folder, key, N, STEP)
    for i in parts.missing()[:upto]:
        parts.write(i, columns(parts.rows(i)))
    return parts


def check_whole(folder):
    sheet = op_io.read(folder)
    for name, column in columns(slice(None)).items():
        np.testing.assert_array_equal(sheet.columns[name], column)


def test_a_folder_is_read_as_one_table(tmp_path):
    parts = write(tmp_path / "m")
    assert (len(parts), parts.missing()) == (12, [])
    assert parts.rows(11) == slice(990, 1000)
    check_whole(tmp_path / "m")
    names = sorted(os.listdir(tmp_path / "m"))
    assert names == [NAME, *(f"part-{i:05}.parquet" for i in range(12))]


def test_a_run_goes_on_where_another_stopped(tmp_path):
    write(tmp_path / "m", upto=5)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "m").iterdir()}
    (tmp_path / "m" / "part-00002.parquet").unlink()
    del before["part-00002.parquet"]
    assert PartsWriter(tmp_path / "m", "k", N, STEP).missing() == [2, 5, 6, 7, 8, 9, 10, 11]
    write(tmp_path / "m")
    check_whole(tmp_path / "m")
    after = {name: (tmp_path / "m" / name).stat().st_mtime_ns for name in before}
    assert after == before
    assert write(tmp_path / "m").missing() == []


def test_an_incomplete_folder_is_not_taken_for_a_shorter_table(tmp_path):
    write(tmp_path / "m", upto=0)
    with pytest.raises(FileError, match=r"m is incomplete: found 0 of 12 parts"):
        op_io.read(tmp_path / "m")
    write(tmp_path / "m", upto=3)
    for lazily in (False, True):
        with pytest.raises(FileError, match=r"m is incomplete: found 3 of 12 parts"):
            op_io.read(tmp_path / "m", lazily=lazily)


@pytest.mark.parametrize(
    ("key", "n_rows", "step", "message"),
    [
        ("other", N, STEP, "parts of another pool or of other inputs"),
        ("k", N + 1, STEP, "it holds 1,000 rows in parts of 90, not 1,001 in parts of 90"),
        ("k", N, 100, "it holds 1,000 rows in parts of 90, not 1,000 in parts of 100"),
    ],
)
def test_another_result_is_not_mixed_with_this_one(tmp_path, key, n_rows, step, message):
    write(tmp_path / "m")
    with pytest.raises(OutputError, match=f"{message}.*; to start afresh, delete the folder"):
        PartsWriter(tmp_path / "m", key, n_rows, step)
    check_whole(tmp_path / "m")


@pytest.mark.parametrize("name", ["part-00000.parquet", "other.parquet", "notes.txt"])
def test_a_folder_with_something_else_is_left_alone(tmp_path, name):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / name).write_text("mine")
    with pytest.raises(OutputError, match=f"it holds '{name}', which is no part of this"):
        PartsWriter(tmp_path / "m", "k", N, STEP)
    assert os.listdir(tmp_path / "m") == [name]
    (tmp_path / "m" / name).unlink()
    write(tmp_path / "m", upto=1)
    (tmp_path / "m" / "part-00012.parquet").write_text("one too many")
    with pytest.raises(OutputError, match=r"it holds 'part-00012\.parquet'"):
        PartsWriter(tmp_path / "m", "k", N, STEP)


def test_a_manifest_that_is_none_counts_as_something_else(tmp_path):
    write(tmp_path / "m", upto=1)
    (tmp_path / "m" / NAME).write_text('{"key": "k"}')
    assert read_manifest(tmp_path / "m") is None
    with pytest.raises(OutputError, match="which is no part of this result"):
        PartsWriter(tmp_path / "m", "k", N, STEP)


def test_what_a_killed_run_left_is_removed(tmp_path):
    write(tmp_path / "m", upto=2)
    (tmp_path / "m" / f"{TEMPORARY}0123.parquet").write_text("half")
    PartsWriter(tmp_path / "m", "k", N, STEP)
    assert not [name for name in os.listdir(tmp_path / "m") if name.startswith(TEMPORARY)]


def test_a_part_of_the_wrong_length_is_refused(tmp_path):
    parts = PartsWriter(tmp_path / "m", "k", N, STEP)
    for wrong in ({"cat": np.zeros(10)}, {"cat": np.zeros((STEP, 2))}, {}):
        with pytest.raises(InputError, match=r"part 0 of .*m has the rows 0 to 90"):
            parts.write(0, wrong)
    with pytest.raises(InputError, match="found 0 rows in parts of 5"):
        PartsWriter(tmp_path / "n", "k", 0, 5)


def test_places_that_cannot_be_written_to(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"there is no folder .*absent"):
        PartsWriter(tmp_path / "absent" / "m", "k", N, STEP)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="it is a file, not a folder of parts"):
        PartsWriter(tmp_path / "file", "k", N, STEP)
    parts = PartsWriter(tmp_path / "m", "k", N, STEP)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"part-00000\.parquet: No space left on device"):
        parts.write(0, columns(parts.rows(0)))
    assert os.listdir(tmp_path / "m") == [NAME]


def test_names_sort_as_numbers_however_many():
    names = Manifest("k", 100_001, 1).names
    assert names[:2] == ["part-000000.parquet", "part-000001.parquet"]
    assert names == sorted(names)


WRITE = """
import numpy as np
import pyarrow.parquet
from opinionpool.io import PartsWriter

def write(folder):
    parts = PartsWriter(folder, "k", 40_000, 4_000)
    for i in parts.missing():
        rows = parts.rows(i)
        parts.write(i, {f"c{j}": np.arange(40_000.0)[rows] + j for j in range(20)})
"""


def test_kills_at_any_moment_leave_complete_parts_only(tmp_path):
    """However often it is killed, the parts that stand are complete, and the end is the same."""
    found = killed(WRITE, tmp_path / "m", tmp_path / "whole", 25, again=False)
    whole = found["whole"]
    assert len(whole) == 11
    for left in found["left"]:
        assert left.items() <= whole.items()
    assert found["end"] == whole
    cut_short = [left for left in found["left"] if 1 < len(left) < 11]
    assert cut_short
    sheet = op_io.read(tmp_path / "m")
    np.testing.assert_array_equal(sheet.columns["c19"], np.arange(40_000) + 19.0)


def test_parts_are_what_pyarrow_reads_as_a_data_set(tmp_path):
    write(tmp_path / "m")
    assert pq.read_table(tmp_path / "m").num_rows == N
    assert pa.types.is_string(pq.read_schema(tmp_path / "m" / "part-00000.parquet").types[0])
