"""The door to the kernels: compiled where numba is installed, else plain NumPy.

All functions take M base arrays as they are: float32 or float64, mapped files, any strides, no
stacking. Nothing is validated here; each function says what it trusts. Importing this loads no
compiler: numba comes at the first call that uses it.

Rows that cannot be pooled are left out of sums and reported, one byte per row, by the codes of
:mod:`~opinionpool.kernels.status`.
"""

from __future__ import annotations

from .applying import apply, apply_finite
from .averaging import mix
from .choice import Kernels, compiled
from .distributions import Bounds, apply_distributions, mix_distributions
from .logarithms import logarithms
from .mixing import linear_sums, scaled_likelihoods
from .scaling import pool_scaled, scale
from .summing import Sums, log_sums
from .survey import Survey, survey

__all__ = [
    "Bounds",
    "Kernels",
    "Sums",
    "Survey",
    "apply",
    "apply_distributions",
    "apply_finite",
    "compiled",
    "linear_sums",
    "log_sums",
    "logarithms",
    "mix",
    "mix_distributions",
    "pool_scaled",
    "scale",
    "scaled_likelihoods",
    "survey",
]
