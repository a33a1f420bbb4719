"""How much memory there is, asked before it is taken: a refusal beats a killed process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .errors import MemoryLimitError

_ROOT = Path("/")


def available_bytes() -> int | None:
    """Memory this process may still take, in bytes; None where the system does not say.

    The smallest of what the machine has free and what is left of the limits of the control
    groups (containers, batch systems) the process runs in.
    """
    known = [free for free in (_machine_free(_ROOT), *_group_free(_ROOT)) if free is not None]
    return max(0, min(known)) if known else None


def require(n_bytes: int, what: str) -> None:
    """Refuse a job that cannot fit, before anything is allocated.

    Parameters
    ----------
    n_bytes
        What the job needs at its peak.
    what
        The job, as the first words of the message: ``"reading a.npy (9 x 9 float64)"``.

    Raises
    ------
    MemoryLimitError
        The machine is known to have less.
    """
    free = available_bytes()
    if free is not None and n_bytes > free:
        raise MemoryLimitError(
            f"{what} needs {human(n_bytes)} of memory, but {human(free)} is available: "
            f"use fewer rows, float32, or a machine with more memory"
        )


def human(n_bytes: float) -> str:
    """Write a number of bytes as people say it: ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 999.5:  # what would be shown as 1000 belongs to the next unit
            return f"{n_bytes:.0f} bytes" if unit == "bytes" else f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.0f} PB"


def _machine_free(root: Path) -> int | None:
    fields = dict(
        line.split(":", 1) for line in _text(root / "proc/meminfo").splitlines() if ":" in line
    )
    free = fields.get("MemAvailable", "").split()
    if free and free[0].isdigit():
        return int(free[0]) * 1024
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return None


def _group_free(root: Path) -> Iterator[int]:
    """Give what is left in every control group around the process: a parent's limit binds."""
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        if not controllers:
            yield from _walk(mount, group, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            yield from _walk(
                mount / "memory",
                group,
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )


def _walk(mount: Path, group: str, limit: str, usage: str, cache: str) -> Iterator[int]:
    # Inside a container the group's path may be the host's: the mount itself is always asked.
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:depth])
        most, used = _number(folder / limit), _number(folder / usage)
        if most is not None and used is not None:
            # Cached file pages count as used but are given back as soon as they are needed.
            yield most - max(0, used - _field(folder / "memory.stat", cache))


def _field(path: Path, name: str) -> int:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
