"""The tables of an explanation: heads and rows of text, for pages and for screens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .figures_of import between, heaviest, plain, signed

Explanation = Mapping[str, Any]
#: Rows of a table, at most: a page is for people.
MOST = 200


@dataclass(frozen=True)
class Table:
    """Heads and cells; the first ``left`` columns are words, the others numbers."""

    heads: list[str]
    rows: list[list[str]]
    left: int = 1
    caption: str = ""
    more: int = field(default=0)


def _table(heads: list[str], rows: list[list[str]], left: int = 1, caption: str = "") -> Table:
    return Table(heads, rows[:MOST], left, caption, max(0, len(rows) - MOST))


def decomposition(e: Explanation) -> Table:
    """Return each model's part of error and ambiguity, and the sums."""
    split = e["decomposition"]
    if split["reason"] is not None:
        return _table(
            ["part", "nats per row"], [["loss of the pool", plain(e["headline"]["loss"])]]
        )
    rows = [
        [
            m["model"],
            plain(m["weight"]),
            plain(m["loss"], 5),
            plain(m["weighted_loss"], 5),
            plain(m["ambiguity"], 5),
        ]
        for m in heaviest(split["models"], MOST)
    ]
    rows += [
        ["sum", "", "", plain(split["average_error"], 5), plain(split["ambiguity"], 5)],
        ["− disagreement = pool at T = 1", "", plain(split["loss_untempered"], 5), "", ""],
        ["− temperature", "", signed(split["temperature_gain"], 5), "", ""],
        ["− scaling of classes", "", signed(split["scaling_gain"], 5), "", ""],
        ["= the pool", "", plain(split["loss"], 5), "", ""],
    ]
    heads = ["model", "weight", "own loss", "weight × loss", "disagreement"]
    return _table(heads, rows, caption="Error minus disagreement, nats per row")


def weights(e: Explanation) -> Table:
    """Return weights, standard errors and intervals."""
    rows = [
        [
            m["model"],
            plain(m["weight"]),
            plain(m["standard_error"]),
            between(m["normal_interval"]),
            plain(m["refitted_weight"]),
            between(m["bootstrap_interval"]),
            "-" if m["bootstrap_share"] is None else f"{100 * m['bootstrap_share']:.0f} %",
        ]
        for m in heaviest(e["certainty"]["models"], MOST)
    ]
    heads = ["model", "weight", "std. error", "normal interval", "refitted"]
    heads += ["bootstraps of it", "chosen in"]
    return _table(
        heads,
        rows,
        caption="Weights, and how far they would move on other rows; refitted: on these",
    )


def contributions(e: Explanation) -> Table:
    """Return what each model is worth alone and left out."""
    rows = []
    for m in heaviest(e["contributions"]["models"], MOST):
        out, test = m["left_out"] or {}, m["held_out"] or {}
        rows.append(
            [
                m["model"],
                plain(m["weight"]),
                plain(m["loss_alone"]),
                signed(out.get("rise"), 5),
                plain(out.get("standard_error"), 5),
                signed(test.get("rise"), 5),
                plain(test.get("standard_error"), 5),
            ]
        )
    heads = [
        "model",
        "weight",
        "alone",
        "rise without it",
        "std. error",
        "out of fold",
        "std. error",
    ]
    return _table(heads, rows, caption="Loss alone, and rise of the pool's loss without the model")


def additions(e: Explanation) -> Table:
    """Return the models in the order in which they help most."""
    rows = [
        [
            s["model"],
            str(i + 1),
            plain(s["loss"], 5),
            signed(None if s["gain"] is None else -s["gain"], 5),
            plain(s["standard_error"], 5),
        ]
        for i, s in enumerate(e["additions"]["steps"])
    ]
    heads = ["added", "models", "loss then", "change", "std. error"]
    return _table(heads, rows)


def pareto(e: Explanation) -> Table:
    """Return the front with its weights."""
    rows = []
    for p in e["pareto"]["points"]:
        used = sorted(p["weights"].items(), key=lambda item: -item[1])
        said = ", ".join(f"{name} {w:.3f}" for name, w in used)
        digits = 0 if e["pareto"]["cost"] == "models" else 3
        rows.append(
            [plain(float(p["cost"]), digits), said, plain(p["temperature"], 3), plain(p["loss"], 5)]
        )
    heads = [e["pareto"]["cost"], "weights", "temperature", "loss"]
    return Table(heads, rows, 2, "The least loss that was found at each cost")


def matrix(names: list[str], values: list[list[Any]]) -> Table:
    """Return divergences of the models that are shown."""
    rows = [[name, *(plain(x, 3) for x in row)] for name, row in zip(names, values, strict=True)]
    return _table(["model", *names], rows, caption="Mean symmetric divergence J, nats")


_SCORES: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    "nll": ("NLL", lambda own: own.get("nll")),
    "tempered": ("NLL, own T", lambda own: (own.get("temperature") or {}).get("nll")),
    "temperature": ("own T", lambda own: (own.get("temperature") or {}).get("temperature")),
    "brier": ("Brier", lambda own: own.get("brier")),
    "accuracy": ("accuracy", lambda own: own.get("accuracy")),
    "auc": ("AUC", lambda own: own.get("auc")),
    "ece": ("ECE", lambda own: own.get("ece")),
    "rps": ("RPS", lambda own: own.get("rps")),
    "crps": ("CRPS", lambda own: own.get("crps")),
    "rmse": ("RMSE", lambda own: own.get("rmse")),
    "bias": ("bias", lambda own: own.get("bias")),
    "coverage_50": ("in 50 %", lambda own: own.get("coverage_50")),
    "coverage_90": ("in 90 %", lambda own: own.get("coverage_90")),
}


def scores(e: Explanation) -> Table:
    """Return every model's scores and the pool's, the heaviest model first."""
    found = e["calibration"]
    order = [m["model"] for m in heaviest(e["certainty"]["models"], MOST)]
    named = [("the pool", found["pool"]), *((n, found["models"][n]) for n in order)]
    shown = [k for k, (_, get) in _SCORES.items() if any(get(own) is not None for _, own in named)]
    rows = [
        [name, *(plain(_SCORES[k][1](own)) for k in shown), plain(own["rows"])]
        for name, own in named
    ]
    return _table(["model", *(_SCORES[k][0] for k in shown), "rows"], rows, caption="Scores")


def brier(e: Explanation) -> Table | None:
    """Return the parts of every Brier score."""
    found = e["calibration"]
    order = [m["model"] for m in heaviest(e["certainty"]["models"], MOST)]
    named = [("the pool", found["pool"]), *((n, found["models"][n]) for n in order)]
    rows = [
        [
            name,
            plain(own["brier"]),
            plain(own["brier_split"]["reliability"]),
            plain(own["brier_split"]["resolution"]),
            plain(own["brier_split"]["uncertainty"]),
            plain(own["brier_split"]["within_bin_variance"]),
            plain(own["brier_split"]["within_bin_covariance"]),
        ]
        for name, own in named
        if "brier_split" in own
    ]
    heads = ["model", "Brier", "= reliability", "− resolution", "+ uncertainty"]
    heads += ["+ variance in bins", "− covariance in bins"]
    return _table(heads, rows, caption="Where the Brier scores come from") if rows else None


def curve(own: Mapping[str, Any]) -> Table | None:
    """Return one reliability curve's points."""
    points = own.get("reliability")
    if points is None:
        bars = own.get("pit")
        if not bars:
            return None
        n = len(bars)
        rows = [[f"{i / n:.2f} to {(i + 1) / n:.2f}", plain(b)] for i, b in enumerate(bars)]
        return _table(["probability integral transform", "share of rows"], rows)
    rows = [
        [
            plain(p["predicted"]),
            plain(p["observed"]),
            between([p["low"], p["high"]]),
            f"{p['rows']:,}",
        ]
        for p in points
    ]
    return _table(["confidence", "share right", "interval", "rows"], rows, left=0)


def missing(e: Explanation) -> Table | None:
    """Return patterns of missing outputs and what they cost; None where nothing is missing."""
    found = e["missing"]
    if found["n_patterns"] == 1 and not found["patterns"][0]["absent"]:
        return None
    rows = [
        [
            ", ".join(p["absent"]) or "nobody",
            f"{p['rows']:,}",
            plain(p["loss"]),
            signed(p["cost"], 5) if p["absent"] else "-",
            plain(p["standard_error"], 5),
        ]
        for p in found["patterns"]
    ]
    heads = ["absent", "rows", "loss there", "cost on complete rows", "std. error"]
    return _table(heads, rows, caption="Outputs that are missing together")


def zeros(e: Explanation) -> Table | None:
    """Return exact zeros and floors; None where there are neither."""
    rows = [
        [
            m["model"],
            f"{m['zeros']:,}",
            f"{m['zeros_of_what_happened']:,}",
            f"{float(m['floor']):g}" if m["floor"] else "none",
        ]
        for m in e["zeros"]["models"]
        if m["zeros"] or m["floor"]
    ]
    heads = ["model", "cells that are 0", "rows whose outcome got 0", "floor"]
    return _table(heads, rows, caption="Exact zeros before the floor") if rows else None


def extremes(e: Explanation, which: str) -> Table:
    """Return the rows where the pool is most wrong, or models disagree most."""
    rows = [
        [
            str(r["row"] if r["id"] is None else r["id"]),
            str(r["happened"]) if not isinstance(r["happened"], float) else plain(r["happened"]),
            str(r["predicted"]) if not isinstance(r["predicted"], float) else plain(r["predicted"]),
            str(r["best_model"] or "-"),
            plain(r["loss"], 3),
            plain(r["ambiguity"], 3),
            plain(r["best_loss"], 3),
        ]
        for r in e["row_extremes"][which]
    ]
    heads = [
        "row",
        "happened",
        "pool said",
        "best model",
        "pool's loss",
        "disagreement",
        "its loss",
    ]
    return Table(heads, rows, 4)


def duplicates(e: Explanation) -> Table | None:
    """Return groups of models that say nearly the same."""
    rows = [
        [
            ", ".join(d["models"]),
            plain(d["weight"]),
            plain(d["standard_error"]),
            between(d["bootstrap_interval"]),
        ]
        for d in e["certainty"]["duplicates"]
    ]
    heads = ["models", "joint weight", "std. error", "bootstrap interval"]
    return _table(heads, rows, caption="Near-duplicates") if rows else None


def towards_uniform(e: Explanation) -> Table | None:
    """Return the loss on the way to equal weights."""
    rows = [
        [f"{100 * p['share']:.0f} %", plain(p["loss"], 5)]
        for p in e["certainty"]["towards_uniform"]
    ]
    heads = ["of the way to equal weights", "loss"]
    return _table(heads, rows, caption="Shrinking the weights") if rows else None
