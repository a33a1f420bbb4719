"""The few shapes every screen is made of: figures, tables, columns of facts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

WIDTH = 92
_DASH = "-"


def figure(x: object, digits: int = 5) -> str:
    """Write a number as screens show it; "-" where there is none.

    Examples
    --------
    >>> figure(0.123456), figure(None), figure("inf"), figure(2)
    ('0.12346', '-', 'inf', '2')
    """
    if x is None:
        return _DASH
    if isinstance(x, str):
        return clean(x)
    if isinstance(x, int):
        return f"{x:,}"
    assert isinstance(x, float)
    if not math.isfinite(x):
        return str(x)
    shown = f"{x:.{digits}f}"
    # A negative number that is shown as zero has lost its sign on the way.
    return shown[1:] if shown.startswith("-") and not float(shown) else shown


def short(x: object) -> str:
    """Write a number in few characters, whatever its size: a temperature, a gap.

    Examples
    --------
    >>> short(3.14159e-9), short(1.0), short("nan")
    ('3.1e-09', '1', 'nan')
    """
    if isinstance(x, float):
        return f"{x:.2g}" if abs(x) < 1e-3 else f"{x:.4g}"
    return figure(x)


def clean(text: str) -> str:
    """Replace what would move the cursor or break a line: names come from files.

    Examples
    --------
    >>> clean("two" + chr(10) + "lines")
    'two?lines'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, indent: str = "  "
) -> list[str]:
    """Lay out columns: the first ``left`` ones to the left, numbers to the right.

    Examples
    --------
    >>> table(["model", "loss"], [["a", "0.1"]])
    ['  model  loss', '  a       0.1']
    """
    cells = [list(heads), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(parts)).rstrip())
    return lines


def facts(pairs: Mapping[str, str], *, indent: str = "  ") -> list[str]:
    """Lay out named values; long ones go on below their start."""
    width = max(map(len, pairs)) + 2
    lines = []
    for name, value in pairs.items():
        lines += textwrap.wrap(
            clean(value),
            WIDTH,
            initial_indent=indent + name.ljust(width),
            subsequent_indent=indent + " " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def paragraph(text: str, *, indent: str = "") -> list[str]:
    """Wrap a sentence."""
    return textwrap.wrap(
        clean(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def count(n: int, one: str, several: str | None = None) -> str:
    """Count things.

    Examples
    --------
    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {one if n == 1 else several or one + 's'}"
