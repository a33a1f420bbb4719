"""Labels as given: hard or soft, from an array, a series, a frame or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelError
from .classes import class_text
from .sheet import Sheet
from .table import Table, source_of

#: Names under which an archive or a table may carry the labels, in order of preference.
LABEL_NAMES = ("label", "labels", "y", "target")


@dataclass(frozen=True)
class RawLabels:
    """Labels as given: hard (n,), or soft (n, K) floats, with ids and companions.

    ``columns`` are the class names of soft labels from a table.
    """

    values: NDArray[Any]
    where: str
    ids: NDArray[Any] | None = None
    index: NDArray[Any] | None = None
    columns: tuple[str, ...] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def soft(self) -> bool:
        """Whether these are distributions: (n, K), or floats in [0, 1], some strictly inside."""
        if self.values.ndim == 2:
            return True
        if self.values.dtype.kind != "f":
            return False
        given = self.values[~np.isnan(self.values)]
        inside = ((given > 0) & (given < 1)).any()
        return bool(inside and (given >= 0).all() and (given <= 1).all())

    def known(self) -> NDArray[np.bool_]:
        """Return which rows have a label."""
        if self.values.ndim == 2:
            return np.asarray(~np.isnan(self.values).all(axis=1))
        if self.values.dtype.kind == "f":
            return np.asarray(~np.isnan(self.values))
        if self.values.dtype.kind in "OM":
            return np.array([v is not None and v == v for v in self.values.tolist()], dtype=bool)
        return np.ones(len(self.values), dtype=bool)

    def hard_values(self) -> NDArray[Any] | None:
        """Return the known hard labels, None for soft ones."""
        return None if self.soft else self.values[self.known()]


def read_labels(y: object, where: str = "labels") -> RawLabels:
    """Read labels from an array, a series, a frame or a path."""
    source = source_of(y)
    if source is not None:
        content = source.labels(y)
        if isinstance(content, Sheet):
            return _from_sheet(content)
        if isinstance(content, Mapping):
            return _from_archive(content, str(y))
        return _shaped(np.asarray(content), str(y))
    index = getattr(y, "index", None)
    index = None if index is None or callable(index) else np.asarray(index)
    raw = _shaped(np.asarray(y), where)
    return RawLabels(raw.values, where, index=index)


def labels_of_table(table: Table) -> RawLabels | None:
    """Return the labels that a model's table brought along."""
    if table.labels is None:
        return None
    return RawLabels(table.labels, table.where, table.ids, table.index, extras=table.extras)


def _from_sheet(sheet: Sheet) -> RawLabels:
    others = [name for name in sheet.columns if name != "id"]
    name = next((n for n in LABEL_NAMES if n in others), others[0] if len(others) == 1 else None)
    ids = sheet.columns.get("id")
    if name is None:
        # No column of labels: one column per class, soft labels.
        values = (
            np.stack([sheet.numbers(n) for n in others], axis=1) if others else np.empty((0, 0))
        )
        if not others:
            raise LabelError(
                f"{sheet.where}: found no column of labels; expected one named 'label'"
            )
        return RawLabels(values.astype(np.float64), sheet.where, ids, sheet.index, tuple(others))
    extras = {n: sheet.columns[n] for n in others if n != name}
    return RawLabels(sheet.columns[name], sheet.where, ids, sheet.index, extras=extras)


def _from_archive(content: Mapping[str, NDArray[Any]], where: str) -> RawLabels:
    name = next((n for n in LABEL_NAMES if n in content), None)
    if name is None:
        raise LabelError(
            f"{where}: found the arrays {', '.join(content) or 'none'}; expected one of "
            f"{', '.join(map(repr, LABEL_NAMES))}"
        )
    raw = _shaped(content[name], where)
    ids = content.get("ids", content.get("id"))
    n = len(raw.values)
    extras = {k: v for k, v in content.items() if k != name and v.ndim == 1 and len(v) == n}
    values = named_labels(raw.values, content.get("classes"))
    return RawLabels(values, where, ids, extras=extras)


def named_labels(labels: NDArray[Any], classes: NDArray[Any] | None) -> NDArray[Any]:
    """Replace class numbers by names where an archive has both and the numbers are no names."""
    if classes is None or labels.dtype.kind not in "iu" or not len(labels):
        return labels
    names = {class_text(name) for name in classes.tolist()}
    distinct = np.unique(labels)
    if any(class_text(label) in names for label in distinct):
        return labels
    if distinct[0] < 0 or distinct[-1] >= len(classes):
        return labels
    named: NDArray[Any] = classes[labels]
    return named


def _shaped(values: NDArray[Any], where: str) -> RawLabels:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise LabelError(
            f"{where}: found shape {values.shape}; expected (rows,) labels or (rows, classes) "
            "probabilities"
        )
    if values.ndim == 2:
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise LabelError(f"{where}: two-dimensional labels must be probabilities") from None
    return RawLabels(values, where)
