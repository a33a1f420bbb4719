"""A threshold: where it is, what it does, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .scores import rows_said
from .text import clean, facts, figure, paragraph, short, table

_COUNTS = (("positive", "tp", "fn"), ("negative", "fp", "tn"))


def threshold_text(result: Mapping[str, Any]) -> str:
    """Show what :func:`opinionpool.threshold` returns."""
    t, positive = result["threshold"], clean(str(result["positive"]))
    head = f"Decide for {positive} when P({positive}) ≥ {_copied(t, *result['interval'])}."
    if math.isinf(t):
        head = f"Never decide for {positive}: no threshold does better."
    lines = [head, "", *facts(_facts(result)), "", *_table(result), ""]
    for note in (_verdict(result), *(f"{n[:1].upper()}{n[1:]}." for n in result["notes"])):
        lines += paragraph(note, indent="  ") if note else []
    lines += paragraph(rows_said(result["rows"]), indent="  ")
    return "\n".join(lines)


def _facts(result: Mapping[str, Any]) -> dict[str, str]:
    low, high = result["interval"]
    name, value = result["metric"], result["value"]
    if name == "cost":
        costs = result["cost"]
        name = "cost per row"
        value = f"{figure(value)} (fp {costs['fp']:g}, fn {costs['fn']:g}), on these rows"
    else:
        value = f"{figure(value)} on these rows"
    tested, bootstrap = result["cross_validated"], result["bootstrap"]
    found = {name: value}
    if tested is not None:
        found["cross-validated"] = (
            f"{figure(tested['value'])}, thresholds chosen on other rows ({tested['how']})"
        )
    found["as good"] = f"thresholds above {_at(low)}, up to {_at(high)}"
    if bootstrap is not None:
        share = f"{100 * bootstrap['level']:g} % of {bootstrap['draws']:,} bootstraps"
        found["moves"] = f"{_at(bootstrap['low'])} to {_at(bootstrap['high'])} ({share})"
    found[f"at {_at(result['reference']['threshold'])}"] = _reference(result)
    return found


def _reference(result: Mapping[str, Any]) -> str:
    said = figure(result["reference"]["value"])
    tested = result["cross_validated"]
    if tested is not None and tested["reference"] != result["reference"]["value"]:
        said += f"; {figure(tested['reference'])} on the rows of the cross-validation"
    if result["metric"] == "cost":
        return f"{said} (best where probabilities are calibrated: fp/(fp + fn))"
    return f"{said} (nothing chosen)"


def _table(result: Mapping[str, Any]) -> list[str]:
    counts, classes = result["counts"], {k: str(result[k]) for k in ("positive", "negative")}
    rows = [[classes[which], _count(counts[yes]), _count(counts[no])] for which, yes, no in _COUNTS]
    decided = [f"decided {clean(classes[which])}" for which in ("positive", "negative")]
    return table(["what happened", *decided], rows)


def _verdict(result: Mapping[str, Any]) -> str:
    """Say whether the threshold is worth its choosing, where there are figures for it."""
    tested = result["cross_validated"]
    if tested is None or "difference" not in tested or not math.isfinite(tested["standard_error"]):
        return ""
    gain, error = -tested["difference"], tested["standard_error"]
    reference = _at(result["reference"]["threshold"])
    by = f"{figure(abs(gain))} per row (standard error {figure(error)})"
    if gain > error:
        return (
            f"On rows that it was not chosen on it costs less than {reference}, by {by}: the "
            "probabilities seem not to be calibrated there."
        )
    if gain > 0:
        return f"On other rows it saves {by}, within the noise; {reference} needs no choosing."
    if gain == 0:
        return f"On other rows it saves nothing; {reference} needs no choosing."
    return f"On other rows it costs more than {reference}, by {by}; that needs no choosing."


def _at(t: float) -> str:
    return short(float(t))


def _copied(t: float, low: float, high: float) -> str:
    """Write a threshold with as few digits as divide the rows the same way.

    Examples
    --------
    >>> _copied(0.2434711, 0.2433, 0.2436)
    '0.2435'
    """
    for digits in range(2, 17):
        text = f"{t:.{digits}g}"
        if low < float(text) <= high:
            return text
    return repr(t)


def _count(weight: float) -> str:
    return figure(int(weight)) if float(weight).is_integer() else figure(float(weight), 2)
