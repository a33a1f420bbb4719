"""Kernel jobs of every kind, and whether compiled kernels can run here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tolerance import ulps

from opinionpool.kernels import fused

needs_numba = pytest.mark.skipif(
    not fused.compiled("auto"), reason="numba is not installed: pip install 'opinionpool[fast]'"
)

#: How rows can be special; "all" is everything at once.
KINDS = ["plain", "soft", "missing", "vetoes", "all"]


@dataclass
class Job:
    """Arguments of :func:`opinionpool.kernels.fused.log_sums`."""

    arrays: list[NDArray[Any]]
    v: NDArray[np.float64]
    classes: NDArray[np.int64]
    weight: NDArray[np.float64]
    soft: NDArray[np.float64] | None = None
    present: NDArray[np.bool_] | None = None

    def sums(self, **options: Any) -> fused.Sums:
        """The job's sums."""
        return fused.log_sums(
            self.arrays,
            self.v,
            self.classes,
            self.weight,
            soft=self.soft,
            present=self.present,
            **options,
        )

    def apply(self, **options: Any) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The job's pool."""
        return fused.apply(self.arrays, self.v, present=self.present, **options)


def make_job(
    kind: str = "plain",
    dtype: Any = np.float64,
    m: int = 3,
    n: int = 101,
    k: int = 7,
    *,
    seed: int = 0,
    offset: float = 1e4,
) -> Job:
    """A job of one of the `KINDS`: raw logits, each row of each model with a constant of its own.

    The last of three or more models has no weight; one row has none. With vetoes there are also
    rows that are at fault (NaN, +inf) or impossible, and outcomes that are ruled out.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(m, n, k)) * 2 + rng.normal(size=(m, n, 1)) * offset
    y = rng.integers(0, k, n)
    v = rng.uniform(0.2, 1.0, m)
    v[-1] *= m < 3
    weight = rng.uniform(0.2, 3.0, n)
    weight[n // 2] = 0
    job = Job([], v, y, weight)
    if kind in ("soft", "all"):
        q = rng.dirichlet(np.ones(k), n) * (rng.random((n, k)) < 0.5)
        q[np.arange(n), y] += 0.1
        job.soft = q / q.sum(axis=1, keepdims=True)
    if kind in ("missing", "all"):
        job.present = rng.random((m, n)) < 0.7
    if kind in ("vetoes", "all"):
        x[rng.random(x.shape) < 0.3 / k] = -np.inf
        for model, row, cells in ((0, 3, np.nan), (m - 1, 5, np.inf), (0, 7, -np.inf)):
            x[model, row, 1 if row < 7 else slice(None)] = cells
    job.arrays = [np.ascontiguousarray(own, dtype=dtype) for own in x]
    return job


@dataclass(frozen=True)
class Allowed:
    """Differences from the plain kernels, in units of the largest number."""

    dtype: Any
    sums: float = field(init=False)
    rescaled: float = field(init=False)
    curvature: float = field(init=False)
    pool: float = field(init=False)

    def __post_init__(self) -> None:
        narrow = np.dtype(self.dtype) == np.float32
        # Exponentials of float32 cells are float32, whose errors differ in sign from row to row;
        # all else is float64, of which offsets of 1e4 cost 4 digits of 16.
        object.__setattr__(self, "sums", ulps(np.float32, 1) if narrow else 1e-10)
        # Exponentials in the cells' dtype, whose errors differ in sign.
        object.__setattr__(self, "rescaled", ulps(np.float32, 1) if narrow else 1e-10)
        # Centred cells and short sums of their products are in the cells' dtype.
        object.__setattr__(self, "curvature", ulps(np.float32, 32) if narrow else 1e-10)
        object.__setattr__(self, "pool", ulps(np.float32, 2) if narrow else 1e-10)


def difference(found: Any, expected: Any, least: float = 1e-30) -> float:
    """Largest difference, relative to the largest number expected, or to ``least``.

    Rows may be so sharp that float32 does not hold what is left beside the top.
    """
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    if not expected.size:
        return 0.0
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), least))


def assert_same_sums(found: fused.Sums, expected: fused.Sums, dtype: Any) -> None:
    """Hold compiled sums to the plain ones."""
    allowed = Allowed(dtype)
    np.testing.assert_array_equal(found.status, expected.status)
    # Of rows that cost nothing only what was cancelled is left, 1e-16 of the offsets.
    assert difference(found.value, expected.value, least=1.0) <= allowed.sums
    assert difference(found.rescaled, expected.rescaled, least=1.0) <= allowed.rescaled
    # What is wrong with float32 exponentials moves a mean by as much times cells' deviations.
    least = 1.0
    if dtype == np.float32 and expected.curvature is not None:
        least = max(1.0, np.diagonal(expected.curvature).max())
    for name in ("gradient", "reach"):
        if getattr(found, name) is not None:
            a, b = getattr(found, name), getattr(expected, name)
            assert difference(a, b, least=least) <= allowed.sums, name
    if found.curvature is not None:
        # float32 exponentials below e**−87 are 0, whatever the square of what they multiply.
        nothing = 1e-24 if dtype == np.float32 else 1e-30
        assert difference(found.curvature, expected.curvature, nothing) <= allowed.curvature
