"""Simulated models of unequal skill that share part of their errors, as raw logits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from opinionpool.kernels.threads import in_threads

Logits = list[NDArray[np.float32]]
Labels = NDArray[np.int64]

#: Cells of one block of rows, each with its own random stream: the data do not depend on threads.
BLOCK_CELLS = 1 << 20
#: Variance of the errors that all models share, and the spread of how hard a row is.
SHARED, DIFFICULTY = 0.65, 1.0


def simulated(m: int, n: int, k: int, seed: int = 0, threads: int = 2) -> tuple[Logits, Labels]:
    """Return M arrays (N, K) of float32 logits, and the labels.

    The true class stands out of the noise by about the largest of K normal numbers, so that
    models are right on half to three quarters of the rows whatever K; each is too sure or not
    sure enough in its own way, and has a constant of its own in every row, as raw logits do.
    """
    arrays = [aligned(n, k) for _ in range(m)]
    y = np.random.default_rng(seed).integers(0, k, n)
    noise = np.linspace(0.9, 1.3, m)
    sureness = (
        0.9 * largest_of(k) * np.random.default_rng(seed + 1).permutation(np.linspace(0.6, 1.4, m))
    )
    step = max(1, BLOCK_CELLS // k)

    def block(first: int, last: int) -> None:
        rng = np.random.default_rng([seed, first])
        rows = np.arange(last - first)
        signal = largest_of(k) + 0.3 + DIFFICULTY * rng.standard_normal(last - first)
        common = rng.standard_normal((last - first, k), dtype=np.float32)
        common *= math.sqrt(SHARED)
        common[rows, y[first:last]] += signal.astype(np.float32)
        for own, σ, a in zip(arrays, noise, sureness, strict=True):
            x = own[first:last]
            rng.standard_normal(dtype=np.float32, out=x)
            x *= np.float32(σ * math.sqrt(1 - SHARED))
            x += common
            x *= np.float32(a)
            x += 2 * rng.standard_normal((last - first, 1), dtype=np.float32)

    in_threads(block, [(i, min(n, i + step)) for i in range(0, n, step)], threads)
    return arrays, y


def largest_of(k: int) -> float:
    """Return about the largest of K normal numbers."""
    return math.sqrt(2 * math.log(k))


def aligned(n: int, k: int) -> NDArray[np.float32]:
    """Return an (N, K) array at a multiple of 64 bytes, which every library takes as it is."""
    memory = np.empty(n * k * 4 + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + n * k * 4].view(np.float32).reshape(n, k)


def log_densities(m: int, n: int, seed: int = 0) -> NDArray[np.float64]:
    """Return (M, N) log-densities of Gaussian forecasts: biased, and wrong about their spread."""
    rng = np.random.default_rng(seed)
    common = 0.6 * rng.standard_normal(n)
    found = np.empty((m, n))
    for own in found:
        bias, σ = 0.4 * rng.standard_normal(), rng.uniform(0.5, 1.5)
        claimed = σ * rng.uniform(0.6, 1.6)
        error = common + bias + σ * rng.standard_normal(n)
        own[:] = -0.5 * (error / claimed) ** 2 - math.log(claimed) - 0.5 * math.log(2 * math.pi)
    return found
