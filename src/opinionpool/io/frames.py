"""Data frames of any library (pandas, Polars, PyArrow and others) through narwhals."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..predictions.sheet import Sheet

_HOSTS = ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals")


def is_frame(obj: object) -> bool:
    """Whether an argument is a data frame; a lazy one of Polars counts, to be told apart later."""
    # Whose library was never imported cannot exist: arrays alone do not cost an import.
    if isinstance(obj, np.ndarray) or not any(host in sys.modules for host in _HOSTS):
        return False
    from narwhals import dependencies

    return dependencies.is_into_dataframe(obj) or dependencies.is_polars_lazyframe(obj)


def sheet_of_frame(frame: Any, where: str = "data frame") -> Sheet:
    """Read a data frame into a sheet.

    Parameters
    ----------
    frame
        Of any library that narwhals knows. Names of columns become text.
    where
        How messages name the frame.

    Returns
    -------
    Sheet
        Its ``index`` holds the row labels of libraries that have them, the default 0, 1, 2, …
        included; rows are counted from 0, as the frame's library does.
    """
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame, eager_only=True)
        series = list(wrapped.iter_columns())
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"{where}: column names must be unique: {error}") from error
    except TypeError as error:
        raise InputError(
            f"{where}: found {type(frame).__name__}; a lazy frame must be collected first"
        ) from error
    columns: dict[str, NDArray[Any]] = {}
    for one in series:
        name = str(one.name)
        if name in columns:
            raise InputError(f"{where}: two columns are named {name!r} as text")
        columns[name] = _array(one, f"{where}, column {name!r}")
    return Sheet(columns, where, 0, _index(nw.maybe_get_index(wrapped)))


def frame_like(
    original: Any, columns: Mapping[str, NDArray[Any]], index: NDArray[Any] | None = None
) -> Any:
    """Make a data frame of the same library as another one.

    Parameters
    ----------
    original
        The frame whose library, and whose row labels if they are the same, are kept.
    columns
        Name to 1-D array.
    index
        Row labels, as :func:`sheet_of_frame` found them; ignored by libraries without them.
    """
    import narwhals as nw

    before = nw.from_native(original, eager_only=True)
    data = {name: c.tolist() if c.dtype.kind in "OUS" else c for name, c in columns.items()}
    made = nw.from_dict(data, backend=before.implementation)
    if original is before:  # the caller works with narwhals' own frames
        return made
    native = made.to_native()
    own = nw.maybe_get_index(before)
    if index is not None and own is not None:
        # The same labels: the original's index also carries their name and type.
        native.index = own if np.array_equal(own.to_numpy(), index) else index
    return native


def _index(index: Any) -> NDArray[Any] | None:
    if index is None:
        return None
    # The default 0, 1, 2, … counts too: a frame with these labels shuffled must not pass for it.
    labels: NDArray[Any] = index.to_numpy()
    return labels


def _array(series: Any, where: str) -> NDArray[Any]:
    """Turn a column into numbers, dates, or text, with NaN or None where it is null."""
    import narwhals as nw

    dtype = series.dtype
    if isinstance(dtype, nw.Categorical | nw.Enum):
        # The mask comes from before the cast, which in older libraries writes absent as "nan".
        return _with_none(series.cast(nw.String), series.is_null())
    if isinstance(dtype, nw.String):
        return _texts(series)
    if isinstance(dtype, nw.Object):
        return _objects(_texts(series), where)
    if isinstance(dtype, nw.Decimal):
        series = series.cast(nw.Float64)
    elif isinstance(dtype, nw.Boolean):
        series = series.cast(nw.Float64) if series.is_null().any() else series
    elif isinstance(dtype, nw.Date):
        return _texts(series).astype("datetime64[D]")
    elif isinstance(dtype, nw.Datetime):
        if dtype.time_zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif series.is_null().all():
        return np.full(len(series), np.nan)
    elif not dtype.is_numeric():
        raise InputError(f"{where}: found the type {dtype}, where numbers or text belong")
    array: NDArray[Any] = series.to_numpy()
    return array


def _texts(series: Any) -> NDArray[Any]:
    """Objects as they are, with None where the library has its own mark for absent."""
    return _with_none(series, series.is_null())


def _with_none(series: Any, absent: Any) -> NDArray[Any]:
    out = np.empty(len(series), dtype=object)
    out[:] = series.to_list()
    out[absent.to_numpy().astype(bool)] = None
    return out


def _objects(cells: NDArray[Any], where: str) -> NDArray[Any]:
    """Judge a column whose library does not know its type: all numbers, or all text."""
    present = [cell for cell in cells if cell is not None]
    if present and all(isinstance(cell, str) for cell in present):
        return cells
    if present and all(isinstance(cell, date) for cell in present):
        return cells.astype("datetime64")
    if all(isinstance(cell, Real) for cell in present):
        if present and len(present) == len(cells) and all(map(_is_long, present)):
            return cells.astype(np.int64)
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    expected = str if isinstance(present[0], str) else Real
    row = next(r for r, c in enumerate(cells) if c is not None and not isinstance(c, expected))
    raise InputError(
        f"{where}, row {row}: found {cells[row]!r} ({type(cells[row]).__name__}); "
        f"a column must hold numbers or text, not both or anything else"
    )


def _is_long(cell: Any) -> bool:
    """Whether an object is an integer that an int64 holds exactly."""
    return isinstance(cell, int | np.integer) and -(2**63) <= int(cell) < 2**63
