"""Weights that the caller brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .base import Choice, Task, Weighting, fixed


class Given(Weighting):
    """Numbers, normalised to sum to one."""

    name = "given"
    by_blocks = True
    learns = False

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    def choose(self, task: Task) -> Choice:
        """Return the given weights."""
        return fixed(self.weights)


def normalised_weights(
    weights: Mapping[str, float] | Sequence[float] | NDArray[Any] | None, names: Sequence[str]
) -> NDArray[np.float64]:
    """Check weights against the models and normalise them to sum to one; None is uniform."""
    m = len(names)
    if weights is None:
        return np.full(m, 1.0 / m)
    index = getattr(weights, "index", None)
    if index is not None and not callable(index) and set(index) & set(names):
        weights = dict(zip(index, np.asarray(weights).tolist(), strict=True))  # a series, by name
    if isinstance(weights, Mapping):
        unknown = [str(name) for name in weights if name not in names]
        absent = [name for name in names if name not in weights]
        if unknown or absent:
            raise InputError(
                f"weights: models are {', '.join(names)}; "
                + "; ".join(
                    part
                    for part in (
                        f"unknown: {', '.join(unknown)}" if unknown else "",
                        f"without a weight: {', '.join(absent)}" if absent else "",
                    )
                    if part
                )
            )
        weights = [weights[name] for name in names]
    try:
        if np.iscomplexobj(weights):
            raise TypeError("complex")
        w = np.array(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"weights: found {weights!r}, expected one number per model") from None
    if w.shape != (m,):
        raise InputError(f"weights: found shape {w.shape}, expected ({m},), one per model")
    if not np.isfinite(w).all() or (w < 0).any() or w.max() <= 0:
        raise InputError(
            f"weights: found {w.tolist()}, expected finite numbers ≥ 0 with a positive sum"
        )
    w /= w.max()  # so that neither huge nor tiny weights over- or underflow in the sum
    normalised: NDArray[np.float64] = w / w.sum()
    return normalised
