"""What is printed: results on stdout, remarks on stderr, and what can go wrong with either."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Group, Parameter
from numpy.typing import NDArray

from ..errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT = Group("Output", sort_key=5)
_ROWS = 4096  # of a table that are text at a time


@Parameter(name="*")
@dataclass(frozen=True)
class Talk:
    """What is said where."""

    json: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            negative="",
            show_default=False,
            help="Print one JSON document instead of text; 'inf' and 'nan' are texts in it.",
        ),
    ] = False
    quiet: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            negative="",
            show_default=False,
            help="No progress and no warnings on stderr.",
        ),
    ] = False

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """Print a result in the form that was asked for."""
        if self.json:
            write_json(document)
        else:
            with printing():
                print(text)

    def remark(self, text: str) -> None:
        """Say something beside the result."""
        if not self.quiet:
            to_stderr(text)


#: Text on stdout, progress and warnings on stderr.
TALK = Talk()


def write_json(document: Mapping[str, Any], *, compact: bool = False) -> None:
    """Print one JSON document: indented where people may read it, compact for many numbers."""
    import msgspec

    encoded = msgspec.json.encode(jsonable(document))
    if not compact:
        encoded = msgspec.json.format(encoded, indent=2)
    with printing():
        print(encoded.decode())


def jsonable(x: Any) -> Any:
    """Return what JSON can hold; it has no numbers for what is not finite, so those are texts."""
    if isinstance(x, Mapping):
        return {str(key): jsonable(value) for key, value in x.items()}
    if isinstance(x, np.ndarray):
        return jsonable(x.tolist())
    if isinstance(x, list | tuple):
        return [jsonable(value) for value in x]
    if isinstance(x, np.generic):
        return jsonable(x.item())
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    return x if x is None or isinstance(x, str | int | float | bool) else str(x)


def write_csv(columns: Mapping[str, NDArray[Any]]) -> None:
    """Print columns as CSV, with digits that read back as the same numbers."""
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in columns.values()]
    with printing():
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for start in range(0, len(arrays[0]), _ROWS):
            block = [array[start : start + _ROWS].tolist() for array in arrays]
            writer.writerows(zip(*block, strict=True))


def to_stderr(text: str) -> None:
    """Write beside the result; where stderr is closed or full there is nobody to tell."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


@contextmanager
def printing() -> Iterator[None]:
    """Turn what can go wrong with stdout into errors that say so."""
    if sys.stdout is None:
        raise OutputError("cannot write to stdout: it is closed")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        let_go_of_stdout()
        raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise OutputError(
            f"cannot write {error.object[error.start]!a} to stdout in the encoding "
            f"{error.encoding}; with PYTHONUTF8=1 in the environment it will do"
        ) from error


def let_go_of_stdout() -> None:
    """Point stdout to nowhere: the interpreter flushes it once more when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
