"""Where a result goes: an array of the caller's, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


def checked_out(
    out: object, shape: tuple[int, ...], inputs: Iterable[tuple[str, object]]
) -> NDArray[Any] | None:
    """Return the array that a result of that shape is to be written to, None for a new one.

    Parameters
    ----------
    out
        What the caller gave: None, or an array of float32 or float64.
    shape
        Of the result.
    inputs
        What is read meanwhile, with the names of its models; what is no array is not looked at.

    Raises
    ------
    InputError
        For what is no such array, cannot be written to, or shares memory with an input.

    Examples
    --------
    >>> checked_out(np.empty((2, 3), np.float32), (2, 3), []).shape
    (2, 3)
    """
    if out is None:
        return None
    if not isinstance(out, np.ndarray) or out.dtype not in (np.float32, np.float64):
        found = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputError(f"out: found {found}, expected a NumPy array of float32 or float64")
    if out.shape != shape:
        raise InputError(f"out: found shape {out.shape}, expected {shape}")
    if not out.flags.writeable:
        raise InputError("out: this array is read-only")
    for name, values in inputs:
        if isinstance(values, np.ndarray) and np.may_share_memory(out, values):
            raise InputError(
                f"out: shares memory with the predictions of model {name!r}, which are never "
                "written to"
            )
    return out
