"""A folder of Parquet parts, written one by one: a run that was killed goes on where it stopped."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..atomic import TEMPORARY, replacing
from ..errors import InputError, OutputError
from .base import Columns
from .manifest import NAME, Manifest, read_manifest
from .parquet import need_pyarrow, write_parquet


class PartsWriter:
    """Writes the rows of one result as parts, each of which appears complete or not at all.

    Parameters
    ----------
    folder
        Made where it does not exist, inside one that does.
    key
        Tells this result from others: a fingerprint of the pool and of its inputs. Parts that
        a run with the same key, ``n_rows`` and ``step`` has left are kept.
    n_rows
        Rows of the whole result.
    step
        Rows of a part; the last may have fewer.

    Raises
    ------
    OutputError
        The folder cannot be written to, or holds something else.
    MissingExtraError
        pyarrow is absent.

    Notes
    -----
    One process at a time may write a folder: what an interrupted one has left of an unfinished
    part is removed.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = PartsWriter(Path(folder) / "pooled", "pool 1, inputs 1", n_rows=5, step=2)
    ...     for i in parts.missing():
    ...         rows = parts.rows(i)
    ...         parts.write(i, {"a": np.arange(5.0)[rows]})
    ...     parts.missing()
    []
    """

    def __init__(self, folder: str | os.PathLike[str], key: str, n_rows: int, step: int) -> None:
        if n_rows < 1 or step < 1:
            raise InputError(
                f"cannot write {os.fspath(folder)}: found {n_rows} rows in parts of {step}, "
                "expected at least one of each"
            )
        self._folder, self._manifest = Path(folder), Manifest(key, n_rows, step)
        self._names = self._manifest.names
        need_pyarrow(f"writing {self._folder}")
        try:
            self._folder.mkdir(exist_ok=True)
            self._take_over()
        except OutputError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                reason = f"there is no folder {self._folder.parent}"
            if isinstance(error, FileExistsError):
                reason = "it is a file, not a folder of parts"
            raise OutputError(f"cannot write {self._folder}: {reason}") from error

    def __len__(self) -> int:
        """Return how many parts the whole has."""
        return len(self._names)

    def rows(self, part: int) -> slice:
        """Return which rows of the whole a part holds."""
        _, n_rows, step = self._manifest
        return slice(part * step, min((part + 1) * step, n_rows))

    def missing(self) -> list[int]:
        """Return the numbers of the parts that are still to be written, in order."""
        there = set(os.listdir(self._folder))
        return [i for i, name in enumerate(self._names) if name not in there]

    def write(self, part: int, columns: Columns) -> None:
        """Write one part; it appears when it is complete and on the disk.

        Raises
        ------
        OutputError
            The disk is full, or the like; parts that stand are not touched.
        """
        rows = self.rows(part)
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        wrong = {n: a.shape for n, a in arrays.items() if a.shape != (rows.stop - rows.start,)}
        if wrong or not arrays:
            raise InputError(
                f"part {part} of {self._folder} has the rows {rows.start} to {rows.stop}: found "
                f"columns of the shapes {wrong or 'none'}"
            )
        with replacing(self._folder / self._names[part]) as temporary:
            write_parquet(temporary, arrays)

    def _take_over(self) -> None:
        """Go on with what a run with the same key has left, or begin; refuse anything else."""
        there = os.listdir(self._folder)
        found = read_manifest(self._folder)
        afresh = "to start afresh, delete the folder or give another one"
        if found is not None and found != self._manifest:
            what = (
                "parts of another pool or of other inputs"
                if found.key != self._manifest.key
                else f"{found.n_rows:,} rows in parts of {found.step:,}, not "
                f"{self._manifest.n_rows:,} in parts of {self._manifest.step:,}"
            )
            raise OutputError(f"cannot write {self._folder}: it holds {what}; {afresh}")
        known = {NAME, *(self._names if found is not None else ())}
        strange = sorted(n for n in there if n not in known and not n.startswith(TEMPORARY))
        if strange:
            raise OutputError(
                f"cannot write {self._folder}: it holds {strange[0]!r}, which is no part of this "
                f"result; {afresh}"
            )
        for name in there:
            if name.startswith(TEMPORARY):
                with suppress(OSError):
                    (self._folder / name).unlink()
        if found is None:
            self._manifest.write(self._folder)
