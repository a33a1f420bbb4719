"""The Laplace evidence of a penalty's constants, for ``penalties.py``.

Read ``exp(−N·(L + P)(v))`` as a posterior on the cone ``v ≥ 0, Σv ≤ 100``: ``exp(−N·L)`` is the
likelihood, and ``exp(−N·P)``, with ``N·P = a(s − 1 − ln s) + b·M‖v − (s/M)1‖²`` and ``s = Σv``, a
prior density up to its normaliser, which depends on a and b:

    log evidence(a, b) = log ∫ exp(−N(L + P)) dv − log Z(a, b),   Z = ∫ exp(−N·P) dv.

**Normaliser.** Slice the cone by s. A slice is the simplex scaled by s, so ``dv = ds dσ/√M`` and

    Z = ∫₀¹⁰⁰ s^(M−1) F(bMs²) e^(−a(s−1−ln s)) ds/√M,   F(c) = ∫_Δ exp(−c‖w − u‖²) dσ,

where F is ``√M`` times the M-fold convolution of ``exp(−c(x − 1/M)²)``, x ≥ 0, at 1: sums of
positive numbers, so nothing cancels. The Gaussian integral ``(π/c)^((M−1)/2)`` that forgets
``w ≥ 0`` is off by e⁵ at the constants of "auto", s = 1 and M = 5, by e⁵¹ at M = 25.

**Measure.** A density needs one: the same mode with ``ds dw`` in place of ``dv = s^(M−1) ds dw``
is another prior. Both are computed; that they disagree is a result.

**Posterior.** Around the optimum v̂ with gradient g and Hessian H of ``N(L + P)`` the integrand is
taken as Gaussian. *Active face*: the models in use are integrated over all of space,
``−½ log det(H_FF/2π)``; a model at zero with slope ``g_i ≥ 0`` over ``x ≥ 0`` given the others,
``∫ exp(−g_i x − ½hx²) dx = √(π/2h)·erfcx(g_i/√(2h))``, h its Schur complement. *Orthant*: the same
Gaussian over all of ``v ≥ 0``, by expectation propagation (Cunningham, Hennig & Lacoste-Julien
2011, arXiv:1111.6832): weights that are positive but not far from zero count with their share.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOG_2PI = float(np.log(2 * np.pi))
SHARPEST = 100.0  # the cap on Σv of a fitted temperature


def log_evidence(
    value: float, g: Array, H: Array, v: Array, a: float, b: float
) -> dict[str, float]:
    """Return log evidences at the optimum v of ``N(L + P)``, whose value, slope, curvature follow.

    ``face`` and ``orthant`` by how the posterior is integrated, ``face, ds dw`` by the measure.
    """
    m, s = len(v), float(v.sum())
    face = -value + log_face(g, H, v > 1e-9 * s)
    orthant = -value + (g @ v - 0.5 * v @ H @ v) + log_orthant(H, H @ v - g)
    return {
        "face": face - log_normaliser(a, b, m),
        "orthant": orthant - log_normaliser(a, b, m),
        "face, ds dw": face - (m - 1) * np.log(s) - log_normaliser(a, b, m, polar=True),
    }


def log_face(g: Array, H: Array, used: NDArray[np.bool_]) -> float:
    """Return ``log ∫ exp(−g·t − ½tᵀHt) dt``: models in use over ℝ, each other one over t ≥ 0."""
    from scipy.special import erfcx

    face, rest = H[np.ix_(used, used)], H[np.ix_(used, ~used)]
    total = 0.5 * (used.sum() * LOG_2PI - np.linalg.slogdet(face)[1])
    h = np.diag(H)[~used] - np.einsum("ij,ij->j", rest, np.linalg.solve(face, rest))
    h = np.maximum(h, 1e-12 * np.diag(H)[~used])
    outside = 0.5 * np.log(np.pi / (2 * h)) + np.log(
        erfcx(np.maximum(g[~used], 0) / np.sqrt(2 * h))
    )
    return float(total + outside.sum())


def log_orthant(Q: Array, h: Array, sweeps: int = 200) -> float:
    """Return ``log ∫_{y ≥ 0} exp(−½yᵀQy + h·y) dy`` by damped parallel EP."""
    from scipy.special import log_ndtr

    def psi(mean: Array, variance: Array) -> Array:
        return 0.5 * np.log(2 * np.pi * variance) + mean**2 / (2 * variance)

    τ, ν, last = np.zeros(len(h)), np.zeros(len(h)), np.inf
    for _ in range(sweeps):
        Σ = np.linalg.inv(Q + np.diag(τ))
        μ, σ2 = Σ @ (h + ν), np.diag(Σ)
        σ2_cavity = 1 / (1 / σ2 - τ)
        μ_cavity = σ2_cavity * (μ / σ2 - ν)
        z = μ_cavity / np.sqrt(σ2_cavity)
        log_mass = log_ndtr(z)
        r = np.exp(-0.5 * z * z - 0.5 * LOG_2PI - log_mass)
        # r(r + z) cancels in the far tail, where the variance is 1/z².
        shrinkage = np.where(z < -100, 1 - 1 / np.minimum(z, -1) ** 2, r * (r + z))
        variance = σ2_cavity * (1 - np.clip(shrinkage, 0, 1 - 1e-14))
        whole = 0.5 * (len(h) * LOG_2PI + np.linalg.slogdet(Σ)[1] + (h + ν) @ μ)
        value = float(whole + (log_mass + psi(μ_cavity, σ2_cavity) - psi(μ, σ2)).sum())
        if abs(value - last) < 1e-6:
            break
        last = value
        moved = np.maximum(1 / variance - 1 / σ2_cavity, 0)
        ν += 0.7 * ((μ_cavity + np.sqrt(σ2_cavity) * r) / variance - μ_cavity / σ2_cavity - ν)
        τ += 0.7 * (moved - τ)
    return value


@cache
def log_normaliser(a: float, b: float, m: int, polar: bool = False) -> float:
    """Return ``log Z``; ``polar`` for the measure ``ds dw`` (dσ/√M on the simplex)."""
    t = np.linspace(np.log(1e-4), np.log(SHARPEST), 4001)
    s = np.exp(t)
    f = -a * (s - 1 - t) + log_simplex(b * m * s**2, m) - 0.5 * np.log(m) + t
    f += 0 if polar else (m - 1) * t
    return float(f.max() + np.log(np.trapezoid(np.exp(f - f.max()), t)))


def log_simplex(c: Array, m: int) -> Array:
    """Return ``log F(c)``."""
    log_c, table = _simplex_table(m)
    known = np.interp(np.log(c), log_c, table)
    # Beyond the table the simplex's walls are ten standard deviations away.
    return np.where(np.log(c) > log_c[-1], 0.5 * (m - 1) * np.log(np.pi / c), known)


@cache
def _simplex_table(m: int) -> tuple[Array, Array]:
    log_c = np.linspace(np.log(1e-3), np.log(60.0 * m * m), 80)
    values = []
    for c in np.exp(log_c):
        n = int(max(200, np.ceil(12 * np.sqrt(2 * c))))
        step = np.exp(-c * (np.linspace(0, 1, n + 1) - 1 / m) ** 2)
        values.append(0.5 * np.log(m) + np.log(_convolved(step, m, 1 / n)[-1]))
    return log_c, np.array(values)


def _convolved(f: Array, times: int, width: float) -> Array:
    """Convolve f on [0, 1] with itself, by repeated squaring and the trapezoidal rule."""

    def by(x: Array, y: Array) -> Array:
        return width * (np.convolve(x, y)[: len(x)] - 0.5 * (x[0] * y + y[0] * x))

    if times == 1:
        return f
    half = _convolved(f, times // 2, width)
    even = by(half, half)
    return by(even, f) if times % 2 else even
