"""What a folder of parts that we write says about itself: whose parts, and how many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from ..atomic import write_text

#: Hidden from whoever reads the parts, here and elsewhere.
NAME = "_opinionpool.json"


class Manifest(NamedTuple):
    """What the parts together are: ``n_rows`` rows, ``step`` in each part but the last.

    ``key`` says which pool and which inputs they are of.
    """

    key: str
    n_rows: int
    step: int

    @property
    def names(self) -> list[str]:
        """Names of the parts, in the order of the rows."""
        n = -(-self.n_rows // self.step)
        digits = max(5, len(str(n - 1)))  # sorted by name is sorted by number
        return [f"part-{i:0{digits}}.parquet" for i in range(n)]

    def write(self, folder: Path) -> None:
        """Put it into a folder, whole or not at all."""
        write_text(folder / NAME, json.dumps(self._asdict()) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest; None where there is none that we have written."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
        manifest = Manifest(str(found["key"]), int(found["n_rows"]), int(found["step"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if manifest.n_rows > 0 and manifest.step > 0 else None
