"""Progress: only on a terminal, only after a while, gone when the work is done."""

import io
import time

from opinionpool.cli import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(monkeypatch, stream):
    # Not a fixture: between set-up and test the capturing puts its own stream back.
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def work(quiet=False, seconds=0.3):
    with progress.Working("reading", quiet=quiet) as say:
        time.sleep(seconds)
        say("fitting", 0.5)
        time.sleep(seconds)


def test_shown_when_it_takes_long(monkeypatch):
    terminal = watched(monkeypatch, Terminal())
    monkeypatch.setattr(progress, "DELAY", 0.01)
    work()
    assert "reading" in terminal.getvalue()
    assert "fitting" in terminal.getvalue()


def test_not_shown_when_it_is_quick(monkeypatch):
    terminal = watched(monkeypatch, Terminal())
    work(seconds=0.0)
    assert terminal.getvalue() == ""


def test_not_shown_when_quiet(monkeypatch):
    terminal = watched(monkeypatch, Terminal())
    monkeypatch.setattr(progress, "DELAY", 0.01)
    work(quiet=True, seconds=0.05)
    assert terminal.getvalue() == ""


def test_not_shown_to_a_file(monkeypatch):
    file = watched(monkeypatch, io.StringIO())
    monkeypatch.setattr(progress, "DELAY", 0.01)
    work(seconds=0.05)
    assert file.getvalue() == ""
