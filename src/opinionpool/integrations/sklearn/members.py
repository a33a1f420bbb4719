"""What a fitted member says of rows, as arrays that the library reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AlignmentError, InputError

Array = NDArray[np.float64]
#: One member's output (n, P) for rows of X.
Say = Callable[[Any, Any], NDArray[Any]]


def kind_of(name: str, estimator: Any) -> str:
    """Return what a classifier's numbers are: ``"probabilities"`` or ``"logits"``.

    Raises
    ------
    InputError
        For a classifier with neither ``predict_proba`` nor ``decision_function``.
    """
    if hasattr(estimator, "predict_proba"):
        return "probabilities"
    if not hasattr(estimator, "decision_function"):
        raise InputError(
            f"estimators: {name!r} ({type(estimator).__name__}) has neither predict_proba nor "
            "decision_function, so there is nothing to pool; wrap it in CalibratedClassifierCV, "
            "or set its probability option"
        )
    if getattr(estimator, "decision_function_shape", None) == "ovo":
        raise InputError(
            f"estimators: {name!r} has decision_function_shape='ovo', a number per pair of "
            "classes; expected one per class ('ovr'), or probabilities"
        )
    return "logits"


def class_outputs(member: Any, X: Any, classes: NDArray[Any]) -> NDArray[Any]:
    """Return (n, K) probabilities, or logits of a member that has no probabilities.

    A class that the member never saw gets probability 0 (logit −inf). The single column of a
    binary decision function is the logit of the second class.
    """
    if hasattr(member, "predict_proba"):
        said, absent = np.asarray(member.predict_proba(X)), 0.0
    else:
        said, absent = np.asarray(member.decision_function(X)), -np.inf
        if said.ndim == 1:
            said = np.stack([np.zeros_like(said), said], axis=1)
    known = np.asarray(member.classes_)
    place = {label: k for k, label in enumerate(classes.tolist())}
    strange = [label for label in known.tolist() if label not in place]
    if strange:
        raise AlignmentError(
            f"a member knows the class(es) {', '.join(map(repr, strange[:8]))}, which are not "
            f"among the labels: {', '.join(map(repr, classes.tolist()[:8]))}"
        )
    if said.ndim != 2 or said.shape[1] != len(known):
        raise InputError(
            f"a member gave an array of shape {said.shape} for {len(known)} classes; expected "
            "one column per class"
        )
    if not np.issubdtype(said.dtype, np.floating):
        said = said.astype(np.float64)
    if np.array_equal(known, classes):
        return said
    full = np.full((len(said), len(classes)), absent, dtype=said.dtype)
    full[:, [place[label] for label in known.tolist()]] = said
    full[np.isnan(said).any(axis=1)] = np.nan
    return full


def gives_std(estimator: Any) -> bool:
    """Whether a regressor's ``predict`` takes ``return_std``; of a pipeline, its last step's."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return gives_std(steps[-1][1])
    predict = getattr(estimator, "predict", None)
    return predict is not None and "return_std" in inspect.signature(predict).parameters


def real_outputs(member: Any, X: Any) -> NDArray[Any]:
    """Return (n, 2) means and standard deviations; these are −1 where the member has none."""
    if not gives_std(member):
        mean = real_means(member, X)
        return np.concatenate([mean, np.full_like(mean, -1.0)], axis=1)
    mean, std = (np.asarray(v, dtype=np.float64) for v in member.predict(X, return_std=True))
    return np.stack([mean.reshape(len(mean)), std.reshape(len(mean))], axis=1)


def real_means(member: Any, X: Any) -> NDArray[Any]:
    """Return a regressor's (n, 1) predictions."""
    mean = np.asarray(member.predict(X), dtype=np.float64)
    if mean.ndim != 1 and mean.shape[1:] != (1,):
        raise InputError(f"a member predicted shape {mean.shape}, expected one number per row")
    return mean.reshape(len(mean), 1)


def said_of_all(say: Say, member: Any, X: Any) -> NDArray[Any]:
    """Return a member's outputs; rows with gaps that it refuses are rows of NaN.

    Raises whatever the member raises where X has no gaps, or nothing else.
    """
    try:
        return say(member, X)
    except ValueError:
        whole = whole_rows(X)
        if whole is None or whole.all() or not whole.any():
            raise
        from sklearn.utils import _safe_indexing

        some = say(member, _safe_indexing(X, np.flatnonzero(whole)))
        full = np.full((len(whole), some.shape[1]), np.nan, dtype=some.dtype)
        full[whole] = some
        return full


def whole_rows(X: Any) -> NDArray[np.bool_] | None:
    """Return which rows hold neither NaN, infinities nor None; None where nobody can tell."""
    from scipy.sparse import issparse

    if issparse(X):
        return None
    values = np.asarray(X)
    if values.ndim != 2:
        return None
    if values.dtype.kind == "f":
        gaps = ~np.isfinite(values)
    elif values.dtype.kind == "O":
        gaps = np.array([[_is_gap(cell) for cell in row] for row in values.tolist()])
    else:
        return None
    return np.asarray(~gaps.any(axis=1))


def _is_gap(cell: object) -> bool:
    if cell is None:
        return True
    try:
        return not np.isfinite(cell) if isinstance(cell, float) else bool(cell != cell)
    except (TypeError, ValueError):  # pandas.NA has no truth value
        return True


def cooled(logits: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Return logits divided by a temperature, which may be infinite; −inf stays."""
    impossible = np.isneginf(logits)
    return np.where(impossible, -np.inf, np.where(impossible, 0.0, logits) / temperature)
