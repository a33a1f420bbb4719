"""Tiles of a row: how large they are, which models answered, and what to do about −inf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import part
from .lanes import size_of, start_of
from .status import INVALID
from .sweeps import pooled
from .vector import view

#: Classes of a tile. Pooled logits, exponentials and 4 models' float32 cells are then 32 KiB, the
#: smallest first-level cache of machines that have AVX2.
TILE = 1024
#: Bytes of a tile's cells where they are gone over more than once: what is fetched meanwhile, of
#: the next tile, then fits the first-level cache beside them. With all 1,000 classes of 8 models,
#: 32 KiB, every line was fetched three times: 94 cycles per 16 classes instead of 80 (Zen 5).
TILE_BYTES = 1 << 14


@part
def tile_of(K: int, m: int, like: Any) -> int:
    """Return how many classes of M models to take at a time: whole vectors, all tiles alike."""
    most = max(TILE // 2, min(TILE, TILE_BYTES // (m * size_of(like))))
    tiles = (K + most - 1) // most
    return K if tiles == 1 else (K + 16 * tiles - 1) // (16 * tiles) * 16


@part
def padded(m: int) -> int:
    """Return M as a multiple of four."""
    return (m + 3) // 4 * 4


@part
def locate_rows(at: Any, base: Any, step: Any, n: int, zeros: Any) -> None:
    """Set the addresses of every model's row n, and of zeros for what fills M up.

    Once for each tile although those do not move: numba frees ``zeros`` after its last use.
    """
    for a in range(len(at)):
        at[a] = base[a] + np.uint64(n * step[a]) if a < len(base) else start_of(zeros)


@part
def groups_of(m: int) -> tuple[int, int]:
    """Return into how many groups of four, and then of three, M models are taken.

    As few as possible are computed for nothing: one for two and for five models, two for one.
    """
    threes = -m % 4
    return ((m - 3 * threes) // 4, threes) if 3 * threes <= m else (0, (m + 2) // 3)


@part
def last_of(to: Any, groups: tuple[int, int], j: int, before: int) -> Any:
    """Return the address of the last but so many of a group of models, or of the last group."""
    fours, threes = groups
    j = min(j, fours + threes - 1)
    return to[(4 * j + 3 if j < fours else fours + 3 * j + 2) - before]


@part
def spread_out(to: Any, groups: tuple[int, int]) -> Any:
    """Return four addresses to fetch from while exponentials are computed, without means.

    The last two of every group, which pooling leaves.
    """
    first, second = last_of(to, groups, 0, 1), last_of(to, groups, 1, 1)
    return first, last_of(to, groups, 0, 0), second, last_of(to, groups, 1, 0)


@part
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


@part
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
    x = view(at, like, n)
    for k in range(n):
        out[k] = share * (x[k] - mean) + rest * (z[k] - z_mean)


@part
def repaired(
    z: Any, at: Any, v: Any, n: int, clean: Any, zeros: Any, like: Any
) -> tuple[int, float]:
    """Pool a tile with cells that are not finite.

    Returns INVALID if they are not just vetoes, and the largest pooled logit.
    ``at`` is pointed to copies in which −inf is 0: to rows of ``clean``, which has one more.
    """
    veto, status, top = clean[len(at)], 0, -np.inf
    for k in range(n):
        veto[k] = 0.0
    for a in range(len(at)):
        if at[a] == start_of(zeros):
            continue
        x = view(at[a], like, n)
        for k in range(n):
            own = x[k]
            if own == -np.inf:
                veto[k] = 1.0
                own = 0.0
            elif not math.isfinite(own):
                status = INVALID
                own = 0.0
            clean[a, k] = own
        at[a] = start_of(clean[a])
    pooled(z, at, at, v, (len(at) // 4, 0), n, like)
    for k in range(n):
        if not math.isfinite(z[k]):
            status = INVALID  # finite cells whose weighted sum is not
            z[k] = 0.0
        if veto[k] > 0:
            z[k] = -np.inf
        top = max(top, z[k])
    return status, top
