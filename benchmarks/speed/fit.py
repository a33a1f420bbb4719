"""Fitting a log pool through the public door, checks included, against general optimisers.

Everybody has the same raw float32 logits, M separate arrays. The limit is to add the arrays up
once. ``to 1e-6`` is when a rival's loss was first within 1e-6 nats of the best that anybody
found: it did not know then that it could stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import opinionpool as op

from . import fit_rivals as rivals
from .data import Labels, Logits
from .memory import numpy_adding, reading
from .objectives import in_numpy, in_our_kernels, loss_of
from .options import Options
from .race import race, rows
from .sizes import FITTED, at_sizes

LIMIT, NUMPY, OURS = "read once", "NumPy adds them up", "opinionpool.fit"
#: Losses, nats per row, that count as the same.
SAME = 1e-6
GREEDY_ROUNDS = 50


def run(options: Options) -> Iterator[dict[str, Any]]:
    """Yield a race at every size, with T = 1 and with T fitted."""
    for size, arrays, y in at_sizes(FITTED, options):
        for temperature in (1.0, "fit"):
            found = size | one_race(arrays, y, temperature, options)
            show(found)
            yield found
        del arrays, y


def contestants(
    arrays: Logits, y: Labels, temperature: float | str, options: Options
) -> dict[str, Callable[[], Any]]:
    """Return who races."""
    m, fitted = len(arrays), temperature == "fit"
    threads, patience = options.threads, options.patience
    models = {f"m{i}": x for i, x in enumerate(arrays)}

    def ours() -> Any:
        return op.fit(models, y, temperature=temperature, penalty=0, threads=threads)

    def by(objective: Any, rival: Any) -> Callable[[], Any]:
        return lambda: rival(objective(arrays, y, threads), m, fitted, patience)

    race = {
        LIMIT: reading(arrays, threads),
        NUMPY: numpy_adding(arrays, threads),
        OURS: ours,
        "SLSQP, our kernels": by(in_our_kernels, rivals.slsqp),
        "L-BFGS-B, our kernels": by(in_our_kernels, rivals.l_bfgs_b),
        "SLSQP, NumPy": by(in_numpy, rivals.slsqp),
        "L-BFGS-B, NumPy": by(in_numpy, rivals.l_bfgs_b),
        "torch LBFGS, autograd": lambda: rivals.torch_lbfgs(arrays, y, fitted, threads, patience),
    }
    if not fitted:
        race[f"greedy, {GREEDY_ROUNDS} rounds"] = lambda: rivals.greedy(
            arrays, y, GREEDY_ROUNDS, threads, patience
        )
    return race


def one_race(
    arrays: Logits, y: Labels, temperature: float | str, options: Options
) -> dict[str, Any]:
    """Race, judge every result by one evaluator, and return figures."""
    size = sum(x.nbytes for x in arrays)
    entered = contestants(arrays, y, temperature, options)
    compiling = [name for name in entered if name in (LIMIT, OURS) or "our kernels" in name]
    records = race(entered, options.rounds, patience=options.patience, compiling=compiling)
    passes, losses = {LIMIT: 1, NUMPY: 1}, {}
    for name, record in records.items():
        if record.found is None:
            continue
        if name == OURS:
            pool = record.found
            v = pool.weights / pool.temperature
            passes[name] = getattr(pool, "passes", None) or pool.evaluations
        else:
            v, passes[name] = record.found.v, len(record.found.trace)
            record.note = record.note or record.found.note
        losses[name] = loss_of(arrays, y, v, options.threads)
    best = min(losses.values())
    ours_in_numpy = records[OURS].ratio(records[NUMPY])
    table = rows(records, LIMIT, {name: p * size for name, p in passes.items()})
    for row in table:
        name = row["name"]
        if name not in losses:
            continue
        row |= {"passes": passes[name], "loss": losses[name], "excess": losses[name] - best}
        row["same"] = row["excess"] <= SAME
        row["enough"] = row["median"]
        if name != OURS:
            row["enough"] = first_within(records[name].found.trace, best + SAME, row["median"])
    pool = records[OURS].found
    certificate = None if pool is None else {"gap": pool.gap, "status": pool.status.value}
    return {
        "temperature": temperature,
        "bytes": size,
        "limit": LIMIT,
        "ours": OURS,
        "certificate": certificate,
        "to_numpy": ours_in_numpy,
        "weights": None if pool is None else pool.weights.tolist(),
        "contestants": table,
        "advantage": advantage(table),
    }


def first_within(
    trace: list[tuple[float, float]], loss: float, median: float | None
) -> float | None:
    """Return after what part of its median seconds a rival first had a loss of at most this."""
    first = next((seconds for seconds, found in trace if found <= loss), None)
    return None if first is None or median is None else median * first / trace[-1][0]


def advantage(table: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many times as long as ours the fastest general optimiser took to the same loss.

    To its own end, and to when it was first within 1e-6, which it could not know; among those
    that have their own means, and among those that were lent our kernels.
    """
    mine = next(row for row in table if row["name"] == OURS)["median"]
    others = [row for row in table if row["name"] not in (LIMIT, NUMPY, OURS) and row.get("same")]
    found: dict[str, Any] = {}
    for whose, lent in (("own means", False), ("our kernels", True)):
        group = [row for row in others if row["name"].endswith("our kernels") == lent]
        for what, key in (("to its end", "median"), ("first within 1e-6", "enough")):
            took = [row[key] for row in group if row[key]]
            found[f"{whose}, {what}"] = min(took) / mine if took and mine else None
    return found


def show(found: dict[str, Any]) -> None:
    """Print a race."""
    temperature = "T fitted" if found["temperature"] == "fit" else "T = 1"
    print(f"\nfit {found['title']}, {temperature}: {found['bytes'] / 1e6:,.0f} MB")
    for row in found["contestants"]:
        print(line(row), flush=True)
    if found["certificate"]:
        print(f"  gap {found['certificate']['gap']:.1e}, {found['certificate']['status']}")
    for what, times in found["advantage"].items():
        if times:
            print(f"  fastest general optimiser, {what}: {times:.1f} times as long as ours")


def line(row: dict[str, Any]) -> str:
    """Return a contestant's line."""
    if row["median"] is None:
        return f"  {row['name']:26} {row['note']}"
    text = f"  {row['name']:26} {row['median']:9.3f} s"
    text += f"  x {row['ratio']:7.2f}" if row["ratio"] else " " * 11
    if "passes" in row:
        text += f"  passes {row['passes']:4}  above the best {row['excess']:.1e}"
        text += "" if row["same"] else "  NOT within 1e-6"
        text += f"  to 1e-6 {row['enough']:.3f} s" if row["enough"] else ""
    if row.get("of_bandwidth"):
        text += f"  {row['gb_per_s']:5.1f} GB/s = {100 * row['of_bandwidth']:3.0f} %"
    return text + (f"  ({row['note']})" if row["note"] else "")
