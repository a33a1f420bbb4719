"""Charts of an explanation, drawn by matplotlib into axes that are given.

Every function takes ``(axes, explanation, label)``, where ``label`` turns a model's name into
what is drawn for it. Colours are those of :data:`COLOURS` and no others, so that a page can put
its own in their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .figures_of import finite, heaviest, number, plain, signed

Label = Callable[[str], str]
Explanation = Mapping[str, Any]

#: By role, for light backgrounds.
COLOURS = {
    "ink": "#1c2733",
    "muted": "#5a6776",
    "grid": "#dfe4ea",
    "accent": "#1f6fb2",
    "second": "#c2571a",
    "soft": "#a9c9e6",
    "good": "#217a4b",
    "bad": "#b23a48",
}


def short_label(name: str, most: int = 22) -> str:
    """Return a name that fits beside a chart: its start and its end.

    Examples
    --------
    >>> short_label("a-very-long-name-of-a-model")
    'a-very-lon…-of-a-model'
    """
    if len(name) <= most:
        return name
    head = most // 2 - 1
    return f"{name[:head]}…{name[head + 1 - most :]}"


def weights(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw every model's weight with its interval, the heaviest on top."""
    models = heaviest(explanation["certainty"]["models"])
    for y, m in enumerate(models):
        w = number(m["weight"])
        axes.barh(y, w, height=0.62, color=COLOURS["soft"], zorder=2)
        if m["interval"] is not None and finite(*m["interval"]):
            low, high = m["interval"]
            axes.plot([low, high], [y, y], color=COLOURS["accent"], linewidth=1.6, zorder=3)
        axes.plot(
            [w], [y], marker="o", markersize=4.5, color=COLOURS["accent"], clip_on=False, zorder=4
        )
    _names(axes, [label(m["model"]) for m in models])
    axes.set_xlim(left=-0.012 * axes.get_xlim()[1])
    axes.set_xlabel("weight")


def decomposition(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw error minus ambiguity as a waterfall, below what the pool is compared with."""
    split, head = explanation["decomposition"], explanation["headline"]
    bars: list[tuple[str, float, float, str, str]] = []
    average, single = head["average"], head["best_single"]
    if finite(average.get("loss")):
        loss = average["loss"]
        bars.append(("plain average", 0.0, loss, "grid", plain(loss)))
    if single.get("model") is not None and finite(single.get("loss")):
        loss = single["loss"]
        bars.append(("best single", 0.0, loss, "grid", plain(loss)))
    if split["reason"] is None and finite(split["average_error"], split["ambiguity"]):
        level = number(split["average_error"])
        bars.append(("models' mean loss", 0.0, level, "soft", plain(level)))
        for name, key in (
            ("disagreement", "ambiguity"),
            ("temperature", "temperature_gain"),
            ("scaling of classes", "scaling_gain"),
        ):
            gain = number(split[key])
            if key == "ambiguity" or abs(gain) > 5e-5:
                colour = "good" if gain >= 0 else "bad"
                bars.append((name, level - gain, level, colour, signed(-gain)))
                level -= gain
        bars.append(("the pool", 0.0, level, "accent", plain(level)))
    else:
        loss = number(head["loss"])
        bars.append(("the pool", 0.0, loss, "accent", plain(loss)))
    reach = max((max(abs(b[1]), abs(b[2])) for b in bars), default=1.0)
    for y, (_, low, high, colour, said) in enumerate(bars):
        axes.barh(y, high - low, left=low, height=0.62, color=COLOURS[colour], zorder=2)
        end = max(low, high, 0.0)
        axes.text(end + 0.015 * reach, y, said, va="center", color=COLOURS["ink"], fontsize="small")
    _names(axes, [b[0] for b in bars])
    axes.set_xlim(min(0.0, *(min(b[1], b[2]) for b in bars)), 1.17 * reach)
    axes.set_xlabel("nats per row")


def left_out(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw what the pool would lose without each model, refitted, with intervals."""
    able = [m for m in explanation["contributions"]["models"] if m["left_out"] or m["held_out"]]
    models = heaviest(able)
    for y, m in enumerate(models):
        rise = m["held_out"] or m["left_out"]
        value = number(rise["rise"])
        if not math.isfinite(value):
            continue
        colour = COLOURS["soft"] if value >= 0 else COLOURS["bad"]
        axes.barh(y, value, height=0.62, color=colour, zorder=2)
        if finite(*rise["interval"]):
            axes.plot(rise["interval"], [y, y], color=COLOURS["accent"], linewidth=1.6, zorder=3)
        axes.plot(
            [value], [y], marker="o", markersize=4, color=COLOURS["accent"], clip_on=False, zorder=4
        )
    axes.axvline(0, color=COLOURS["muted"], linewidth=0.8)
    _names(axes, [label(m["model"]) for m in models])
    axes.set_xlabel("rise in loss without it, nats per row")


def reliability(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw the pool's reliability curve; for densities its PIT histogram."""
    own = explanation["calibration"]["pool"]
    reliability_of(axes, own, reach_of([own]))


def reach_of(shown: Iterable[Mapping[str, Any]]) -> float:
    """Return how far the axes of reliability curves have to reach."""
    ends = [max(p["high"], p["predicted"]) for own in shown for p in own.get("reliability") or []]
    return min(1.0, 1.05 * max(ends, default=1.0))


def reliability_of(axes: Any, own: Mapping[str, Any], reach: float = 1.0) -> None:
    """Draw one model's reliability curve over its confidence histogram, or a PIT histogram.

    Axes go from 0 to ``reach``.
    """
    points = own.get("reliability")
    if points is None:
        bars = own.get("pit") or []
        n = max(1, len(bars))
        axes.bar(
            [(i + 0.5) / n for i in range(len(bars))],
            [number(b) * n for b in bars],
            width=0.9 / n,
            color=COLOURS["soft"],
            zorder=2,
        )
        axes.axhline(1, color=COLOURS["muted"], linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlim(0, 1)
        axes.set_xlabel("predicted probability of less than what happened")
        axes.set_ylabel("density")
        return
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=0.8, linestyle=(0, (4, 3)))
    shares = own["confidence"]
    top, n = max(map(number, shares)), len(shares)
    axes.bar(
        [(i + 0.5) / n for i in range(n)],
        [0.25 * reach * number(x) / top for x in shares],
        width=0.9 / n,
        color=COLOURS["grid"],
        zorder=1,
    )
    x = [p["predicted"] for p in points]
    axes.vlines(
        x,
        [p["low"] for p in points],
        [p["high"] for p in points],
        color=COLOURS["soft"],
        linewidth=2.2,
        zorder=2,
    )
    axes.plot(
        x,
        [p["observed"] for p in points],
        color=COLOURS["accent"],
        marker="o",
        markersize=3,
        linewidth=1.2,
        zorder=3,
    )
    axes.set_xlim(0, reach)
    axes.set_ylim(0, reach)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")


def disagreement(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw the matrix of mean divergences between models, like beside like."""
    from matplotlib.colors import to_rgba

    names, matrix, _ = shown_matrix(explanation)
    m = len(names)
    values = [[number(x) for x in row] for row in matrix]
    able = [x for row in values for x in row if math.isfinite(x)]
    top = max(able, default=0.0) or 1.0
    for i, row in enumerate(values):
        for j, x in enumerate(row):
            # Roots: else one far model makes all others look alike.
            depth = 1.0 if not math.isfinite(x) else math.sqrt(max(x, 0.0) / top)
            colour = to_rgba(COLOURS["accent"], 0.04 + 0.96 * depth)
            axes.fill(
                [j - 0.47, j + 0.47, j + 0.47, j - 0.47],
                [i - 0.47, i - 0.47, i + 0.47, i + 0.47],
                facecolor=colour,
                linewidth=0,
            )
    axes.set_xlim(-0.5, m - 0.5)
    axes.set_aspect("equal")
    _names(axes, [label(n) for n in names])
    axes.set_xticks(range(m), [label(n) for n in names], rotation=90, parse_math=False)
    axes.xaxis.tick_top()
    # Rows are that high: smaller text than this cannot be read, larger would overlap.
    axes.tick_params(labelsize=min(9.0, max(5.5, 190 / m)))
    axes.grid(visible=False)
    axes.tick_params(length=0)


def shown_matrix(explanation: Explanation) -> tuple[list[str], list[list[Any]], int]:
    """Return names and divergences of the models that are shown, and how many are not."""
    found = explanation["disagreement"]
    kept = {m["model"] for m in heaviest(explanation["certainty"]["models"])}
    some = [i for i, name in enumerate(found["models"]) if name in kept]
    matrix = [[found["divergence"][i][j] for j in some] for i in some]
    return [found["models"][i] for i in some], matrix, len(found["models"]) - len(some)


def pareto(axes: Any, explanation: Explanation, label: Label = short_label) -> None:
    """Draw the least loss that was found for every number of models, or cost."""
    points = [p for p in explanation["pareto"]["points"] if finite(p["loss"])]
    x, y = [p["cost"] for p in points], [p["loss"] for p in points]
    axes.step(x, y, where="post", color=COLOURS["soft"], linewidth=1.6, zorder=2)
    axes.plot(x, y, "o", markersize=5, color=COLOURS["accent"], zorder=3)
    counted = explanation["pareto"]["cost"] == "models"
    axes.set_xlabel("number of models" if counted else "cost")
    axes.set_ylabel("loss, nats per row")
    if counted:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(0.08)


def _names(axes: Any, names: list[str]) -> None:
    """Put names beside rows 0, 1, … from the top."""
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(max(1, len(names)) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


#: What each chart says to who cannot see it, and what it is made of.
Chart = Callable[[Any, Explanation, Label], None]
