"""Labels, targets and weights as they are given to ``fit``, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ...errors import AlignmentError, InputError, LabelError

Array = NDArray[np.float64]


def checked_labels(y: Any) -> NDArray[Any]:
    """Return labels (n,), or say why these are none."""
    y = column_or_1d(y, warn=True)
    if not len(y):
        raise LabelError("y: found no labels (0 sample(s)), expected at least one row per class")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.argmin(np.isfinite(y)))
        raise LabelError(f"Input y contains infinity or NaN: found {y[row]} in row {row}")
    if type_of_target(y, input_name="y") == "continuous":
        inside = y.dtype.kind == "f" and bool(((y >= 0) & (y <= 1)).all())
        hint = "; for fractions in [0, 1] use ProbabilityRegressor" if inside else ""
        raise LabelError(
            "Unknown label type: continuous. A classifier needs discrete classes, and y is a "
            f"regression target with continuous values{hint}"
        )
    check_classification_targets(y)
    return np.asarray(y)


def classes_of(
    fitted: Mapping[str, Any], labels: NDArray[Any], weight: Array | None
) -> NDArray[Any]:
    """Return the classes: of the labels, or of members that are ``fitted`` already."""
    classes = np.unique(labels)
    if fitted:
        name, first = next(iter(fitted.items()))
        known = np.asarray(first.classes_)
        for other, estimator in fitted.items():
            if not np.array_equal(known, estimator.classes_):
                raise AlignmentError(
                    f"estimators: {name!r} and {other!r} were fitted on different classes: "
                    f"{known.tolist()[:8]} and {np.asarray(estimator.classes_).tolist()[:8]}"
                )
        strange = np.setdiff1d(classes, known)
        if len(strange):
            raise AlignmentError(
                f"y: found the class(es) {strange.tolist()[:8]}, which no member knows; they "
                f"were fitted on {known.tolist()[:8]}"
            )
        classes = known
    counted = classes if weight is None else np.unique(labels[weight > 0])
    if len(classes) < 2 or len(counted) < 2:
        raise LabelError(
            f"y: found one class ({counted[0]!r}), expected at least two: the softmax of one "
            "class is identically 1, so there is nothing to fit. For fractions in [0, 1] use "
            "ProbabilityRegressor, a sigmoid"
        )
    return classes


def checked_target(y: Any) -> Array:
    """Return real targets (n,), or say why these are none."""
    y = column_or_1d(y, warn=True)
    try:
        if np.iscomplexobj(y):
            raise TypeError("complex")
        target = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise LabelError("Unknown label type: y holds values that are no real numbers") from None
    if not np.isfinite(target).all():
        row = int(np.argmin(np.isfinite(target)))
        raise InputError(
            f"Input y contains NaN or infinity: found {target[row]} in row {row}, expected finite "
            "numbers"
        )
    if not len(target):
        raise LabelError("y: found no targets (0 sample(s)), expected at least one")
    return target


def checked_fractions(y: Any) -> Array:
    """Return targets (n,) in [0, 1], or say why these are none."""
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        raise LabelError(
            f"y: found {shape[1]} columns, expected one of fractions; distributions over classes "
            "are soft labels: see opinionpool.fit"
        )
    target = checked_target(y)
    outside = (target < 0) | (target > 1)
    if outside.any():
        row = int(outside.argmax())
        raise LabelError(
            f"y, row {row}: found {target[row]:g}, expected fractions in [0, 1] "
            f"({int(outside.sum())} such row(s)); divide counts by their totals, and give the "
            "totals as sample_weight"
        )
    return target


def checked_weight(sample_weight: Any, n: int) -> Array | None:
    """Return (n,) sample weights ≥ 0 that are not all 0; None stays."""
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("sample_weight: expected one number per row") from None
    if weight.ndim == 0:
        weight = np.full(n, float(weight))
    if weight.shape != (n,):
        raise InputError(f"sample_weight: found shape {weight.shape}, expected ({n},)")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        row = int(np.argmin(np.isfinite(weight) & (weight >= 0)))
        raise InputError(
            f"sample_weight, row {row}: found {weight[row]}, expected a finite number ≥ 0"
        )
    if not weight.any():
        raise InputError("sample_weight: every weight is zero; at least one has to be above 0")
    return weight


def groups_of(params: Mapping[str, Any], rows: NDArray[np.int64]) -> NDArray[Any] | None:
    """Return the groups of some rows, where they were given to ``fit``."""
    groups = params.get("groups")
    return None if groups is None else np.asarray(groups)[rows]
