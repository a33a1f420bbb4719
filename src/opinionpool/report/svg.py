"""Charts as SVG for a page: its colours, its fonts, its text, nothing to load."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

from .charts import COLOURS, Chart, Explanation, short_label

#: Points: narrow, so that text stays readable where the page is as narrow as a telephone.
WIDTH = 330
_STYLE = {
    "svg.fonttype": "none",  # text stays text: searchable, readable aloud, small
    "svg.hashsalt": "opinionpool",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["ink"],
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
}


class Names:
    """Stand-ins for names while a chart is drawn: names may hold anything, fonts and markup do not.

    Each stand-in is as long as what it stands for, so that the layout fits.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Return the stand-in of a name."""
        shown = short_label("".join(c if c.isprintable() else "?" for c in name))
        token = f"Q{len(self._known)}Q"
        token += "n" * max(0, len(shown) - len(token))
        self._known[token] = shown
        return token

    def restored(self, svg: str) -> str:
        """Put the names back, as text that is no markup."""
        return re.sub(
            r"Q\d+Qn*", lambda found: html.escape(self._known.get(found[0], found[0])), svg
        )


def draw(
    chart: Callable[..., None] | Chart,
    explanation: Explanation,
    *,
    height: float,
    key: str,
    title: str,
    width: float = WIDTH,
) -> str:
    """Return a chart as an inline SVG element.

    Parameters
    ----------
    chart
        One of :mod:`.charts`.
    explanation
        What it is of.
    height, width
        In points.
    key
        Prefix of the ids in it, unique on the page.
    title
        What it shows, for those who do not see it.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = Names()
    # A context of its own: the caller's settings are as they were.
    with rc_context(_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        chart(figure.subplots(), explanation, names)
        return names.restored(_inline(figure, key, title))


def draw_many(
    panels: Mapping[str, Any],
    chart: Callable[[Any, Any], None],
    *,
    columns: int,
    key: str,
    title: str,
) -> str:
    """Return small multiples, one per named panel, as an inline SVG element."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names, rows = Names(), -(-len(panels) // columns)
    with rc_context(_STYLE):
        side = 2 * WIDTH / columns
        figure = Figure(
            figsize=(2 * WIDTH / 72, rows * (0.92 * side + 12) / 72), layout="constrained"
        )
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, (name, own) in zip(grid, panels.items(), strict=False):
            chart(axes, own)
            axes.set_title(names(name), fontsize=9, parse_math=False)
        for axes in grid:
            axes.label_outer()
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        return names.restored(_inline(figure, key, title))


def _inline(figure: Any, key: str, title: str) -> str:
    """Return a figure as an element of a page."""
    stream = io.StringIO()
    figure.savefig(
        stream,
        format="svg",
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Its style would be the whole page's.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    # Ids are matplotlib's own in every figure: each chart gets its own.
    svg = re.sub(r'id="', f'id="{key}-', svg)
    svg = re.sub(r'href="#', f'href="#{key}-', svg)
    svg = re.sub(r"url\(#", f"url(#{key}-", svg)
    for role, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{role})")
    svg = re.sub(r"font:\s*([\d.]+)px[^;\"]*", r"font-size: \1px", svg)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None
    head = (
        f'<svg class="chart" viewBox="0 0 {size[1]} {size[2]}" role="img" '
        f'aria-labelledby="{key}-title" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-title">{html.escape(title)}</title>'
    )
    return re.sub(r"\s*\n\s*", "\n", head + svg[svg.index(">") + 1 :])
