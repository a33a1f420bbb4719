"""An explanation as one screen of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import tables_of
from .figures_of import finite, plain, signed
from .text import count, paragraph, short, table

#: Models on the screen, at most; the report has all.
_FEW = 12


def explanation_text(explanation: Mapping[str, Any]) -> str:
    """Show the headline, where it comes from, every model's part, and what to be wary of."""
    e = explanation
    pool = e["pool"]
    lines = [
        f"Pool of {count(len(pool['models']), 'model')} on {count(e['rows']['rows'], 'row')}: "
        f"{plain(e['headline']['loss'])} nats per row",
        "",
        *_headline(e),
        "",
        *_split(e),
        "",
        *_models(e),
    ]
    wary = remarks(e)
    if wary:
        lines.append("")
        for remark in wary:
            lines += paragraph(f"- {remark}", indent="  ")
    return "\n".join(lines)


def _headline(e: Mapping[str, Any]) -> list[str]:
    lines = []
    for words, found in gains(e):
        if found["gain"] is None or not finite(found["gain"]):
            lines += paragraph(
                f"{words}: no figure, {found.get('reason') or 'infinite'}", indent="  "
            )
            continue
        lines += paragraph(
            f"{words} ({plain(found['loss'])}): {signed(-found['gain'])} ± "
            f"{plain(found['standard_error'])} nats per row",
            indent="  ",
        )
    return lines


def gains(e: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what the pool is compared with, in words, and the figures."""
    single, average = e["headline"]["best_single"], e["headline"]["average"]
    name = f", {single['model']}" if single["model"] is not None else ""
    return [
        (f"against the best single model{name}", single),
        ("against the plain average", average),
    ]


def _split(e: Mapping[str, Any]) -> list[str]:
    split = e["decomposition"]
    if split["reason"] is not None or not finite(split["average_error"], split["ambiguity"]):
        return ["  There is no split of the loss: a model's own loss is infinite."]
    parts = [
        ("models' mean loss", plain(split["average_error"])),
        ("− their disagreement", plain(split["ambiguity"])),
        ("− gain of the temperature", plain(split["temperature_gain"])),
        ("= loss of the pool", plain(split["loss"])),
    ]
    if split["scaling_gain"]:
        parts.insert(3, ("− gain of scaling the classes", plain(split["scaling_gain"])))
    width = max(len(value) for _, value in parts)
    return [f"  {words:<31} {value.rjust(width)}" for words, value in parts]


def _models(e: Mapping[str, Any]) -> list[str]:
    weights, worth = tables_of.weights(e), tables_of.contributions(e)
    known = {row[0]: row for row in worth.rows}
    best = {m["model"]: m["interval"] for m in e["certainty"]["models"]}
    rows = []
    for row in weights.rows[:_FEW]:
        other = known.get(row[0])
        interval = best[row[0]]
        rows.append(
            [
                row[0] if len(row[0]) <= 30 else f"{row[0][:14]}…{row[0][-15:]}",
                row[1],
                "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}",
                row[6],
                *(["-"] * 3 if other is None else [other[2], other[3], other[4]]),
            ]
        )
    heads = ["model", "weight", "interval", "chosen", "alone", "without it", "std. error"]
    lines = table(heads, rows)
    left = len(e["pool"]["models"]) - len(rows)
    if left > 0:
        lines.append(f"  and {count(left, 'model')} of less weight")
    return lines


def remarks(e: Mapping[str, Any]) -> list[str]:
    """Return what whoever trusts the pool should know, in sentences."""
    pool, sure = e["pool"], e["certainty"]
    said = [f"{pool['status']}: {pool['sentence']}"]
    if finite(pool["gap"]):
        said.append(f"gap: at most {short(pool['gap'])} nats per row above the optimum")
    if sure["warning"]:
        said.append(sure["warning"])
    if not sure["normal"]["valid"] and not sure["of_refits"]:
        said.append(f"intervals from bootstraps, or none: {sure['normal']['reason']}")
    for d in sure["duplicates"]:
        names = ", ".join(d["models"])
        said.append(
            f"{names} say nearly the same: their joint weight, {plain(d['weight'], 3)}, "
            "says more than theirs apart"
        )
    held = e["contributions"].get("held_out")
    if held and held["reason"] is None:
        said.append(f"out of fold ({e['rows']['errors']}) the pool's loss is {plain(held['loss'])}")
    return said + list(e["notes"])
