"""What ``combine`` and ``apply`` did, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import count, facts, paragraph, short


def pooled_text(result: Mapping[str, Any]) -> str:
    """Say which models were pooled how, how many rows were touched, and where the result is."""
    rows = result["rows"]
    said = {
        "rows": f"{rows['rows']:,}",
        **_what(result),
        "kinds": _kinds(result["models"], result["kinds"]),
    }
    if rows["rows_with_missing"]:
        said["missing"] = f"{count(rows['rows_with_missing'], 'row')} pooled over who answered"
    if rows["rows_fallback"]:
        said["fallback"] = f"{count(rows['rows_fallback'], 'row')} that nobody answered"
    if rows.get("rows_kept"):
        said["kept"] = f"{count(rows['rows_kept'], 'row')} that an earlier run had written"
    if result["output"] is not None:
        said["written to"] = result["output"]
    head = (
        f"Pooled {count(len(result['models']), 'model')} "
        f"({result['rule']} rule, T = {short(result['temperature'])})"
    )
    return "\n".join([*paragraph(head), *facts(said)])


def _what(result: Mapping[str, Any]) -> dict[str, str]:
    if "variance" in result:
        return {"family": result["family"], "variance": result["variance"]}
    return {"classes": f"{len(result['classes']):,}"}


def _kinds(models: list[str], kinds: list[str | None]) -> str:
    """Name the kind once where all models share it."""
    if len(set(kinds)) == 1:
        return kinds[0] or "no output"
    return ", ".join(f"{m}: {k or 'no output'}" for m, k in zip(models, kinds, strict=True))
