"""One measured job in a process of its own: ``python -m benchmarks.speed.stream_child JOB …``.

It prints one JSON object: seconds, the most bytes resident before and during the job, and what
the job found. A job the library has no parameter for is answered by a ``note``.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .machine import peak_memory
from .race import NotHereError
from .stream_data import scan, write_alone


def main() -> None:
    """Do the job that the command line names."""
    job, folder, models, budget, threads = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    paths = {f"m{i}": folder / f"m{i}.parquet" for i in range(models)}
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "scan": lambda: {"rows": scan(list(paths.values()))},
        "write": lambda: written(folder, paths["m0"]),
        "fit": lambda: fitting(folder, paths, budget, threads),
        "apply": lambda: applying(folder, paths, budget),
    }
    if job not in ("scan", "write"):
        import opinionpool  # noqa: F401  # its import is another benchmark's
    before = peak_memory()
    began = time.perf_counter()
    try:
        found = jobs[job]()
    except NotHereError as reason:
        found = {"note": str(reason)}
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak_memory(), **found}))


def written(folder: Path, like: Path) -> dict[str, Any]:
    """Write a table like that of one model."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(like)
    out = folder / "written.parquet"
    return {"written": write_alone(out, metadata.num_rows, metadata.num_columns - 1)}


def fitting(folder: Path, paths: dict[str, Path], budget: int, threads: int) -> dict[str, Any]:
    """Fit within the budget, and keep the pool for :func:`applying`."""
    import opinionpool as op

    if "memory" not in inspect.signature(op.fit).parameters:
        raise NotHereError("opinionpool.fit has no parameter memory")
    pool = op.fit(
        paths, folder / "labels.parquet", temperature=1.0, penalty=0, threads=threads, memory=budget
    )
    pool.save(folder / "pool.json")
    return {
        "passes": getattr(pool, "passes", None) or pool.evaluations,
        "loss": pool.loss,
        "gap": pool.gap,
        "status": pool.status.value,
    }


def applying(folder: Path, paths: dict[str, Path], budget: int) -> dict[str, Any]:
    """Apply the pool within the budget, to a file."""
    import opinionpool as op

    if not (folder / "pool.json").exists():
        raise NotHereError("there is no pool: fitting did not run")
    out = folder / "pooled.parquet"
    op.write_pooled(folder / "pool.json", paths, out, memory=budget)
    return {"passes": 1, "written": out.stat().st_size, "result": 0}


if __name__ == "__main__":
    main()
