"""An explanation as one page that opens anywhere: nothing to load, charts as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .explanation import gains, remarks
from .figures_of import finite, plain, signed
from .sections import Section, how_to_apply, sections_of
from .text import count

TEMPLATES = Path(__file__).parent / "templates"

Explanation = Mapping[str, Any]


def explanation_html(explanation: Explanation, *, apply_to: str = "pool.json") -> str:
    """Return the page.

    Parameters
    ----------
    explanation
        What :func:`opinionpool.explain` returns, or the same read from JSON.
    apply_to
        The pool's file, as it is named in the lines that say how to apply it.

    Needs jinja2 and matplotlib, which are imported here.
    """
    import jinja2
    from markupsafe import Markup

    e = explanation
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    sections = [*sections_of(e), how_to_apply(e, apply_to)]
    page: str = environment.get_template("page.html.j2").render(
        title=f"Pool of {count(len(e['pool']['models']), 'model')}: report",
        headline=_headline(e),
        lead=_lead(e),
        tiles=_tiles(e),
        remarks=[r[:1].upper() + r[1:] for r in remarks(e)],
        sections=[_marked(s, Markup) for s in sections],
        css=Markup(css),
        foot=f"Made by opinionpool. Losses in nats per row; intervals at "
        f"{100 * e['level']:g} %, {e['rows']['errors']}.",
    )
    return page


def _marked(section: Section, markup: Callable[[str], Any]) -> Section:
    # Charts are made of escaped text alone (svg.py).
    return Section(**{**vars(section), "chart": markup(section.chart) if section.chart else ""})


def _headline(e: Explanation) -> str:
    single = e["headline"]["best_single"]
    if not finite(single["gain"]):
        return f"The pool loses {plain(e['headline']['loss'])} nats per row"
    gain, (low, high) = single["gain"], single["interval"]
    if finite(low) and low > 0:
        return f"The pool beats the best single model by {plain(gain, 3)} nats per row"
    if finite(high) and high < 0:
        return f"The best single model beats the pool by {plain(-gain, 3)} nats per row"
    return "The pool and the best single model cannot be told apart on these rows"


def _lead(e: Explanation) -> str:
    pool, rows = e["pool"], e["rows"]
    where = (
        "the rows that it was fitted on"
        if rows["fitted_on_these"]
        else "not those that it was fitted on"
    )
    what = count(len(pool["classes"]), "class", "classes") if pool["classes"] else pool["family"]
    return (
        f"{count(len(pool['models']), 'model')}, {what}, {pool['rule']} pool, "
        f"{pool['weighting']} weights, T = {plain(pool['temperature'], 3)}; "
        f"{count(rows['rows'], 'row')}, {where}."
    )


def _tiles(e: Explanation) -> list[dict[str, str]]:
    tiles = [
        {
            "label": "Loss of the pool",
            "value": plain(e["headline"]["loss"]),
            "note": "nats per row",
            "tone": "",
        }
    ]
    held = e["contributions"].get("held_out")
    if held and held["reason"] is None:
        tiles[0]["note"] = f"nats per row; {plain(held['loss'])} out of fold"
    for words, found in gains(e):
        label = words[:1].upper() + words[1:].partition(",")[0]
        if not finite(found["gain"]):
            note = found.get("reason") or "infinite"
            tiles.append({"label": label, "value": "-", "note": note, "tone": ""})
            continue
        low, high = found["interval"]
        tone = ""
        if finite(low, high):
            tone = "good" if low > 0 else "bad" if high < 0 else ""
        name = words.partition(", ")[2]
        note = f"± {plain(found['standard_error'])}" + (f", {name}" if name else "")
        tiles.append({"label": label, "value": signed(-found["gain"]), "note": note, "tone": tone})
    gap = e["pool"]["gap"]
    tiles.append(
        {
            "label": "Left to gain by better weights",
            "value": f"≤ {float(gap):.1g}" if finite(gap) else "not bounded",
            "note": e["pool"]["status"],
            "tone": "",
        }
    )
    return tiles
