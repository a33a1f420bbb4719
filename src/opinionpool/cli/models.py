"""Model files as they are named on the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.sources import tables_of_path
from ..predictions.table import SOURCES, Source, Table


@dataclass(frozen=True)
class ModelFile:
    """A file, and the name of the model in it; None where the file may bring its own."""

    path: Path
    name: str | None = None

    @property
    def expected_name(self) -> str | None:
        """The model's name as far as it is known before the file is read."""
        if self.name is not None:
            return self.name
        if self.path.is_dir():
            return self.path.resolve().name
        # These two may hold several models.
        return None if self.path.suffix.lower() in (".npz", ".npy") else self.path.stem

    def tables(self) -> dict[str, Table]:
        """Read the model, or the several models."""
        return tables_of_path(self.expected_name, self.path)

    def lazy_tables(self) -> dict[str, Table]:
        """Open the model, or the several models, whose cells stay in the file."""
        return tables_of_path(self.expected_name, self.path, lazily=True)


def model_files(given: Sequence[str]) -> list[ModelFile]:
    """Read ``name=path`` and plain paths; the same name twice is an error.

    What exists as a path is a path, even with an equals sign in it, and a name holds no slash.
    """
    files = [_model_file(text) for text in given]
    known: dict[str, ModelFile] = {}
    for file in files:
        name = file.expected_name
        if name is None:
            continue
        if name in known:
            raise InputError(
                f"two models are called {name!r} ({known[name].path} and {file.path}): give each "
                f"its own name, as in other={file.path}"
            )
        known[name] = file
    return files


def _model_file(text: str) -> ModelFile:
    name, equals, path = text.partition("=")
    slashes = [s for s in (os.sep, os.altsep) if s]
    if not equals or any(s in name for s in slashes) or Path(text).exists():
        return ModelFile(Path(text))
    if not name or not path:
        raise InputError(f"found the model file {text!r}, expected name=path or a path")
    # The shell leaves a tilde behind an equals sign alone.
    return ModelFile(Path(path).expanduser(), name)


def _tables(name: str | None, file: ModelFile) -> dict[str, Table]:
    return file.tables()


def _lazy_tables(name: str | None, file: ModelFile) -> dict[str, Table]:
    return file.lazy_tables()


def _never(*args: Any) -> Any:
    raise AssertionError("a named file brings predictions, not labels, and takes nothing back")


SOURCES.append(
    Source(
        lambda obj: isinstance(obj, ModelFile), _tables, _never, _never, lazy_tables=_lazy_tables
    )
)
