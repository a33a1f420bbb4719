"""What a fresh process pays: the import, and the first use with and without compiled code kept.

Every measurement is a process of its own; they alternate like everything else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .options import Options
from .race import race, rows

IMPORTS = {
    "an empty process": "pass",
    "numpy": "import numpy",
    "numpy and scipy.special": "import numpy, scipy.special",
    "numpy and scipy.optimize": "import numpy, scipy.optimize",
    "opinionpool": "import opinionpool",
}

#: A first use, timed inside the process: importing opinionpool is part of it.
USES = {
    "apply, K = 10": "fused.apply([x[:, :10]] * 3, np.ones(3))",
    "apply, K = 1,000": "fused.apply([x] * 3, np.ones(3))",
    "sums, K = 10": "fused.log_sums([x[:, :10].copy()] * 3, np.ones(3), y % 10, np.ones(5000))",
    "sums, K = 1,000": "fused.log_sums([x] * 3, np.ones(3), y, np.ones(5000))",
    "op.fit, 2 x 5,000 x 1,000": (
        "op.fit([x, x[::-1].copy()], y, temperature=1.0, penalty=0, threads=2)"
    ),
}
FIRST_USE = """
import time, numpy as np
x = np.random.default_rng(0).standard_normal((5000, 1000), dtype=np.float32)
y = np.arange(5000) % 1000
began = time.perf_counter()
import opinionpool as op
from opinionpool.kernels import fused
{use}
print(time.perf_counter() - began)
"""
LIMIT, OURS = "numpy and scipy.special", "opinionpool"


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Time imports, and first uses with an empty and with a filled cache of compiled code."""
    if options.only in "import":
        records = race(
            {name: _process(code) for name, code in IMPORTS.items()},
            options.rounds,
            patience=options.patience,
        )
        found = {
            "title": "import",
            "limit": LIMIT,
            "ours": OURS,
            "contestants": rows(records, LIMIT, {}),
        }
        show(found)
        yield found
    for name, use in USES.items():
        if options.only in name:
            found = {"title": f"first use: {name}", **first_use(use, min(3, options.rounds))}
            show(found)
            yield found


def _kept() -> dict[str, str]:
    """Return an environment in which Python keeps what it compiled, as it does by default."""
    folder = Path(tempfile.gettempdir()) / "opinionpool-bytecode"
    own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "PYTHONPYCACHEPREFIX": str(folder)}


def _process(code: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=_kept())

    return run


def first_use(use: str, rounds: int) -> dict[str, Any]:
    """Return seconds in fresh processes: cold once per round, then warm with the same cache."""
    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(_seconds(use, cache))
            warm.append(_seconds(use, cache))
    table = [
        {"name": name, "seconds": took, "median": sorted(took)[len(took) // 2], "note": ""}
        for name, took in (("cold", cold), ("warm", warm))
    ]
    return {"limit": "warm", "ours": "warm", "contestants": table}


def _seconds(use: str, cache: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE.format(use=use)],
        env={**_kept(), "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{use}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(f"\n{found['title']}")
    for row in found["contestants"]:
        text = f"  {row['name']:26} {1e3 * row['median']:9.0f} ms"
        print(text + (f"  x {row['ratio']:5.2f}" if row.get("ratio") else ""), flush=True)
