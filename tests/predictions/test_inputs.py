"""How much lies in files, before any is opened."""

import numpy as np
import pytest

from opinionpool.predictions.inputs import bytes_in_files, stays_in_files


@pytest.fixture
def files(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, size in (("a.npy", 10), ("b.npy", 200), ("parts/1.parquet", 3000)):
        (tmp_path / name).write_bytes(b"." * size)
    return tmp_path


def test_files_and_folders_count(files):
    a, b, parts = files / "a.npy", str(files / "b.npy"), files / "parts"
    assert bytes_in_files({"a": a, "b": b, "c": parts}) == 3210
    assert bytes_in_files([a, b]) == 210
    assert bytes_in_files(parts) == 3000
    assert bytes_in_files({"a": a, "x": np.zeros(99), "y": [1.0, 2.0]}) == 10


@pytest.mark.parametrize("other", [None, 3, "absent.npy", "\0", np.zeros((3, 4)), ["absent", 1]])
def test_what_is_no_file_counts_nothing(other):
    assert bytes_in_files(other) == 0


def test_what_can_be_gone_over_only_once_is_left_alone(files):
    once = (files / name for name in ("a.npy", "b.npy"))
    assert bytes_in_files(once) == 0
    assert len(list(once)) == 2


def test_files_stay_files_where_memory_is_short(files):
    paths = {"a": files / "a.npy", "b": files / "b.npy"}
    assert stays_in_files(paths, 1000)
    assert not stays_in_files(paths, 10_000)
    assert not stays_in_files(paths, None)
