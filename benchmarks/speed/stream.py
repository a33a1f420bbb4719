"""Data five times as large as the memory budget: peak memory, and time against pyarrow alone.

Every job is a process of its own, because peak memory is a process's; they alternate with scans
of the same files by pyarrow, so that all find the same pages cached, and with writing as much as
applying a pool does.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .options import Options
from .race import NotHereError, race
from .stream_data import write

MODELS = 8
#: By title: classes.
SIZES = {"10 classes": 10, "1,000 classes": 1_000}
#: The data are so many times the budget.
TIMES = 5
#: Bytes beyond the budget that are allowed: Python, NumPy, pyarrow and compiled code.
ALLOWANCE = 300e6
JOBS = ("scan", "write", "fit", "apply")
ROOT = Path(__file__).resolve().parents[2]


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Write, race and yield figures, for few and for many classes."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        print("\nstream: pyarrow is not installed")
        return
    budget = max(20_000_000, round(options.budget * options.scale))
    for title, k in SIZES.items():
        if options.only not in title:
            continue
        n = round(TIMES * budget / (MODELS * k * 4))
        with place(options.folder) as folder:
            paths = write(folder, MODELS, n, k)
            size = sum(path.stat().st_size for path in paths)
            found = one_race(folder, budget, options)
        shape = {"title": f"{MODELS} x {n:,} x {k:,}", "shape": [MODELS, n, k]}
        found = {**shape, "bytes": size, "budget": budget, **found}
        show(found)
        yield found


@contextmanager
def place(folder: Path | None) -> Iterator[Path]:
    """Yield an empty folder that is removed afterwards."""
    made = Path(tempfile.mkdtemp(prefix="opinionpool-speed-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def child(job: str, folder: Path, budget: int, threads: int) -> dict[str, Any]:
    """Run a job in a process of its own and return what it reports."""
    words = [job, str(folder), str(MODELS), str(budget), str(threads)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.stream_child", *words],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    reported: dict[str, Any] = json.loads(done.stdout)
    if reported.get("note"):
        raise NotHereError(reported["note"])
    return reported


def one_race(folder: Path, budget: int, options: Options) -> dict[str, Any]:
    """Race; the seconds are those inside the processes, without their start."""
    reports: dict[str, list[dict[str, Any]]] = {job: [] for job in JOBS}

    def reporting(job: str) -> Any:
        def run() -> dict[str, Any]:
            report = child(job, folder, budget, options.threads)
            reports[job].append(report)
            return report

        return run

    records = race({job: reporting(job) for job in JOBS}, options.rounds, patience=options.patience)
    table = []
    for job, record in records.items():
        row: dict[str, Any] = {"name": job, "note": record.note, "median": None}
        # A first run counts here only if no other does: pages are not in the cache yet.
        counted = reports[job][1:] or reports[job]
        if counted:
            row |= counted[-1]
            row["seconds"] = [report["seconds"] for report in counted]
            row["median"] = statistics.median(row["seconds"])
            row["peak"] = max(report["peak"] for report in reports[job])
        table.append(row)
    scanned, wrote = table[0]["median"], table[1]["median"]
    for row in table:
        if row["median"]:
            # What is written to a file has to be written by anybody.
            least = row.get("passes", 1) * scanned + (wrote if row["name"] == "apply" else 0)
            row["ratio"] = row["median"] / least
            row["over_budget"] = row["peak"] - row.get("result", 0) - budget
    return {"limit": "scan", "ours": "fit", "contestants": table}


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(
        f"\nstream {found['title']}: {found['bytes'] / 1e6:,.0f} MB in files, "
        f"budget {found['budget'] / 1e6:,.0f} MB"
    )
    for row in found["contestants"]:
        if row["median"] is None:
            print(f"  {row['name']:8} {row['note']}")
            continue
        text = f"  {row['name']:8} {row['median']:8.2f} s, peak {row['peak'] / 1e6:6.0f} MB"
        if row["name"] in ("fit", "apply"):
            text += f", {row['over_budget'] / 1e6:+.0f} MB over the budget"
            text += f", {row['passes']} passes, {row['ratio']:.2f} x so many scans"
            text += " and a write" if row["name"] == "apply" else ""
        print(text, flush=True)
