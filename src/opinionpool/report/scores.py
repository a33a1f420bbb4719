"""Scores of every model and of the pool as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .split import split_lines
from .text import count, figure, paragraph, table

_HEADS = {"nll": "NLL", "brier": "Brier", "accuracy": "accuracy", "ece": "ECE", "rps": "RPS"}
_DENSITY_HEADS = {
    "nll": "NLL",
    "crps": "CRPS",
    "rmse": "RMSE",
    "bias": "bias",
    "coverage_50": "in 50 %",
    "coverage_90": "in 90 %",
}
#: The Brier scores of this many models are split, those of the best.
_FEW = 8

_Named = list[tuple[str, Mapping[str, Any]]]


def scores_text(result: Mapping[str, Any]) -> str:
    """Show what :func:`opinionpool.score` returns, the best model first."""
    models = sorted(result["models"].items(), key=lambda item: item[1].get("nll", float("inf")))
    pool = [("THE POOL", result["pool"])] if "pool" in result else []
    ordered = "classes" in result
    densities = any("crps" in own for _, own in models + pool)
    heads = {key: head for key, head in _HEADS.items() if key != "rps" or ordered}
    heads = _DENSITY_HEADS if densities else heads
    rows = [
        [name, *(figure(own.get(key)) for key in heads), figure(own["rows"])]
        for name, own in models + pool
    ]
    lines = table(["model", *heads.values(), "rows"], rows)
    lines += _brier(models, pool)
    if pool:
        lines += ["", "  Nats per row:", *split_lines(result["pool"]["decomposition"])]
    lines += ["", *paragraph(rows_said(result["rows"]), indent="  ")]
    said = (
        "NLL in nats per row; Brier from 0 to 2; ECE of the top class in 15 bins of equal mass. "
        "Smaller is better, but for accuracy."
    )
    if densities:
        said = (
            "NLL in nats per row, CRPS, RMSE and bias in units of the labels; the last are the "
            "shares of labels inside the central intervals of that mass."
        )
    if ordered:
        order = ", ".join(map(str, result["classes"]))
        said += f" RPS from 0 to {len(result['classes']) - 1}, for the order {order}."
    lines += paragraph(said, indent="  ")
    return "\n".join(lines)


def _brier(models: _Named, pool: _Named) -> list[str]:
    """Split the Brier scores of the pool and of the best models."""
    able = [(name, own["brier_split"]) for name, own in models + pool if "brier_split" in own]
    shown = able if len(able) <= _FEW + len(pool) else able[:_FEW] + able[len(able) - len(pool) :]
    if not shown:
        return []
    rows = [
        [
            name,
            figure(split["reliability"]),
            figure(split["resolution"]),
            figure(split["uncertainty"]),
            figure(split["within_bin_variance"] - split["within_bin_covariance"]),
        ]
        for name, split in shown
    ]
    heads = ["model", "reliability", "− resolution", "+ uncertainty", "+ within bins"]
    more = len(able) - len(shown)
    return [
        "",
        "  Brier, in 15 bins of equal mass per class:",
        *table(heads, rows),
        *([f"  and {count(more, 'model')} more"] if more else []),
    ]


def rows_said(rows: Mapping[str, int]) -> str:
    """Say how many rows were used, left out, or touched by a policy."""
    said = [count(rows["rows"], "labelled row")]
    if rows.get("rows_unlabelled"):
        said.append(f"{rows['rows_unlabelled']:,} without a label left out")
    if rows.get("rows_unanswered"):
        said.append(f"{rows['rows_unanswered']:,} without an output left out")
    if rows.get("rows_with_missing"):
        said.append(f"{rows['rows_with_missing']:,} with a missing output")
    if rows.get("rows_fallback"):
        said.append(f"{rows['rows_fallback']:,} answered by the fallback")
    return "; ".join(said) + "."
