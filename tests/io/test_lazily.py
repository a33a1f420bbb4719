"""Files read block by block: the same numbers, names and errors as when they are read whole."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, MemoryLimitError
from opinionpool.io import npz_lazy, parquet_scan
from opinionpool.io.parquet_scan import ParquetValues
from opinionpool.io.staging import OnDisk
from opinionpool.predictions.inputs import tables_of
from opinionpool.predictions.lazy import LazyValues
from opinionpool.predictions.pieces import Joined, lengths

N, K = 100, 12
X = np.random.default_rng(0).random((N, K)).astype(np.float32)
X[5] = np.nan


def lazily(path):
    (table,) = tables_of([path], lazily=True)[0].values()
    return table


def whole(path):
    (table,) = tables_of([path])[0].values()
    return table


def arrow(x, names=None, ids=True, **more):
    names = names or [f"c{i}" for i in range(x.shape[1])]
    columns = {"id": pa.array([f"r{i}" for i in range(len(x))], pa.string())} if ids else {}
    columns.update({name: pa.array(x[:, i]) for i, name in enumerate(names)})
    return pa.table({**columns, **more})


def parts_of(folder):
    """Write parts of unequal lengths, one empty, every second with its columns turned around."""
    folder.mkdir()
    for i, (a, b) in enumerate([(0, 10), (10, 10), (10, 55), (55, N)]):
        part = arrow(X[a:b])
        part = part.select(part.column_names[:: -1 if i % 2 else 1])
        pq.write_table(part, folder / f"p{i}.parquet", row_group_size=9)


def npz_of(path):
    np.savez_compressed(path, probs=X, ids=np.arange(N), label=np.arange(N) % 3)


FILES = {
    "rows.npy": lambda path: np.save(path, X),
    "columns.npy": lambda path: np.save(path, np.asfortranarray(X)),
    "one-column.npy": lambda path: np.save(path, X[:, 0]),
    "big-endian.npy": lambda path: np.save(path, X.astype(">f4")),
    "double.npy": lambda path: np.save(path, X.astype(np.float64)),
    "half.npy": lambda path: np.save(path, X.astype(np.float16)),
    "integers.npy": lambda path: np.save(path, np.arange(N * K).reshape(N, K)),
    "booleans.npy": lambda path: np.save(path, X > 0.5),
    "packed.npz": npz_of,
    "one-group.parquet": lambda path: pq.write_table(arrow(X), path),
    "groups-of-1.parquet": lambda path: pq.write_table(arrow(X), path, row_group_size=1),
    "groups-of-7.parquet": lambda path: pq.write_table(arrow(X), path, row_group_size=7),
    "double.parquet": lambda path: pq.write_table(arrow(X.astype(float)), path, row_group_size=30),
    "dots.parquet": lambda path: pq.write_table(
        arrow(X[:, :4], ["c", "c.1", "d.c", "c.1.1"]), path
    ),
    "folder": parts_of,
}


@pytest.fixture(params=FILES)
def path(request, tmp_path, monkeypatch):
    monkeypatch.setattr(npz_lazy, "_LARGE", 0)
    found = tmp_path / request.param
    FILES[request.param](found)
    return found


@pytest.mark.parametrize("limit", [None, 1, 3_000, 300_000])
def test_the_same_as_read_whole(path, limit):
    """Limits from "everything side by side" to "one column at a time, through a file"."""
    table, want = lazily(path), whole(path)
    values = table.values
    assert isinstance(values, LazyValues)
    assert (values.shape, values.dtype) == (want.values.shape, want.values.dtype)
    assert (table.columns, table.where, table.first_row) == (
        want.columns,
        want.where,
        want.first_row,
    )
    for name in ("ids", "labels"):
        np.testing.assert_array_equal(getattr(table, name), getattr(want, name))
    if limit is not None:
        values = values.within(limit)
    for step in (1, 7, 30, N, 1000):
        for first in (0, 1, 56, N):
            blocks = list(values.scan(step, first))
            assert [len(block) for block in blocks] == list(lengths(N - first, step))
            assert all(b.flags.c_contiguous and b.dtype == values.dtype for b in blocks)
            got = np.concatenate([*blocks, np.empty((0, values.shape[1]), values.dtype)])
            np.testing.assert_array_equal(got, want.values[first:])


@pytest.mark.parametrize(("step", "limit"), [(7, 1_200), (30, 2_600), (100, 7_500)])
def test_portions_of_several_columns_through_a_file(tmp_path, monkeypatch, step, limit):
    """As with many columns, whose buffers and pages are large: here these are made small."""
    monkeypatch.setattr(parquet_scan, "_BUFFER", 64)
    monkeypatch.setattr(parquet_scan, "_PAGE", 10)
    widths = []
    put = OnDisk.put
    monkeypatch.setattr(
        OnDisk,
        "put",
        lambda self, i, a, tile: (widths.append(tile.shape[1]), put(self, i, a, tile)),
    )
    pq.write_table(arrow(X), tmp_path / "a.parquet")
    values = lazily(tmp_path / "a.parquet").values.within(limit)
    np.testing.assert_array_equal(np.concatenate(list(values.scan(step))), X)
    assert set(widths) == {2}


def test_two_scans_at_a_time(path):
    values, want = lazily(path).values, whole(path).values
    one, two = values.scan(10), values.scan(10, 10)
    np.testing.assert_array_equal(next(one), want[:10])
    np.testing.assert_array_equal(next(two), want[10:20])
    np.testing.assert_array_equal(next(one), want[10:20])


def test_a_block_may_be_kept_and_written_to(path):
    values, want = lazily(path).values, whole(path).values.copy()
    scan = values.scan(10)
    kept = next(scan)
    kept += 1
    next(scan)
    np.testing.assert_array_equal(kept, want[:10] + 1)


def test_a_file_that_changed_between_two_passes(path):
    values = lazily(path).values
    list(values.scan(50))
    victim = path / "p2.parquet" if path.is_dir() else path
    victim.write_bytes(victim.read_bytes() + b"\0")
    with pytest.raises(FileError, match="changed while it was read"):
        list(values.scan(50))
    victim.unlink()
    with pytest.raises(FileError, match="changed while it was read"):
        list(values.scan(50))


def test_mixed_types_of_columns(tmp_path):
    table = arrow(
        X,
        integers=pa.array(np.arange(N)),
        truth=pa.array([None, *[True] * (N - 1)]),
        nothing=pa.nulls(N),
        words=pa.array([7.5] * N).dictionary_encode(),
        half=pa.array(X[:, 0].astype(np.float16)),
        decimal=pa.array(range(N), pa.int64()).cast(pa.decimal128(20, 1)),
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=13)
    values, want = lazily(tmp_path / "a.parquet").values, whole(tmp_path / "a.parquet").values
    assert values.dtype == want.dtype == np.float64
    for one in (values, values.within(1)):
        np.testing.assert_array_equal(np.asarray(one), want)


def test_nulls_are_nan(tmp_path):
    column = pa.array([None, 0.5, None], pa.float32())
    pq.write_table(pa.table({"a": column, "b": column}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(
        np.asarray(lazily(tmp_path / "a.parquet").values), [[np.nan] * 2, [0.5] * 2, [np.nan] * 2]
    )


def test_several_models_of_an_array(tmp_path):
    three = np.random.default_rng(0).random((3, N, K))
    np.save(tmp_path / "a.npy", three)
    found = tables_of(tmp_path / "a.npy", lazily=True)[0]
    assert list(found) == ["m0", "m1", "m2"]
    for table, want in zip(found.values(), three, strict=True):
        assert isinstance(table.values, LazyValues)
        np.testing.assert_array_equal(np.asarray(table.values), want)
    assert found["m1"].where == tables_of(tmp_path / "a.npy")[0]["m1"].where


def read_whole(tmp_path):
    """Files that have to be read whole, lazily or not."""
    np.save(tmp_path / "three.npy", np.asfortranarray(np.random.default_rng(0).random((2, 3, 4))))
    yield tmp_path / "three.npy"
    np.savez(tmp_path / "three.npz", probs=np.random.default_rng(0).random((2, 3, 4)))
    yield tmp_path / "three.npz"
    np.savez(tmp_path / "columns.npz", probs=np.asfortranarray(X))
    yield tmp_path / "columns.npz"
    op_io.write(tmp_path / "a.csv", {"cat": np.arange(3.0), "dog": np.arange(3.0)})
    yield tmp_path / "a.csv"
    pq.write_table(pa.table({"cat": ["0.5"], "dog": ["0.5"]}), tmp_path / "text.parquet")
    yield tmp_path / "text.parquet"


def test_what_has_to_be_read_whole_is(tmp_path):
    for path in read_whole(tmp_path):
        found, want = (tables_of(path, lazily=flag)[0] for flag in (True, False))
        assert list(found) == list(want)
        for name, table in found.items():
            assert isinstance(table.values, np.ndarray)
            np.testing.assert_array_equal(table.values, want[name].values)


@pytest.mark.parametrize(
    "columns",
    [
        {"id": [1, 2], " ID": [0.1, 0.2]},
        {"id": [1, 2], "label": [0, 1]},
        {"cat": ["x", "y"]},
        {"cat": [[1.0], [2.0]]},
    ],
    ids=str,
)
def test_the_errors_are_those_of_reading_whole(tmp_path, columns):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    messages = []
    for read in (lazily, whole):
        with pytest.raises(InputError) as error:
            read(tmp_path / "a.parquet")
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", ["rows.npy", "one-group.parquet", "packed.npz"])
def test_garbage_and_truncation_name_the_file(tmp_path, monkeypatch, name):
    monkeypatch.setattr(npz_lazy, "_LARGE", 0)
    path = tmp_path / name
    FILES[name](path)
    data = path.read_bytes()
    failed = 0
    for n in range(1, len(data), len(data) // 40):
        path.write_bytes(data[:n])
        with pytest.raises(FileError, match=name):
            list(lazily(path).values.scan(10))
        failed += 1
    assert failed >= 40


@pytest.mark.parametrize("limit", [1, 10**9])
def test_a_damaged_page_is_named(tmp_path, limit):
    path = tmp_path / "a.parquet"
    pq.write_table(arrow(X), path, write_page_checksum=True, compression="none")
    values = lazily(path).values.within(limit)
    data = bytearray(path.read_bytes())
    at = data.index(X[50:60, 3].tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"a\.parquet changed"):
        list(values.scan(10))
    with pytest.raises(FileError, match=r"a\.parquet is damaged"):
        list(lazily(path).values.within(limit).scan(10))


def test_a_damaged_member_fails_its_checksum(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_lazy, "_LARGE", 0)
    np.savez(tmp_path / "a.npz", probs=X)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[data.index(X[50].tobytes())] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.npz.*CRC"):
        list(lazily(tmp_path / "a.npz").values.scan(30))


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    np.save(tmp_path / "a.npy", X)
    scan = lazily(tmp_path / "a.npy").values.scan(10)
    next(scan)
    with open(tmp_path / "a.npy", "r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(FileError, match=r"a\.npy is truncated: \d+ bytes are missing"):
        list(scan)


def test_parts_that_disagree_are_named(tmp_path):
    parts_of(tmp_path / "m")
    pq.write_table(arrow(X[:, :5]), tmp_path / "m" / "p4.parquet")
    with pytest.raises(FileError, match=r"p4\.parquet lacks the column 'c5' that p0"):
        lazily(tmp_path / "m")
    text = arrow(X).set_column(3, "c2", pa.array(["x"] * N))
    pq.write_table(text, tmp_path / "m" / "p4.parquet")
    with pytest.raises(FileError, match=r"p4\.parquet, column 'c2': found text where p0"):
        lazily(tmp_path / "m")


def test_only_ids_and_labels_have_to_fit(tmp_path, monkeypatch):
    pq.write_table(arrow(X, label=pa.array(np.arange(N))), tmp_path / "a.parquet")
    needed = N * (8 + 64 + 8)
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: needed)
    assert lazily(tmp_path / "a.parquet").labels.tolist() == list(range(N))
    with pytest.raises(MemoryLimitError, match=r"a\.parquet"):
        whole(tmp_path / "a.parquet")
    np.save(tmp_path / "c1.npy", np.zeros((N, N)))
    with pytest.raises(MemoryLimitError, match=r"c1\.npy"):
        np.asarray(lazily(tmp_path / "c1.npy").values)
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: needed - 1)
    with pytest.raises(
        MemoryLimitError, match=r"reading ids and labels of .*a\.parquet needs 8 kB"
    ):
        lazily(tmp_path / "a.parquet")


@pytest.mark.parametrize("limit", [1, 100_000, 10**9])
def test_what_a_scan_holds_is_said(tmp_path, limit):
    pq.write_table(arrow(X), tmp_path / "a.parquet")
    values = lazily(tmp_path / "a.parquet").values
    assert values.within(limit).overhead <= limit
    assert values.within(limit).rows(1, 9).within(limit).overhead <= limit
    assert values.within(10**9).overhead >= K * parquet_scan._BUFFER


def test_pages_for_dictionaries_count_where_there_are_any(tmp_path):
    held = {}
    for dictionary in (True, False):
        pq.write_table(arrow(X), tmp_path / "a.parquet", use_dictionary=dictionary)
        held[dictionary] = lazily(tmp_path / "a.parquet").values.overhead
    page = held[False] // K - parquet_scan._BUFFER
    assert page >= X.nbytes // K  # and not the texts of the ids, which are longer
    assert page < 2 * X.nbytes // K
    assert held[True] >= K * (2 * page + parquet_scan._BUFFER)


def test_small_blocks_are_cut_from_tall_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_scan, "_FEW", 1)
    pq.write_table(arrow(X), tmp_path / "a.parquet", row_group_size=N // 2)
    values, steps, batches = lazily(tmp_path / "a.parquet").values, [], ParquetValues._batches

    def noted(self, file, groups, columns, step, buffers):
        steps.append(step)
        return batches(self, file, groups, columns, step, buffers)

    monkeypatch.setattr(ParquetValues, "_batches", noted)
    for limit in (10**9, values.overhead + 1):  # all columns together, and some after others
        found = list(values.within(limit).scan(3))
        np.testing.assert_array_equal(np.concatenate(found), X)
        assert {len(block) for block in found[:-1]} == {3}
    assert set(steps) == {N // 2}


def test_who_reads_within_too_little_is_cramped(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_scan, "_FEW", 1)
    pq.write_table(arrow(X), tmp_path / "a.parquet")
    values = lazily(tmp_path / "a.parquet").values
    column = values._column(N)
    for one in (values, values.rows(1, 9), Joined([values, values], "two")):
        assert not one.within(K * column).cramped
        assert not one.within(5 * column).cramped  # a portion of the columns at a time
        assert one.within(3 * column).cramped


# Memory-mapped arrays count as the files they are.


def test_a_mapped_array_is_read_from_its_file(tmp_path):
    np.save(tmp_path / "a.npy", X)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for array in (mapped, mapped[10:60], np.asarray(mapped), mapped[3], mapped[:, None, 0].T[0]):
        found = tables_of({"a": array}, lazily=True)[0]["a"]
        want = tables_of({"a": array})[0]["a"]
        assert found.where == want.where == "model 'a'"
        assert isinstance(found.values, LazyValues) == array.flags.c_contiguous
        np.testing.assert_array_equal(np.asarray(found.values), want.values)


def test_mapped_columns_and_models(tmp_path):
    three = np.random.default_rng(0).random((3, N, K))
    np.save(tmp_path / "a.npy", three)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    tables = tables_of(mapped, lazily=True)[0]
    for table, want in zip(tables.values(), three, strict=True):
        assert isinstance(table.values, LazyValues)
        np.testing.assert_array_equal(np.asarray(table.values), want)
    turned = tables_of([mapped[1].T], lazily=True)[0]["m0"].values
    assert isinstance(turned, LazyValues)
    np.testing.assert_array_equal(np.asarray(turned), three[1].T)


def test_mappings_that_may_differ_from_their_file(tmp_path):
    np.save(tmp_path / "a.npy", X)
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[0] = 7
    strided = np.load(tmp_path / "a.npy", mmap_mode="r")[::2]
    reordered = np.load(tmp_path / "a.npy", mmap_mode="r")[[2, 0, 1]]
    for array in (private, strided, reordered):
        found = tables_of({"a": array}, lazily=True)[0]["a"].values
        assert not isinstance(found, LazyValues)
        np.testing.assert_array_equal(found, array)


PEAK = """
import sys
import numpy as np
import pyarrow.compute, pyarrow.parquet  # what they take themselves is not of the scan
from opinionpool.predictions.inputs import tables_of
from opinionpool.predictions.lazy import ahead

def peak():
    # Not getrusage, which counts what the process was before it became this one.
    line = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

(table,) = tables_of([sys.argv[1]], lazily=True)[0].values()
before = peak()
values = table.values.within(16_000_000)
total = sum(float(block[:, 0].sum()) for block in ahead(values.scan(500_000 // values.shape[1])))
print(total, peak() - before, values.nbytes)
"""


@pytest.mark.parametrize(
    ("suffix", "n", "k"),
    [(".parquet", 50_000, 1000), (".parquet", 10_000_000, 5), (".npy", 50_000, 1000)],
)
def test_a_scan_takes_a_bounded_amount_of_memory(tmp_path, suffix, n, k):
    """One row group of 200 MB: decoding it whole takes several times that."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no place that tells the peak")
    path = tmp_path / f"a{suffix}"
    ones = np.ones((n, 1), np.float32)
    if suffix == ".npy":
        mapped = np.lib.format.open_memmap(path, "w+", np.float32, (n, k))
        mapped[:] = ones
        del mapped
    else:
        column = pa.array(np.random.default_rng(0).random(n).astype(np.float32))
        names = [f"c{i}" for i in range(k)]
        table = pa.table([pa.array(ones[:, 0]), *[column] * (k - 1)], names=names)
        pq.write_table(table, path, row_group_size=n, compression="none")
    run = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    total, taken, size = map(float, run.stdout.split())
    assert total == n
    assert size == 4 * n * k
    # Three blocks of 2 MB, 16 MB of columns in flight, and what Arrow's allocator keeps.
    assert taken < 80e6


def test_a_stored_archive_is_streamed_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_lazy, "_LARGE", 0)
    np.savez(tmp_path / "a.npz", probs=X, ids=np.arange(N))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
    table = lazily(tmp_path / "a.npz")
    assert isinstance(table.values, LazyValues)
    np.testing.assert_array_equal(np.concatenate(list(table.values.scan(30, 20))), X[20:])
    assert table.ids.tolist() == list(range(N))
