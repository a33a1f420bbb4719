"""Which kernels run, what is loaded for them, and where machine code is kept."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from kernels.cases import needs_numba

from opinionpool.kernels import fused


def test_an_argument_or_the_environment_forces_the_plain_kernels(monkeypatch):
    installed = importlib.util.find_spec("numba") is not None
    monkeypatch.delenv("OPINIONPOOL_KERNELS", raising=False)
    assert fused.compiled() == fused.compiled("auto") == installed
    assert not fused.compiled("reference")
    monkeypatch.setenv("OPINIONPOOL_KERNELS", "reference")
    assert not fused.compiled()
    assert fused.compiled("auto") == installed  # the argument is stronger
    monkeypatch.setenv("OPINIONPOOL_KERNELS", "fast")
    with pytest.raises(ValueError, match="found 'fast', expected 'auto' or 'reference'"):
        fused.compiled()


def test_without_numba_the_plain_kernels_run(monkeypatch):
    monkeypatch.delenv("OPINIONPOOL_KERNELS", raising=False)
    monkeypatch.setattr("opinionpool.kernels.choice.find_spec", lambda name: None)
    assert not fused.compiled("auto")
    p, _ = fused.apply([np.zeros((2, 4))], np.ones(1))
    assert (p == 0.25).all()


@needs_numba
def test_a_numba_that_does_not_work_is_none(monkeypatch):
    from opinionpool.kernels import jit

    monkeypatch.setattr(jit, "AVAILABLE", False)
    assert not fused.compiled("auto")


def _run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_door_loads_no_compiler():
    code = "import json, sys, opinionpool.kernels.fused; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(_run(code))
    assert "opinionpool.kernels.fused" in loaded
    assert [m for m in loaded if m.split(".")[0] in ("numba", "llvmlite")] == []


POOL = (
    "import numpy as np; from opinionpool.kernels import fused; "
    "p, _ = fused.apply([np.zeros((3, 4))] * 2, np.ones(2)); assert (p == 0.25).all(); "
)


def test_plain_kernels_never_load_the_compiler():
    code = POOL + "import sys; print('numba' in sys.modules)"
    assert _run(code, OPINIONPOOL_KERNELS="reference").strip() == "False"


@needs_numba
def test_machine_code_survives_the_process(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "OPINIONPOOL_KERNELS": "auto"}
    count = POOL + (
        "from opinionpool.kernels.narrow import apply_narrow as f; "
        "print(sum(f.stats.cache_hits.values()), sum(f.stats.cache_misses.values()))"
    )
    assert _run(count, **environment).split() == ["0", "1"]
    assert list(tmp_path.rglob("narrow.apply_narrow-*.nbc"))
    assert _run(count, **environment).split() == ["1", "0"]


@needs_numba
@pytest.mark.parametrize(
    ("cell", "expected"), [(0.0, {"apply_narrow"}), (-np.inf, {"apply_narrow", "apply_rows"})]
)
def test_only_what_is_called_is_compiled(cell, expected, tmp_path):
    """What takes rows apart is as much again to compile, and hardly ever needed."""
    code = (
        "import numpy as np; from opinionpool.kernels import fused; x = np.zeros((3, 4)); "
        f"x[0, 0] = float('{cell}'); fused.apply([x, x], np.ones(2))"
    )
    _run(code, NUMBA_CACHE_DIR=str(tmp_path), OPINIONPOOL_KERNELS="auto")
    assert {path.name.split(".")[1].split("-")[0] for path in tmp_path.rglob("*.nbc")} == expected


@needs_numba
def test_where_nothing_can_be_kept_every_process_compiles(monkeypatch):
    import numba

    from opinionpool.kernels import jit

    asked = []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert jit.jit(lambda x: x)(3) == 3
    assert asked == [True, False]


@needs_numba
def test_an_edit_of_any_kernel_is_a_new_name_in_the_cache(monkeypatch, tmp_path):
    from opinionpool.kernels import jit

    for name in ("jit.py", "a.py"):
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    before = jit._fingerprint()
    (tmp_path / "a.py").write_text("x = 2\n")
    assert jit._fingerprint() != before
