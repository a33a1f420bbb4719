"""Scores of every model and of the pool as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .split import split_lines
from .text import count, figure, paragraph, table

_SCORES = ("nll", "brier", "accuracy", "ece")


def scores_text(result: Mapping[str, Any]) -> str:
    """Show what :func:`opinionpool.score` returns, the best model first."""
    models = sorted(result["models"].items(), key=lambda item: item[1].get("nll", float("inf")))
    rows = [_row(name, own) for name, own in models]
    if "pool" in result:
        rows.append(_row("THE POOL", result["pool"]))
    lines = table(["model", "NLL", "Brier", "accuracy", "ECE", "rows"], rows)
    if "pool" in result:
        lines += ["", "  Nats per row:", *split_lines(result["pool"]["decomposition"])]
    lines += ["", *paragraph(_rows(result["rows"]), indent="  ")]
    lines += paragraph(
        "NLL in nats per row; Brier from 0 to 2; ECE of the top class in 15 bins of equal mass. "
        "Smaller is better, but for accuracy.",
        indent="  ",
    )
    return "\n".join(lines)


def _row(name: str, own: Mapping[str, Any]) -> list[str]:
    return [name, *(figure(own.get(key)) for key in _SCORES), figure(own["rows"])]


def _rows(rows: Mapping[str, int]) -> str:
    said = [count(rows["rows"], "labelled row")]
    if rows.get("rows_unlabelled"):
        said.append(f"{rows['rows_unlabelled']:,} without a label left out")
    if rows.get("rows_with_missing"):
        said.append(f"{rows['rows_with_missing']:,} with a missing output")
    if rows.get("rows_fallback"):
        said.append(f"{rows['rows_fallback']:,} answered by the fallback")
    return "; ".join(said) + "."
