"""How fast the library is, beside rivals and beside memory itself.

    python benchmarks/run.py [apply|sums|fit|inputs|stack|stream|start|all ...] [--rounds 5]
        [--scale 1] [--threads 2] [--only TEXT] [--patience 120] [--budget BYTES] [--folder DIR]
        [--json FILE]

apply   pooling with given weights: against SciPy, torch and JAX
sums    loss, gradient, curvature and survey in one pass: against adding the cells up
fit     certified weights through opinionpool.fit: against general optimisers, greedy selection
inputs  probabilities, zeros, gaps, the linear rule: against logits, and averages in NumPy
stack   stacking weights from log-densities: against EM, SLSQP, arviz-stats, Clarabel
stream  Parquet files five times the memory budget: against reading them with pyarrow alone
start   the import, and first uses with and without compiled code kept

Contestants run in alternating rounds of one process (stream and start: of fresh processes), so
that a busy machine is busy for all; printed are medians. ``--scale 0.01`` takes a hundredth of
the rows: for a look whether everything works, not for figures. ``--json`` replaces what the file
holds of the benchmarks that were run and keeps the others; ``python benchmarks/pages.py`` makes
the tables of docs/speed.md from it. Rivals that are not installed are left out and named.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("apply", "sums", "fit", "inputs", "stack", "stream", "start")


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, "all"], default="all", metavar="KIND")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="sizes whose title contains this")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for a rival")
    parser.add_argument("--budget", type=float, default=1e9, help="bytes, for stream")
    parser.add_argument("--folder", type=Path, help="for the files of stream")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for, print, and keep the figures."""
    asked = parsed(arguments)
    kinds = KINDS if "all" in asked.kinds else [k for k in KINDS if k in asked.kinds]
    # Before NumPy loads: everybody's linear algebra is to have as many threads as ours.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(asked.threads))
    # The folder of this file holds scripts that have names of libraries (coverage).
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT / "benchmarks"]
    sys.path.insert(0, str(ROOT))
    from benchmarks.speed.machine import facts
    from benchmarks.speed.options import Options
    from opinionpool.kernels import fused

    if not fused.compiled("auto"):
        sys.exit("numba is not installed: pip install 'opinionpool[fast]'")

    options = Options(
        rounds=asked.rounds,
        scale=asked.scale,
        threads=asked.threads,
        patience=asked.patience,
        only=asked.only,
        folder=asked.folder,
        budget=int(asked.budget),
    )
    kept: dict[str, Any] = {}
    if asked.json and asked.json.exists():
        kept = json.loads(asked.json.read_text(encoding="utf-8"))
    for kind in kinds:
        races: list[dict[str, Any]] = []
        kept[kind] = {
            "machine": facts(),
            "rounds": options.rounds,
            "scale": options.scale,
            "threads": options.threads,
            "races": races,
        }
        for found in importlib.import_module(f"benchmarks.speed.{kind}").run(options):
            races.append(found)
            if asked.json:  # after each, so that nothing is lost with what comes after it
                text = json.dumps(kept, indent=1, ensure_ascii=False)
                asked.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
