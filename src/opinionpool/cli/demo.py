"""``opinionpool demo``: real models on real data, offline, in well under a minute."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import OutputError
from ..report import demo_text
from .output import OUTPUT, TALK, Talk
from .progress import Working


def demo(
    *,
    keep: Annotated[
        Path | None,
        Parameter(group=OUTPUT, help="Folder for the predictions and the pool; made if needed."),
    ] = None,
    talk: Talk = TALK,
) -> None:
    """Train nine models on real data, pool them, show the gain.

    Needs scikit-learn and pyarrow: pip install "opinionpool[demo]". Nothing
    is downloaded. With --keep the files stay, and the commands that repeat
    the demonstration are printed.

    For example:
      opinionpool demo --keep digits
    """
    from ..demo import run_demo

    with Working("loading the data", quiet=talk.quiet) as progress:
        if keep is not None:
            _make_folder(keep)
            result = run_demo(keep, progress)
        else:
            with tempfile.TemporaryDirectory(prefix="opinionpool-") as folder:
                result = run_demo(Path(folder), progress)
            result["folder"] = None
    text = demo_text(result)
    if keep is not None:
        text += "\n\n" + "\n".join(_commands(keep, result))
    talk.result(result, text)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}") from error


def _commands(folder: Path, result: dict[str, Any]) -> list[str]:
    """Return the commands that repeat the demonstration from the files that were kept."""
    here, floor = shlex.quote(str(folder)), f"{result['floor']:g}"
    return [
        f"The predictions and the pool are in {folder}. The same again, step by step:",
        f"  opinionpool compare {here}/train/*.parquet --labels {here}/train-labels.parquet "
        f"--floor {floor} -o {here}/pool.json",
        f"  opinionpool show {here}/pool.json",
        f"  opinionpool score {here}/test/*.parquet --labels {here}/test-labels.parquet "
        f"--pool {here}/pool.json",
        f"  opinionpool apply {here}/pool.json {here}/test/*.parquet -o {here}/pooled.parquet",
    ]
