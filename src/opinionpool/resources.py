"""What a call may take of the machine: threads and memory."""

from __future__ import annotations

import math
import operator
import os
import re

import numpy as np

from .errors import InputError

#: Bytes, or a text such as ``"1GB"``.
Memory = int | str

#: Blocks of rows smaller than this would make every pass a matter of calls.
LEAST_MEMORY = 16_000_000


def checked_threads(threads: object) -> int:
    """Return how many threads to use: as many as there are cores at hand for None."""
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        number = operator.index(threads)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1 or isinstance(threads, bool):
        raise InputError(f"threads: found {threads!r}, expected a whole number of at least 1")
    return number


def memory_budget(memory: Memory | None) -> int | None:
    """Return a budget in bytes, from a number or a text such as ``"1.5GB"``."""
    if memory is None:
        return None
    number: float = math.nan
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*([0-9.]+)\s*([kKMGT]?)(i?)[bB]?\s*", memory)
        if found and found[1].count(".") <= 1 and found[1] != ".":
            power = " kMGT".index(found[2].replace("K", "k") or " ")
            number = float(found[1]) * (1024 if found[3] else 1000) ** power
    elif isinstance(memory, int | np.integer) and not isinstance(memory, bool):
        number = float(memory)
    if not number >= LEAST_MEMORY:
        raise InputError(
            f"memory: found {memory!r}, expected bytes, or a text such as '1GB' or '500MB', of at "
            f"least {LEAST_MEMORY // 1_000_000} MB"
        )
    return int(number)
