"""Random evidence, and the plainest possible pools that the fast ones are held to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from opinionpool.families import FAMILIES
from opinionpool.rules.base import AnyRule, Sums
from opinionpool.rules.evidence import Evidence, Outcomes

Array = NDArray[np.float64]


def log_softmax(z: Array) -> Array:
    """Normalised log-probabilities along the last axis; −inf stays."""
    top = z.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))


def make_evidence(
    seed: int,
    m: int = 3,
    n: int = 40,
    k: int = 4,
    *,
    soft: bool = False,
    weighted: bool = False,
    missing: float = 0.0,
    zeros: float = 0.0,
    signal: float = 1.0,
    spread: float = 1.0,
) -> Evidence:
    """Models that each see the labels through noise of their own.

    `missing` is the share of absent outputs, `zeros` the share of cells that are exactly 0
    (never what happened); absent rows hold NaN, so that using one shows.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    z = rng.normal(scale=spread, size=(m, n, k))
    z[:, np.arange(n), y] += signal * rng.uniform(0.3, 1.5, size=(m, 1))
    q = rng.dirichlet(np.ones(k), n) if soft else None
    if soft and zeros:
        q[rng.random((n, k)) < 0.3] = 0.0
        q[np.arange(n), y] += 0.1
        q /= q.sum(axis=1, keepdims=True)
    if zeros:
        happened = np.zeros((n, k), dtype=bool) if q is None else q > 0
        happened[np.arange(n), y] = True
        z[(rng.random((m, n, k)) < zeros) & ~happened] = -np.inf
    log_p = log_softmax(z)
    outcomes = Outcomes(soft=q) if soft else Outcomes(classes=y)
    weight = rng.uniform(0.2, 3.0, n) if weighted else np.ones(n)
    present = fallback = None
    if missing:
        present = rng.random((m, n)) >= missing
        present[rng.integers(0, m, n), np.arange(n)] = True
        log_p = np.where(present[:, :, None], log_p, np.nan)
        fallback = np.full(k, -math.log(k))
    return Evidence(log_p, outcomes, weight, present, fallback)


#: Every kind of evidence a rule meets.
KINDS: dict[str, dict[str, object]] = {
    "hard": {},
    "soft": {"soft": True},
    "weighted": {"weighted": True},
    "vetoes": {"zeros": 0.15},
    "missing": {"missing": 0.3},
    "everything": {"soft": True, "weighted": True, "zeros": 0.15, "missing": 0.3},
}


def evidence_kind(kind: str, seed: int = 7, **more: object) -> Evidence:
    """Evidence of one of the `KINDS`."""
    return make_evidence(seed, **{**KINDS[kind], **more})  # type: ignore[arg-type]


def make_gaussian_evidence(
    seed: int,
    m: int = 3,
    n: int = 40,
    *,
    family: str = "gaussian",
    weighted: bool = False,
    missing: float = 0.0,
    common: bool = False,
    spread: float = 1.0,
) -> Evidence:
    """Models that each see a real outcome through noise, and misjudge how much.

    `common` gives all models of a row one variance; `spread` scales how far apart they are.
    """
    rng = np.random.default_rng(seed)
    y = rng.normal(scale=2.0, size=n)
    sigma = np.exp(spread * rng.normal(scale=0.5, size=(1 if common else m, n)))
    sigma = np.broadcast_to(sigma, (m, n))
    noise = rng.uniform(0.5, 2.0, (m, 1)) * rng.normal(size=(m, n))
    mean = y + spread * noise + 0.3 * rng.normal(size=n)
    if family == "variance":
        y = rng.normal(size=n) * np.exp(0.5 * rng.normal(size=n))
        mean = np.zeros((m, n))
    parameters = np.stack([mean, sigma**2], axis=-1)
    weight = rng.uniform(0.2, 3.0, n) if weighted else np.ones(n)
    present = fallback = None
    if missing:
        present = rng.random((m, n)) >= missing
        present[rng.integers(0, m, n), np.arange(n)] = True
        parameters = np.where(present[:, :, None], parameters, np.nan)
        fallback = np.array([0.0, 4.0])
    return Evidence(parameters, Outcomes(values=y), weight, present, fallback, FAMILIES[family])


#: Every kind of evidence a family of densities meets.
GAUSSIAN_KINDS: dict[str, dict[str, object]] = {
    "gaussian": {},
    "gaussian weighted": {"weighted": True},
    "gaussian common": {"common": True},
    "gaussian missing": {"missing": 0.3, "weighted": True},
    "variance": {"family": "variance", "weighted": True},
    "variance missing": {"family": "variance", "missing": 0.3},
}


def gaussian_kind(kind: str, seed: int = 7, **more: object) -> Evidence:
    """Evidence of one of the `GAUSSIAN_KINDS`."""
    return make_gaussian_evidence(seed, **{**GAUSSIAN_KINDS[kind], **more})  # type: ignore[arg-type]


def total(rule: AnyRule, v: Array, evidence: Evidence) -> Sums:
    """Sums of a rule over all rows, in one block."""
    return rule.evaluate(v, rule.prepare(evidence))


def repeated(evidence: Evidence, counts: NDArray[np.int64]) -> Evidence:
    """Each row as often as it counts, with weight one."""
    rows = np.repeat(np.arange(evidence.n_rows), counts)
    return replace(evidence.take(rows), weight=np.ones(len(rows)))


def derivative(f: Callable[[Array], Array | float], x: Array, h: float = 1e-3) -> Array:
    """Derivatives of f by central differences of fourth order, last axis along x."""
    steps = h * np.eye(len(x))
    return np.stack(
        [
            (8 * (np.asarray(f(x + t)) - f(x - t)) - f(x + 2 * t) + f(x - 2 * t)) / (12 * h)
            for t in steps
        ],
        axis=-1,
    )


#: Error of `derivative` of a loss per row: truncation h⁴ f⁽⁵⁾/30 and rounding ε/h, both generously.
DIFFERENCES = 1e-9


# ---------------------------------------------------------------- naive pools, row by row


def _answered(v: Array, log_p: Array, present: NDArray[np.bool_] | None, n: int) -> list[int]:
    return [a for a in range(len(v)) if present is None or present[a, n]]


def naive_log_row(w: list[float], rows: list[Array], beta: float, vetoing: list[Array]) -> Array:
    """softmax(β Σ w ℓ) of one row; a class that some of `vetoing` give 0 is impossible."""
    k = len(vetoing[0])
    z = []
    for c in range(k):
        if any(row[c] == -math.inf for row in vetoing):
            z.append(-math.inf)
        else:
            z.append(beta * math.fsum(a * row[c] for a, row in zip(w, rows, strict=True)))
    top = max(z)
    if top == -math.inf:
        return np.full(k, -np.inf)
    log_z = top + math.log(math.fsum(math.exp(c - top) for c in z))
    return np.array([c - log_z for c in z])


def naive_linear_row(w: list[float], rows: list[Array], beta: float, _: list[Array]) -> Array:
    """log Σ w p of one row, tempered afterwards."""
    mixture = [
        math.fsum(a * math.exp(row[c]) for a, row in zip(w, rows, strict=True))
        for c in range(len(rows[0]))
    ]
    tempered = [p**beta if p > 0 else 0.0 for p in mixture]
    return np.array([math.log(p / math.fsum(tempered)) if p > 0 else -math.inf for p in tempered])


#: One per rule: a new rule brings its own line here.
NAIVE = {"log": naive_log_row, "linear": naive_linear_row}


def naive_pool(
    rule: str,
    w: Array,
    log_p: Array,
    present: NDArray[np.bool_] | None = None,
    beta: float = 1.0,
    *,
    closure: bool = False,
) -> Array:
    """Pool row by row with Python floats; −inf where nobody with weight answered."""
    _, n, k = log_p.shape
    out = np.full((n, k), -np.inf)
    for row in range(n):
        here = _answered(w, log_p, present, row)
        mass = math.fsum(w[a] for a in here)
        if mass == 0:
            continue
        counting = [a for a in here if w[a] > 0]
        vetoing = here if closure else counting
        out[row] = NAIVE[rule](
            [w[a] / mass for a in counting],
            [log_p[a, row] for a in counting],
            beta,
            [log_p[a, row] for a in vetoing],
        )
    return out


def naive_loss(rule: str, v: Array, evidence: Evidence, *, closure: bool = True) -> float:
    """Sum of losses of v = w/T over rows, row by row."""
    s = float(v.sum())
    pooled = naive_pool(rule, v / s, evidence.parameters, evidence.present, s, closure=closure)
    q = evidence.outcomes.probabilities(evidence.n_parameters)
    lost = []
    for row in range(evidence.n_rows):
        said = pooled[row]
        if said.max() == -np.inf:
            said = evidence.fallback
        lost += [-evidence.weight[row] * q[row, c] * said[c] for c in range(len(said)) if q[row, c]]
    return math.fsum(lost)


def varied(seed: int, *, plain: bool = False) -> Evidence:
    """Evidence of varied shape, difficulty and kind; `plain` for hard labels without zeros."""
    rng = np.random.default_rng(1000 + seed)
    return make_evidence(
        seed,
        m=int(rng.integers(2, 8)),
        n=int(rng.integers(15, 120)),
        k=int(rng.integers(2, 6)),
        soft=seed % 5 == 1 and not plain,
        weighted=seed % 3 == 1,
        zeros=0.1 * (seed % 7 == 2 and not plain),
        signal=float(rng.choice([0.3, 1, 3])),
        spread=float(rng.choice([0.5, 1, 2])),
    )
