"""Targets: what happened, as given by the caller, aligned to the rows of the predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, LabelError, warn
from ..rules.evidence import Outcomes
from .classes import Label, class_numbers, class_text
from .kinds import SUM_SLACK
from .labels import RawLabels
from .rows import check_ids, check_index, known_places, warn_if_few

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """Labelled rows of some predictions.

    Attributes
    ----------
    rows
        (n,) numbers of the predictions' rows that have a label.
    outcomes, weight
        What happened there, and how much it counts.
    source_rows
        (n,) positions of these rows in the labels as given (for groups and times).
    n_unlabelled, n_unpredicted, n_given
        Predicted rows without a label; labels of rows nobody predicted (ids only); labels as
        given, absent ones included.
    extras
        Companion columns of the labels, (n,) each.
    """

    rows: NDArray[np.int64]
    outcomes: Outcomes
    weight: Array
    source_rows: NDArray[np.int64]
    n_unlabelled: int = 0
    n_unpredicted: int = 0
    n_given: int = 0
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def of_all(self, n_rows: int) -> bool:
        """Whether every row of the predictions has a label, in their order."""
        return len(self.rows) == n_rows and bool((self.rows[1:] > self.rows[:-1]).all())

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Targets:
        """Return some of the labelled rows."""
        return replace(
            self,
            rows=self.rows[chosen],
            outcomes=self.outcomes.take(chosen),
            weight=self.weight[chosen],
            source_rows=self.source_rows[chosen],
            extras={name: column[chosen] for name, column in self.extras.items()},
        )


def targets(
    raw: RawLabels,
    classes: tuple[Label, ...] | None,
    n_rows: int,
    ids: NDArray[Any] | None,
    index: NDArray[Any] | None,
    sample_weight: object = None,
) -> Targets:
    """Align labels with predictions and check them. Raises LabelError, AlignmentError.

    Without classes the labels are real numbers.
    """
    rows, unpredicted = _placed(raw, n_rows, ids, index)
    known = raw.known() & (rows >= 0)
    weight = _weights(sample_weight, raw)
    # A row of weight 0 is a row that was not seen.
    known &= weight > 0
    if known.all() and (rows[1:] > rows[:-1]).all():
        # In order already: no copies of what may be millions.
        source_rows = rows if len(rows) == n_rows else np.arange(len(rows))
        chosen: slice | NDArray[np.int64] = slice(None)
    else:
        source_rows = np.flatnonzero(known)
        source_rows = source_rows[np.argsort(rows[source_rows], kind="stable")]
        chosen = source_rows
    if not len(source_rows):
        raise LabelError(f"{raw.where}: no row has a label, a prediction and a positive weight")
    values = raw.values[chosen]
    if classes is None:
        outcomes = Outcomes(values=_real(values, raw, source_rows + raw.first_row))
    elif raw.soft:
        outcomes = Outcomes(soft=_soft(values, raw, classes, source_rows + raw.first_row))
    else:
        labels = values if raw.words is None else raw.words.take(chosen)
        numbers = class_numbers(labels, classes, raw.where, source_rows, raw.first_row)
        outcomes = Outcomes(classes=numbers)
    return Targets(
        rows[chosen],
        outcomes,
        weight[chosen],
        source_rows,
        n_unlabelled=n_rows - len(source_rows),
        n_unpredicted=unpredicted,
        n_given=len(raw.values),
        extras={name: column[chosen] for name, column in raw.extras.items()},
    )


def _placed(
    raw: RawLabels, n_rows: int, ids: NDArray[Any] | None, index: NDArray[Any] | None
) -> tuple[NDArray[np.int64], int]:
    """Return the predictions' row of each label, −1 where there is none, and their count."""
    if raw.ids is not None and ids is not None:
        check_ids(raw.ids, raw.where)
        place = known_places(raw.ids, ids, raw.where, "the predictions")
        n_new = int((place < 0).sum())
        few = min(len(raw.ids), len(ids))
        warn_if_few(len(place) - n_new, few, raw.where, "the predictions")
        return place, n_new
    if len(raw.values) != n_rows:
        hint = "; give the labels an 'id' column to match on" if ids is not None else ""
        raise LabelError(
            f"{raw.where}: found {len(raw.values)} labels for {n_rows} predicted rows{hint}"
        )
    check_index(index, raw.index, raw.where)
    return np.arange(n_rows), 0


def _real(values: NDArray[Any], raw: RawLabels, rows: NDArray[np.int64]) -> Array:
    """Return labels that are numbers."""
    if values.ndim != 1:
        raise LabelError(
            f"{raw.where}: found {values.shape[1]} columns of labels, expected one number per row"
        )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        row = next(i for i, v in enumerate(values.tolist()) if not _is_number(v))
        raise LabelError(
            f"{raw.where}, row {rows[row]}: found {values[row]!r}, expected a number"
        ) from None
    if not np.isfinite(numbers).all():
        row = int((~np.isfinite(numbers)).argmax())
        raise LabelError(
            f"{raw.where}, row {rows[row]}: found {numbers[row]}, expected a finite number"
        )
    return numbers


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _soft(
    values: NDArray[Any], raw: RawLabels, classes: tuple[Label, ...], rows: NDArray[np.int64]
) -> Array:
    if values.ndim == 1:
        if len(classes) != 2:
            raise LabelError(
                f"{raw.where}: labels strictly between 0 and 1 are probabilities of the second of "
                f"two classes, but there are {len(classes)} classes"
            )
        return np.stack([1 - values, values], axis=1).astype(np.float64)
    if raw.columns is not None:
        position = {class_text(name): i for i, name in enumerate(raw.columns)}
        texts = [class_text(name) for name in classes]
        if set(position) != set(texts):
            raise LabelError(
                f"{raw.where}: soft labels for {', '.join(raw.columns)}; the classes are "
                f"{', '.join(map(str, classes))} (or name the column of hard labels 'label')"
            )
        values = values[:, [position[text] for text in texts]]
    if values.shape[1] != len(classes):
        raise LabelError(
            f"{raw.where}: found soft labels with {values.shape[1]} columns for {len(classes)} "
            "classes"
        )
    total = values.sum(axis=1)
    wrong = ~((values >= 0).all(axis=1) & (np.abs(total - 1) <= SUM_SLACK))
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelError(
            f"{raw.where}, row {rows[row]}: soft label {values[row].tolist()} is no distribution; "
            f"expected numbers ≥ 0 that sum to one ({int(wrong.sum())} such row(s))"
        )
    soft: Array = values / total[:, None]
    return soft


def _weights(sample_weight: object, raw: RawLabels) -> Array:
    n = len(raw.values)
    if sample_weight is None:
        return np.ones(n)
    if isinstance(sample_weight, str):
        if sample_weight not in raw.extras:
            raise InputError(
                f"sample_weight: there is no column {sample_weight!r} beside the labels; found: "
                f"{', '.join(raw.extras) or 'none'}"
            )
        sample_weight = raw.extras[sample_weight]
    try:
        if np.iscomplexobj(np.asarray(sample_weight)):
            raise TypeError("complex")
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("sample_weight: expected one number per label") from None
    if weight.shape != (n,):
        raise InputError(f"sample_weight: found shape {weight.shape}, expected ({n},)")
    if not np.isfinite(weight).all() or (weight < 0).any():
        row = int((~np.isfinite(weight) | (weight < 0)).argmax())
        raise InputError(
            f"sample_weight, row {row}: found {weight[row]}, expected a finite number ≥ 0"
        )
    total, rows = weight.sum(), int((weight > 0).sum())
    if 0 < total < 0.1 * rows:
        warn(
            f"sample_weight: {rows} rows weigh {total:.3g} together; weights count rows (2 is a "
            "row seen twice), so the fit is shrunk as for that few. Scale them to a mean of 1 if "
            "only their ratios are meant",
        )
    return weight
