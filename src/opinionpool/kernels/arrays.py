"""Where the rows of M arrays are in memory, copying only what a kernel cannot read in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .status import LEFT


def common_dtype(arrays: Sequence[NDArray[Any]]) -> np.dtype[Any]:
    """Return float32 if all arrays are, else float64."""
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


def attendance_of(
    present: NDArray[np.bool_] | NDArray[np.float64] | None, first: int, last: int
) -> NDArray[np.float64]:
    """Return m of maths.md §6 for a block of rows, (M, n); (0, 0) where every model answered."""
    if present is None:
        return np.zeros((0, 0))
    return np.array(present[:, first:last], dtype=np.float64, order="C")
