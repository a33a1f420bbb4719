"""Arrays in .npy and .npz: mapped, never unpickled, never larger than what is there."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, MemoryLimitError


class Payload:
    """Unpickling this creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def header(shape, descr="'<f8'", fortran=False):
    """An .npy header that NumPy itself would refuse to write."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.array([1, 2, 3]),
        np.array([True, False]),
        np.array(3.5),
        np.zeros((0, 4)),
        np.array(["a", "bä"]),
        np.arange(4, dtype=">f4"),
    ],
    ids=lambda a: f"{a.dtype.str}{a.shape}",
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_come_back(tmp_path, suffix, array):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, array)
        back = op_io.read(path)
    else:
        np.savez_compressed(path, some=array)
        content = op_io.read(path)
        assert list(content) == ["some"]
        back = content["some"]
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, array)


def test_numbers_are_mapped_read_only(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0))
    back = op_io.read(tmp_path / "a.npy")
    assert isinstance(back.base, np.memmap)
    assert not back.flags.writeable


def test_bytes_become_text(tmp_path):
    np.save(tmp_path / "a.npy", np.array(["ä".encode(), b"b"]))
    assert op_io.read(tmp_path / "a.npy").tolist() == ["ä", "b"]
    np.save(tmp_path / "a.npy", np.array([b"\xe4"]))
    with pytest.raises(FileError, match=r"a\.npy: found bytes that are no UTF-8"):
        op_io.read(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_pickle_is_never_executed(tmp_path, suffix):
    path, trace = tmp_path / f"a{suffix}", tmp_path / "executed"
    array = np.array([Payload(trace)], dtype=object)
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, a=array)
    with pytest.raises(FileError, match="Python objects"):
        op_io.read(path)
    path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(FileError, match="not a readable"):
        op_io.read(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())  # the payload does what the test fears
    assert trace.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header("(4,)") + bytes(31), r"truncated: its header promises 4 float64 = 32 bytes"),
        (header("(-1,)"), r"impossible shape"),
        (header("(4611686018427387904, 8)"), r"truncated: its header promises"),
        (header("(2,)", "[('a', '<f8')]") + bytes(16), r"found dtype \[\('a'"),
        (header("(2,)", "'<c16'") + bytes(32), r"found dtype complex128"),
        (header("(2,)", "'zzz'"), r"not a readable \.npy array"),
        (header("__import__('os')"), r"not a readable \.npy array"),
        (b"\x93NUMPY\x03\x00" + header("(2,)")[8:] + bytes(16), r"format version \(3, 0\)"),
        (b"\x93NUMPY\x01\x00\xff\xff{", r"not a readable \.npy array"),
        (b"hello", r"not a readable \.npy array"),
    ],
)
def test_a_bad_npy_is_named(tmp_path, data, message):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.npy.*" + message):
        op_io.read(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", data)
    with pytest.raises(FileError, match=r"a\.npz, member 'x\.npy'.*" + message):
        op_io.read(tmp_path / "a.npz")


def test_a_sparse_giant_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 64 * 10**9)
    path = tmp_path / "a.npy"
    path.write_bytes(header("(25_000_000, 1000)"))
    os.truncate(path, len(header("(25_000_000, 1000)")) + 200 * 10**9)
    with pytest.raises(MemoryLimitError, match=r"a\.npy \(25000000 x 1000 float64\) needs 200 GB"):
        op_io.read(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(50_000), b=np.zeros(50_000))
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 500_000)
    with pytest.raises(MemoryLimitError, match=r"a\.npz \(2 arrays\) needs 800 kB"):
        op_io.read(tmp_path / "a.npz")


def test_a_damaged_member_fails_its_checksum(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[4000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.npz.*CRC"):
        op_io.read(tmp_path / "a.npz")


def test_a_packed_member_is_held_to_its_checksum(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.random.default_rng(0).random(10_000))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[data.index(b"PK\x01\x02") + 16] ^= 1  # the checksum in the directory of the archive
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.npz.*CRC"):
        op_io.read(tmp_path / "a.npz")


def archive_of(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in members:
            archive.writestr(name, header("(1,)") + bytes(8))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (archive_of("a.npy", "notes.txt"), r"'notes\.txt': found something other"),
        (archive_of(), r"without any array"),
        (archive_of("a.npy")[:-30], r"not a readable \.npz"),
    ],
)
def test_a_bad_archive_is_named(tmp_path, data, message):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.npz.*" + message):
        op_io.read(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(archive_of("a.npy", "a.npy"))
    with pytest.raises(FileError, match=r"'a\.npy': found two arrays"):
        op_io.read(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_only_numbers_make_the_matrix(tmp_path, suffix):
    words = np.array(["x", "y"], dtype=object)
    with pytest.raises(InputError, match="no numeric column"):
        op_io.write(tmp_path / f"a{suffix}", {"id": np.arange(2), "label": words})
    assert not list(tmp_path.iterdir())


def test_an_absent_id_cannot_stand_in_an_archive(tmp_path):
    ids = np.array(["x", None], dtype=object)
    with pytest.raises(InputError, match="row 2: found None where text belongs"):
        op_io.write(tmp_path / "a.npz", {"id": ids, "cat": np.zeros(2)})
