"""A fitted pool as one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .figures_of import finite
from .split import split_lines
from .text import count, facts, figure, paragraph, short, table

#: More models without weight than this are counted instead of listed.
_FEW = 8


def pool_text(pool: Mapping[str, Any], sentence: str, *, notes: tuple[str, ...] = ()) -> str:
    """Show a saved pool.

    Parameters
    ----------
    pool
        The pool as its JSON document holds it.
    sentence
        What its status means.
    notes
        Lines for the end: where it was saved.
    """
    what = (
        count(len(pool["classes"]), "class", "classes")
        if pool["classes"]
        else f"{pool['family']} predictions"
    )
    lines = [
        f"Pool of {count(len(pool['models']), 'model')} for {what}",
        "",
        *facts(_facts(pool, sentence)),
        "",
        *_models(pool),
    ]
    if pool["decomposition"]:
        lines += [
            "",
            "  Nats per row, on the rows of the fit:",
            *split_lines(pool["decomposition"]),
        ]
    for note in notes:
        lines += ["", *paragraph(note)]
    return "\n".join(lines)


def _facts(pool: Mapping[str, Any], sentence: str) -> dict[str, str]:
    rows, settings = pool["rows"], pool["settings"]
    fitted = rows.get("fitted", 0)
    found = {
        "rule": pool["rule"],
        "weighting": pool["weighting"],
        "temperature": f"{short(pool['temperature'])}{_sharper(pool['temperature'])}",
        **_steps(pool),
        "loss": f"{figure(pool['loss'])} nats per row, on the {fitted:,} rows of the fit",
        "gap": f"{short(pool['gap'])} nats per row" if finite(pool["gap"]) else "not bounded",
        "status": f"{pool['status']}: {sentence}",
        **({"floor": _floor(pool)} if pool["classes"] else {}),
        "missing": f"{settings['missing']}; a row nobody answered: {settings['fallback']}",
    }
    left = {
        "without a label": rows.get("unlabelled", 0),
        "labelled but not predicted": rows.get("unpredicted", 0),
        "with a missing output": rows.get("with_missing", 0),
        "that nobody with weight answered": rows.get("fallback", 0),
    }
    if any(left.values()):
        found["rows"] = ", ".join(f"{n:,} {what}" for what, n in left.items() if n)
    if pool["classes"]:
        found["classes"] = _classes(pool["classes"])
    if pool["fingerprint"]:
        found["fingerprint"] = pool["fingerprint"][:12]
    return found


def _steps(pool: Mapping[str, Any]) -> dict[str, str]:
    """Say what is done beside pooling."""
    said = {}
    if pool.get("gamma") is not None:
        said["confidence"] = f"to the power {short(pool['gamma'])} in each row's weights"
    if pool.get("model_temperatures") is not None:
        own = zip(pool["models"], pool["model_temperatures"], strict=True)
        said["calibration"] = "own temperatures " + ", ".join(f"{m}: {short(t)}" for m, t in own)
    if pool.get("vector") is not None:
        said["scaling"] = "vector: a factor and an offset per class, after pooling"
    return said


def _sharper(temperature: object) -> str:
    if not isinstance(temperature, float) or temperature == 1.0:
        return ""
    return " (sharper than its members)" if temperature < 1 else " (flatter than its members)"


def _floor(pool: Mapping[str, Any]) -> str:
    asked, used = pool["settings"]["floor"], sorted(set(pool["floors"]))
    shown = ", ".join(f"{e:g}" for e in used if e) or "none needed"
    if asked == "veto":
        return "veto: a class that one model gives 0 stays at 0"
    return f"{shown} (auto)" if asked == "auto" else shown


def _classes(classes: list[Any], most: int = 10) -> str:
    shown = ", ".join(str(c) for c in classes[:most])
    return shown if len(classes) <= most else f"{shown}, … ({len(classes):,} in all)"


def _models(pool: Mapping[str, Any]) -> list[str]:
    order = sorted(range(len(pool["models"])), key=lambda i: -pool["weights"][i])
    idle = [i for i in order if pool["weights"][i] == 0]
    if len(idle) > _FEW:
        order = [i for i in order if pool["weights"][i] > 0]
    rows = [
        [
            str(pool["models"][i]),
            pool["kinds"][i] or "no output",
            figure(float(pool["weights"][i])),
            figure(pool["losses"][i]),
        ]
        for i in order
    ]
    lines = table(["model", "kind", "weight", "own loss"], rows, left=2)
    if len(idle) > _FEW:
        lines.append(f"  and {len(idle):,} models of weight 0")
    return lines
