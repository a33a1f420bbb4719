"""Writers that are killed at random moments, again and again: what they leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# One process is started, which forks: most of a fresh one's time would go into its imports.
_RUNNER = """
import hashlib, json, os, random, shutil, signal, sys, time
from pathlib import Path

def snapshot(target):
    files = sorted(target.iterdir()) if target.is_dir() else [target] if target.exists() else []
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.name[0] != "."}

def run(target, limit=None):
    start = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            write(target)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if limit is not None:
        time.sleep(limit)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the writer failed")
    return time.perf_counter() - start

def main(target, reference, again, n):
    took = run(reference)
    whole = snapshot(reference)
    rng, left = random.Random(0), []
    # Half of the kills are spread over the time of the first run, early moments more often: it
    # may have taken long for once, or warmed up what the others find warm. The others come
    # between the last moment at which nothing was done yet and the first at which all was.
    early, late = 0.0, took
    for i in range(n):
        if again:  # the next run finds what stood there before all of them
            target.write_text("old")
        elif snapshot(target) == whole:
            shutil.rmtree(target)
        before = snapshot(target)
        between = early + (late - early) * rng.random()
        limit = between if i % 2 else took * rng.random() ** 2
        run(target, limit)
        left.append(snapshot(target))
        if left[-1] == whole:
            late = min(late, limit)
        elif left[-1] == before:
            early = max(early, limit)
        if late < 1.02 * early:  # what was true then is not now
            early, late = early / 2, 2 * late
    run(target)
    print(json.dumps({"whole": whole, "left": left, "end": snapshot(target)}))
"""


def killed(write: str, target: Path, reference: Path, n: int, *, again: bool) -> dict[str, Any]:
    """Kill a writer ``n`` times at moments spread over the time that it takes.

    Parameters
    ----------
    write
        Code that defines ``write(path)``.
    target, reference
        Where killed runs write, and where one that is left alone does.
    again
        Whether every run begins with a file ``old``; otherwise with what the one before left,
        and with nothing where that was complete.

    Returns
    -------
    dict
        Digests of files that are not hidden by name: ``whole`` of the reference, ``left`` after
        each kill, ``end`` after a last run that was left alone.
    """
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that fork")
    code = (
        f"{_RUNNER}\n{write}\nmain(Path({str(target)!r}), Path({str(reference)!r}), {again}, {n})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found
