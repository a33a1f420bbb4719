"""Nameless temporary files: nothing stays behind, not even after a kill."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, OutputError
from ..memory import human


def scratch_file(n_bytes: int, where: str) -> FileIO:
    """Open a temporary file, once there is known to be room for it.

    Raises
    ------
    OutputError
        The folder for temporary files has less room.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OutputError(
            f"{where} needs {human(n_bytes)} in the folder for temporary files {folder}, "
            f"which has {human(free)}: set TMPDIR to a folder with more"
        )
    with writing_scratch(where):
        stream = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it is the caller's
        if n_bytes and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(stream.fileno(), 0, n_bytes)
            except OSError:
                stream.close()
                raise
        return stream


@contextmanager
def writing_scratch(where: str) -> Iterator[None]:
    """Say which folder is full, or closed."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{where}: cannot write to the folder for temporary files {tempfile.gettempdir()}: "
            f"{error.strerror or error}"
        ) from error


def fill(stream: Any, array: NDArray[np.generic], where: str) -> None:
    """Read a contiguous array; one call of the system may not do it."""
    left: memoryview = array.reshape(-1).view(np.uint8).data  # whatever the order of its bytes
    while len(left):
        count = stream.readinto(left)
        if not count:
            raise FileError(f"{where} is truncated: {len(left):,} bytes are missing")
        left = left[count:]


def empty(stream: Any, array: NDArray[np.generic]) -> None:
    """Write an array; one call of the system may not do it."""
    left: memoryview = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    while len(left):
        left = left[stream.write(left) :]
