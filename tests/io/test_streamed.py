"""Single files written block by block: the same as at once, or what stood there before."""

import hashlib
import os

import numpy as np
import pytest
from killed import killed

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, OutputError
from opinionpool.io import STREAMED, writing
from opinionpool.predictions.sheet import Sheet

N = 1000
COLUMNS = {
    "id": np.array([f"r{i}" for i in range(N)], object),
    "cat": np.sqrt(np.arange(N)),
    "dog": np.arange(N).astype(np.float32),
    "n": np.arange(N),
}
DTYPES = {name: column.dtype for name, column in COLUMNS.items()}
every_format = pytest.mark.parametrize("suffix", STREAMED)


def blocks(step):
    for a in range(0, N, step):
        yield {name: column[a : a + step] for name, column in COLUMNS.items()}


def check_same(one, two):
    if isinstance(one, Sheet):
        assert list(one.columns) == list(two.columns)
        for name, column in one.columns.items():
            assert column.dtype == two.columns[name].dtype
            np.testing.assert_array_equal(column, two.columns[name])
        return
    assert one.dtype == two.dtype
    np.testing.assert_array_equal(one, two)


@every_format
@pytest.mark.parametrize("step", [1, 300, N])
def test_the_same_as_written_at_once(tmp_path, suffix, step):
    with writing(tmp_path / f"a{suffix}", DTYPES, N) as out:
        for block in blocks(step):
            out.append(block)
            assert os.listdir(tmp_path)[0].startswith(".")  # nobody sees it yet
    op_io.write(tmp_path / f"b{suffix}", COLUMNS)
    check_same(op_io.read(tmp_path / f"a{suffix}"), op_io.read(tmp_path / f"b{suffix}"))
    assert sorted(os.listdir(tmp_path)) == [f"a{suffix}", f"b{suffix}"]
    if suffix != ".parquet":  # which has a row group per block
        one, two = ((tmp_path / f"{x}{suffix}").read_bytes() for x in "ab")
        assert one == two


@every_format
def test_blocks_of_another_type_are_converted(tmp_path, suffix):
    with writing(tmp_path / f"a{suffix}", {"x": np.dtype(np.float32)}, 2) as out:
        out.append({"x": np.array([0.5])})
        out.append({"x": np.array([2])})
    content = op_io.read(tmp_path / f"a{suffix}")
    column = content.numbers("x") if isinstance(content, Sheet) else content[:, 0]
    assert column.tolist() == [0.5, 2.0]


@pytest.fixture(params=STREAMED)
def old(request, tmp_path):
    path = tmp_path / f"a{request.param}"
    path.write_text("old")
    return path


def check_untouched(path):
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), OSError("not of this file"), FileError("y")]
)
def test_an_error_of_the_caller_is_raised_as_it_is(old, error):
    out = writing(old, DTYPES, N)
    with pytest.raises(type(error)) as found, out as writer:  # noqa: PT012
        writer.append(next(blocks(100)))
        raise error
    assert found.value is error
    check_untouched(old)


def test_another_number_of_rows_than_was_said(old):
    with (
        pytest.raises(InputError, match=rf"{old.name}: 900 rows are lacking"),
        writing(old, DTYPES, N) as out,
    ):
        out.append(next(blocks(100)))
    with pytest.raises(InputError, match="found 50 rows too many"), writing(old, DTYPES, 50) as out:
        out.append(next(blocks(100)))
    check_untouched(old)


@pytest.mark.parametrize(
    "block",
    [{"id": np.zeros(2)}, {**COLUMNS, "cat": np.zeros(3)}, dict(reversed(COLUMNS.items())), {}],
    ids=["lacking", "lengths", "order", "none"],
)
def test_other_columns_than_were_said(old, block):
    with (
        pytest.raises(InputError, match="expected 'id', 'cat', 'dog', 'n', 1-D"),
        writing(old, DTYPES, N) as out,
    ):
        out.append(block)
    check_untouched(old)


def test_a_full_disk(old, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"), writing(old, DTYPES, N) as out:
        out.append(COLUMNS)
    monkeypatch.undo()
    check_untouched(old)
    with pytest.raises(OutputError, match="No space left"), writing(old, DTYPES, N) as out:  # noqa: PT012
        monkeypatch.setattr(out, "_append", full)
        out.append(COLUMNS)
    check_untouched(old)


def test_formats_that_are_written_at_once_only(tmp_path):
    with (
        pytest.raises(OutputError, match=r"a\.npz: a NumPy archive cannot be written block by"),
        writing(tmp_path / "a.npz", DTYPES, N),
    ):
        pass
    with pytest.raises(OutputError, match=r"'\.xls'"), writing(tmp_path / "a.xls", DTYPES, N):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_array_file_holds_numbers(tmp_path):
    with (
        pytest.raises(InputError, match="no numeric column"),
        writing(tmp_path / "a.npy", {"id": np.dtype(int)}, N),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


WRITE = """
import numpy as np
import pyarrow.parquet
from opinionpool.io import writing

def write(path):
    x = np.arange(1000.0)
    with writing(path, {f"c{j}": x.dtype for j in range(20)}, 10 * len(x)) as out:
        for i in range(10):
            out.append({f"c{j}": x + i for j in range(20)})
"""


@every_format
def test_kills_at_any_moment_leave_the_old_file_or_the_new(tmp_path, suffix):
    path, name = tmp_path / f"a{suffix}", f"a{suffix}"
    (tmp_path / "whole").mkdir()
    found = killed(WRITE, path, tmp_path / "whole" / name, 20, again=True)
    old = {name: hashlib.sha256(b"old").hexdigest()}
    assert all(left in (old, found["whole"]) for left in found["left"])
    assert old in found["left"]
    assert found["end"] == found["whole"] != old
