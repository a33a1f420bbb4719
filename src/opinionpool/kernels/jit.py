"""How the compiled kernels are compiled, and where the machine code is kept.

numba comes with the extra ``fast``. Without it the files of compiled kernels can still be
imported (their functions are then plain Python that nobody calls), so that only
:mod:`~opinionpool.kernels.fused` has to know whether it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .first_use import compiling

try:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.core import event
    from numba.extending import intrinsic as _intrinsic
    from numba.extending import register_jitable as _register
except ImportError:  # the extra is not installed
    numba = types = ir = event = _intrinsic = _register = None

__all__ = ["AVAILABLE", "intrinsic", "ir", "jit", "types"]

AVAILABLE: bool = numba is not None

#: Sums may be reordered and products fused, so that loops vectorise. Not ``nnan`` and ``ninf``:
#: a NaN or an infinity must stay visible.
FLAGS = {"reassoc", "contract", "arcp", "nsz"}

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FLAGS, "error_model": "numpy"}

F = TypeVar("F", bound=Callable[..., Any])


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that writes LLVM's intermediate language callable from compiled ones."""
    written: Callable[..., Any] = function if _intrinsic is None else _intrinsic(function)
    return written


def _fingerprint() -> str:
    """Digest of every kernel's source.

    numba notices an edit of the file that a cached function is in, not of the files of the
    functions that were compiled into it; so the digest becomes part of the cached name.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


_FINGERPRINT = _fingerprint() if AVAILABLE else ""


if AVAILABLE:

    class _Listener(event.Listener):  # type: ignore[misc]
        """Says when numba compiles, rather than loads, one of these functions."""

        def on_start(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            function = getattr(dispatcher, "py_func", None)
            if getattr(function, "__qualname__", "").endswith(f"-{_FINGERPRINT}"):
                compiling(dispatcher.stats.cache_path is not None)

        def on_end(self, event: Any) -> None:
            """Nobody has asked."""

    event.register("numba:compile", _Listener())


def jit(function: F) -> F:
    """Compile at the first call, without the GIL, and keep the machine code on disk.

    The cache is beside the source, or where that is read-only in the user's cache directory
    (``NUMBA_CACHE_DIR`` overrides both); where nothing can be written every process compiles.
    """
    if not AVAILABLE:
        return function
    function.__qualname__ = f"{function.__name__}-{_FINGERPRINT}"
    try:
        compiled: F = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # "cannot cache function ...: no locator available"
        compiled = numba.njit(**_OPTIONS)(function)
    return compiled


#: What only compiled functions call needs no doors to Python, and owns no memory: numba need not
#: count references.
_INNER: dict[str, Any] = {
    **_OPTIONS,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}


def part(function: F) -> F:
    """Make a function callable from compiled ones; from Python it stays what it is.

    It is kept on disk only as what was compiled into them.
    """
    return _inner(function, **_INNER)


def inlined(function: F) -> F:
    """Compile into every caller.

    A real call puts all vectors into memory first, and seven words of every array: 40 cycles for
    a sweep that may take a hundred. What is called in a single place costs no machine code.
    """
    return _inner(function, forceinline=True, **_INNER)


def _inner(function: F, **options: Any) -> F:
    if _register is None:
        return function
    registered: F = _register(**options)(function)
    return registered
