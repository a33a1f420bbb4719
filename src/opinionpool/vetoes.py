"""Exact zeros that no weights can mend: found, counted, and blamed on the models behind them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .errors import DistributionError, VetoError
from .families.lazy import Lazy, logits_in
from .rules.base import AnyRule
from .rules.evidence import Evidence

#: design.md: what ``floor="auto"`` puts in place of exact zeros.
AUTO_FLOOR = 1e-6


def auto_floor(n_classes: int) -> float:
    """Return the floor of ``"auto"``: 1e-6, or a hundredth of an equal share where that is less."""
    return min(AUTO_FLOOR, 0.01 / n_classes)


def check_vetoes(
    rule: AnyRule,
    evidence: Evidence,
    names: tuple[str, ...],
    counting: NDArray[np.bool_],
    rows: NDArray[np.int64],
) -> None:
    """Refuse evidence on which the pool of the counting models has an infinite loss.

    Under the log rule that is a row whose outcome some model gives 0; under the linear rule
    one whose outcome every model gives 0. ``rows`` are the rows' numbers for the message.
    """
    if isinstance(evidence.parameters, Lazy) and evidence.parameters.zeros == 0:
        return
    zero = _zero_at_outcome(evidence)[counting]
    zero &= evidence.weight > 0  # a row that does not count may hold anything
    if not zero.any():
        return
    if evidence.present is not None:
        here = evidence.present[counting]
        zero |= ~here & (not rule.vetoes)
        zero &= here.any(axis=0)
    ruled_out = np.asarray(zero.any(axis=0) if rule.vetoes else zero.all(axis=0))
    if ruled_out.any():
        who = np.array(names, dtype=object)[counting]
        size = evidence.n_parameters
        if not evidence.family.rules_out:
            raise DistributionError(
                f"{int(ruled_out.sum())} label(s) are so far from the predictions that their "
                f"density is 0 even as a logarithm, the first in row {rows[ruled_out].min()}; "
                f"models behind it: {', '.join(who[zero[:, ruled_out].any(axis=1)])}. Are means, "
                "variances and labels in the same unit?"
            )
        raise veto_error(who, zero, ruled_out, rows, size, "rule out what happened")


def _zero_at_outcome(evidence: Evidence) -> NDArray[np.bool_]:
    """Return which model gives what happened no chance, (M, N)."""
    classes = evidence.outcomes.classes
    if classes is None or not isinstance(evidence.parameters, Lazy):
        return np.isneginf(evidence.log_likelihood())
    zero = np.empty((evidence.n_models, evidence.n_rows), dtype=bool)
    for rows, arrays in logits_in(evidence.parameters, evidence.threads):
        y = classes[rows]
        for own, x in zip(zero, arrays, strict=True):
            own[rows] = np.isneginf(x[np.arange(len(y)), y])
    return zero


def veto_error(
    names: Iterable[str],
    zero: NDArray[np.bool_],
    ruled_out: NDArray[np.bool_],
    rows: NDArray[np.int64],
    n_classes: int,
    consequence: str,
) -> VetoError:
    """Describe rows that exact zeros make impossible, and what to do about it.

    ``zero`` says which model has a zero in which row, (M, n); ``ruled_out`` which rows are
    impossible, (n,); ``rows`` are their numbers.
    """
    behind = [
        f"{name} ({int((own & ruled_out).sum())})"
        for name, own in zip(names, zero, strict=True)
        if (own & ruled_out).any()
    ]
    return VetoError(
        f"exact zeros {consequence} in {int(ruled_out.sum())} row(s), the first being row "
        f"{rows[ruled_out].min()}; models behind it, with their rows: {', '.join(behind)}. Use "
        f"a floor, such as floor={auto_floor(n_classes):g} (or 'auto' for the log rule), or leave "
        "these models out"
    )
