"""The demonstration on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .split import split_lines
from .text import figure, paragraph, short, table


def demo_text(result: Mapping[str, Any]) -> str:
    """Show every model, the baselines, the pool, and where its gain comes from."""
    rows, pool, optimal = result["rows"], result["pool"], result["optimal"]
    lines = paragraph(
        f"{len(result['models'])} models of handwritten digits (10 classes), trained on "
        f"{rows['train']:,} rows; pools fitted on out-of-fold predictions of these; all figures "
        f"below from {rows['test']:,} other rows. Loss in nats per row, smaller is better."
    )
    lines += ["", *_models(result)]
    pools = [(f"{name}{_which(own)}", own) for name, own in result["baselines"].items()]
    pools.append((f"→ {pool['recommended']} (recommended by compare)", pool))
    if optimal is not None:
        pools.append((optimal["recommended"], optimal))
    lines += ["", *_pools(pools), ""]
    lines += [f"  {pool['status']}: gap {short(pool['gap'])} nats per row"]
    lines += paragraph(pool["sentence"], indent="  ")
    lines += ["", "  Where the gain comes from:", *split_lines(pool["decomposition"]), ""]
    seconds = result["seconds"]
    return "\n".join(
        [
            *lines,
            *paragraph(
                f"{_verdict(result)} {seconds['training']:.1f} s of training, "
                f"{seconds['pooling']:.1f} s for all pools and scores."
            ),
        ]
    )


def _models(result: Mapping[str, Any]) -> list[str]:
    weights = result["pool"]["weights"]
    models = sorted(result["models"].items(), key=lambda item: item[1]["test_loss"])
    rows = [
        [name, figure(own["test_loss"]), _percent(own["test_accuracy"]), figure(weights[name], 3)]
        for name, own in models
    ]
    return table(["model", "test loss", "accuracy", "weight in pool"], rows)


def _pools(pools: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    rows = [
        [name, figure(own["test_loss"]), _percent(own["test_accuracy"]), short(own["temperature"])]
        for name, own in pools
    ]
    return table(["pool", "test loss", "accuracy", "T"], rows)


def _which(own: Mapping[str, Any]) -> str:
    return f" ({own['model']})" if "model" in own else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _verdict(result: Mapping[str, Any]) -> str:
    name, best = min(result["baselines"].items(), key=lambda item: item[1]["test_loss"])
    loss = result["pool"]["test_loss"]
    change = 100 * (1 - loss / best["test_loss"])
    if change > 0:
        return f"The pool loses {change:.0f} % less than the best of the simple ways ({name})."
    return f"The pool does no better than the best of the simple ways ({name})."
