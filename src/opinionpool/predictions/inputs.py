"""Inputs: whatever names the models and holds their outputs becomes one table per model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .classes import Label, class_text
from .raw_file import mapped_file
from .rows import distinct_names
from .table import Table, array_table, source_of

#: Of files that take less than one in so many bytes of a budget everything is in memory at once:
#: float32 cells take six times their size, copied to float64 and worked on.
ROOM = 8

GiveBack = Callable[[NDArray[Any], tuple[Label, ...], NDArray[Any] | None], Any]


def tables_of(
    inputs: object, *, row: bool = False, pairs: bool = False, lazily: bool = False
) -> tuple[dict[str, Table], GiveBack, bool]:
    """Turn inputs into one table per model, by name in order; say if all were single rows.

    With ``pairs`` a model's outputs may be a tuple of two vectors, its columns. With ``lazily``
    the values of a file, or of an array mapped from one, that can be read by the block are a
    ``LazyValues``; ids, labels and the like are read all the same.
    """
    source = source_of(inputs)
    if source is not None:
        return source.read(None, inputs, lazily=lazily), _giver(inputs), False
    if isinstance(inputs, Mapping):
        named: list[tuple[str | None, Any]] = [(_name(n), value) for n, value in inputs.items()]
    elif isinstance(inputs, str | bytes):
        raise InputError(f"predictions: found {inputs!r}, expected models' outputs or their files")
    else:
        named = _unnamed(inputs)
    if not named:
        raise InputError("predictions: found no model, expected at least one")
    tables: dict[str, Table] = {}
    for given, value in named:
        source = source_of(value)
        name = given if given is not None else f"m{len(tables)}"
        if source is not None:
            own = given if source.names_itself else name
            found = source.read(own, value, lazily=lazily)
        else:
            if pairs and isinstance(value, tuple) and len(value) == 2 and np.ndim(value[0]) == 1:
                value = _paired(value, name)
            where = f"model {name!r}"
            in_file = mapped_file(value, where) if lazily and not row else None
            values = _on_host(value) if in_file is None else in_file
            found = {name: array_table(values, where, row=row)}
        distinct_names([*tables, *found])
        tables.update(_sharing_ids(tables, found))
    one_row = row and all(_is_vector(value) for _, value in named)
    return tables, _giver(named[0][1]), one_row


def stays_in_files(inputs: object, memory: int | None) -> bool:
    """Whether there are so many bytes in files that they stay there, as far as their sizes say."""
    return memory is not None and ROOM * bytes_in_files(inputs) > memory


def bytes_in_files(inputs: object) -> int:
    """Return how large the files among inputs are, parts in folders included."""
    items: Iterable[Any] = [inputs]
    if isinstance(inputs, Mapping):
        items = inputs.values()
    elif isinstance(inputs, list | tuple):
        items = inputs
    total = 0
    for item in items:
        if isinstance(item, str | os.PathLike):
            with suppress(OSError, ValueError):  # whoever reads it says what is wrong
                path = Path(item)
                files = path.iterdir() if path.is_dir() else [path]
                total += sum(file.stat().st_size for file in files)
    return total


def _sharing_ids(known: Mapping[str, Table], found: dict[str, Table]) -> dict[str, Table]:
    """Return tables whose ids, if they are the first table's, are in memory once."""
    ids = next((table.ids for table in known.values()), None)
    if ids is None:
        return found
    return {
        name: replace(table, ids=ids)
        if table.ids is not None and table.ids.dtype == ids.dtype and np.array_equal(table.ids, ids)
        else table
        for name, table in found.items()
    }


def _paired(columns: tuple[Any, Any], name: str) -> NDArray[Any]:
    first, second = (np.asarray(_on_host(column)) for column in columns)
    if first.shape != second.shape:
        raise InputError(
            f"model {name!r}: found two columns of shapes {first.shape} and {second.shape}; "
            "expected one number per row in each"
        )
    return np.stack([first, second], axis=1)


def _unnamed(inputs: object) -> list[tuple[str | None, Any]]:
    if isinstance(inputs, Iterable) and not hasattr(inputs, "ndim"):
        return [(None, value) for value in inputs]
    ndim = getattr(inputs, "ndim", 0)
    if ndim not in (2, 3):
        raise InputError(
            f"predictions: found {type(inputs).__name__}"
            + (f" with {ndim} dimension(s)" if hasattr(inputs, "ndim") else "")
            + "; expected a mapping from model name to array, a list of arrays, or one array of "
            "shape (models, rows, classes)"
        )
    # Not every array library has len(), or an index that leaves axes out.
    return [(None, inputs[i, ...]) for i in range(inputs.shape[0])]  # type: ignore[attr-defined,index]


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"predictions: found the model name {name!r}, expected text")
    return name


def _is_vector(value: Any) -> bool:
    return np.ndim(value) == 1


def _on_host(value: Any) -> Any:
    """Return an array of another library as NumPy can read it: in main memory, no bfloat16."""
    if isinstance(value, np.ndarray | Sequence):
        return value
    from array_api_compat import is_array_api_obj, is_cupy_array, is_torch_array, to_device

    if is_torch_array(value) or is_cupy_array(value):
        value = to_device(value, "cpu")
    if is_array_api_obj(value) and str(value.dtype).endswith("bfloat16"):
        value = value.float() if is_torch_array(value) else value.astype("float32")
    return value


def _giver(original: Any) -> GiveBack:
    """Return how a result becomes what the caller works with: its frame type or array library."""
    source = source_of(original)
    if isinstance(original, tuple) and original and not np.isscalar(original[0]):
        original = original[0]  # a mean and a variance

    def give_back(p: NDArray[Any], classes: tuple[Label, ...], ids: NDArray[Any] | None) -> Any:
        if source is not None:
            return source.give_back(original, p, tuple(class_text(c) for c in classes), ids)
        if isinstance(original, np.ndarray | Sequence):
            return p
        from array_api_compat import (
            array_namespace,
            device,
            is_array_api_obj,
            is_cupy_array,
            is_torch_array,
        )

        if not is_array_api_obj(original):
            return p
        xp = array_namespace(original)
        if is_torch_array(original) or is_cupy_array(original):
            return xp.asarray(p, device=device(original))
        return xp.asarray(p)

    return give_back
