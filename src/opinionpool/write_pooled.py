"""Pooling new predictions into a file, however many rows there are."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, OutputError
from .io import STREAMED, PartsWriter, Writer, behind, check_writable, writing
from .pool import Pool, load
from .pool_file import document
from .pool_pieces import pieces
from .pooling import Pooled, warn_of_fallback
from .predictions.classes import class_text
from .predictions.confidence import Scores
from .predictions.piecewise import Piecewise
from .resources import Memory, checked_threads, memory_budget

#: Cells of a part of a folder: 16 megabytes of float32, a second's work to lose to a kill.
PART_CELLS = 1 << 22
DEFAULT_MEMORY = "1GB"

#: Called with the rows that are done and with all there are.
Progress = Callable[[int, int], None]


def write_pooled(
    pool: Pool | str | os.PathLike[str],
    predictions: object,
    path: str | os.PathLike[str],
    *,
    memory: Memory = DEFAULT_MEMORY,
    confidence: Scores | None = None,
    quantiles: Sequence[float] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Pool new predictions block by block into a file, or a folder of parts.

    Parameters
    ----------
    pool
        A fitted pool, or the path of a saved one.
    predictions, confidence, threads
        As for :meth:`Pool.apply`. Files (``.npy``, ``.parquet``, folders of parts) are read once,
        the next block while one is being pooled. Where their rows are in different orders, they
        are put in order in a temporary file first.
    path
        A ``.parquet``, ``.csv`` or ``.npy``, which appears when it is complete; or a folder, made
        if it is not there, of Parquet parts, each of which appears when it is complete. A run
        that was killed is resumed by running it again: parts that are there are not computed
        again. With ids, if there are any, and a column per class.
    memory
        Bytes that predictions may take, a number or a text such as ``"1GB"``.
    quantiles
        Probabilities of quantiles to add, for Gaussians.
    progress
        Called with the number of rows that are done, and of all rows, after every block.

    Returns
    -------
    dict
        ``rows``, ``rows_with_missing`` and ``rows_fallback`` of what was pooled now, and
        ``rows_kept`` that an earlier run had written.

    Raises
    ------
    OutputError
        ``path`` cannot be written, or is a folder that holds something else.
    InputError
        As for :meth:`Pool.apply`.

    Examples
    --------
    >>> import numpy as np, opinionpool as op, tempfile, os
    >>> a, b = np.array([[2.0, 1, 0], [0, 1, 2]]), np.array([[1.0, 2, 0], [0, 2, 1]])
    >>> pool = op.fit({"a": a, "b": b}, [0, 2], temperature=1.0, weighting="uniform")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pooled.npy")
    ...     rows = op.write_pooled(pool, {"a": a, "b": b}, path)
    ...     np.load(path).round(2)
    array([[0.45, 0.45, 0.1 ],
           [0.1 , 0.45, 0.45]])
    """
    if isinstance(pool, str | os.PathLike):
        pool = load(pool)
    if not isinstance(pool, Pool):
        raise InputError(
            f"pool: found {type(pool).__name__}, expected a Pool or a saved one's path"
        )
    cores, budget = checked_threads(threads), memory_budget(memory)
    assert budget is not None
    in_parts = is_folder(path)
    if not in_parts:
        check_writable(path)
        if Path(path).suffix.lower() not in STREAMED:
            raise OutputError(
                f"cannot write {os.fspath(path)} block by block: choose {', '.join(STREAMED)}, "
                "or a folder"
            )
    given = pool.piecewise(predictions, budget, confidence, threads=cores)
    if in_parts:
        key = _key(pool, given, predictions, quantiles)
        step = max(1, PART_CELLS // len(given.columns))
        parts = PartsWriter(path, key, given.n_rows, step)
        touched = _write_parts(pool, given, parts, quantiles, cores, progress)
    else:
        touched = _write_file(pool, given, path, quantiles, cores, progress)
    kept = given.n_rows - touched["rows"]
    summary = {"rows": 0, "rows_with_missing": 0, "rows_fallback": 0, **touched}
    warn_of_fallback(Pooled(np.empty((0, 0)), summary), pool.policy)
    return {**summary, "rows_kept": kept}


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a result is to be a folder of parts: it is one, or its name has no ending."""
    return Path(path).is_dir() or not Path(path).suffix or os.fspath(path).endswith(os.sep)


def _write_file(
    pool: Pool,
    given: Piecewise,
    path: str | os.PathLike[str],
    quantiles: Sequence[float],
    threads: int,
    progress: Progress | None,
) -> Counter[str]:
    touched: Counter[str] = Counter()
    blocks = _columns(pool, given, 0, given.n_rows, quantiles, threads, touched)
    waiting = [next(blocks)]
    dtypes = {name: column.dtype for name, column in waiting[0].items()}
    most = max(1, PART_CELLS // len(dtypes))
    # Encoding and writing take about as long as reading and pooling: they are done meanwhile.
    with writing(path, dtypes, given.n_rows) as out, behind() as later:
        for columns in blocks:
            if progress is not None:
                progress(touched["rows"], given.n_rows)
            # Few large groups of rows: a small one costs as much for every column.
            if sum(_rows(w) for w in waiting) >= most:
                later(_append, out, waiting)
                waiting = []
            waiting.append(columns)
        later(_append, out, waiting)
    if progress is not None:
        progress(given.n_rows, given.n_rows)
    return touched


def _append(out: Writer, blocks: Sequence[Mapping[str, NDArray[Any]]]) -> None:
    out.append(_joined(blocks))


def _rows(columns: Mapping[str, NDArray[Any]]) -> int:
    return len(next(iter(columns.values())))


def _joined(blocks: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return consecutive blocks as one."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _write_parts(
    pool: Pool,
    given: Piecewise,
    parts: PartsWriter,
    quantiles: Sequence[float],
    threads: int,
    progress: Progress | None,
) -> Counter[str]:
    touched: Counter[str] = Counter()
    missing = parts.missing()
    kept = given.n_rows - sum(parts.rows(i).stop - parts.rows(i).start for i in missing)
    with behind() as later:
        for run in _runs(missing):
            # A run of parts is read in one go; the blocks are those of the budget.
            waiting: list[dict[str, NDArray[Any]]] = []
            first, last = parts.rows(run[0]).start, parts.rows(run[-1]).stop
            part, have = run[0], 0
            for columns in _columns(pool, given, first, last, quantiles, threads, touched):
                waiting.append(columns)
                have += _rows(columns)
                while part <= run[-1] and have >= (size := _length(parts, part)):
                    joined = _joined(waiting)
                    own = {name: column[:size] for name, column in joined.items()}
                    later(parts.write, part, own)
                    waiting = [{name: column[size:] for name, column in joined.items()}]
                    part, have = part + 1, have - size
                if progress is not None:
                    progress(kept + touched["rows"], given.n_rows)
    return touched


def _length(parts: PartsWriter, part: int) -> int:
    rows = parts.rows(part)
    return int(rows.stop - rows.start)


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield consecutive numbers together."""
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _columns(
    pool: Pool,
    given: Piecewise,
    first: int,
    last: int,
    quantiles: Sequence[float],
    threads: int,
    touched: Counter[str],
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of consecutive blocks, and count."""
    names = [class_text(c) for c in given.columns]
    for pooled in pieces(pool, given, first, last, threads=threads):
        rows = slice(first, first + pooled.touched["rows"])
        touched.update(pooled.touched)
        ids = None if given.ids is None else given.ids[rows]
        yield table_of(pooled, names, ids, given.dtype, quantiles, apart=True)
        first = rows.stop


def table_of(
    pooled: Pooled,
    names: Sequence[str],
    ids: NDArray[Any] | None,
    dtype: np.dtype[Any],
    quantiles: Sequence[float] = (),
    *,
    apart: bool = False,
) -> dict[str, NDArray[Any]]:
    """Return pooled rows as the columns of a table: ids, what is shown, quantiles.

    With ``apart`` every column lies by itself in memory: blocks of them are joined four times as
    fast as cells that are taken from rows.
    """
    columns = {} if ids is None else {"id": ids}
    if "id" in names and columns:
        raise OutputError("a class is called 'id', the name of the column of ids: rename the class")
    shown = pooled.shown(dtype)
    if apart:
        shown = np.asfortranarray(shown)
    columns.update({name: shown[:, k] for k, name in enumerate(names)})
    if len(quantiles) and pooled.distribution is None:
        raise InputError("quantiles: classes have none; leave them out")
    for q in quantiles:
        assert pooled.distribution is not None
        columns[f"q{q!r}"] = pooled.distribution.quantile(q).astype(dtype)
    return columns


def _key(pool: Pool, given: Piecewise, predictions: object, quantiles: Sequence[float]) -> str:
    """Return what tells this result from others: the pool, and which inputs these are."""
    digest = hashlib.sha256(repr((document(pool), given.names, tuple(quantiles))).encode())
    for name, values in given.values():
        digest.update(repr((name, values.shape, str(values.dtype))).encode())
        if isinstance(values, np.ndarray):
            digest.update(np.ascontiguousarray(values).data)
    for path in _paths(predictions):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            found = file.stat()
            digest.update(repr((file.name, found.st_size, found.st_mtime_ns)).encode())
    if given.ids is not None:
        digest.update(repr(given.ids.tolist()).encode())
    return digest.hexdigest()


def _paths(predictions: object) -> Iterator[Path]:
    """Yield the files among predictions, however they are given."""
    given: Any = predictions.values() if isinstance(predictions, Mapping) else predictions
    for item in [given] if isinstance(given, str | os.PathLike | np.ndarray) else given:
        own = getattr(item, "path", item)
        if isinstance(own, str | os.PathLike) and Path(own).exists():
            yield Path(own)
