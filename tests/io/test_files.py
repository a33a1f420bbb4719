"""Paths: which file is meant, and what is wrong with it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import opinionpool.io as op_io
from opinionpool.errors import FileError, MemoryLimitError, OutputError


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_text("x")
    with pytest.raises(FileError, match=r"a\.xlsx.*'\.xlsx'.*\.csv, \.npy, \.npz, \.parquet"):
        op_io.read(path)
    with pytest.raises(OutputError, match=r"'\.xlsx'.*\.csv, \.npy"):
        op_io.write(path, {"a": np.zeros(1)})
    assert path.read_text() == "x"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"no file .*absent\.csv"):
        op_io.read(tmp_path / "absent.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(FileError, match="device or pipe"):
        op_io.read(tmp_path / "a.csv")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a\n1\n")

    def closed(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", closed)
    with pytest.raises(FileError, match=r"cannot read .*a\.csv: Permission denied"):
        op_io.read(tmp_path / "a.csv")


def test_running_out_of_memory_all_the_same_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a\n1\n")

    def greedy(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("opinionpool.io.csv_files.np.empty", greedy)
    with pytest.raises(MemoryLimitError, match=r"a\.csv"):
        op_io.read(tmp_path / "a.csv")


def test_a_folder_cannot_be_written_to(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        op_io.write(tmp_path, {"a": np.zeros(1)})
    with pytest.raises(OutputError, match="it is a folder"):
        op_io.check_writable(tmp_path)


def test_check_writable_sees_a_read_only_place(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda place, mode: Path(place) != tmp_path)
    with pytest.raises(OutputError, match="read-only"):
        op_io.check_writable(tmp_path / "a.csv")


def test_what_counts_as_a_path():
    assert op_io.is_path("a.csv")
    assert op_io.is_path(Path("a.csv"))
    for other in (b"a", 3, np.zeros(2), None, {}):
        assert not op_io.is_path(other)


def test_importing_the_room_loads_no_optional_or_slow_package():
    code = (
        "import opinionpool.io, numpy, sys; opinionpool.io.is_frame(numpy.zeros(2));"
        "print([m for m in ('pyarrow', 'narwhals', 'pandas', 'polars') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"
