"""Tiles of a row: where their cells are, which models answered, and what to do about −inf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import carray, jit
from .lanes import start_of
from .passes import weighted_sum
from .status import INVALID
from .vector import pointer

#: Classes of a tile. Pooled logits, exponentials and 4 models' float32 cells are then 32 KiB, the
#: smallest first-level cache of machines that have AVX2.
TILE = 1024
#: Cells left free on both sides of every piece of scratch memory, at least 512 bytes. LLVM runs a
#: loop over vectors only if its arrays are further apart than those (at most 4 of 64 bytes), so
#: that without this the order of sums would depend on what the allocator had at hand.
GUARD = 128


@jit
def scratch(n: int, like: Any) -> Any:
    """Return n zeros of the dtype of ``like``, at the start of a cache line, far from all else.

    Vectors that straddle two lines are stored at half the speed.
    """
    memory = np.zeros(n + 3 * GUARD, like.dtype)
    first = GUARD + (-memory.ctypes.data) % 64 // like.itemsize
    return memory[first : first + n]


@jit
def scratch_rows(m: int, n: int, like: Any) -> Any:
    """Return (m, n) zeros, rows apart by more than n.

    Where they were apart by a power of two they would compete for the same few lines of cache.
    """
    wide = (n + 15) // 16 * 16 + 48
    return scratch(m * wide, like).reshape((m, wide))


@jit
def padded(m: int) -> int:
    """Return M as a multiple of four."""
    return (m + 3) // 4 * 4


@jit
def locate(at: Any, base: Any, step: Any, present: Any, n: int, offset: int, zeros: Any) -> None:
    """Set the addresses of the models' cells in a row, of zeros for a model that is absent."""
    for a in range(len(at)):
        at[a] = start_of(zeros)
        if a < len(base) and (present.size == 0 or present[a, n] > 0):
            at[a] = base[a] + np.uint64(n * step[a] + offset)


@jit
def locate_rows(at: Any, base: Any, step: Any, n: int, zeros: Any) -> None:
    """Set the addresses of every model's row n, and of zeros for what fills M up.

    Once for each tile although those do not move: numba frees ``zeros`` after its last use.
    """
    at[:] = start_of(zeros)
    for a in range(len(base)):
        at[a] = base[a] + np.uint64(n * step[a])


@jit
def distances(step: Any, wide: int, K: int, like: Any) -> Any:
    """Return how many bytes after a tile its model's next one begins."""
    ahead = np.zeros(padded(len(step)), np.int64)
    for a in range(len(step)):
        ahead[a] = step[a] if wide == K else wide * like.itemsize
    return ahead


@jit
def spread_out(to: Any, all_of_it: bool) -> Any:
    """Return four addresses to fetch from while exponentials are computed.

    What the sweeps over cells leave of every four models: the last, or the last two where there
    are no means.
    """
    m = len(to)
    if all_of_it:
        return to[2], to[3], to[6 if m > 4 else 2], to[7 if m > 4 else 3]
    return to[3], to[7 if m > 4 else 3], to[11 if m > 8 else 3], to[15 if m > 12 else 3]


@jit
def answering(row_v: Any, share: Any, rest: Any, v: Any, present: Any, n: int) -> bool:
    """Renormalise over the models that answered row n; whether one of them has weight.

    Sets the row's weights, ``share = s m/S`` and ``rest = (1 − share)/s``: a model's cells count
    as ``share ℓ + rest z`` there, z the pooled logits (rules/log.py; maths.md §6).
    """
    total = mass = 0.0
    for a in range(len(v)):
        total += v[a]
        mass += v[a] * present[a, n]
    if mass <= 0:
        return False
    for a in range(len(v)):
        share[a] = total / mass * present[a, n]
        rest[a] = (1 - share[a]) / total
        row_v[a] = v[a] * share[a]
    return True


@jit
def shared(
    out: Any,
    at: Any,
    mean: float,
    z: Any,
    z_mean: float,
    share: float,
    rest: float,
    n: int,
    like: Any,
) -> None:
    """Set ``out[:n] = share (ℓ − mean) + rest (z − z_mean)``: see :func:`answering`."""
    x = carray(pointer(at, like), n)
    for k in range(n):
        out[k] = share * (x[k] - mean) + rest * (z[k] - z_mean)


@jit
def repaired(z: Any, at: Any, v: Any, n: int, clean: Any, zeros: Any, like: Any) -> int:
    """Pool a tile with cells that are not finite; return INVALID if they are not just vetoes.

    ``at`` is pointed to copies in which −inf is 0.
    """
    veto = np.zeros(n, np.bool_)
    status = 0
    for a in range(len(at)):
        if at[a] == start_of(zeros):
            continue
        x = carray(pointer(at[a], like), n)
        for k in range(n):
            own = x[k]
            if own == -np.inf:
                veto[k] = True
                own = 0.0
            elif not math.isfinite(own):
                status = INVALID
                own = 0.0
            clean[a, k] = own
        at[a] = clean[a].ctypes.data
    weighted_sum(z, at, v, n, like)
    for k in range(n):
        if not math.isfinite(z[k]):
            status = INVALID  # finite cells whose weighted sum is not
            z[k] = 0.0
        if veto[k]:
            z[k] = -np.inf
    return status
