"""The tables of ``penalties.py``: summaries, one row per set and size, and leaving a set out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Record = dict[str, Any]

SHOWN = (
    *("scale 0", "scale 3", "scale 10", "scale 30", "(10, 0.15)", "(3, 0.5)", "cv", "cv, 1 to 10"),
    *("cv, averaged 1 to 30", "evidence (face)", "evidence (orthant)", "equal, T fitted"),
)
WEEKLY = ("rows per group", "cv by group", "cv by group, averaged 1 to 30")
CONSTANTS = re.compile(r"scale [\d.]+|\([\d.]+, [\d.]+\)")
HEADER = ("choice", "mean change, %", "better", "worse", "mean rank", "worst regret")


def print_tables(results: list[Record]) -> None:
    """Print everything in Markdown."""
    main = [r for r in results if r["pool"] == "log, T fitted"]
    parts = {
        "independent rows": [r for r in main if r["draw"] == "rows"],
        "whole weeks": [r for r in main if r["draw"] == "weeks"],
        "runs of weeks": [r for r in main if r["draw"] == "runs"],
    }
    for title, records in parts.items():
        if not records:
            continue
        print(f"\n## Log rule, T fitted: {title}\n")
        print_summary(records)
        print()
        print_details(records, SHOWN if title == "independent rows" else SHOWN + WEEKLY)
    print("\n## Constants chosen on the other sets\n")
    print_left_out(parts["independent rows"])
    print("\nThe same, weeks among them:\n")
    print_left_out(parts["independent rows"] + parts["whole weeks"])
    for pool in ("log, T = 1", "linear, T = 1"):
        for draw in ("rows", "weeks"):
            records = [r for r in results if r["pool"] == pool and r["draw"] == draw]
            if records:
                print(f"\n## {pool}: {'independent rows' if draw == 'rows' else 'whole weeks'}\n")
                print_summary(records)
    print("\n## Seconds per fit, mean over everything\n")
    for name in ("auto", "cv", "evidence"):
        print(f"- {name}: {np.mean([r['seconds'][name] for r in main]):.3f}")


def differences(records: list[Record], name: str) -> tuple[Array, Array]:
    """Return mean difference from "auto" and its standard error over subsets, per record."""
    d = [np.subtract(r["losses"][name], r["losses"]["auto"]) for r in records]
    mean = np.array([x.mean() for x in d])
    return mean, np.array([x.std(ddof=1) / np.sqrt(len(x)) for x in d])


def print_summary(records: list[Record]) -> None:
    """Print one row per choice: how it does against "auto" over sets and sizes."""
    names = [n for n in records[0]["losses"] if n not in ("scale 1", "(3, 0.15)")]
    loss = np.array([[np.mean(r["losses"][n]) for n in names] for r in records])
    auto = loss[:, names.index("auto")]
    change = 100 * (loss.T / auto - 1).mean(axis=1)
    # Ties (a choice that is another one) share their rank.
    rank = (loss[:, :, None] > loss[:, None, :] + 1e-12).sum(axis=2).mean(axis=0) + 1
    regret = (loss - loss.min(axis=1, keepdims=True)).max(axis=0)
    print("| " + " | ".join(HEADER) + " |")
    print("|---" * len(HEADER) + "|")
    for j in np.argsort(change):
        mean, error = differences(records, names[j])
        better, worse = int((mean < -2 * error).sum()), int((mean > 2 * error).sum())
        print(
            f"| {names[j]} | {change[j]:+.2f} | {better} | {worse} | {rank[j]:.1f} "
            f"| {regret[j]:.4f} |"
        )


def print_details(records: list[Record], shown: tuple[str, ...]) -> None:
    """Print the loss of "auto" and the others' differences, with standard errors, in 1e-4 nats."""
    print("| set | rows | auto | " + " | ".join(shown) + " |")
    print("|---" * (len(shown) + 3) + "|")
    columns = [differences(records, name) for name in shown]
    for number, r in enumerate(records):
        cells = [f"{1e4 * mean[number]:+.0f} ± {1e4 * se[number]:.0f}" for mean, se in columns]
        loss = np.mean(r["losses"]["auto"])
        print(f"| {r['set']} | {r['rows']} | {loss:.4f} | " + " | ".join(cells) + " |")


def print_left_out(records: list[Record]) -> None:
    """Print, per set, the constants of least mean relative loss on the others, and what they do."""
    names = [n for n in records[0]["losses"] if CONSTANTS.fullmatch(n)]
    change = np.array([differences(records, n)[0] for n in names])
    change /= [np.mean(r["losses"]["auto"]) for r in records]
    sets = np.array([f"{r['set']}, {r['draw']}" for r in records])
    # A set drawn in two ways, or two seasons of one challenge, would vouch for each other.
    family = np.array([r["set"].split("_")[0] if "flu" in r["set"] else r["set"] for r in records])
    print("| left out | chosen on the others | change there, % | change on what was left out, % |")
    print("|---|---|---|---|")
    unseen = []
    for one in dict.fromkeys(sets):
        out = sets == one
        others = family != family[out][0]
        if not others.any():
            continue
        each = [others & (sets == s) for s in dict.fromkeys(sets[others])]
        score = np.mean([change[:, rows].mean(axis=1) for rows in each], axis=0)
        best = int(score.argmin())
        unseen.append(100 * change[best, out].mean())
        print(f"| {one} | {names[best]} | {100 * score[best]:+.2f} | {unseen[-1]:+.2f} |")
    if unseen:
        print(f"| mean | | | {np.mean(unseen):+.2f} |")
