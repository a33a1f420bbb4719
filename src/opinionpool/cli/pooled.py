"""What ``combine`` and ``apply`` hand out: a file, CSV on stdout, or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import OutputError
from ..pooling import Pooled
from ..predictions import Predictions
from ..predictions.classes import class_text
from ..report import pooled_text
from .output import Talk, write_csv, write_json
from .progress import Working


def hand_out(
    predictions: Predictions,
    pooled: Pooled,
    facts: Mapping[str, Any],
    output: Path | None,
    talk: Talk,
) -> None:
    """Write or print pooled probabilities, and say what was done.

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
    """
    probabilities = pooled.probabilities(predictions.dtype)
    result: dict[str, Any] = {
        "models": list(predictions.names),
        "kinds": list(predictions.kinds),
        "classes": list(predictions.classes),
        **facts,
        "rows": pooled.touched,
        "output": None if output is None else str(output),
    }
    if output is not None:
        from ..io import write

        with Working(f"writing {output}", quiet=talk.quiet):
            write(output, _columns(predictions, probabilities))
        talk.result(result, pooled_text(result))
    elif talk.json:
        ids = None if predictions.ids is None else predictions.ids.tolist()
        write_json({**result, "ids": ids, "probabilities": probabilities}, compact=True)
    else:
        write_csv(_columns(predictions, probabilities))
        talk.remark(pooled_text(result))


def _columns(predictions: Predictions, probabilities: NDArray[Any]) -> dict[str, NDArray[Any]]:
    names = [class_text(c) for c in predictions.classes]
    columns = {} if predictions.ids is None else {"id": predictions.ids}
    if "id" in names and columns:
        raise OutputError("a class is called 'id', the name of the column of ids: rename the class")
    columns.update({name: probabilities[:, k] for k, name in enumerate(names)})
    return columns
