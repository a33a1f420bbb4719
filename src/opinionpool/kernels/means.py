"""Exponentials of a tile's pooled logits, and the sums of cells that they weigh.

Design
------
In the dtype of the cells: of float32 cells an exponential is good to 2e-7, in errors that come to
nothing in the mean over rows. Cells are weighed less their value at one class of the row, so that
what is large in all of them is never multiplied.

Exponentials and the first models' sums are one sweep: three models' cost 3 cycles per 16 columns
there, 6 in a sweep of their own (Zen 5). Other models follow in groups. Of every group of four
models the last two are asked for, of every three too: see :mod:`~opinionpool.kernels.sweeps`.
"""

from __future__ import annotations

from typing import Any

from .jit import inlined
from .lanes import LANES, load, rounded, spread, start_of, store, wide
from .powers import brief
from .reductions import keep_first, total_of
from .sweeps import cells, fetch, four_of, plus, put, three_of


@inlined
def exponentials_at(e: Any, z: Any, top: float, k: int, many: int) -> Any:
    """Set ``e = exp(z − top)`` in 16 columns, 0 behind the first ``many``.

    Returns it, and numbers that are 0 where z is finite, else NaN.
    """
    zero = e.dtype.type(0)
    t = rounded(e, load(z, start_of(z), k) - top)
    own = brief(t)
    if many < LANES:
        t, own = keep_first(t, many, zero), keep_first(own, many, zero)
    store(e, k, own)
    return own, t * zero


@inlined
def brief_exponentials(
    e: Any, z: Any, top: float, n: int, lines: Any, like: Any
) -> tuple[float, float]:
    """Set ``e[:n] = exp(z − top)``, 0 behind; return the sum, and a check.

    The check is 0 if all of z is finite, else NaN. ``lines`` are four addresses to fetch from.
    """
    mass = check = spread(e, e.dtype.type(0))
    whole = n - n % LANES
    for k in range(0, whole, LANES):
        own, finite = exponentials_at(e, z, top, k, LANES)
        mass, check = mass + own, check + finite
        fetch(lines, k, like)
    if whole < n:
        own, finite = exponentials_at(e, z, top, whole, n - whole)
        mass, check = mass + own, check + finite
        fetch(lines, whole, like)
    return total_of(wide(mass)), total_of(wide(check))


@inlined
def exponentials_and_sums(
    sums: Any,
    e: Any,
    z: Any,
    top: float,
    at: Any,
    to: Any,
    h: Any,
    groups: tuple[int, int],
    n: int,
    like: Any,
) -> tuple[float, float]:
    """Do as :func:`brief_exponentials`, and add ``Σ_k e_k (x_αk − h_α)`` to ``sums``."""
    done = 4 if groups[0] else 3
    if groups[0]:
        lines = to[2], to[3]
        found = first_sums(sums, e, z, top, four_of(at, 0), four_of(h, 0), lines, n, like)
    else:
        lines = to[1], to[2]
        found = first_sums(sums, e, z, top, three_of(at, 0), three_of(h, 0), lines, n, like)
    weighted_sums(sums, e, at, to, h, groups, done, n, like)
    return found


@inlined
def weighted_sums(
    sums: Any,
    e: Any,
    at: Any,
    to: Any,
    h: Any,
    groups: tuple[int, int],
    done: int,
    n: int,
    like: Any,
) -> None:
    """Add ``Σ_k e_k (x_αk − h_α)`` to ``sums``, in the dtype of e; h is in that of the cells.

    Of the models behind those that are ``done``, whole groups.
    """
    fours, threes = groups
    for a in range(done, 4 * fours, 4):
        lines = to[a + 2], to[a + 3]
        add_sums(sums, a, e, four_of(at, a), four_of(h, a), lines, n, like)
    for a in range(max(done, 4 * fours), 4 * fours + 3 * threes, 3):
        lines = to[a + 1], to[a + 2]
        add_sums(sums, a, e, three_of(at, a), three_of(h, a), lines, n, like)


@inlined
def first_sums(
    sums: Any, e: Any, z: Any, top: float, x: Any, h: Any, lines: Any, n: int, like: Any
) -> tuple[float, float]:
    """Do as :func:`exponentials_and_sums`, of the first three or four models."""
    whole, zero = n - n % LANES, spread(e, e.dtype.type(0))
    mass = check = zero
    s = as_many(x, zero)
    for k in range(0, whole, LANES):
        own, finite = exponentials_at(e, z, top, k, LANES)
        mass, check = mass + own, check + finite
        s = plus(s, own, less(e, like, x, h, k, LANES))
        fetch(lines, k, like)
    if whole < n:
        own, finite = exponentials_at(e, z, top, whole, n - whole)
        mass, check = mass + own, check + finite
        s = plus(s, own, less(e, like, x, h, whole, n - whole))
        fetch(lines, whole, like)
    put(sums, 0, s)
    return total_of(wide(mass)), total_of(wide(check))


@inlined
def add_sums(sums: Any, a: int, e: Any, x: Any, h: Any, lines: Any, n: int, like: Any) -> None:
    """Add ``Σ_k e_k (x_αk − h_α)`` to ``sums`` for three or four models, from the a-th on."""
    start, whole = start_of(e), n - n % LANES
    s = as_many(x, spread(e, e.dtype.type(0)))
    for k in range(0, whole, LANES):
        s = plus(s, load(e, start, k), less(e, like, x, h, k, LANES))
        fetch(lines, k, like)
    if whole < n:
        s = plus(s, load(e, start, whole), less(e, like, x, h, whole, n - whole))
        fetch(lines, whole, like)
    put(sums, a, s)


@inlined
def as_many(x: Any, own: Any) -> Any:
    """Return a tuple of three or four of the same."""
    if len(x) == 3:
        return own, own, own
    return own, own, own, own


@inlined
def less(e: Any, like: Any, x: Any, h: Any, k: int, many: int) -> Any:
    """Return three or four models' cells less a number each, in the dtype of ``e``."""
    first = rounded(e, cells(like, x[0], k, many) - h[0])
    second = rounded(e, cells(like, x[1], k, many) - h[1])
    third = rounded(e, cells(like, x[2], k, many) - h[2])
    if len(x) == 3:
        return first, second, third
    return first, second, third, rounded(e, cells(like, x[3], k, many) - h[3])


@inlined
def rescaled_mass(z: Any, top: float, by: float, n: int, like: Any) -> float:
    """Return ``Σ_k exp(by (z_k − top))``; −inf behind n."""
    total, start = spread(like, like.dtype.type(0)), start_of(z)
    for k in range(0, n, LANES):
        # Multiplied in float64: a float32 of ``by`` would be another temperature, by up to 6e-8.
        total = total + brief(rounded(like, (load(z, start, k) - top) * by))
    mass: float = total_of(wide(total))
    return mass
