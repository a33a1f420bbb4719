"""Labels as given: hard or soft, from an array, a series, a frame or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelError
from .classes import class_text, is_absent
from .sheet import Sheet
from .table import Table, index_of, source_of
from .words import Words, words_of

#: Names under which an archive or a table may carry the labels, in order of preference.
LABEL_NAMES = ("label", "labels", "y", "target")


@dataclass(frozen=True)
class RawLabels:
    """Labels as given: hard (n,), or soft (n, K) floats, with ids and companions.

    ``columns`` are the class names of soft labels from a table, ``words`` the values where all of
    them are text.
    """

    values: NDArray[Any]
    where: str
    ids: NDArray[Any] | None = None
    index: NDArray[Any] | None = None
    first_row: int = 0
    columns: tuple[str, ...] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    words: Words | None = None

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
        if self.words is not None:
            return np.asarray(self.words.numbers >= 0)
        if self.values.dtype.kind == "O":
            return np.array([not is_absent(v) for v in self.values.tolist()], dtype=bool)
        return np.ones(len(self.values), dtype=bool)

    def hard_values(self) -> NDArray[Any] | None:
        """Return the known hard labels, each text once; None for soft ones."""
        if self.words is not None:
            return np.array(self.words.texts, dtype=object)
        if self.soft:
            return None
        known = self.known()
        return self.values if known.all() else self.values[known]

    def lighter(self, ids: NDArray[Any] | None) -> RawLabels:
        """Return labels of classes without what there is twice: texts with a number, known ids.

        Of millions of rows each is as large as all else that is noted of them.
        """
        given = self
        if given.words is not None:
            given = replace(given, values=given.words.numbers)
        mine = given.ids
        if mine is None or ids is None or mine.dtype.kind == "O" or mine.dtype != ids.dtype:
            return given
        return replace(given, ids=ids) if np.array_equal(mine, ids) else given


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
    raw = _shaped(_as_array(y, where), where)
    return replace(raw, index=index_of(y))


def labels_of_table(table: Table) -> RawLabels | None:
    """Return the labels that a model's table brought along."""
    if table.labels is None:
        return None
    return _hard(
        RawLabels(
            table.labels,
            table.where,
            table.ids,
            table.index,
            table.first_row,
            extras=table.extras,
        )
    )


def _from_sheet(sheet: Sheet) -> RawLabels:
    others = [name for name in sheet.columns if name != "id"]
    name = next((n for n in LABEL_NAMES if n in others), others[0] if len(others) == 1 else None)
    ids = sheet.columns.get("id")
    if name is None:
        # No column of labels: one column per class, soft labels.
        try:
            values = np.stack([sheet.numbers(n) for n in others], axis=1).astype(np.float64)
        except ValueError:  # no columns at all, or some with text: no distributions
            raise LabelError(
                f"{sheet.where}: found the columns {', '.join(others) or 'none'}; expected one "
                "named 'label', or one column of probabilities per class"
            ) from None
        return RawLabels(values, sheet.where, ids, sheet.index, sheet.first_row, tuple(others))
    extras = {n: sheet.columns[n] for n in others if n != name}
    labels = sheet.columns[name]
    return _hard(RawLabels(labels, sheet.where, ids, sheet.index, sheet.first_row, extras=extras))


def _from_archive(content: Mapping[str, NDArray[Any]], where: str) -> RawLabels:
    name = next((n for n in LABEL_NAMES if n in content), None)
    if name is None:
        raise LabelError(
            f"{where}: found the arrays {', '.join(content) or 'none'}; expected one of "
            f"{', '.join(map(repr, LABEL_NAMES))}"
        )
    raw = _shaped(content[name], where)
    n = len(raw.values)
    ids = content.get("ids", content.get("id"))
    if ids is not None and ids.shape != (n,):
        raise LabelError(f"{where}: found ids of shape {ids.shape} for {n} labels, expected ({n},)")
    classes = content.get("classes")
    if classes is not None and classes.ndim != 1:
        raise LabelError(
            f"{where}: found 'classes' of shape {classes.shape}, expected one name per class"
        )
    extras = {k: v for k, v in content.items() if k != name and v.ndim == 1 and len(v) == n}
    values = named_labels(raw.values, classes)
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


def _as_array(y: object, where: str) -> NDArray[Any]:
    """Return labels as an array; a list keeps its objects, so that NaN is not the text 'nan'."""
    try:
        array = np.asarray(y)
        if array.ndim == 1 and isinstance(y, list | tuple) and array.dtype.kind in "USO":
            array = np.empty(len(y), dtype=object)
            array[:] = y
    except (TypeError, ValueError) as error:
        raise LabelError(f"{where}: cannot be read as labels ({error})") from None
    return array


def _hard(raw: RawLabels) -> RawLabels:
    """Give 1-D labels the plainest type they have; texts are numbered."""
    words = words_of(raw.values)
    if words is not None:
        return replace(raw, words=words)
    return replace(raw, values=_typed(raw.values, raw.where))


def _typed(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Give 1-D labels the plainest type they have: numbers, booleans, or text."""
    if values.dtype.kind in "cV" or (
        values.dtype.kind == "O" and any(isinstance(v, complex) for v in values.tolist())
    ):
        raise LabelError(f"{where}: found {values.dtype.name} labels; expected numbers or text")
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind in "mM":
        text = values.astype(str) if values.dtype.kind == "m" else np.datetime_as_string(values)
        if values.dtype.kind == "M":
            text = np.datetime_as_string(values, unit="auto")
        named = text.astype(object)
        named[np.isnat(values)] = None
        return named
    if values.dtype.kind != "O":
        return values
    cells = [None if is_absent(v) else v for v in values.tolist()]
    present = [v for v in cells if v is not None]
    if present and all(isinstance(v, Real) and not isinstance(v, bool) for v in present):
        if len(present) == len(cells) and all(isinstance(v, int | np.integer) for v in present):
            return np.array(cells, dtype=np.int64 if _fits(cells) else object)
        return np.array([np.nan if v is None else float(v) for v in cells])
    out = np.empty(len(cells), dtype=object)
    out[:] = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in cells]
    return out


def _fits(numbers: list[Any]) -> bool:
    return all(-(2**63) <= int(number) < 2**63 for number in numbers)


def _shaped(values: NDArray[Any], where: str) -> RawLabels:
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        values = values.data.astype(object)
        values[masked] = None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise LabelError(
            f"{where}: found shape {values.shape}; expected (rows,) labels or (rows, classes) "
            "probabilities"
        )
    if values.ndim == 2:
        try:
            numbers = values.astype(np.float64) if values.dtype.kind != "c" else None
        except (TypeError, ValueError):
            numbers = None
        if numbers is None:
            raise LabelError(
                f"{where}: two-dimensional labels must be probabilities, found {values.dtype.name}"
            )
        return RawLabels(numbers, where)
    return _hard(RawLabels(values, where))
