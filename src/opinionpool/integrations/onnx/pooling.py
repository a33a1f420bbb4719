"""Pools as nodes: stacked distributions (M, N, P) in, one (1, N, P) out (maths.md §2, §3, §6).

The order of what happens is that of ``opinionpool.pooling``: floors, own temperatures, missing
outputs, confidence, the rule, the temperature, vector scaling, the fallback.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...pool import Pool
from ...rules.evidence import LEAST_CONFIDENCE
from ...vetoes import auto_floor
from .graph import Graph


@dataclass(frozen=True)
class Shared:
    """Weights of the rows: w̃ (M, N, 1), who is there (M, N, 1), who is answered (1, N, 1)."""

    w: str
    present: str
    alive: str


def prepared(g: Graph, pool: Pool, log_p: str) -> str:
    """Floor and temper every model."""
    log_p = _floored(g, pool, log_p)
    betas = pool.policy.betas
    return log_p if betas is None else tempered(g, log_p, g.number(betas[:, None, None]))


def shared(
    g: Graph, pool: Pool, parameters: str, present: str, confidence: str | None
) -> tuple[str, Shared]:
    """Fill in absent models where the prior speaks for them; renormalise the weights."""
    if pool.settings.missing == "prior":
        assert pool.prior is not None
        prior = pool.prior if pool.family != "categorical" else np.log(pool.prior)
        if pool.family == "variance":
            prior = np.array([0.0, prior[0]])
        parameters = g.where(present, parameters, g.number(prior))
        present = g("Or", present, g("Not", present))
    m = g.cast(present)
    if pool.gamma:
        c = _certainty(g, parameters, len(pool.classes)) if confidence is None else confidence
        c = g.where(g("IsNaN", c), g.number(0.0), c)
        power = g("Pow", g("Max", c, g.number(LEAST_CONFIDENCE)), g.number(pool.gamma))
        m = g("Mul", m, power)
    w = g("Mul", g.number(pool.weights[:, None, None]), m)
    mass = g.sum(w, 0)
    alive = g("Greater", mass, g.number(0.0))
    return parameters, Shared(g("Div", w, g.where(alive, mass, g.number(1.0))), present, alive)


def log_pool(g: Graph, pool: Pool, log_p: str, rows: Shared) -> str:
    """Return ``Σ w̃ ℓ``, −inf where a model that counts has an exact zero."""
    zero = g.is_zero(log_p)
    vetoing = rows.present
    if not pool.settings.closure:
        vetoing = g("Greater", rows.w, g.number(0.0))
    vetoed = g.any(g("And", zero, vetoing), 0)
    z = g.sum(g("Mul", rows.w, g.where(zero, g.number(0.0), log_p)), 0)
    return g.where(vetoed, g.number(-math.inf), z)


def linear_pool(g: Graph, log_p: str, rows: Shared) -> str:
    """Return ``log Σ w̃ p``, from the largest term that counts."""
    terms = g("Add", g("Log", rows.w), log_p)
    top = g.without_zeros(g.max(terms, 0))
    return g("Add", g("Log", g.sum(g("Exp", g("Sub", terms, top)), 0)), top)


def tempered(g: Graph, z: str, beta: str) -> str:
    """Return ``log softmax(βz)``; −inf stays, also at β = 0."""
    scaled = g("Mul", beta, g.without_zeros(z))
    return g.log_softmax(g.where(g.is_zero(z), g.number(-math.inf), scaled))


def scaled(g: Graph, pool: Pool, log_p: str) -> str:
    """Apply vector scaling."""
    if pool.vector is None:
        return log_p
    a, b = (g.number(row) for row in pool.vector)
    return g.log_softmax(g("Add", g("Mul", a, log_p), b))


def gaussian_log_pool(g: Graph, pool: Pool, parameters: str, rows: Shared) -> tuple[str, str]:
    """Return mean and variance (1, N, 1) of the tempered log pool: precisions add."""
    mean, variance = _moments(g, parameters)
    share = g("Mul", rows.w, g("Reciprocal", variance))
    total = g.sum(share, 0)
    safe = g.where(rows.alive, total, g.number(1.0))
    centre = _centre(g, mean, g("Div", share, safe))
    beta = pool.inverse_temperature
    return centre, g("Div", g("Reciprocal", safe), g.number(beta))


def gaussian_mixture(g: Graph, parameters: str, rows: Shared) -> tuple[str, str]:
    """Return the mixture's mean and variance (1, N, 1)."""
    mean, variance = _moments(g, parameters)
    centre = _centre(g, mean, rows.w)
    apart = g("Sub", mean, centre)
    spread = g("Add", variance, g("Mul", apart, apart))
    return centre, g.sum(g("Mul", rows.w, spread), 0)


def _moments(g: Graph, parameters: str) -> tuple[str, str]:
    mean, variance = (g("Gather", parameters, g.integers([i]), axis=2) for i in (0, 1))
    return mean, variance


def _centre(g: Graph, mean: str, share: str) -> str:
    """Return ``Σ share μ`` from deviations: a weighted mean of large numbers would lose digits."""
    origin = g("Gather", mean, g.integers([0]), axis=0)
    return g("Add", origin, g.sum(g("Mul", share, g("Sub", mean, origin)), 0))


def _floored(g: Graph, pool: Pool, log_p: str) -> str:
    k, floors = len(pool.classes), pool.floors[:, None, None]
    if pool.settings.floor == "learned":
        some = floors > 0
        e = np.where(some, floors, 0.5)
        # Probabilities, as a sum of two positive numbers: nothing cancels.
        p = g("Mul", g.number(1 - e), g("Exp", log_p))
        lifted = g("Log", g("Add", p, g.number(e / k)))
        return g.where(g.constant(some), lifted, log_p)
    if floors.any():
        some = floors > 0
        lifted = _raised(g, log_p, np.log(np.where(some, floors, 1.0)))
        return g.where(g.constant(some), lifted, log_p)
    if pool.settings.floor == "auto" and pool.rule == "log":
        # Zeros first seen now: their rows are floored, as Pool.prepared does.
        rows = g.any(g.any(g.is_zero(log_p), 2), 0)
        return g.where(rows, _raised(g, log_p, np.log(auto_floor(k))), log_p)
    return log_p


def _raised(g: Graph, log_p: str, log_floor: object) -> str:
    return g.log_softmax(g("Max", log_p, g.number(log_floor)))


def _certainty(g: Graph, log_p: str, k: int) -> str:
    terms = g("Mul", g("Exp", log_p), g.without_zeros(log_p))
    share = g("Div", g.sum(terms, 2), g.number(np.log(k)))
    return g("Add", g.number(1.0), share)
