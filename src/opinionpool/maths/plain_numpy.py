"""NumPy as an array-API namespace, for code that only ever sees NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def _namespace() -> Any:
    # From 2.1 on NumPy is one itself; the wrapper for older ones takes as long to import as NumPy.
    if hasattr(np, "isdtype") and hasattr(np, "astype"):
        return np
    from array_api_compat import numpy

    return numpy


xp = _namespace()
