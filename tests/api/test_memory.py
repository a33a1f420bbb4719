"""Predictions in files that are read block by block give what reading them whole gives."""

import importlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import opinionpool as op
from opinionpool.io import parquet_scan
from opinionpool.predictions import copied, piecewise
from opinionpool.weightings import base

writing = importlib.import_module("opinionpool.write_pooled")

N, K = 20_000, 10
#: The least budget there is: a model's file is a twentieth of it, all of them more than an eighth.
BUDGET = "16MB"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, K, N)
    shared = rng.normal(size=(N, K))
    models = {}
    for i, name in enumerate("abcd"):
        z = 0.6 * shared + rng.normal(size=(N, K))
        z[np.arange(N), y] += 0.7 + 0.3 * i
        models[name] = z.astype(np.float32)
    return models, y


def softmax(z):
    z = z.astype(float)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def as_npy(folder, name, z, ids):
    path = folder / f"{name}.npy"
    np.save(path, z)
    return path


def as_parquet(folder, name, z, ids, rows=slice(None)):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = folder / f"{name}.parquet"
    columns = {} if ids is None else {"id": ids}
    columns |= {f"k{k}": z[:, k] for k in range(K)}
    pq.write_table(pa.table(columns), path, row_group_size=3000)
    return path


def as_parts(folder, name, z, ids):
    (folder / name).mkdir()
    for i, first in enumerate(range(0, N, 7000)):
        rows = slice(first, first + 7000)
        own = None if ids is None else ids[rows]
        as_parquet(folder / name, f"part-{i}", z[rows], own)
    return folder / name


def labels(y, path):
    return y if path.suffix == ".npy" else np.array([f"k{k}" for k in y])


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("write", [as_npy, as_parquet, as_parts])
def test_a_fit_is_the_same(write, rule, data, tmp_path, monkeypatch):
    models, y = data
    monkeypatch.setattr(base, "ENOUGH", 1e-9)
    paths = {name: write(tmp_path, name, z, None) for name, z in models.items()}
    expected = op.fit(models, y, rule=rule)
    found = op.fit(paths, labels(y, paths["a"]), rule=rule, memory=BUDGET)
    assert_allclose(found.weights, expected.weights, atol=5e-5)
    assert found.loss == pytest.approx(expected.loss, abs=1e-8)
    # Float32 cells are surveyed by float32 exponentials, whose errors nearly cancel in the mean.
    assert_allclose(found.losses, expected.losses, rtol=1e-8)
    assert found.status is op.Status.CONVERGED
    assert dict(found.rows) == dict(expected.rows)


@pytest.mark.parametrize("write", [as_npy, as_parquet, as_parts])
def test_threads_change_nothing_of_a_fit_of_files(write, data, tmp_path):
    """They survey different models; nothing that is summed depends on who is how far."""
    models, y = data
    paths = {name: write(tmp_path, name, z, None) for name, z in models.items()}
    y = labels(y, paths["a"])
    one, *others = (op.fit(paths, y, memory=BUDGET, threads=threads) for threads in (1, 2, 5))
    for other in others:
        assert other.weights.tolist() == one.weights.tolist()
        assert other.losses.tolist() == one.losses.tolist()
        assert (other.loss, other.fingerprint) == (one.loss, one.fingerprint)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_wrong_model_is_named_whoever_is_found_first(threads, data, tmp_path):
    models, y = data
    paths = {name: as_parquet(tmp_path, name, z, None) for name, z in models.items()}
    for name, row in (("b", N - 1), ("d", 0)):
        z = models[name].copy()
        z[row, 3] = np.inf
        as_parquet(tmp_path, name, z, None)
    with pytest.raises(op.OpinionPoolError, match=rf"b\.parquet, row {N}"):
        op.fit(paths, labels(y, paths["a"]), memory=BUDGET, threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_files_that_are_cramped_side_by_side_are_copied(threads, data, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    models, y = data
    pool = op.fit(models, y)
    pool = replace(pool, classes=tuple(f"k{k}" for k in range(K)))
    paths = {name: as_parquet(tmp_path, name, z, None) for name, z in models.items()}
    copies = []
    monkeypatch.setattr(
        piecewise, "copy_of", lambda values: copies.append(values) or copied.copy_of(values)
    )
    found = pool.apply(paths, memory=BUDGET, threads=threads)
    assert not copies
    monkeypatch.setattr(parquet_scan, "_BUFFER", 1 << 20)
    np.testing.assert_array_equal(pool.apply(paths, memory=BUDGET, threads=threads), found)
    assert len(copies) == len(paths)


def test_probabilities_and_missing_rows(data, tmp_path):
    models, y = data
    p = {name: softmax(z) for name, z in models.items()}
    p["b"][::3] = np.nan
    paths = {name: as_npy(tmp_path, name, q, None) for name, q in p.items()}
    expected = op.fit(p, y)
    found = op.fit(paths, y, memory=BUDGET)
    assert set(found.kinds) == {"probabilities"}
    assert found.rows["with_missing"] == len(p["b"][::3])
    assert found.loss <= expected.loss + 1e-6
    assert_allclose(found.apply(paths, memory=BUDGET), expected.apply(p), atol=2e-3)
    assert_allclose(found.apply(paths, memory=BUDGET), found.apply(p), rtol=2e-6)


def test_rows_in_another_order_are_matched_by_id(data, tmp_path):
    models, y = data
    ids = np.arange(N) * 3
    rng = np.random.default_rng(1)
    paths = {}
    for i, (name, z) in enumerate(models.items()):
        order = rng.permutation(N) if i else np.arange(N)
        order = order[: N - 50] if i == 2 else order  # lacks fifty of the rows
        paths[name] = as_parquet(tmp_path, name, z[order], ids[order])
    y_path = tmp_path / "y.csv"
    y_path.write_text("id,label\n" + "".join(f"{i},k{k}\n" for i, k in zip(ids, y, strict=True)))
    expected = op.fit(paths, y_path)
    found = op.fit(paths, y_path, memory=BUDGET)
    assert found.rows["with_missing"] == expected.rows["with_missing"] == 50
    assert found.loss <= expected.loss + 1e-5
    out = tmp_path / "pooled.parquet"
    rows = op.write_pooled(expected, paths, out, memory=BUDGET)
    assert rows["rows_with_missing"] == 50
    written = op.combine({"pooled": out}, details=False)
    assert_allclose(
        written.drop(columns="id") if hasattr(written, "drop") else written,
        expected.apply({n: pytest.importorskip("pandas").read_parquet(p) for n, p in paths.items()})
        .drop(columns="id")
        .to_numpy(),
        rtol=1e-5,
        atol=1e-7,
    )


def test_combine_streams(data, tmp_path):
    models, _ = data
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    assert_allclose(op.combine(paths, memory=BUDGET), op.combine(models), rtol=2e-6)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet", ""])
def test_written_is_what_apply_returns(suffix, data, tmp_path, monkeypatch):
    if suffix in (".parquet", ""):
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(writing, "PART_CELLS", 30_000)
    models, y = data
    pool = op.fit(models, y)
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    seen = []
    out = tmp_path / f"pooled{suffix}"
    rows = op.write_pooled(
        pool, paths, out, memory=BUDGET, progress=lambda *a: seen.append(a), threads=1
    )
    assert rows == {"rows": N, "rows_with_missing": 0, "rows_fallback": 0, "rows_kept": 0}
    assert seen[-1][1] == N
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    found = np.load(out) if suffix == ".npy" else np.asarray(op.combine([out]), dtype=float)
    assert_allclose(found, pool.apply(models), rtol=2e-6, atol=1e-9)
    if not suffix:
        assert len(list(out.glob("part-*.parquet"))) == 7


def test_a_second_run_computes_only_what_is_lacking(data, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(writing, "PART_CELLS", 30_000)
    models, y = data
    pool = op.fit(models, y)
    out = tmp_path / "pooled"
    op.write_pooled(pool, models, out, memory=BUDGET)
    whole = {p.name: p.read_bytes() for p in out.glob("part-*")}
    for lost in ("part-00002.parquet", "part-00003.parquet", "part-00006.parquet"):
        (out / lost).unlink()
    rows = op.write_pooled(pool, models, out, memory=BUDGET)
    assert rows["rows"] == 3000 + 3000 + 2000
    assert rows["rows_kept"] == N - rows["rows"]
    assert {p.name: p.read_bytes() for p in out.glob("part-*")} == whole
    other = op.fit(models, y, temperature=2.0)
    with pytest.raises(op.OpinionPoolError, match="another pool or of other inputs"):
        op.write_pooled(other, models, out, memory=BUDGET)


CHILD = """
import importlib, sys, opinionpool as op
writing = importlib.import_module("opinionpool.write_pooled")
writing.PART_CELLS = 30_000
op.write_pooled(sys.argv[1], dict(zip("abcd", sys.argv[3:])), sys.argv[2], memory="16MB")
"""


def test_a_killed_run_is_resumed(data, tmp_path):
    pytest.importorskip("pyarrow")
    models, y = data
    pool = op.fit(models, y)
    pool.save(tmp_path / "pool.json")
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    out = tmp_path / "pooled"
    command = [sys.executable, "-c", CHILD, tmp_path / "pool.json", out, *paths.values()]
    env = {**os.environ, "OPINIONPOOL_KERNELS": "reference"}
    child = subprocess.Popen([str(c) for c in command], env=env)
    deadline = time.monotonic() + 60
    while not list(out.glob("part-*")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    there = sorted(out.glob("part-*"))
    assert there
    before = {p.name: p.stat().st_mtime_ns for p in there}
    subprocess.run([str(c) for c in command], env=env, check=True)
    parts = sorted(out.glob("part-*"))
    assert [p.name for p in parts] == [f"part-{i:05}.parquet" for i in range(7)]
    assert {p.name: p.stat().st_mtime_ns for p in parts if p.name in before} == before
    assert_allclose(op.combine([out]), pool.apply(models), rtol=2e-6, atol=1e-9)


def test_gaussians_are_written_with_quantiles(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    models = {
        name: np.stack([y + rng.normal(size=200), np.full(200, 1.0)], axis=1) for name in "ab"
    }
    pool = op.fit(models, y, family="gaussian")
    out = tmp_path / "pooled.csv"
    op.write_pooled(pool, models, out, quantiles=[0.1, 0.9])
    header, *rows = out.read_text().splitlines()
    assert header == "mean,variance,q0.1,q0.9"
    found = np.array([row.split(",") for row in rows], dtype=float)
    assert_allclose(found[:, :2], pool.apply(models))
    assert_allclose(found[:, 3], pool.distribution(models).quantile(0.9))


@pytest.mark.parametrize("memory", ["much", "-1GB", "1.2.3GB", ".", 0, True, 2.5, "15MB", b"1GB"])
def test_budgets_that_cannot_be(memory, data):
    models, y = data
    with pytest.raises(op.OpinionPoolError, match="memory"):
        op.fit(models, y, memory=memory)


@pytest.mark.parametrize(
    ("memory", "n_bytes"),
    [
        ("1GB", 10**9),
        ("1.5 GB", 15 * 10**8),
        ("1GiB", 2**30),
        ("20000k", 2 * 10**7),
        (10**8, 10**8),
    ],
)
def test_budgets(memory, n_bytes):
    from opinionpool.resources import memory_budget

    assert memory_budget(memory) == n_bytes


def test_a_pool_of_another_kind_is_no_pool(data, tmp_path):
    with pytest.raises(op.OpinionPoolError, match="expected a Pool"):
        op.write_pooled({}, data[0], tmp_path / "x.npy")


def test_compare_takes_as_many_rows_as_fit(data, tmp_path, monkeypatch):
    models, y = data
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    found = op.compare(paths, y, memory=BUDGET, folds=3, time_limit=None)
    (note,) = [n for n in found.notes if "drawn at random" in n]
    assert f"of {N:,} rows" in note
    whole = op.compare(models, y, folds=3, time_limit=None)
    assert found.pool.rows["fitted"] == N
    for row in whole.table:
        (same,) = [r for r in found.table if r["candidate"] == row["candidate"]]
        assert same["loss"] == pytest.approx(row["loss"], abs=0.05)
    ample = op.compare(paths, y, memory="1GB", folds=3, time_limit=None)
    assert ample.notes == whole.notes
    assert ample.recommended == whole.recommended


def same_split(pool, models, y, tmp_path):
    """Return how the loss is split, which is the same of files within a budget."""
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    expected = op.score(models, y, pool=pool)["pool"]["decomposition"]
    found = op.score(paths, y, pool=pool, memory=BUDGET)["pool"]["decomposition"]
    assert found == pytest.approx(expected, abs=1e-9)
    return expected


def test_the_split_of_a_linear_pool_beside_a_veto_is_the_same(data, tmp_path):
    models, y = data
    models = {name: z.copy() for name, z in models.items()}
    models["b"][3, y[3]] = -np.inf  # its error is infinite, the pool's is not
    pool = op.fit(models, y, rule="linear", weighting="uniform", floor="veto")
    assert np.isfinite(same_split(pool, models, y, tmp_path)["loss_untempered"])


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_the_split_of_rows_that_only_a_model_without_weight_answered(rule, data, tmp_path):
    models, y = data
    models = {name: z.copy() for name, z in models.items()}
    others = list(models)[1:]
    for name in others:
        models[name][::7] = np.nan
    weights = dict.fromkeys(models, 1.0) | {next(iter(models)): 0.0}
    pool = op.fit(models, y, rule=rule, weighting=weights)
    same_split(pool, models, y, tmp_path)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_scores_are_the_same(rule, data, tmp_path):
    models, y = data
    models = {name: z.copy() for name, z in models.items()}
    models["b"][::7] = np.nan
    models["d"][3, (y[3] + 1) % K] = -np.inf
    y = y.astype(float)
    y[5::11] = np.nan
    pool = op.fit(models, y, rule=rule, floor=1e-4)
    paths = {name: as_npy(tmp_path, name, z, None) for name, z in models.items()}
    for given in ({"pool": pool}, {}):
        expected = op.score(models, y, ordered=True, **given)
        found = op.score(paths, y, ordered=True, memory=BUDGET, **given)
        assert found["rows"] == expected["rows"]
        assert found["classes"] == expected["classes"]
        for name, own in {**expected["models"], "pool": expected.get("pool", {})}.items():
            there = found["pool"] if name == "pool" and own else found["models"].get(name, {})
            assert set(there) == set(own)
            for what, value in own.items():
                if isinstance(value, dict):
                    near = 1e-9 if what == "decomposition" else 2e-3
                    assert there[what] == pytest.approx(value, abs=near)
                else:
                    assert there[what] == pytest.approx(value, abs=2e-3 if what == "ece" else 1e-9)
            if own:
                split = there["brier_split"]
                assert there["brier"] == pytest.approx(
                    split["reliability"]
                    - split["resolution"]
                    + split["uncertainty"]
                    + split["within_bin_variance"]
                    - split["within_bin_covariance"],
                    abs=1e-12,
                )
