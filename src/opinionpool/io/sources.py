"""Files and data frames as sources of predictions and labels: registered on import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..predictions.labels import LABEL_NAMES, named_labels
from ..predictions.lazy import LazyValues
from ..predictions.sheet import Sheet
from ..predictions.table import SOURCES, Source, Table, array_table, model_table
from .base import Content
from .files import is_path, read
from .frames import frame_like, is_frame, sheet_of_frame

#: (M, N, K) numbers of M models.
Models = NDArray[Any] | Sequence[LazyValues]

#: Names under which an archive holds predictions, in order of preference.
PREDICTION_NAMES = ("probs", "probabilities", "log_probs", "logits", "predictions")


def tables_of_path(name: str | None, path: Any, *, lazily: bool = False) -> dict[str, Table]:
    """Read the model, or the several models, of a file or of a folder of parts."""
    content = read(path, lazily=lazily)
    where = str(path)
    own = name if name is not None else Path(path).stem
    if isinstance(content, Sheet):
        return {own: model_table(content, where)}
    if isinstance(content, Mapping):
        return _tables_of_archive(name, own, content, where)
    if isinstance(content, LazyValues) or (isinstance(content, np.ndarray) and content.ndim != 3):
        return {own: array_table(content, where)}
    return _several(name, content, [f"m{i}" for i in range(len(content))], where, {})


def _tables_of_archive(
    name: str | None, own: str, content: Mapping[str, NDArray[Any] | LazyValues], where: str
) -> dict[str, Table]:
    found = next((n for n in PREDICTION_NAMES if n in content), None)
    if found is None:
        floats = [n for n, a in content.items() if a.dtype.kind == "f" and a.ndim >= 1]
        if len(floats) != 1:
            raise FileError(
                f"{where}: found the arrays {', '.join(content) or 'none'}; expected the "
                f"predictions under one of {', '.join(map(repr, PREDICTION_NAMES))}"
            )
        found = floats[0]
    values = content[found]
    n_rows = values.shape[-2] if values.ndim > 1 else len(values)
    arrays = {n: a for n, a in content.items() if isinstance(a, np.ndarray)}
    along = {n: a for n, a in arrays.items() if n != found and a.shape == (n_rows,)}
    classes = arrays.get("classes")
    if classes is not None and classes.ndim != 1:
        raise FileError(
            f"{where}: found 'classes' of shape {classes.shape}, expected one name per column"
        )
    label = next((n for n in LABEL_NAMES if n in along), None)
    ids = _name_of_ids(content, along, n_rows, where)
    taken = {label, ids, "classes", "models"}
    facts: dict[str, Any] = {
        "columns": None if classes is None else tuple(str(c) for c in classes.tolist()),
        "ids": None if ids is None else along[ids],
        "labels": None if label is None else named_labels(along[label], classes),
        "extras": {n: a for n, a in along.items() if n not in taken},
    }
    columns = facts["columns"]
    if isinstance(columns, tuple) and values.ndim > 1 and len(columns) != values.shape[-1]:
        raise FileError(
            f"{where}: found {len(columns)} 'classes' for predictions with {values.shape[-1]} "
            "columns"
        )
    if isinstance(values, np.ndarray) and values.ndim == 3:
        models = arrays.get("models", np.array([f"m{i}" for i in range(len(values))]))
        if models.shape != (len(values),):
            raise FileError(
                f"{where}: found {models.size} 'models' for predictions of shape {values.shape}"
            )
        return _several(name, values, [str(m) for m in models.tolist()], where, facts)
    if values.ndim > 3:
        raise FileError(
            f"{where}: found {found!r} of shape {values.shape}, expected (rows, classes) or "
            "(models, rows, classes)"
        )
    plain = array_table(values, where)
    return {own: Table(plain.values, where, **facts)}


def _name_of_ids(
    content: Mapping[str, Any], along: Mapping[str, Any], n_rows: int, where: str
) -> str | None:
    """Return under which name an archive has ids; those of another shape are not passed over.

    Without them rows would be matched by position, which may be another order.
    """
    named = [name for name in ("ids", "id") if name in content]
    fitting = next((name for name in named if name in along), None)
    if named and fitting is None:
        raise FileError(
            f"{where}: found {named[0]!r} of shape {content[named[0]].shape} for predictions of "
            f"{n_rows} rows, expected ({n_rows},)"
        )
    return fitting


def _several(
    name: str | None, values: Models, names: list[str], where: str, facts: dict[str, Any]
) -> dict[str, Table]:
    if name is not None:
        raise FileError(
            f"{where}: holds {len(names)} models ({', '.join(names[:5])}, ...), which cannot all "
            f"be called {name!r}; give the path without a name"
        )
    twice = next((own for own, n in Counter(names).items() if n > 1), None)
    if twice is not None:  # the last of them would take the place of the others
        raise FileError(f"{where}: two of its models are called {twice!r}")
    return {
        own: Table(
            array_table(values[i], f"{where}, model {own!r}").values,
            f"{where}, model {own!r}",
            **facts,
        )
        for i, own in enumerate(names)
    }


def labels_of_path(path: Any) -> Content:
    """Read labels from a file."""
    return read(path)


def tables_of_frame(name: str | None, frame: Any) -> dict[str, Table]:
    """Read a data frame as one model."""
    own = name if name is not None else "m0"
    where = f"model {own!r} (data frame)"
    return {own: model_table(sheet_of_frame(frame, where))}


def give_back_frame(
    original: Any, p: NDArray[Any], classes: tuple[str, ...], ids: NDArray[Any] | None
) -> Any:
    """Return pooled probabilities as a frame of the same library, with ids or row labels."""
    columns: dict[str, NDArray[Any]] = {} if ids is None else {"id": ids}
    columns.update({name: p[:, i] for i, name in enumerate(classes)})
    index = sheet_of_frame(original).index if ids is None else None
    return frame_like(original, columns, index)


def _array_of_path(
    original: Any, p: NDArray[Any], classes: tuple[str, ...], ids: NDArray[Any] | None
) -> NDArray[Any]:
    return p


SOURCES.append(
    Source(
        is_path,
        tables_of_path,
        labels_of_path,
        _array_of_path,
        lazy_tables=partial(tables_of_path, lazily=True),
    )
)
SOURCES.append(
    Source(
        is_frame,
        tables_of_frame,
        lambda y: sheet_of_frame(y, "labels"),
        give_back_frame,
        names_itself=False,
    )
)
