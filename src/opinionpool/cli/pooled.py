"""What ``combine`` and ``apply`` hand out: a file, CSV on stdout, or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..distributions import variance_of
from ..pooling import Pooled
from ..predictions import Predictions
from ..predictions.classes import class_text
from ..report import pooled_text
from ..rules import RULES
from ..write_pooled import table_of
from .output import Talk, write_csv, write_json
from .progress import Working


def hand_out(
    predictions: Predictions,
    pooled: Pooled,
    facts: Mapping[str, Any],
    output: Path | None,
    talk: Talk,
    quantiles: Sequence[float] = (),
) -> None:
    """Write or print what was pooled, and say what was done.

    Parameters
    ----------
    predictions
        What was pooled, for its names, classes and ids.
    pooled
        The result.
    facts
        The rule, the temperature and the weights.
    output
        Where to write; None prints the probabilities themselves.
    talk
        In which form to print.
    quantiles
        Probabilities of quantiles to add, for families of densities.
    """
    names = [class_text(c) for c in predictions.columns]
    columns = table_of(pooled, names, predictions.ids, predictions.dtype, quantiles)
    variance = variance_of(RULES[facts["rule"]], predictions.family)
    result: dict[str, Any] = {
        "models": list(predictions.names),
        "kinds": list(predictions.kinds),
        "family": predictions.family.name,
        "classes": list(predictions.classes),
        **facts,
        **({"variance": variance} if variance else {}),
        "rows": pooled.touched,
        "output": None if output is None else str(output),
    }
    if output is not None:
        from ..io import write

        with Working(f"writing {output}", quiet=talk.quiet):
            write(output, columns)
        talk.result(result, pooled_text(result))
    elif talk.json:
        ids = None if predictions.ids is None else predictions.ids.tolist()
        if predictions.family.columns:
            cells: dict[str, Any] = {"predictions": {k: c for k, c in columns.items() if k != "id"}}
        else:
            cells = {"probabilities": pooled.shown(predictions.dtype)}
        write_json({**result, "ids": ids, **cells}, compact=True)
    else:
        write_csv(columns)
        talk.remark(pooled_text(result))
