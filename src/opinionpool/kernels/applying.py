"""Pooling by the log rule with given weights: blocks of rows, shared out to threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import plain
from .arrays import Rows, answered_by_all, attendance_of, common_dtype, worth_a_pass
from .choice import NARROW_POOL, PAST_CACHES, Kernels, compiled
from .status import LEFT, UNANSWERED
from .threads import all_in_threads, blocks, in_threads

Array = NDArray[np.float64]
Present = NDArray[np.bool_] | Array | None


def apply(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    *,
    out: NDArray[Any] | None = None,
    log: bool = False,
    threads: int = 1,
    present: Present = None,
    closure: bool = False,
    kernels: Kernels | None = None,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Pool by the log rule: the softmax of ``Σ_α v_α x_α``, in one pass over memory.

    Parameters
    ----------
    arrays
        M arrays (N, K) of logits or log-probabilities; −inf vetoes a class.
    v
        (M,) weights over temperature, not negative.
    out
        (N, K) where to write; made if None.
    log
        Whether to return log-probabilities.
    threads
        How many to use; they end with the call.
    present
        (M, N) which model answered which row, or the share m of its weight that it has there;
        None for all. Rows pool who answered (maths.md §6); where m is 0 cells are not looked at.
    closure
        Whether models of weight 0 still veto.
    kernels
        See :func:`compiled`.

    Returns
    -------
    out
        (N, K), float32 if all arrays are, else float64. Rows that no class or no model is left
        for are 0 (−inf if ``log``), rows with NaN or +inf are NaN.
    status
        (N,) codes of :mod:`~opinionpool.kernels.status`; 0 for a pooled row.

    Examples
    --------
    >>> x = [np.log([[0.5, 0.5]]), np.log([[0.8, 0.2]])]
    >>> apply(x, np.array([0.5, 0.5]))[0].round(4)
    array([[0.6667, 0.3333]])
    """
    n, k = arrays[0].shape
    dtype = common_dtype(arrays)
    if out is None:
        out = np.empty((n, k), dtype)
    status = np.zeros(n, np.uint8)
    v = np.asarray(v, dtype=np.float64)
    counting = np.flatnonzero(v > 0) if not closure else np.arange(len(v))
    if not (v > 0).any():
        out[:] = -np.inf if log else 0.0
        status[:] = UNANSWERED
        return out, status
    arrays, v = [arrays[int(a)] for a in counting], v[counting]
    present = None if present is None else present[counting]
    work: Callable[[int, int], None]
    if compiled(kernels):
        work = _CompiledApply(arrays, v, out, log, present, status)
    else:

        def work(first: int, last: int) -> None:
            rows = slice(first, last)
            here = None if present is None else present[:, rows]
            plain.apply([x[rows] for x in arrays], v, here, out[rows], log, status[rows])

    in_threads(work, blocks(n, len(v) * k * dtype.itemsize), threads)
    return out, status


def apply_finite(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    *,
    out: NDArray[Any],
    log: bool = False,
    threads: int = 1,
    kernels: Kernels | None = None,
) -> bool:
    """Pool as :func:`apply` does, and say whether that holds: whether all cells are finite.

    Those of models of weight 0 too. Where one is not, reading ends soon, and what ``out`` holds
    means nothing. False where sums of finite cells are not finite, and where no model has weight.

    Examples
    --------
    >>> x, out = [np.log([[0.5, 0.5]]), np.log([[0.8, 0.2]])], np.empty((1, 2))
    >>> apply_finite(x, np.array([0.5, 0.5]), out=out), out.round(4)
    (True, array([[0.6667, 0.3333]]))
    """
    n, k = arrays[0].shape
    dtype, v = common_dtype(arrays), np.asarray(v, dtype=np.float64)
    if not (v > 0).any():
        return False
    status = np.zeros(n, np.uint8)
    pool = _CompiledApply(arrays, v, out, log, None, status) if compiled(kernels) else None

    def finite(first: int, last: int) -> bool:
        if pool is not None:
            return pool.finite(first, last)
        here = slice(first, last)
        cells = [x[here] for x in arrays]
        if not all(np.isfinite(x).all() for x in cells):
            return False
        plain.apply(cells, v, None, out[here], log, status[here])
        return not status[here].any()

    return all_in_threads(finite, blocks(n, len(v) * k * dtype.itemsize), threads)


class _CompiledApply:
    """One block of rows of :func:`apply`."""

    def __init__(
        self,
        arrays: Sequence[NDArray[Any]],
        v: Array,
        out: NDArray[Any],
        log: bool,
        present: Present,
        status: NDArray[np.uint8],
    ) -> None:
        dtype = common_dtype(arrays)
        self.narrow = out.shape[1] <= NARROW_POOL
        self.rows = Rows(arrays, dtype, adjacent_rows=self.narrow)
        self.v, self.out, self.log, self.present = v, out, log, present
        self.status = status
        self.direct = out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
        self.past_caches = self.direct and out.nbytes > PAST_CACHES

    def __call__(self, first: int, last: int) -> None:
        """Pool the rows of a block, whatever their cells are."""
        self._pool(first, last, leave=False)

    def finite(self, first: int, last: int) -> bool:
        """Pool the rows of a block; return whether all cells are finite, without which it ends."""
        return self._pool(first, last, leave=True)

    def _pool(self, first: int, last: int, *, leave: bool) -> bool:
        """Return whether nothing had to be mended, or was left."""
        from .narrow import apply_narrow
        from .pooled_rows import apply_rows

        base, step, _alive = self.rows.block(first, last)
        like, status = self.rows.like, self.status[first:last]
        out = self.out[first:last]
        target = out if self.direct else np.empty(out.shape, like.dtype)
        span = 0, last - first
        flags: tuple[Any, ...] = (self.log, self.past_caches, status, like)
        everyone = answered_by_all(self.present, first, last)
        if self.narrow and worth_a_pass(everyone, out.shape[1]):
            if everyone is not None:
                status[~everyone] = LEFT
            apply_narrow(*span, base, step, self.v, target, *flags)
        else:
            status[:] = LEFT
        left, mended = status == LEFT, 0
        if left.any():
            if leave and self.narrow:
                return False
            some = None if everyone is None else self.present
            here = attendance_of(some, first, last, left)
            mended = apply_rows(*span, base, step, self.v, here, target, *flags)
        if not self.direct:
            out[:] = target
        return mended == 0
