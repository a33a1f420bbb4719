"""The compiler, loaded while files are read."""

import subprocess
import sys
import threading
import time

import pytest

from opinionpool.kernels import warm
from opinionpool.kernels.warm import warming


def test_leaving_waits_until_it_is_there(monkeypatch):
    done = []
    monkeypatch.setattr(warm, "_load", lambda: (time.sleep(0.05), done.append(1)))
    with warming():
        assert not done
    assert done


def test_nothing_is_loaded_for_whom_it_is_not_worth(monkeypatch):
    monkeypatch.setattr(warm, "_load", lambda: pytest.fail("loaded"))
    before = threading.active_count()
    with warming(False):
        assert threading.active_count() == before


def test_errors_of_the_body_are_the_ones_that_are_raised(monkeypatch):
    with pytest.raises(KeyError, match="mine"), warming():
        raise KeyError("mine")
    assert not any(t.name == "opinionpool-warming" for t in threading.enumerate())


def test_what_is_wrong_with_the_compiler_is_said_by_who_uses_it(monkeypatch, capfd):
    monkeypatch.setenv("OPINIONPOOL_KERNELS", "neither")
    with warming():
        pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("kernels", "there"), [("auto", True), ("reference", False)])
def test_the_compiler_is_there_afterwards(kernels, there):
    pytest.importorskip("numba")
    program = f"""
import sys
from opinionpool.kernels.warm import warming
assert "numba" not in sys.modules
with warming():
    pass
assert ("numba" in sys.modules) is {there}
"""
    environment = {"OPINIONPOOL_KERNELS": kernels, "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0
