"""Sums of the log rule's loss and its derivatives: blocks of rows, shared out to threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import plain
from .arrays import Rows, answered_by_all, attendance_of, common_dtype, plain_layout, worth_a_pass
from .choice import NARROW_SUMS, Kernels, compiled
from .status import LEFT
from .threads import blocks, in_threads

Array = NDArray[np.float64]
Present = NDArray[np.bool_] | Array | None


#: What exponentials in float32 may move a mean loss by. Of 16 rows of 1,000 to 128,000 classes it
#: was 3e-9 at most; nearby weights differ by as much, and no search may count on less.
ROUNDING32 = 1e-8


class Sums(NamedTuple):
    """A loss summed over rows, and what was asked for of its derivatives.

    Attributes
    ----------
    value
        The loss, in nats times row weight.
    gradient, reach
        (M,), from ``order=1`` on, else None.
    curvature
        (M, M), symmetric, with ``order=2``, else None.
    status
        (N,) why a row was left out; 0 where it was not.
    rescaled
        The loss at ``by v``; 0 where that was not asked for.
    rounding
        How good a mean loss is, relative to the larger of 1 and itself: see :data:`ROUNDING32`.
    bent
        How many rows are in the blocks that added to the curvature.
    """

    value: float
    gradient: Array | None
    reach: Array | None
    curvature: Array | None
    status: NDArray[np.uint8]
    rescaled: float = 0.0
    rounding: float = 0.0
    bent: int = 0


def log_sums(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    classes: NDArray[np.int64] | None = None,
    weight: Array | None = None,
    *,
    soft: Array | None = None,
    present: Present = None,
    order: int = 2,
    every: int = 1,
    by: float = 0.0,
    threads: int = 1,
    kernels: Kernels | None = None,
) -> Sums:
    """Sum the log rule's loss ``log Z − Σ v_α x_α(y)`` over rows, with its derivatives.

    Raw logits are as good as log-probabilities: a constant per row and model changes nothing
    (maths.md §2). All models veto, whatever their weight. With missing outputs gradient and
    curvature are those of rules/log.py.

    Parameters
    ----------
    arrays, v, present, threads, kernels
        See :func:`apply`.
    classes
        (N,) what happened, as class numbers.
    weight
        (N,) row weights; a row of weight 0 is not looked at. None for 1.
    soft
        (N, K) probabilities of what happened, instead of ``classes``; rows sum to one.
    order
        0 for the loss, 1 for gradient and reach too, 2 for the curvature too.
    every
        Of so many blocks of rows one need add to the curvature. What the others would add is
        positive semi-definite: the sum is then a lower bound.
    by
        Sum the loss at ``by v`` too, if it is not 0: logits need not be pooled again. They are
        exponentiated in the precision of the cells.

    Returns
    -------
    Sums
        Rows with a status are left out of every sum: the caller knows what they cost.

    Examples
    --------
    >>> x = [np.log([[0.6, 0.4]]), np.log([[0.8, 0.2]])]
    >>> sums = log_sums(x, np.array([0.5, 0.5]), np.array([0]))
    >>> round(sums.value, 4), sums.gradient.round(4)
    (0.3423, array([-0.1175, -0.4019]))
    """
    n, k = arrays[0].shape
    v = np.asarray(v, dtype=np.float64)
    u = np.ones(n) if weight is None else weight
    dtype = common_dtype(arrays)
    status = np.zeros(n, np.uint8)
    work: Callable[[int, int], plain.Derivatives]
    spans = blocks(n, len(v) * k * dtype.itemsize)
    quick = compiled(kernels)
    bent = dict(spans[:: every if quick else 1]) if order == 2 else {}
    if quick:
        work = _CompiledSums(arrays, v, classes, soft, u, present, order, status, set(bent), by)
    else:

        def work(first: int, last: int) -> plain.Derivatives:
            rows = slice(first, last)
            return plain.log_sums(
                [x[rows] for x in arrays],
                v,
                None if present is None else present[:, rows],
                None if classes is None else classes[rows],
                None if soft is None else soft[rows],
                u[rows],
                status[rows],
                by,
            )

    found = total(in_threads(work, spans, threads), len(v), order, status)
    brief = quick and dtype == np.float32
    n_bent = sum(last - first for first, last in bent.items())
    return found._replace(rounding=ROUNDING32 if brief else 0.0, bent=n_bent)


class _CompiledSums:
    """One block of rows of :func:`log_sums`."""

    def __init__(
        self,
        arrays: Sequence[NDArray[Any]],
        v: Array,
        classes: NDArray[np.int64] | None,
        soft: Array | None,
        u: Array,
        present: Present,
        order: int,
        status: NDArray[np.uint8],
        bent: set[int],
        by: float,
    ) -> None:
        n, self.k = arrays[0].shape
        self.narrow = self.k <= NARROW_SUMS
        self.rows = Rows(arrays, common_dtype(arrays), adjacent_rows=self.narrow)
        self.v, self.present, self.order, self.status = v, present, order, status
        self.bent, self.by = bent, float(by)
        self.u = plain_layout(u, np.float64)
        nobody = np.zeros(n, np.int64)
        self.classes = nobody if classes is None else plain_layout(classes, np.int64)
        self.soft = np.zeros((0, 0)) if soft is None else plain_layout(soft, np.float64)

    def __call__(self, first: int, last: int) -> plain.Derivatives:
        from .narrow import sum_narrow
        from .rows import sum_rows
        from .tiles import padded

        base, step, _alive = self.rows.block(first, last)
        m, filled = len(base), padded(len(base))
        gradient, reach, curvature = np.zeros(filled), np.zeros(filled), np.zeros((filled, filled))
        here, span = slice(first, last), (0, last - first)
        order = self.order if first in self.bent else min(self.order, 1)
        status, no_absence = self.status[here], np.zeros((0, 0))

        def data(rows: NDArray[np.bool_] | None) -> tuple[Any, ...]:
            """Return what the kernels take; some rows are all that has weight, None for all."""
            u = self.u[here] if rows is None else np.where(rows, self.u[here], 0.0)
            return (
                *(self.classes[here], self.soft[here], u, self.k, order, self.by),
                *(status, self.rows.like, gradient, reach, curvature),
            )

        everyone = answered_by_all(self.present, first, last)
        rest, losses = np.ones(last - first, np.bool_), [(0.0, 0.0)]
        if worth_a_pass(everyone, self.k):
            if everyone is not None:
                status[~everyone] = LEFT
            if self.narrow:
                losses.append(sum_narrow(*span, base, step, self.v, *data(everyone)))
            else:  # rows take less time without an attendance to look at
                losses.append(sum_rows(*span, base, step, self.v, no_absence, *data(everyone)))
            rest = status == LEFT
        if rest.any():
            status[rest] = 0
            some = None if everyone is None else self.present
            attendance = attendance_of(some, first, last, rest)
            losses.append(sum_rows(*span, base, step, self.v, attendance, *data(rest)))
        value, rescaled = (sum(own) for own in zip(*losses, strict=True))
        return plain.Derivatives(value, gradient[:m], reach[:m], curvature[:m, :m], rescaled)


def total(
    parts: Sequence[plain.Derivatives], m: int, order: int, status: NDArray[np.uint8]
) -> Sums:
    """Add the sums of blocks, in their order; of curvatures the lower triangles count."""
    value, gradient, reach, curvature = 0.0, np.zeros(m), np.zeros(m), np.zeros((m, m))
    rescaled = 0.0
    for part in parts:
        value += part.value
        rescaled += part.rescaled
        gradient += part.gradient
        reach += part.reach
        curvature += part.curvature
    lower = np.tril(curvature)
    return Sums(
        float(value),
        gradient if order else None,
        reach if order else None,
        lower + np.tril(lower, -1).T if order == 2 else None,
        status,
        float(rescaled),
    )
