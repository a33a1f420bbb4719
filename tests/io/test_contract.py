"""What every file format promises: run over the registry, so that a new one inherits it."""

import subprocess
import sys

import numpy as np
import pytest

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, OpinionPoolError, OutputError
from opinionpool.io.formats import FORMATS
from opinionpool.predictions.sheet import Sheet

WRITTEN = [(one, suffix) for one in FORMATS if one.write for suffix in one.suffixes]
every_format = pytest.mark.parametrize(
    ("one_format", "suffix"), WRITTEN, ids=[suffix for _, suffix in WRITTEN]
)

IDS = {
    "text": np.array(["001", "b", "ü"], dtype=object),
    "int": np.array([3, -1, 2**63 - 1]),
}


def table(ids="text"):
    return {
        "id": IDS[ids],
        "cat": np.array([0.1, 1 / 3, np.nan]),
        "dog": np.array([1e-300, -0.0, 7.0]),
    }


def check_same(content, columns):
    """Compare what came back with what was written, as far as the kind of content holds it."""
    numbers = {name: column for name, column in columns.items() if name != "id"}
    if isinstance(content, Sheet):
        assert list(content.columns) == list(columns)
        for name, column in columns.items():
            np.testing.assert_array_equal(content.columns[name], column)
            assert content.columns[name].dtype == column.dtype
        return
    matrix = content if isinstance(content, np.ndarray) else content["probs"]
    np.testing.assert_array_equal(matrix, np.stack(list(numbers.values()), axis=1))
    if not isinstance(content, np.ndarray):
        assert content["classes"].tolist() == list(numbers)
        assert content["ids"].tolist() == columns["id"].tolist()


@every_format
@pytest.mark.parametrize("ids", IDS)
def test_round_trip(tmp_path, one_format, suffix, ids):
    path = tmp_path / f"a{suffix}"
    op_io.write(path, table(ids))
    check_same(op_io.read(path), table(ids))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@every_format
def test_the_suffix_may_be_upper_case(tmp_path, one_format, suffix):
    path = tmp_path / f"a{suffix.upper()}"
    op_io.write(str(path), table())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    check_same(op_io.read(str(path)), table())


@every_format
def test_many_rows_in_several_blocks(tmp_path, one_format, suffix):
    rng = np.random.default_rng(0)
    columns = {"id": np.arange(300_000), "a": rng.random(300_000), "b": rng.random(300_000)}
    op_io.write(tmp_path / f"a{suffix}", columns)
    check_same(op_io.read(tmp_path / f"a{suffix}"), columns)


@every_format
def test_float32_values_come_back_exactly(tmp_path, one_format, suffix):
    column = np.array([0.1, 1 / 3, 1e-30], dtype=np.float32)
    op_io.write(tmp_path / f"a{suffix}", {"cat": column, "dog": column})
    content = op_io.read(tmp_path / f"a{suffix}")
    if isinstance(content, Sheet):
        back = content.numbers("cat")
    else:
        back = (content if isinstance(content, np.ndarray) else content["probs"])[:, 0]
    np.testing.assert_array_equal(back.astype(np.float64), column.astype(np.float64))
    if suffix != ".csv":
        assert back.dtype == np.float32


@every_format
def test_writing_twice_gives_the_same_bytes(tmp_path, one_format, suffix):
    for name in ("a", "b"):
        op_io.write(tmp_path / f"{name}{suffix}", table())
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@every_format
def test_an_empty_file_is_refused(tmp_path, one_format, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(FileError, match=rf"a\{suffix} is empty"):
        op_io.read(path)


@every_format
def test_garbage_and_truncation_never_escape_as_other_errors(tmp_path, one_format, suffix):
    path = tmp_path / f"a{suffix}"
    op_io.write(path, table())
    whole = path.read_bytes()
    messages = []
    rng = np.random.default_rng(0)
    garbage = [rng.bytes(50), b"\x80\x04K\x01.", b"\0" * 100, b"\xff\xfea\0"]
    for data in [whole[:n] for n in range(1, len(whole), max(1, len(whole) // 60))] + garbage:
        path.write_bytes(data)
        try:
            op_io.read(path)
        except OpinionPoolError as error:
            messages.append(str(error))
    assert len(messages) >= len(garbage) - 1  # a CSV may begin with nearly anything
    assert all(str(path) in message for message in messages)


@every_format
def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch, one_format, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        op_io.write(path, table())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
import numpy, opinionpool.io
from opinionpool.errors import OutputError
rng = numpy.random.default_rng(0)
try:
    opinionpool.io.write(sys.argv[1], {"a": rng.random(10_000), "b": rng.random(10_000)})
except OutputError as error:
    print(error)
"""


@every_format
def test_a_real_limit_of_the_file_system(tmp_path, one_format, suffix):
    pytest.importorskip("resource")
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    assert f"cannot write {path}" in run.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@every_format
@pytest.mark.parametrize(
    "columns",
    [{}, {"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.zeros((2, 2))}],
    ids=["none", "lengths", "2-D"],
)
def test_columns_that_make_no_table_are_refused(tmp_path, one_format, suffix, columns):
    with pytest.raises(InputError, match="1-D and of one length"):
        op_io.write(tmp_path / f"a{suffix}", columns)
    assert not list(tmp_path.iterdir())


@every_format
def test_check_writable_knows_the_format(tmp_path, one_format, suffix):
    op_io.check_writable(tmp_path / f"a{suffix}")
    with pytest.raises(OutputError, match="no folder"):
        op_io.check_writable(tmp_path / "absent" / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_suffixes_are_unique_and_lower_case():
    suffixes = [suffix for one in FORMATS for suffix in one.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(s == s.lower() and s.startswith(".") for s in suffixes)
    assert set(suffixes) == set(op_io.SUFFIXES)


def test_a_format_without_its_package_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for attempt in (
        lambda: op_io.read(tmp_path / "a.parquet"),
        lambda: op_io.read(tmp_path),
        lambda: op_io.write(tmp_path / "b.parquet", table()),
        lambda: op_io.check_writable(tmp_path / "b.parquet"),
    ):
        with pytest.raises(ImportError, match=r"opinionpool\[parquet\]"):
            attempt()
