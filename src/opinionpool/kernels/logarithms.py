"""Logarithms of probabilities, cell by cell: what makes logits of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import address, is_ready
from .choice import Kernels, compiled


def logarithms(
    p: NDArray[Any],
    out: NDArray[Any] | None = None,
    *,
    floor: float = 0.0,
    kernels: Kernels | None = None,
) -> NDArray[Any]:
    """Return ``ln p``, −inf where p is not above 0, NaN where it is NaN.

    Parameters
    ----------
    p
        (n, K) finite numbers, or NaN.
    out
        What to write into, of the dtype that NumPy's logarithm has; ``p`` itself will do.
    floor
        Cells are raised to so much of the sum of their row, of cells above 0, which must not be 0;
        0 for none. A row that has NaN is NaN then.
    kernels
        See :func:`~opinionpool.kernels.applying.apply`.

    Returns
    -------
    (n, K), to an ulp or two of the dtype of p.

    Examples
    --------
    >>> logarithms(np.array([[1.0, 0.5, 0.0, -1e-9]])).round(4)
    array([[ 0.    , -0.6931,    -inf,    -inf]])
    """
    if out is None and p.dtype in (np.float32, np.float64):
        out = np.empty(p.shape, p.dtype.newbyteorder("="))
    if out is None or not (compiled(kernels) and _fits(p, out)):
        return _plain(p, out, floor)
    from .log_cells import log_cells

    (n, k), like = p.shape, np.empty(0, p.dtype)
    log_cells(n, k, address(p), p.strides[0], address(out), out.strides[0], floor, like)
    return out


def _fits(p: NDArray[Any], out: NDArray[Any]) -> bool:
    """Whether the compiled kernel reads and writes such arrays."""
    known = p.dtype in (np.float32, np.float64) and p.size > 0
    arrays = (p, out)
    return known and all(is_ready(x, p.dtype, adjacent_rows=False) for x in arrays)


def _plain(p: NDArray[Any], out: NDArray[Any] | None, floor: float) -> NDArray[Any]:
    least: Any = 0
    if floor > 0:
        total = np.maximum(p, 0).sum(axis=1, keepdims=True, dtype=np.float64)
        least = (floor * total).astype(p.dtype if p.dtype.kind == "f" else np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(p, least, out=out), out=out))
