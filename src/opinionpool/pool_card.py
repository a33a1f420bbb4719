"""A fitted pool as a small table of HTML, for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence

#: Models that are listed, at most; the heaviest.
_MOST = 20
_LONGEST = 60


def pool_card(
    title: str,
    models: Sequence[str],
    weights: Sequence[float],
    losses: Sequence[float],
    facts: Sequence[tuple[str, float]],
) -> str:
    """Return the table: names are shown as the text they are, whatever is in them.

    Examples
    --------
    >>> shown = pool_card("log pool", ["<i>"], [1.0], [0.5], [("T", 0.9)])
    >>> "&lt;i&gt;" in shown, "<i>" in shown
    (True, False)
    """
    order = sorted(range(len(models)), key=lambda i: -weights[i])
    cell = "text-align:right;font-variant-numeric:tabular-nums"
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left"><bdi>{_text(models[i])}</bdi></th>'
        f'<td style="{cell}">{weights[i]:.4f}</td><td style="{cell}">{losses[i]:.4f}</td></tr>'
        for i in order[:_MOST]
    )
    rest = len(models) - _MOST
    more = f'<tr><td colspan="3">and {rest:,} more</td></tr>' if rest > 0 else ""
    said = ", ".join(f"{_text(name)} {value:.4g}" for name, value in facts)
    return (
        f'<table><caption style="text-align:left"><b>{_text(title)}</b><br>{said}</caption>'
        '<thead><tr><th scope="col" style="text-align:left">model</th>'
        '<th scope="col">weight</th><th scope="col">own loss</th></tr></thead>'
        f"<tbody>{rows}{more}</tbody></table>"
    )


def _text(name: str) -> str:
    return html.escape(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")
