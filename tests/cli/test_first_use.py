"""Compiling takes seconds, once: the command line says so then, and the library never."""

import os
import subprocess
import sys

import numpy as np
import pytest

from opinionpool.kernels import first_use, fused

SAID = "opinionpool: compiling kernels once for this installation (about 10 s)\n"
RUN = (
    "import sys; from opinionpool.cli import main; from opinionpool.rules import fused; "
    "fused.WORTHWHILE = 0; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def command(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in "ab":
        paths.append(tmp_path / f"{name}.npy")
        np.save(paths[-1], np.log(rng.dirichlet(np.ones(4), 50)))

    def run(*options):
        kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), "OPINIONPOOL_KERNELS": "auto"}
        done = subprocess.run(
            [sys.executable, "-c", RUN, "combine", *map(str, paths), "--kind", "logits", *options],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **kept},
        )
        return done.stderr

    return run


@pytest.mark.skipif(not fused.compiled("auto"), reason="numba is not installed")
def test_said_once_for_an_installation(command):
    assert command().count(SAID) == 1
    assert "compiling" not in command()


@pytest.mark.skipif(not fused.compiled("auto"), reason="numba is not installed")
def test_not_said_when_quiet(command):
    assert command("--quiet") == ""


def test_everybody_who_asked_is_told_once():
    told = []
    with first_use.telling(told.append), first_use.telling(lambda kept: told.append(str(kept))):
        first_use.compiling(True)
        first_use.compiling(True)
    first_use.compiling(False)
    assert told == ["True", True]
    with first_use.telling(told.append):
        pass
    first_use.compiling(False)
    assert len(told) == 2
