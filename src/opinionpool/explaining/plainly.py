"""A dict that any JSON writer takes: lists, texts and finite numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plainly(x: Any) -> Any:
    """Return what JSON can hold: NaN is None, infinities are the texts ``"inf"`` and ``"-inf"``.

    Examples
    --------
    >>> import numpy as np
    >>> plainly({"a": np.array([1.0, np.inf, np.nan]), "b": (np.int64(2), None)})
    {'a': [1.0, 'inf', None], 'b': [2, None]}
    """
    if isinstance(x, Mapping):
        return {str(key): plainly(value) for key, value in x.items()}
    if isinstance(x, np.ndarray | np.generic):
        return plainly(x.tolist())
    if isinstance(x, list | tuple):
        return [plainly(value) for value in x]
    if isinstance(x, float) and not math.isfinite(x):
        return None if math.isnan(x) else str(x)
    return x if x is None or isinstance(x, str | int | float | bool) else str(x)
