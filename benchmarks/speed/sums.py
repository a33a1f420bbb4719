"""One pass over the data: loss, its derivatives and the survey, against merely adding cells up.

Nobody else's one pass is a rival: that is in ``fit``. Two limits: a compiled loop, and NumPy's
``sum`` on as many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from opinionpool.kernels import fused

from .data import Labels, Logits
from .memory import numpy_adding, reading
from .options import Options
from .race import race, rows
from .sizes import APPLIED, raced

LIMIT, NUMPY = "add the cells up", "NumPy adds the cells up"


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Yield a race at every size."""
    yield from raced(APPLIED, options, one_race, show)


def contestants(arrays: Logits, y: Labels, threads: int) -> dict[str, Callable[[], Any]]:
    """Return who races."""
    v, u = np.full(len(arrays), 1.2 / len(arrays)), np.ones(len(y))

    def sums(order: int) -> Callable[[], Any]:
        return lambda: fused.log_sums(arrays, v, y, u, order=order, threads=threads)

    def survey() -> None:
        for x in arrays:
            fused.survey(x, y, weight=u, rows=False, threads=threads)

    return {
        LIMIT: reading(arrays, threads),
        NUMPY: numpy_adding(arrays, threads),
        "loss": sums(0),
        "loss, gradient": sums(1),
        "loss, gradient, curvature": sums(2),
        "survey of every model": survey,
    }


def one_race(arrays: Logits, y: Labels, options: Options) -> dict[str, Any]:
    """Race and return figures."""
    size = sum(x.nbytes for x in arrays)
    entered = contestants(arrays, y, options.threads)
    records = race(entered, options.rounds, patience=options.patience, compiling=list(entered))
    table = rows(records, LIMIT, dict.fromkeys(entered, size))
    for row in table:
        row["to_numpy"] = records[row["name"]].ratio(records[NUMPY])
    return {"bytes": size, "limit": LIMIT, "ours": "", "contestants": table}


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    print(f"\nsums {found['title']}: {found['bytes'] / 1e6:,.0f} MB")
    for row in found["contestants"]:
        text = f"  {row['name']:26} {1e3 * row['median']:9.1f} ms  x {row['ratio']:5.2f}"
        text += f"  NumPy x {row['to_numpy']:5.2f}  {row['gb_per_s']:5.1f} GB/s"
        print(text, flush=True)
