"""Stacking weights from log-densities against EM, SLSQP, L-BFGS-B, arviz-stats and Clarabel.

Every result is judged by the same loss, and by the same bound on how far it is above the minimum.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import opinionpool as op

from . import stack_rivals as rivals
from .data import log_densities
from .fit import SAME, first_within
from .objectives import Array
from .options import Options
from .race import race, rows

SIZES = {
    "100 models x 10,000 rows": (100, 10_000),
    "10,000 models x 100 rows": (10_000, 100),
    "20 models x 1,000,000 rows": (20, 1_000_000),
}
OURS = "opinionpool.stack"


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Yield a race at every size; ``scale`` shrinks the longer side."""
    for title, (m, n) in SIZES.items():
        if options.only not in title:
            continue
        if m > n:
            m = max(n + 1, round(m * options.scale))
        else:
            n = max(m, round(n * options.scale))
        log_f = log_densities(m, n)
        title = f"{m:,} models x {n:,} rows"
        found = {"title": title, "shape": [m, n], **one_race(log_f, options)}
        show(found)
        yield found


def contestants(log_f: Array, options: Options) -> dict[str, Callable[[], Any]]:
    """Return who races."""
    patience = options.patience

    def ours() -> Any:
        with warnings.catch_warnings():  # more models than rows: it asks whether that is meant
            warnings.simplefilter("ignore", op.OpinionPoolWarning)
            return op.stack(log_f)

    return {
        OURS: ours,
        "EM, NumPy": lambda: rivals.em(log_f, patience),
        "SLSQP, NumPy": lambda: rivals.slsqp(log_f, patience),
        "L-BFGS-B on a cone, NumPy": lambda: rivals.l_bfgs_b(log_f, patience),
        "arviz-stats stacking": rivals.arviz(log_f),
        "cvxpy, Clarabel": rivals.cvxpy_clarabel(log_f, patience),
    }


def one_race(log_f: Array, options: Options) -> dict[str, Any]:
    """Race and return figures."""
    records = race(
        contestants(log_f, options), options.rounds, patience=options.patience, compiling=[OURS]
    )
    judged, passes = {}, {}
    for name, record in records.items():
        if record.found is None:
            continue
        if name == OURS:
            w, passes[name] = record.found.weights, record.found.evaluations
        else:
            w, trace = record.found.v, record.found.trace
            record.note = record.note or record.found.note
            if trace:
                passes[name] = len(trace)
        judged[name] = rivals.loss_and_gap(log_f, w)
    best = min(loss for loss, _ in judged.values())
    table = rows(records, OURS, {})
    for row in table:
        name = row["name"]
        if name not in judged:
            continue
        loss, gap = judged[name]
        row |= {"loss": loss, "gap": gap, "excess": loss - best, "same": loss - best <= SAME}
        row["passes"] = passes.get(name)
        trace = [] if name == OURS else records[name].found.trace
        row["enough"] = first_within(trace, best + SAME, row["median"])
    return {"bytes": log_f.nbytes, "limit": OURS, "ours": OURS, "contestants": table}


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(f"\nstack {found['title']}: {found['bytes'] / 1e6:,.0f} MB")
    for row in found["contestants"]:
        if row["median"] is None:
            print(f"  {row['name']:26} {row['note']}")
            continue
        text = f"  {row['name']:26} {row['median']:9.3f} s  x {row['ratio'] or 0:7.1f}"
        text += f"  gap {row['gap']:.1e}  above the best {row['excess']:.1e}"
        text += "" if row["same"] else "  NOT within 1e-6"
        text += f"  passes {row['passes']}" if row["passes"] else ""
        text += f"  to 1e-6 {row['enough']:.3f} s" if row["enough"] else ""
        print(text + (f"  ({row['note']})" if row["note"] else ""), flush=True)
