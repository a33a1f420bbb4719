"""A comparison of rules and weightings as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import figure, paragraph, table


def comparison_text(result: Mapping[str, Any]) -> str:
    """Show the candidates, the best first, the recommended one marked."""
    rows = [
        [
            ("→ " if row["recommended"] else "  ") + row["candidate"],
            figure(row["loss"]),
            figure(row["difference"]),
            figure(row["standard_error"]),
        ]
        for row in result["table"]
    ]
    lines = table(["  candidate", "test loss", "to best", "std. error"], rows, indent="")
    remarks = [f"{row['candidate']}: {row['note']}" for row in result["table"] if row["note"]]
    notes = [
        f"Recommended: {result['recommended']}, the simplest whose loss is within one standard "
        "error of the best.",
        f"Test loss in nats per row ({result['notes'][0]}).",
        *(f"{note[:1].upper()}{note[1:]}." for note in result["notes"][1:]),
        *remarks,
    ]
    lines.append("")
    for note in notes:
        lines += paragraph(note, indent="  ")
    return "\n".join(lines)
