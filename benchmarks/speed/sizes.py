"""The sizes that pools are raced at: many classes, few, a vocabulary, and in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .data import Labels, Logits, simulated
from .options import Options

Size = tuple[int, int, int]

#: Models, rows, classes.
FITTED: tuple[Size, ...] = ((8, 50_000, 1_000), (16, 500_000, 10), (3, 2_000, 128_000))
APPLIED: tuple[Size, ...] = (*FITTED, (8, 200_000, 131))


def at_sizes(
    sizes: tuple[Size, ...], options: Options
) -> Iterator[tuple[dict[str, Any], Logits, Labels]]:
    """Yield what a race is called, and its data; let go of them before the next are made."""
    for m, n, k in sizes:
        if options.only not in f"{m} x {n:,} x {k:,}":
            continue
        n = max(8, round(n * options.scale))
        yield {"title": f"{m} x {n:,} x {k:,}", "shape": [m, n, k]}, *simulated(m, n, k)


def raced(
    sizes: tuple[Size, ...],
    options: Options,
    one_race: Callable[[Logits, Labels, Options], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
) -> Iterator[dict[str, Any]]:
    """Yield a race at every size, once it was shown."""
    for size, arrays, y in at_sizes(sizes, options):
        found = size | one_race(arrays, y, options)
        show(found)
        yield found
        del arrays, y
