"""Write the tables of docs/speed.md from the figures of ``run.py --json docs/speed.json``.

    python benchmarks/pages.py [FIGURES] [PAGE]

What stands between ``<!-- speed: KIND -->`` and ``<!-- end -->`` is replaced; kinds that the
figures lack are left as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
_MARK = re.compile(r"(<!-- speed: (?P<kind>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Race = dict[str, Any]
Row = dict[str, Any]


def filled(page: str, figures: dict[str, Any]) -> str:
    """Return a page with current tables."""

    def put(mark: re.Match[str]) -> str:
        kind = mark["kind"]
        if kind not in figures:
            return mark[0]
        return f"{mark[1]}\n{section(kind, figures[kind])}\n\n{mark[3]}"

    return _MARK.sub(put, page)


def section(kind: str, found: dict[str, Any]) -> str:
    """Return everything about one kind: on what it was measured, and its tables."""
    tables = TABLES[kind](found["races"])
    return "\n\n".join([conditions(found), *tables])


def conditions(found: dict[str, Any]) -> str:
    """Say where and how it was measured."""
    m = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in m["versions"].items())
    text = (
        f"{m['day']}, {m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, {m['system']}, "
        f"Python {m['python']}; {versions}; medians of {found['rounds']} rounds, "
        f"{found['threads']} threads; load before the start {m['load_before']}."
    )
    if found["scale"] != 1:
        text += f" **With {found['scale']:g} of the rows: a trial, not the figures.**"
    if m["load_before"] > 0.5:
        text += " **The machine was not idle.**"
    return text


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return Markdown."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def seconds(value: float | None) -> str:
    """Write seconds with three digits, in milliseconds below one."""
    if value is None:
        return "–"
    return f"{1e3 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def times(value: float | None) -> str:
    """Write a ratio."""
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def bandwidth(row: Row) -> str:
    """Write bytes per second, and what share of the measured bandwidth that is."""
    if row.get("of_bandwidth") is None:
        return "–"
    return f"{row['gb_per_s']:.1f} GB/s, {100 * row['of_bandwidth']:.0f} %"


def name(row: Row, race: Race) -> str:
    """Write who it was, ours in bold, and what befell it."""
    own = f"**{row['name']}**" if row["name"] == race["ours"] else row["name"]
    return f"{own} ({row['note']})" if row["note"] else own


def apply_tables(races: list[Race]) -> list[str]:
    """Return a table per size."""
    parts = []
    for race in races:
        lines = [
            [
                *(name(row, race), seconds(row["median"]), times(row["ratio"]), bandwidth(row)),
                f"{row['error']:.0e}" if "error" in row else "",
            ]
            for row in race["contestants"]
        ]
        title = f"**{race['title']}**, {race['bytes'] / 1e6:,.0f} MB read and written"
        header = ("", "time", f"÷ {race['limit']}", "bytes moved", "largest error")
        parts += [title, table(header, lines)]
    return parts


def fit_tables(races: list[Race]) -> list[str]:
    """Return a table per size and temperature, and what it comes to."""
    parts = []
    for race in races:
        fitted = "T fitted" if race["temperature"] == "fit" else "T = 1"
        lines = []
        for row in race["contestants"]:
            judged = "excess" in row
            excess = f"{row['excess']:.0e}" if judged else ""
            lines.append(
                [
                    *(name(row, race), seconds(row["median"]), times(row["ratio"])),
                    seconds(row["enough"]) if judged else "",
                    str(row["passes"]) if judged else "",
                    excess if not judged or row["same"] else f"**{excess}: not within 1e-6**",
                    bandwidth(row),
                ]
            )
        header = ("", "time", f"÷ {race['limit']}", "first within 1e-6", "passes", "loss above")
        parts += [
            f"**{race['title']}, {fitted}**, {race['bytes'] / 1e6:,.0f} MB",
            table((*header, "bytes moved"), lines),
        ]
        if race["certificate"]:
            best = "; ".join(
                f"{what} {times(value)}"
                for what, value in race["advantage"].items()
                if value is not None
            )
            gap = race["certificate"]["gap"]
            numpy = times(race.get("to_numpy"))
            parts.append(
                f"Certified gap {gap:.0e}; {numpy} times as long as NumPy adds the arrays up. "
                f"Fastest general optimiser ÷ ours: {best}."
            )
    return parts


def sums_tables(races: list[Race]) -> list[str]:
    """Return a table per size."""
    parts = []
    for race in races:
        lines = [
            [
                *(row["name"], seconds(row["median"]), times(row["ratio"])),
                *(times(row["to_numpy"]), bandwidth(row)),
            ]
            for row in race["contestants"]
        ]
        header = ("", "time", f"÷ {race['limit']}", "÷ NumPy", "bytes moved")
        parts += [f"**{race['title']}**, {race['bytes'] / 1e6:,.0f} MB", table(header, lines)]
    return parts


def inputs_tables(races: list[Race]) -> list[str]:
    """Return a table per size."""
    parts = []
    for race in races:
        lines = [
            [
                *(name(row, race), seconds(row["median"]), times(row["ratio"])),
                str(row["passes"] or ""),
            ]
            for row in race["contestants"]
        ]
        header = ("", "time", f"÷ {race['limit']}", "passes")
        parts += [f"**{race['title']}**, {race['bytes'] / 1e6:,.0f} MB", table(header, lines)]
    return parts


def stack_tables(races: list[Race]) -> list[str]:
    """Return a table per size."""
    parts = []
    for race in races:
        lines = []
        for row in race["contestants"]:
            judged = "excess" in row
            excess = f"{row['excess']:.0e}" if judged else ""
            lines.append(
                [
                    *(name(row, race), seconds(row["median"]), times(row["ratio"])),
                    seconds(row["enough"]) if row.get("enough") else "",
                    f"{row['gap']:.0e}" if judged else "",
                    excess if not judged or row["same"] else f"**{excess}: not within 1e-6**",
                ]
            )
        header = ("", "time", "÷ ours", "first within 1e-6", "gap", "loss above the best")
        parts += [f"**{race['title']}**", table(header, lines)]
    return parts


def stream_tables(races: list[Race]) -> list[str]:
    """Return one table."""
    lines = []
    for race in races:
        for row in race["contestants"]:
            done = row["median"] is not None
            lines.append(
                [
                    f"{race['title']}, {race['bytes'] / 1e9:.2f} GB",
                    f"{race['budget'] / 1e6:,.0f} MB",
                    name(row, race),
                    seconds(row["median"]),
                    str(row.get("passes", 1)) if done else "",
                    times(row["ratio"]) if done else "",
                    f"{row['peak'] / 1e6:,.0f} MB" if done else "",
                ]
            )
    # The least for apply is a scan and a write.
    header = ("files", "budget", "job", "time", "passes", "÷ (passes × scan)", "peak memory")
    return [table(header, lines)]


def start_tables(races: list[Race]) -> list[str]:
    """Return a table of imports and one of first uses."""
    parts = []
    first = []
    for race in races:
        if race["title"] == "import":
            lines = [
                [name(row, race), seconds(row["median"]), times(row["ratio"])]
                for row in race["contestants"]
            ]
            header = ("a process that imports", "time", f"÷ {race['limit']}")
            parts.append(table(header, lines))
        else:
            took = {row["name"]: row["median"] for row in race["contestants"]}
            use = race["title"].removeprefix("first use: ")
            first.append([use, seconds(took["cold"]), seconds(took["warm"])])
    if first:
        parts.append(
            table(("first use, with the import", "nothing kept", "compiled before"), first)
        )
    return parts


TABLES: dict[str, Callable[[list[Race]], list[str]]] = {
    "apply": apply_tables,
    "sums": sums_tables,
    "fit": fit_tables,
    "inputs": inputs_tables,
    "stack": stack_tables,
    "stream": stream_tables,
    "start": start_tables,
}


def main() -> None:
    """Rewrite the page in place."""
    figures = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "speed.json"
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else DOCS / "speed.md"
    text = filled(page.read_text(encoding="utf-8"), json.loads(figures.read_text(encoding="utf-8")))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
