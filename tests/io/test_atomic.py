"""Whole files or none."""

import os
import stat
import subprocess
import sys

import pytest

from opinionpool.atomic import replacing, write_bytes, write_text
from opinionpool.errors import OutputError


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    return path


def check_untouched(path):
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_text_and_bytes_replace_the_old_file(old):
    write_text(old, "neü\n")
    assert old.read_bytes() == "neü\n".encode()
    write_bytes(str(old), b"\0\n")
    assert old.read_bytes() == b"\0\n"
    assert list(old.parent.iterdir()) == [old]


def test_the_temporary_file_is_hidden_beside_the_target(old):
    with replacing(old) as temporary:
        assert temporary.parent == old.parent
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".json"
        temporary.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_any_exception_leaves_the_old_file(old, error):
    with pytest.raises(error), replacing(old) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    check_untouched(old)


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.open"])
def test_a_failing_system_call_is_named_and_harmless(old, monkeypatch, call):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(OutputError, match=r"cannot write .*a\.json: No space left on device"):
        write_text(old, "new")
    monkeypatch.undo()
    check_untouched(old)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from opinionpool.errors import OutputError
from opinionpool.atomic import write_text
try:
    write_text(sys.argv[1], "x" * 5000)
except OutputError as error:
    print(error)
"""


def test_a_real_limit_of_the_file_system(old):
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(old)], capture_output=True, text=True, check=True
    )
    assert "a.json: File too large" in run.stdout
    check_untouched(old)


KILLED = """
import os, signal, sys
from opinionpool.atomic import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_the_old_file(old):
    run = subprocess.run([sys.executable, "-c", KILLED, str(old)], check=False)
    assert run.returncode != 0
    assert old.read_text() == "old"
    assert all(path == old or path.name.startswith(".") for path in old.parent.iterdir())


def test_the_data_are_on_the_disk_before_the_name_changes(old, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda h: (calls.append("flush"), fsync(h)))
    monkeypatch.setattr("os.replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_text(old, "new")
    assert calls == ["flush", "rename", "flush"]


def test_what_cannot_be_written_to(tmp_path, old, monkeypatch):
    with pytest.raises(OutputError, match=r"there is no folder .*absent"):
        write_text(tmp_path / "absent" / "a.json", "x")
    with pytest.raises(OutputError, match="it is a folder"):
        write_text(tmp_path, "x")
    with pytest.raises(OutputError, match=r"a\.json/b"):
        write_text(old / "b", "x")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="it is read-only"):
        write_text(old, "x")
    check_untouched(old)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path):
    # A pipe stands for all: were the check broken, a real device would be lost for everybody.
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="device or pipe"):
        write_text(tmp_path / "pipe", "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_permissions_are_those_of_the_old_file_or_of_any_new_one(tmp_path, old):
    old.chmod(0o640)
    write_text(old, "new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    (tmp_path / "usual").touch()
    write_text(tmp_path / "fresh", "new")
    assert (tmp_path / "fresh").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_is_followed(tmp_path, old):
    link = tmp_path / "link.json"
    link.symlink_to(old)
    write_text(link, "new")
    assert link.is_symlink()
    assert old.read_text() == "new"


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    write_text(path, "new")
    assert path.read_text() == "new"
