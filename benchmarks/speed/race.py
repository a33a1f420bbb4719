"""Contestants in alternating rounds of one process, and what came of it.

Every round runs every contestant once, so that a busy machine is busy for all; what counts is the
median over the rounds of the ratio to a limit that was measured in the same round.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Contestants = Mapping[str, Callable[[], Any]]

#: Seconds between two contestants: threads of the one before stop waiting for more work.
PAUSE = 0.02


class NotHereError(Exception):
    """A contestant that cannot run here, and why."""


@dataclass
class Record:
    """What a contestant did.

    Attributes
    ----------
    seconds
        By round; None where it did not run.
    found
        What its last run returned.
    note
        Why it did not run, or not to the end.
    """

    seconds: list[float | None] = field(default_factory=list)
    found: Any = None
    note: str = ""

    @property
    def median(self) -> float | None:
        """Median seconds over the rounds."""
        took = [s for s in self.seconds if s is not None]
        return statistics.median(took) if took else None

    def ratio(self, limit: Record) -> float | None:
        """Median over the rounds of the ratio to the limit's seconds in the same round.

        The ratio of the medians where they share none.
        """
        pairs = zip(self.seconds, limit.seconds, strict=True)
        ratios = [a / b for a, b in pairs if a is not None and b is not None]
        if ratios:
            return statistics.median(ratios)
        if self.median is None or limit.median is None:
            return None
        return self.median / limit.median


def race(
    contestants: Contestants,
    rounds: int,
    *,
    patience: float = 120.0,
    compiling: Collection[str] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Record]:
    """Run rounds; a first one, in which code compiles, does not count.

    Parameters
    ----------
    contestants
        By name. One that raises is left out from then on, with the reason in ``note``.
    rounds
        How many count.
    patience
        Seconds: who has used them up runs no further round. A first run that does so counts:
        there is no other.
    compiling
        Whose first run may hold a compilation: it neither counts nor costs patience.
    """
    records = {name: Record() for name in contestants}
    spent = dict.fromkeys(contestants, 0.0)
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            record, took = records[name], None
            if not record.note and spent[name] < patience:
                gc.collect()
                time.sleep(PAUSE)
                began = clock()
                try:
                    record.found = run()
                    took = clock() - began
                    spent[name] += took if turn or name not in compiling else 0.0
                except NotHereError as reason:
                    record.note = str(reason)
                except Exception as problem:  # a rival's failure is a result
                    record.note = f"failed: {type(problem).__name__}: {str(problem)[:200]}"
            counts = turn > 0 or spent[name] >= patience
            record.seconds.append(took if counts else None)
    return records


def rows(
    records: Mapping[str, Record], limit: str, moved: Mapping[str, float], read: str | None = None
) -> list[dict[str, Any]]:
    """Return one row of figures per contestant.

    Parameters
    ----------
    records, limit
        Of a race, and the name of the contestant that the others are measured by.
    moved
        Bytes that a contestant has to move at least, by name.
    read
        Who measured the memory's bandwidth; None for the limit.
    """
    found = []
    for name, record in records.items():
        row: dict[str, Any] = {"name": name, "seconds": record.seconds, "note": record.note}
        row["median"], row["ratio"] = record.median, record.ratio(records[limit])
        beside = record.ratio(records[read or limit])
        if name in moved and record.median:
            row["moved"] = moved[name]
            row["gb_per_s"] = moved[name] / record.median / 1e9
            if beside and (read or limit) in moved:
                row["of_bandwidth"] = moved[name] / moved[read or limit] / beside
        found.append(row)
    return found
