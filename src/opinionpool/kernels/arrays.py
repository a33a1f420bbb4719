"""Where the rows of M arrays are in memory, copying only what a kernel cannot read in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .status import LEFT

#: Share of a block's rows that every model answered from which they get a kernel, and a pass, of
#: their own. Of up to so many classes that saves most of the time: of 16 models of 10 classes, loss
#: and gradient, it took 0.2 where one row in 100 lacked an output, 0.35 where one in 10 did and 0.7
#: where one in two did. Of more it saves up to a fifth, and reading is what takes time: of 131
#: classes 0.87 and 1.04 where one in 100 and one in 10 did.
FEW, MOSTLY, NEARLY_ALL = 32, 0.5, 0.95
#: (M, N) which model answered which row, or the share of its weight that it has there.
Attendance = NDArray[np.bool_] | NDArray[np.float64]


def common_dtype(arrays: Sequence[Any]) -> np.dtype[Any]:
    """Return float32 if all arrays, or whatever has a dtype, are; else float64."""
    narrow = all(x.dtype == np.float32 for x in arrays)
    return np.dtype(np.float32 if narrow else np.float64)


def is_ready(x: NDArray[Any], dtype: np.dtype[Any], *, adjacent_rows: bool) -> bool:
    """Whether a kernel can read an (N, K) array in place: its dtype, classes side by side."""
    n, k = x.shape
    classes = k == 1 or x.strides[1] == dtype.itemsize
    rows = not adjacent_rows or n == 1 or x.strides[0] == k * dtype.itemsize
    return bool(x.dtype == dtype and x.dtype.isnative and x.flags.aligned and classes and rows)


class Rows:
    """Rows of M (N, K) arrays as addresses: base arrays stay where they are, mapped files too.

    Parameters
    ----------
    arrays
        M arrays of shape (N, K), any strides, byte order and real dtype.
    dtype
        float32 or float64, what the kernel reads. Arrays that are not laid out for it are
        copied, one block of rows at a time.
    adjacent_rows
        Whether rows must follow one another without a gap.
    """

    def __init__(
        self, arrays: Sequence[NDArray[Any]], dtype: np.dtype[Any], *, adjacent_rows: bool
    ) -> None:
        self._arrays = [np.asarray(x) for x in arrays]
        self._copied = [
            a
            for a, x in enumerate(self._arrays)
            if not is_ready(x, dtype, adjacent_rows=adjacent_rows)
        ]
        self._base = np.array([address(x) for x in self._arrays], dtype=np.uint64)
        self._step = np.array([x.strides[0] for x in self._arrays], dtype=np.int64)
        self.like: NDArray[Any] = np.empty(0, dtype)

    def block(
        self, first: int, last: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.int64], list[NDArray[Any]]]:
        """Return addresses of row ``first``, bytes between rows, and what must stay alive."""
        # Modulo 2**64, so that negative steps (reversed arrays) come out right.
        base = self._base + (self._step * first).astype(np.uint64)
        step, alive = self._step.copy(), []
        for a in self._copied:
            own = np.array(self._arrays[a][first:last], dtype=self.like.dtype, order="C")
            base[a], step[a] = address(own), own.strides[0]
            alive.append(own)
        return base, step, alive


def address(x: NDArray[Any]) -> int:
    """Return where the first element is."""
    return int(x.__array_interface__["data"][0])


def plain_layout(x: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a small array as one type to the compiler: C order, writable, copied if need be."""
    return np.require(x, dtype=dtype, requirements=["C", "A", "W"])


def left_over(status: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the runs of rows of a block that a kernel left, and give them a status of 0."""
    left = status == LEFT
    if not left.any():
        return []
    status[left] = 0
    edges = np.flatnonzero(np.diff(left, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def answered_by_all(present: Attendance | None, first: int, last: int) -> NDArray[np.bool_] | None:
    """Return in which rows of a block every model has all of its weight, (n,); None for all."""
    if present is None:
        return None
    here = present[:, first:last]
    everyone = np.asarray((here if here.dtype == np.bool_ else here == 1).all(axis=0))
    return None if everyone.all() else everyone


def worth_a_pass(rows: NDArray[np.bool_] | None, k: int) -> bool:
    """Whether so many of a block's rows of K classes are meant that the rest may be read twice."""
    if rows is None:
        return True
    return bool(np.count_nonzero(rows) >= (MOSTLY if k <= FEW else NEARLY_ALL) * len(rows))


def attendance_of(
    present: Attendance | None, first: int, last: int, rows: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return m of maths.md §6 for a block of rows, (M, n); (0, 0) where every model answered.

    Or for some of the rows: of the others, which are not written to and so take no memory, it says
    nothing.
    """
    if present is None:
        return np.zeros((0, 0))
    here = present[:, first:last]
    if rows is None:
        return np.array(here, dtype=np.float64, order="C")
    attendance = np.zeros(here.shape)
    attendance[:, rows] = here[:, rows]
    return attendance
