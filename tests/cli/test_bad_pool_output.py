"""Bad pools, and outputs that cannot be written: what stood there stays as it was."""

import errno
import json
import os

import pytest

from opinionpool import io


@pytest.fixture
def pool(run, bad):
    path = bad.folder / "pool.json"
    assert run("fit", bad.a, bad.b, "--labels", bad.labels, "-o", path).code == 0
    return path


def without(name):
    return lambda d: d.pop(name)


def setting(name, value):
    return lambda d: d.update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("weights"), "weights"),
        (without("classes"), "classes"),
        (setting("weights", [0.5, 0.6]), "weights"),
        (setting("weights", "all"), "weights"),
        (setting("temperature", -1), "temperature"),
        (setting("rule", "median"), "rule"),
        (setting("version", 99), "version"),
        (setting("format", "else"), "format"),
        (setting("surprise", 1), "surprise"),
        (setting("models", ["a", "a"]), "models"),
    ],
)
@pytest.mark.parametrize("command", ["show", "apply", "score"])
def test_bad_pool(fails, bad, pool, command, change, words):
    content = json.loads(pool.read_text())
    change(content)
    pool.write_text(json.dumps(content))
    out = bad.folder / "out.csv"
    argv = {
        "show": ["show", pool],
        "apply": ["apply", pool, bad.a, bad.b, "-o", out],
        "score": ["score", bad.a, bad.b, "--labels", bad.labels, "--pool", pool],
    }[command]
    message = fails(*argv)
    assert "pool.json" in message
    assert words in message
    assert not out.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_pool_that_is_none(fails, bad, content):
    path = bad.folder / "pool.json"
    path.write_text(content)
    assert "pool.json" in fails("show", path)
    assert "there is no such file" in fails("show", bad.folder / "none.json")


def test_models_the_pool_does_not_know(fails, bad, pool):
    assert "does not know the model(s) new" in fails("apply", pool, f"new={bad.a}")


def test_a_model_is_missing_and_must_not(run, fails, bad):
    path = bad.folder / "strict.json"
    argv = ["--labels", bad.labels, "--missing", "error", "-o", path]
    assert run("fit", bad.a, bad.b, *argv).code == 0
    message = fails("apply", path, bad.a)
    assert "--missing error, and the model(s) b are not given" in message


def test_outputs_that_cannot_be(fails, bad, pool, tmp_path):
    two = [bad.a, bad.b]
    out = tmp_path / "none" / "p.csv"
    assert "there is no folder" in fails("combine", *two, "-o", out)
    assert "is a folder" in fails("combine", *two, "-o", tmp_path)
    assert "unknown suffix" in fails("combine", *two, "-o", tmp_path / "p.xlsx")
    fit = ["fit", *two, "--labels", bad.labels, "-o"]
    assert "there is no folder" in fails(*fit, tmp_path / "none" / "p.json")
    assert "is a folder" in fails(*fit, tmp_path)
    assert "a pool is JSON" in fails(*fit, tmp_path / "p.parquet")


def test_an_input_is_never_overwritten(fails, bad, pool):
    before = {p: p.read_bytes() for p in (bad.a, bad.b, bad.labels, pool)}
    named = [f"m={bad.a}", bad.b]
    assert "is an input" in fails("combine", *named, "-o", bad.a)
    assert "is an input" in fails("apply", pool, bad.a, bad.b, "-o", bad.b)
    link = bad.folder / "link.csv"
    link.symlink_to(bad.b)
    assert "is an input" in fails("combine", *named, "-o", link)
    fails("fit", bad.a, bad.b, "--labels", bad.labels, "-o", bad.labels)
    assert {p: p.read_bytes() for p in before} == before


def test_no_part_is_added_to_a_folder_that_is_read(fails, bad, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    io.write(folder / "0.parquet", io.read(bad.a).columns)
    message = fails("combine", folder, bad.b, "-o", folder / "pooled.parquet")
    assert "its folder is an input" in message


@pytest.mark.parametrize("command", ["combine", "apply", "fit", "compare"])
def test_a_full_disk(fails, bad, pool, tmp_path, monkeypatch, command):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    out.mkdir()
    kept = out / ("kept.csv" if command in ("combine", "apply") else "kept.json")
    kept.write_bytes(b"as it was")
    argv = bad.commands(out).get(command, ["apply", pool, bad.a, bad.b, "-o", kept])
    monkeypatch.setattr(os, "fsync", full)
    message = fails(*argv)
    assert "No space left on device" in message
    assert [p.name for p in out.iterdir()] == [kept.name]
    assert kept.read_bytes() == b"as it was"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_closed_folder(fails, bad, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert "read-only" in fails("combine", bad.a, "-o", folder / "p.csv")
    assert "read-only" in fails("fit", bad.a, "--labels", bad.labels, "-o", folder / "p.json")
