"""The plain NumPy twin of the compiled survey: what it is held to, and the fallback."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arrays import common_dtype
from .status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN

Array = NDArray[np.float64]

#: Cells at a time: a few temporaries of them stay in a second-level cache.
CELLS = 1 << 15


class Outline(NamedTuple):
    """A block of rows as numbers; ``low > high`` where it has no good row."""

    low: float
    high: float
    zeros: int
    spread: float
    checksum: int


class Tally(NamedTuple):
    """What the rows of a block come to; see :class:`~opinionpool.kernels.survey.Survey`."""

    like: int
    lost: float
    counted: float


def survey(
    x: NDArray[Any],
    classes: NDArray[np.int64] | None,
    soft: Array | None,
    log_z: Array,
    at_outcome: Array | None,
    status: NDArray[np.uint8],
    first_row: int | None,
    shares: bool = False,
) -> Outline:
    """Survey a block of rows, a cache's worth at a time; no checksum without a first row.

    Of probabilities (``shares``) their logarithms.
    """
    n, k = x.shape
    low, high, zeros, spread, total = np.inf, -np.inf, 0, 0.0, 0
    rows = max(1, CELLS // max(1, k))
    for first in range(0, n, rows):
        here = slice(first, first + rows)
        cells = np.ascontiguousarray(x[here], dtype=common_dtype([x]))
        if first_row is not None:
            total += checksum(cells, first_row + first)
        with np.errstate(invalid="ignore"):  # float32 signalling NaNs
            cells = cells.astype(np.float64)
        given = cells
        if shares:
            cells = _logarithms(cells)
        status[here] = _status(cells)
        good = status[here] == 0
        top, rest = np.full((2, len(cells)), np.nan)
        top[good], rest[good], lows, vetoes = _rows(cells[good])
        log_z[here] = top + rest
        if at_outcome is not None:
            at_outcome[here] = _at_outcome(
                cells,
                (top, rest),
                None if classes is None else classes[here],
                None if soft is None else soft[here],
            )
        if good.any():
            highs = top[good]
            own = given[good] if shares else np.stack([lows, highs])
            low, high = min(low, own.min()), max(high, own.max())
            zeros, spread = zeros + vetoes, max(spread, (highs - lows).max())
    return Outline(float(low), float(high), zeros, float(spread), total % 2**64)


def tally(
    log_z: Array,
    at_outcome: Array | None,
    status: NDArray[np.uint8],
    weight: Array | None,
    near: tuple[float, float],
) -> Tally:
    """Add up what is known of rows; ``near`` are the normalisers that count as 0."""
    good = status == 0
    like = int(((near[0] <= log_z) & (log_z <= near[1]))[good].sum())
    if at_outcome is None or weight is None:
        return Tally(like, 0.0, 0.0)
    counts = good & (weight > 0)
    u = weight[counts]
    return Tally(like, -float((u * at_outcome[counts]).sum()), float(u.sum()))


def _logarithms(p: Array) -> Array:
    """Return logarithms of what is above 0, −inf for what is not; NaN and inf as they are."""
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(p, 0.0))


def _status(x: Array) -> NDArray[np.uint8]:
    """Return every row's code."""
    nan = np.isnan(x)
    status = np.where(np.isneginf(x).all(axis=1), IMPOSSIBLE, 0).astype(np.uint8)
    status[np.isposinf(x).any(axis=1)] = INFINITE
    status[nan.any(axis=1)] = PARTLY_NAN
    status[nan.all(axis=1)] = MISSING
    return status


def _rows(x: Array) -> tuple[Array, Array, Array, int]:
    """Return what largest cells are, and log_z less those; smallest ones, and how many are −inf."""
    if not len(x):
        return np.empty(0), np.empty(0), np.empty(0), 0
    veto = np.isneginf(x)
    top = x.max(axis=1)
    bottom = np.where(veto, np.inf, x).min(axis=1)
    rest = np.log(np.exp(x - top[:, None]).sum(axis=1))
    return top, rest, bottom, int(veto.sum())


def _at_outcome(
    x: Array,
    log_z: tuple[Array, Array],
    classes: NDArray[np.int64] | None,
    soft: Array | None,
) -> Array:
    """Return the log-probability of what happened, 0 where nobody says what.

    Normalisers come in two parts, large and small: their sum has the digits of the larger.
    """
    top, rest = log_z
    if soft is not None:
        with np.errstate(invalid="ignore"):
            given = np.where(soft > 0, soft * x, 0.0).sum(axis=1)
        mass = soft.sum(axis=1)
        return np.asarray(np.where(mass > 0, (given - top * mass) - rest * mass, 0.0))
    assert classes is not None
    own = np.take_along_axis(x, np.maximum(classes, 0)[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore"):  # +inf − NaN
        return np.where(classes < 0, 0.0, (own - top) - rest)


def checksum(cells: NDArray[Any], first_row: int) -> int:
    """Return the checksum of a contiguous block, as :func:`~opinionpool.kernels.survey.survey`."""
    words = cells.reshape(-1).view(np.dtype(np.uint32))
    if cells.dtype == np.float64 and not _LITTLE:
        words = words.reshape(-1, 2)[:, ::-1].reshape(-1)
    start = first_row * words.size // max(1, len(cells))
    odd = start % 2  # the block begins with the upper half of a word
    halves = np.zeros(2 * ((odd + words.size + 1) // 2), np.uint64)
    halves[odd : odd + words.size] = words
    lower, upper = halves[::2], halves[1::2]
    folded = lower + upper * np.uint64(2**32 + 1)
    place = np.arange(start // 2, start // 2 + len(folded), dtype=np.uint64)
    return int((folded * (2 * place + np.uint64(1))).sum(dtype=np.uint64))


_LITTLE = bool(np.array([1], np.uint16).view(np.uint8)[0])
