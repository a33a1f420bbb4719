"""The cards of the page: what each says, its chart, and the chart's figures as tables."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import charts, tables_of
from .figures_of import finite, heaviest, plain
from .svg import draw, draw_many
from .tables_of import Table
from .text import count

Explanation = Mapping[str, Any]
#: Reliability curves beside the pool's: those of the heaviest models.
PANELS = 5
_ROW = 17.5  # points per bar


@dataclass(frozen=True)
class Section:
    """One card: what it says, its chart, and the chart's figures as tables."""

    id: str
    title: str
    text: str = ""
    chart: Any = ""
    tables: list[Table] = field(default_factory=list)
    summary: str = "The figures"
    wide: bool = False
    code: list[dict[str, str]] = field(default_factory=list)


def sections_of(explanation: Explanation) -> list[Section]:
    """Return the cards of an explanation, in order, without those that have nothing to say."""
    return [s for make in _SECTIONS if (s := make(explanation)) is not None]


def _height(n: int) -> float:
    return 46 + _ROW * max(1, n)


def _unseen(n: int) -> str:
    """Say how many models a chart leaves out."""
    return f" {count(n, 'model')} of less weight not shown." if n > 0 else ""


def _decomposition(e: Explanation) -> Section:
    split = e["decomposition"]
    text = "The models' mean loss, less what they gain by disagreeing, less the temperature's gain."
    if split["reason"] is None and finite(split["pairs"].get("missed")):
        text += (
            f" Pairwise divergences explain {plain(split['pairs']['approximation'])} of the "
            f"disagreement; {plain(split['pairs']['missed'])} is of higher order."
        )
    chart = draw(
        charts.decomposition, e, height=_height(7), key="split", title="Where the loss comes from"
    )
    return Section("split", "Where the gain comes from", text, chart, [tables_of.decomposition(e)])


def _weights(e: Explanation) -> Section:
    models = heaviest(e["certainty"]["models"])
    sure = e["certainty"]
    drawn = sure["bootstrap"]
    text = f"Weights with {100 * e['level']:g} % intervals"
    if sure["of_refits"]:
        text = "Weights as they were fitted. How far weights move on these rows is in the figures."
    elif sure["normal"]["valid"]:
        text += " from the sandwich covariance."
    elif drawn["method"]:
        text += f" from {drawn['draws']} bootstraps ({drawn['method']})."
    else:
        text = f"Weights, without intervals: {sure['normal']['reason']}; {drawn['reason']}."
    text += _unseen(len(sure["models"]) - len(models))
    chart = draw(
        charts.weights, e, height=_height(len(models)), key="weights", title="Weights by model"
    )
    tables = [tables_of.weights(e), tables_of.duplicates(e), tables_of.towards_uniform(e)]
    return Section("weights", "Weights", text, chart, [t for t in tables if t is not None])


def _worth(e: Explanation) -> Section:
    found = e["contributions"]
    if found["reason"] is not None:
        return Section("worth", "What each model is worth", f"No figures: {found['reason']}.")
    able = [m for m in found["models"] if m["left_out"] or m["held_out"]]
    if not able:
        return Section("worth", "What each model is worth", "There is only one model.")
    out_of_fold = found["held_out"]["reason"] is None
    text = "How much the loss rises when a model is left out and the others are refitted, "
    text += "on rows that were not fitted." if out_of_fold else "on these rows."
    text += _unseen(len(able) - len(heaviest(able)))
    chart = draw(
        charts.left_out,
        e,
        height=_height(len(heaviest(able))),
        key="worth",
        title="Rise in loss without each model",
    )
    tables = [tables_of.contributions(e)]
    return Section("worth", "What each model is worth", text, chart, tables)


def _reliability(e: Explanation) -> Section:
    found = e["calibration"]
    order = [m["model"] for m in heaviest(e["certainty"]["models"], PANELS)]
    panels = {
        "the pool": found["pool"],
        **{n: found["models"][n] for n in order if found["models"][n]["reason"] is None},
    }
    classes = found["pool"].get("reliability") is not None
    text = (
        "How often the most probable class happened, in bins of equal mass; bars below show how "
        "often each confidence occurs. On the dashed line probabilities are what they say."
        if classes
        else "Where outcomes fall in the predicted distributions: flat where the spread is right, "
        "a U where predictions are too sure."
    )
    reach = charts.reach_of(panels.values())
    chart = draw_many(
        panels,
        lambda axes, own: charts.reliability_of(axes, own, reach),
        columns=3,
        key="reliability",
        title="Reliability by model",
    )
    tables = []
    for name, own in panels.items():
        t = tables_of.curve(own)
        if t is not None:
            tables.append(Table(t.heads, t.rows, t.left, name))
    return Section("reliability", "Calibration", text, chart, tables, wide=True)


def _disagreement(e: Explanation) -> Section | None:
    names, matrix, rest = charts.shown_matrix(e)
    if len(names) < 2:
        return None
    text = (
        "Mean divergence of every pair of models, like beside like; the stronger the colour, "
        "the further apart."
    )
    text += _unseen(rest)
    side = 120 + 10 * len(names)
    chart = draw(
        charts.disagreement,
        e,
        height=max(150.0, min(side, 350.0)),
        key="matrix",
        title="Divergence between models",
    )
    return Section(
        "matrix", "Who disagrees with whom", text, chart, [tables_of.matrix(names, matrix)]
    )


def _pareto(e: Explanation) -> Section | None:
    found = e["pareto"]
    if len(found["points"]) < 2:
        return None
    what = "models" if found["cost"] == "models" else "cost"
    text = (
        f"The least loss found for each number of {what}, weights refitted "
        f"({found['searched']}, {found['tried']:,} pools tried)."
    )
    chart = draw(charts.pareto, e, height=190, key="pareto", title=f"Loss against {what}")
    return Section("pareto", "Fewer models", text, chart, [tables_of.pareto(e)])


def _additions(e: Explanation) -> Section | None:
    found = tables_of.additions(e)
    if len(found.rows) < 2:
        return None
    text = "The best model alone, then whichever helps most; all weights refitted each time."
    return Section("additions", "Models added one at a time", text, tables=[found])


def _scores(e: Explanation) -> Section:
    tables = [tables_of.scores(e)]
    parts = tables_of.brier(e)
    if parts is not None:
        tables.append(parts)
    return Section(
        "scores",
        "Every figure",
        "Members as the pool sees them, after floors. NLL in nats per row; own T is the "
        "temperature that would suit a model best, and what its NLL would be.",
        tables=tables,
        wide=True,
    )


def _absences(e: Explanation) -> Section | None:
    tables = [t for t in (tables_of.missing(e), tables_of.zeros(e)) if t is not None]
    if not tables:
        return None
    return Section("absences", "Missing outputs and zeros", tables=tables, wide=True)


def _rows(e: Explanation) -> Section:
    wrong, apart = (tables_of.extremes(e, k) for k in ("most_wrong", "most_disagreed"))
    tables = [
        Table(wrong.heads, wrong.rows, wrong.left, "Where the pool is most wrong"),
        Table(apart.heads, apart.rows, apart.left, "Where the models disagree most"),
    ]
    return Section("rows", "Rows worth looking at", tables=tables, wide=True)


def how_to_apply(e: Explanation, path: str) -> Section:
    """Return the lines that pool new predictions."""
    names = e["pool"]["models"]
    files = " ".join(f"{_shell(n)}" for n in names[:3]) + (" …" if len(names) > 3 else "")
    given = ", ".join(f"{n!r}: …" for n in names[:3]) + (", …" if len(names) > 3 else "")
    return Section(
        "apply",
        "How to apply the pool",
        code=[
            {
                "label": "in a shell",
                "text": f"opinionpool apply {path} {files} -o pooled.parquet",
            },
            {
                "label": "in Python",
                "text": f"import opinionpool as op\n\npool = op.load({path!r})\n"
                f"p = pool.apply({{{given}}})",
            },
        ],
        wide=True,
    )


def _shell(name: str) -> str:
    return shlex.quote(f"{name}=FILE")


_SECTIONS: list[Callable[[Explanation], Section | None]] = [
    _decomposition,
    _pareto,
    _weights,
    _worth,
    _disagreement,
    _additions,
    _reliability,
    _scores,
    _absences,
    _rows,
]
