"""What the command was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of ``benchmarks/run.py``.

    Attributes
    ----------
    rounds
        How many rounds count.
    scale
        Share of the rows, for a quick look.
    threads
        For everybody who can use them.
    patience
        Seconds after which a contestant runs no further round, and a rival is stopped.
    only
        Sizes whose title contains this.
    folder
        Where large files may be written; a temporary one if None.
    budget
        Bytes of memory for streaming, before ``scale``.
    """

    rounds: int = 5
    scale: float = 1.0
    threads: int = 2
    patience: float = 120.0
    only: str = ""
    folder: Path | None = None
    budget: int = 10**9
