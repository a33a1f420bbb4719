"""Reading one model's input: log-probabilities, who answered, and what apply would refuse.

The same decisions as ``predictions.kinds`` and ``predictions.gaussians``, with one difference: a
graph cannot raise an error. Rows that ``Pool.apply`` would refuse are marked, to become NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...predictions.kinds import CELL_SLACK, SUM_SLACK
from .graph import Graph

#: Where 1 − exp(l) has lost digits and its series has not.
_SMALL = 1e-4


@dataclass(frozen=True)
class Read:
    """One model's rows: what they say (N, P), who answered and what is right (N, 1)."""

    values: str
    present: str
    right: str


def read_presence(g: Graph, cells: str, width: int, mask: str | None) -> tuple[str, str]:
    """Return which rows are answered and which are whole: no NaN, or nothing but."""
    absent = g.count(g("IsNaN", cells), 1)
    answered = g("Less", absent, g.number(0.5))
    whole = g("Or", answered, g("Greater", absent, g.number(width - 0.5)))
    if mask is not None:
        answered, whole = g("And", answered, mask), g("Or", whole, g("Not", mask))
    return answered, whole


def read_classes(
    g: Graph,
    given: str,
    kind: str,
    width: int,
    *,
    renormalise: bool,
    mask: str | None,
    turned: bool,
) -> Read:
    """Read (N, K) cells of a kind, or one column for two classes, as log-probabilities.

    ``turned`` says that a single column is the first class, not the second.
    """
    given = g.cast(given)
    present, whole = read_presence(g, given, width, mask)
    harmless = {"logits": 0.0, "probabilities": 1.0 / max(width, 2)}
    blank = harmless.get(kind, -np.log(max(width, 2)))
    cells = g.where(present, given, g.number(blank))
    # What runtimes make of the NaN that +inf becomes, in Max for one, is their own affair.
    right = [whole, g("Not", g.any(g("IsInf", cells, detect_negative=0), 1))]
    if kind == "probabilities":
        log_p = _probabilities(g, cells, width, right, renormalise)
    elif kind == "log-probabilities":
        log_p = _log_probabilities(g, cells, width, right, renormalise)
    else:
        log_p = _logits(g, cells, width, right)
    if turned and width == 1:
        log_p = g("Gather", log_p, g.integers([1, 0]), axis=1)
    return Read(log_p, present, g.every(right))


def _probabilities(g: Graph, cells: str, width: int, right: list[str], renormalise: bool) -> str:
    right.append(_none(g, g("Less", cells, g.number(-CELL_SLACK))))
    if not renormalise or width == 1:
        right.append(_none(g, g("Greater", cells, g.number(1 + CELL_SLACK))))
    p = g("Max", cells, g.number(0.0))
    if width == 1:
        p = g("Min", p, g.number(1.0))
        return g("Concat", g("Log", g("Sub", g.number(1.0), p)), g("Log", p), axis=1)
    total = g.sum(p, 1)
    right.append(_sum_right(g, total, renormalise))
    return g("Sub", g("Log", p), g("Log", g.where(right[-1], total, g.number(1.0))))


def _log_probabilities(
    g: Graph, cells: str, width: int, right: list[str], renormalise: bool
) -> str:
    if not renormalise or width == 1:
        right.append(_none(g, g("Greater", cells, g.number(CELL_SLACK))))
    if width == 1:
        ell = g("Min", cells, g.number(0.0))
        return g("Concat", g("Log", _one_minus_exp(g, ell)), ell, axis=1)
    possible = _possible(g, cells, right)
    right.append(_sum_right(g, g.sum(g("Exp", cells), 1), renormalise))
    return g.log_softmax(possible)


def _logits(g: Graph, cells: str, width: int, right: list[str]) -> str:
    if width == 1:
        zeros = g.cast(g("Not", g("Equal", cells, cells)))  # no cell is NaN any more
        return g.log_softmax(g("Concat", zeros, cells, axis=1))
    return g.log_softmax(_possible(g, cells, right))


def _one_minus_exp(g: Graph, ell: str) -> str:
    """Return ``1 − exp(l)`` for l ≤ 0; ONNX has no expm1."""
    series = g.number(1 / 24)
    for coefficient in (1 / 6, 1 / 2, 1.0):
        series = g("Add", g.number(coefficient), g("Mul", series, ell))
    small = g("Mul", g("Neg", ell), series)
    plain = g("Sub", g.number(1.0), g("Exp", ell))
    return g.where(g("Greater", ell, g.number(-_SMALL)), small, plain)


def _possible(g: Graph, cells: str, right: list[str]) -> str:
    """Mark rows in which every class is −inf, and put something finite there."""
    right.append(g.any(g("Not", g.is_zero(cells)), 1))
    return g.where(right[-1], cells, g.number(0.0))


def _sum_right(g: Graph, total: str, renormalise: bool) -> str:
    if renormalise:
        return g("Greater", total, g.number(0.0))
    off = g("Abs", g("Sub", total, g.number(1.0)))
    return g("LessOrEqual", off, g.number(SUM_SLACK))


def _none(g: Graph, wrong: str) -> str:
    return g("Not", g.any(wrong, 1))


def read_moments(g: Graph, given: str, kind: str, width: int, mask: str | None) -> Read:
    """Read (N, 2) means and spreads, or (N, 1) spreads, as means and variances (N, 2)."""
    given = g.cast(given)
    present, whole = read_presence(g, given, width, mask)
    cells = g.where(present, given, g.number(1.0))
    spread = g("Gather", cells, g.integers([width - 1]), axis=1)
    variance = spread if kind == "variance" else g("Mul", spread, spread)
    limits = np.finfo(g.precision)
    right = [
        whole,
        _none(g, g("IsInf", cells)),
        g("Greater", spread, g.number(0.0)),
        g("GreaterOrEqual", variance, g.number(limits.tiny)),
        g("LessOrEqual", variance, g.number(limits.max / 8)),
    ]
    mean = g("Gather", cells, g.integers([0]), axis=1)
    if width == 1:
        mean = g("Mul", g.number(0.0), g.where(right[1], mean, g.number(0.0)))
    # An absent model's mean is 0, as in families/gaussian.py.
    mean = g.where(present, mean, g.number(0.0))
    return Read(g("Concat", mean, variance, axis=1), present, g.every(right))
