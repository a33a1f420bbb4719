"""Whether a file that is read several times is still the one that was opened first."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import FileError


class Version(NamedTuple):
    """What changes when a file is written to or replaced."""

    size: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Version:
        """Look at the file as it is now."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)

    def check(self, path: Path) -> None:
        """Refuse to go on with another file: two passes over it would disagree."""
        try:
            now: Version | None = Version.of(path)
        except OSError:
            now = None
        if now != self:
            raise FileError(f"{path} changed while it was read: read it again when it is complete")
