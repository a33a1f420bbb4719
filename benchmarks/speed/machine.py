"""What was measured on: the machine, how busy it was, and the versions of everything."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("opinionpool", "numpy", "scipy", "numba", "pyarrow", "torch", "jax", "arviz-stats"),
    *("cvxpy", "clarabel"),
)


def facts() -> dict[str, Any]:
    """Return them as plain values."""
    return {
        "processor": processor(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: known for name in PACKAGES if (known := installed(name))},
        "revision": revision(),
        "load_before": round(os.getloadavg()[0], 2),
        "day": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def installed(name: str) -> str | None:
    """Return the version of a package, None if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def revision() -> str | None:
    """Return the commit, marked if there are changes beside it."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def peak_memory() -> int:
    """Return the most bytes that this process had resident.

    Not ``getrusage``: on Linux that starts from what the parent had when it forked.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
