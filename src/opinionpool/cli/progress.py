"""Progress on stderr: for what takes over a second, and only where somebody watches."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY = 1.0


class Working:
    """A context in which work is done: ``with Working("fitting") as progress: …``.

    ``progress(what, share)`` says what is being done, and the share already done if known.

    Parameters
    ----------
    what
        What is being done first.
    quiet
        Whether nothing is to be shown at all.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._share = what, None  # type: tuple[str, float | None]
        self._lock = threading.Lock()
        self._shown: tuple[Progress, TaskID] | None = None
        self._timer: threading.Timer | None = None
        if not quiet and sys.stderr is not None and sys.stderr.isatty():
            self._timer = threading.Timer(DELAY, self._show)
            self._timer.daemon = True

    def __enter__(self) -> Working:
        if self._timer is not None:
            self._timer.start()
        return self

    def __call__(self, what: str, share: float | None = None) -> None:
        """Say what is being done."""
        with self._lock:
            self._what, self._share = what, share
            if self._shown is not None:
                bar, task = self._shown
                bar.update(task, description=what, total=_total(share), completed=share or 0.0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        with self._lock:
            self._timer = None
            if self._shown is not None:
                self._shown[0].stop()
                self._shown = None

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._timer is None:  # over before anything was shown
                return
            bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            task = bar.add_task(
                self._what, total=_total(self._share), completed=int(self._share or 0)
            )
            bar.start()
            self._shown = (bar, task)


def rows_of(progress: Working) -> Callable[[int, int], None]:
    """Return what shows rows as they are done: how many, how fast, and the time that is left."""
    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        passed = max(time.monotonic() - begun, 1e-9)
        left = timedelta(seconds=round((total - done) * passed / max(done, 1)))
        speed = f"{done:,} of {total:,} rows, {done / passed:,.0f} rows/s, {left} left"
        progress(speed, done / total)

    return show


def _total(share: float | None) -> float | None:
    return None if share is None else 1.0
