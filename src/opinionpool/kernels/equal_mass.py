"""Compiled kernel: probabilities in bins of equal mass, each class against the rest.

Design
------
The bins of ``diagnostics.calibration``, without sorting: bins are unions of *cells*, ranges of
exponent and first digits of p (of 1 − p above a half), whose masses one pass adds up. Only the few
cells that a bin ends in are sorted, some hundred rows of each. There are about half as many cells
as rows, between the class's smallest and largest probability, so that they hold few rows however
sure or unsure a model is. Cells of a single value need no sorting; a column that leaves many rows
to sort all the same is left to the caller.

Columns are read four times, from the second-level cache where they fit into it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, jit, part

#: Cells of a column at most, and at least.
MOST_CELLS, LEAST_CELLS = 1 << 15, 1 << 9
#: Rows of a column that are sorted at most.
MOST_SORTED = 1 << 13
#: Sums over bins that neighbouring rows take turns with.
LANES = 4
#: Of shell sort (Ciura 2001, with 2.25 times the one before from there on).
_GAPS = (4046, 1750, 701, 301, 132, 57, 23, 10, 4, 1)
#: Bits of 1, above those of any probability that is less, and of ½.
_ONE, _HALF = 0x3FF0000000000000, 0x3FE0000000000000


@part
def _bits(x: Any) -> Any:
    """Return the bits of a float64; those of numbers that are not negative are in their order."""
    return np.float64(x).view(np.int64)


@part
def _extent(p: Any) -> tuple[int, int, int, int]:
    """Return the smallest and largest bits of positive p below ½, then of 1 − p of the others."""
    low, low_top, high, high_top = _ONE, 0, _ONE, 0
    for i in range(len(p)):
        a, b = _bits(p[i]), _bits(1.0 - p[i])
        lower, upper = 0 < a < _HALF, a >= _HALF and b > 0
        low, low_top = min(low, a if lower else _ONE), max(low_top, a if lower else 0)
        high, high_top = min(high, b if upper else _ONE), max(high_top, b if upper else 0)
    return low, max(low, low_top), high, max(high, high_top)


@part
def _into_cells(cell: Any, p: Any, wanted: int) -> int:
    """Set the cell of each row, in the order of p; return how many there are."""
    low, low_top, high, high_top = _extent(p)
    shift = 0
    while ((low_top - low) >> shift) + ((high_top - high) >> shift) + 6 > wanted:
        shift += 1
    low, high = low >> shift, high >> shift
    # 0, and what is rounded below it, has the first cell for itself, 1 the last one.
    last = ((low_top >> shift) - low + 1) + ((high_top >> shift) - high + 1) + 1
    for i in range(len(p)):
        a, b = _bits(p[i]), _bits(1.0 - p[i])
        lower = (a >> shift) - low + 1 if a > 0 else 0
        upper = last - ((b >> shift) - high + 1 if b > 0 else 0)
        cell[i] = upper if a >= _HALF else lower
    return last + 1


@part
def _sort(rows: Any, n: int, p: Any) -> None:
    """Sort n rows by their p."""
    for gap in _GAPS:
        for j in range(gap, n):
            row = rows[j]
            value, k = p[row], j
            while k >= gap and p[rows[k - gap]] > value:
                rows[k] = rows[k - gap]
                k -= gap
            rows[k] = row


@part
def _next_bin(b: int, before: float, bins: int, total: float) -> int:
    """Return ``before · bins / total`` rounded down, from a bin that is not above it.

    Not divided: a compiler may multiply by 1/total, and whole numbers would not stay whole.
    """
    while b + 1 < bins and before * bins >= (b + 1) * total:
        b += 1
    return b


@part
def _into_bins(bin_of: Any, p: Any, u: Any, bins: int, scratch: Any) -> bool:
    """Set the bin of each row; return False if too many rows would have to be sorted."""
    cell, mass, ends, rows, firsts = scratch
    n, many = len(p), 0
    cells = _into_cells(cell, p, min(max(n // 2, LEAST_CELLS), MOST_CELLS))
    mass[:cells] = 0.0
    for i in range(n):
        mass[cell[i]] += u[i]
    total = before = 0.0
    for c in range(cells):
        total += mass[c]
    # What a bin ends in gets a number below 0, and notes the bin of its first row.
    b = slots = 0
    for c in range(cells):
        own = mass[c]
        b = _next_bin(b, before, bins, total)
        ends[c] = b
        if own > 0 and _next_bin(b, before + own, bins, total) > b:
            slots += 1
            ends[c] = -slots
            firsts[slots, 0], firsts[slots, 1], firsts[slots, 2] = b, np.nan, 0.0
        mass[c] = before
        before += own
    for i in range(n):
        b = ends[cell[i]]
        bin_of[i] = b
        if b < 0:
            rows[many] = i
            many += 1
    # Cells of a single value are in one bin.
    for j in range(many):
        slot, value = -bin_of[rows[j]], p[rows[j]]
        if np.isnan(firsts[slot, 1]):
            firsts[slot, 1] = value
        elif firsts[slot, 1] != value:
            firsts[slot, 2] = 1.0
    sorted_ = 0
    for j in range(many):
        i = rows[j]
        slot = -bin_of[i]
        if firsts[slot, 2] > 0:
            rows[sorted_] = i
            sorted_ += 1
        else:
            bin_of[i] = int(firsts[slot, 0])
    if sorted_ > MOST_SORTED:
        return False
    _sort(rows, sorted_, p)
    at, b, value = -1, 0, 0.0
    for j in range(sorted_):
        i = rows[j]
        if cell[i] != at:
            at, before = cell[i], mass[cell[i]]
            b = int(firsts[-ends[at], 0])
        elif p[i] != value:
            b = _next_bin(b, before, bins, total)
        value = p[i]
        bin_of[i] = b
        before += u[i]
    return True


@inlined
def _count(
    lanes: Any,
    lane: int,
    i: int,
    k: int,
    p: Any,
    classes: Any,
    soft: Any,
    hard: bool,
    u: Any,
    bin_of: Any,
) -> None:
    """Add a row to its bin: weight, and that of what was said and what happened."""
    o = (1.0 if classes[i] == k else 0.0) if hard else soft[k, i]
    b = np.uint64(bin_of[i])  # never negative by now
    lanes[lane, 0, b] += u[i]
    lanes[lane, 1, b] += u[i] * p[i]
    lanes[lane, 2, b] += u[i] * o


@part
def _add_up(
    found: Any, k: int, p: Any, classes: Any, soft: Any, u: Any, bin_of: Any, sums: Any
) -> None:
    """Set the sums of one class: the five parts, the Brier score, and the calibration error."""
    n, bins, hard = len(p), sums.shape[2], classes.size > 0
    lanes, sums = sums, sums[0]
    lanes[:] = 0.0
    total = happened = 0.0
    # Neighbours are often in one bin: its sums would wait for what was just added to them.
    for i in range(0, n - n % LANES, LANES):
        _count(lanes, 0, i, k, p, classes, soft, hard, u, bin_of)
        _count(lanes, 1, i + 1, k, p, classes, soft, hard, u, bin_of)
        _count(lanes, 2, i + 2, k, p, classes, soft, hard, u, bin_of)
        _count(lanes, 3, i + 3, k, p, classes, soft, hard, u, bin_of)
    for i in range(n - n % LANES, n):
        _count(lanes, 0, i, k, p, classes, soft, hard, u, bin_of)
    for j in range(1, LANES):
        sums += lanes[j]
    for b in range(bins):
        total += sums[0, b]
        happened += sums[2, b]
    happened /= total
    own = found[k]
    own[:] = 0.0
    for b in range(bins):
        mass = sums[0, b]
        own[6] += abs(sums[1, b] - sums[2, b])
        if mass > 0:
            sums[1, b] /= mass
            sums[2, b] /= mass
        own[0] += mass * (sums[1, b] - sums[2, b]) ** 2
        own[1] += mass * (sums[2, b] - happened) ** 2
    spread = within = both = brier = 0.0
    for i in range(n):
        o = (1.0 if classes[i] == k else 0.0) if hard else soft[k, i]
        own_bin = np.uint64(bin_of[i])
        p_off, o_off = p[i] - sums[1, own_bin], o - sums[2, own_bin]
        spread += u[i] * (o - happened) ** 2
        within += u[i] * p_off**2
        both += u[i] * (p_off * o_off)
        brier += u[i] * (p[i] - o) ** 2
    own[2], own[3], own[4], own[5] = spread, within, 2 * both, brier
    for j in range(7):
        own[j] /= total


@jit
def split_classes(
    first: int,
    last: int,
    p: Any,
    shared: int,
    classes: Any,
    soft: Any,
    u: Any,
    bin_of: Any,
    scratch: Any,
    sums: Any,
    found: Any,
    left: Any,
) -> None:
    """Set the sums of classes ``first`` to ``last``, rows of p, or note that they are left.

    All are in the bins of the class ``shared`` where that is not negative.
    """
    binned, done = -1, False
    for k in range(first, last):
        own = k if shared < 0 else shared
        if own != binned:
            binned, done = own, _into_bins(bin_of, p[own], u, sums.shape[2], scratch)
        if done:
            _add_up(found, k, p[k], classes, soft, u, bin_of, sums)
        else:
            left[k] = 1
