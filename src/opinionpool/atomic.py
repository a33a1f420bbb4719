"""Whole files or none: what is written takes its place in one step, after it is on the disk."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError

#: How the names of unfinished files begin.
TEMPORARY = ".opinionpool-"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; it replaces ``path`` when the block ends well.

    The temporary file lies hidden in the same folder (a rename does not cross file systems)
    and has the same suffix (writers look at it). Whatever goes wrong, even a kill, the file
    that stood at ``path`` is untouched.

    Parameters
    ----------
    path
        Where the result is to stand. A symbolic link is followed, not replaced.

    Yields
    ------
    Path
        An existing, empty file to be overwritten by the block, which should do nothing but
        write: any ``OSError`` in it counts as a failure to write ``path``.

    Raises
    ------
    OutputError
        The folder is absent or closed, the disk is full, ``path`` is a folder or read-only.
    """
    target = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        mode = _mode_to_keep(target, path)
        temporary = _new_file_beside(target)
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        # Opened for writing because some systems refuse to flush what was opened to be read.
        with open(temporary, "r+b") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        temporary = None
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {os.fspath(path)}: {_reason(error, target)} "
            f"(whatever stood there is unchanged)"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
    _flush_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file of bytes, or leave what stood there."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole file of text as UTF-8, or leave what stood there."""
    write_bytes(path, text.encode("utf-8"))


def _mode_to_keep(target: Path, path: str | os.PathLike[str]) -> int | None:
    """Permissions of the file that will be replaced; None where nothing stands there."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
        raise OutputError(f"cannot write {os.fspath(path)}: it is {what}, not a file")
    # A rename would replace a read-only file without asking.
    if not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {os.fspath(path)}: it is read-only")
    return stat.S_IMODE(mode)


def _new_file_beside(target: Path) -> Path:
    """Create an empty hidden file; the fixed stem keeps long names within the limit."""
    # Not tempfile: it makes files that only the owner may read, and the result would stay so.
    path = target.parent / f"{TEMPORARY}{secrets.token_hex(6)}{target.suffix}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return path


def _reason(error: OSError, target: Path) -> str:
    if isinstance(error, FileNotFoundError) and not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    return error.strerror or str(error) or type(error).__name__


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can."""
    # The new file already stands: a failure here must not be reported as "not written".
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
