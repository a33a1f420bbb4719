"""Fitting members, and what they say of rows that they were not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AlignmentError, InputError, warn
from .members import Say, said_of_all

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]

ON_FAILURE = ("drop", "raise")


@dataclass(frozen=True)
class HeldOut:
    """Members fitted on all rows, and their outputs for rows they had not seen.

    Attributes
    ----------
    members
        By name, in order; those that failed are not among them.
    outputs
        (R, P) of each member, for the rows ``rows``.
    rows, folds
        (R,) which row of X each is, in order, and which fold tested it.
    failures
        What members that were dropped raised, by name.
    trained
        The rows that each fold was trained on.
    """

    members: dict[str, Any]
    outputs: dict[str, NDArray[Any]]
    rows: Rows
    folds: Rows
    failures: dict[str, str] = field(default_factory=dict)
    trained: tuple[Rows, ...] = ()

    @property
    def repeats(self) -> float:
        """How often a row was tested, on average over those that were."""
        return len(self.rows) / max(1, len(np.unique(self.rows)))

    @property
    def forward(self) -> bool:
        """Whether every fold was tested on rows behind all that it was trained on."""
        tested = np.unique(self.folds)
        return len(tested) > 2 and all(
            self.trained[fold].max() < self.rows[self.folds == fold].min() for fold in tested
        )

    def take(self, kept: NDArray[np.bool_]) -> HeldOut:
        """Return some of the tested rows."""
        outputs = {name: said[kept] for name, said in self.outputs.items()}
        return replace(self, outputs=outputs, rows=self.rows[kept], folds=self.folds[kept])

    def answered(self) -> NDArray[np.bool_]:
        """Return which of the tested rows some member answered, (R,)."""
        silent = [np.isnan(said).all(axis=1) for said in self.outputs.values()]
        return np.asarray(~np.all(silent, axis=0))


@dataclass(frozen=True)
class Job:
    """One member to fit: on a fold's training rows, or on all rows (``split`` None)."""

    name: str
    estimator: Any
    fit_params: Mapping[str, Any]
    split: Split | None
    fold: int


def held_out(
    estimators: Mapping[str, Any],
    X: Any,
    y: NDArray[Any],
    splits: Sequence[Split],
    say: Say,
    *,
    fit_params: Mapping[str, Mapping[str, Any]],
    on_failure: str,
    n_jobs: int | None,
    verbose: int = 0,
) -> HeldOut:
    """Fit every member on every fold's training rows, and on all rows.

    A member that raises anywhere is left out, with a warning, unless ``on_failure`` is
    ``"raise"``. Where nobody is left the first one's error is raised.
    """
    from sklearn.utils.parallel import Parallel, delayed

    jobs = [
        Job(name, estimator, fit_params[name], split, fold)
        for name, estimator in estimators.items()
        for fold, split in enumerate([None, *splits], start=-1)
    ]
    done = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_run)(job, X, y, say, on_failure == "raise") for job in jobs
    )
    members: dict[str, Any] = {}
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in estimators}
    errors: dict[str, tuple[int, Exception]] = {}
    for job, result in zip(jobs, done, strict=True):
        if isinstance(result, Exception):
            errors.setdefault(job.name, (job.fold, result))
        elif job.split is None:
            members[job.name] = result
        else:
            parts[job.name].append(result)
    failures = drop_failed(estimators, errors)
    kept = [name for name in estimators if name not in failures]
    rows = np.concatenate([test for _, test in splits]) if splits else np.empty(0, dtype=np.int64)
    folds = np.repeat(np.arange(len(splits)), [len(test) for _, test in splits])
    order = np.argsort(rows, kind="stable")
    return HeldOut(
        {name: members[name] for name in kept},
        {name: np.concatenate(parts[name])[order] for name in kept} if splits else {},
        rows[order],
        folds[order],
        failures,
        tuple(train for train, _ in splits),
    )


def prefit(estimators: Mapping[str, Any], X: Any, say: Say, on_failure: str) -> HeldOut:
    """Return what members that are fitted already say of X."""
    from sklearn.utils.validation import check_is_fitted

    outputs: dict[str, NDArray[Any]] = {}
    errors: dict[str, tuple[int, Exception]] = {}
    for name, estimator in estimators.items():
        check_is_fitted(estimator)
        try:
            outputs[name] = said_of_all(say, estimator, X)
        except AlignmentError:
            raise
        except Exception as error:
            if on_failure == "raise":
                raise
            errors[name] = (-1, error)
    failures = drop_failed(estimators, errors)
    n = len(next(iter(outputs.values())))
    return HeldOut(
        {name: estimators[name] for name in outputs},
        outputs,
        np.arange(n),
        np.zeros(n, dtype=np.int64),
        failures,
    )


def drop_failed(
    estimators: Mapping[str, Any], errors: Mapping[str, tuple[int, Exception]]
) -> dict[str, str]:
    """Warn of members that failed; raise the first one's error where all did."""
    said = {
        name: f"{type(error).__name__} {'on all rows' if fold < 0 else f'in fold {fold + 1}'}: "
        f"{error}"
        for name, (fold, error) in errors.items()
    }
    if len(said) == len(estimators):
        error = next(iter(errors.values()))[1]
        if len(said) > 1:
            listed = "; ".join(f"{name}: {what}" for name, what in said.items())
            error.add_note(f"opinionpool: every member failed: {listed}")
        raise error
    for name, what in said.items():
        warn(f"member {name!r} failed and was left out of the pool: {what}")
    return said


def _run(job: Job, X: Any, y: NDArray[Any], say: Say, fail: bool) -> Any:
    """Return a member fitted on all rows, what one said of its test rows, or what it raised."""
    from sklearn.base import clone
    from sklearn.utils.metaestimators import _safe_split

    try:
        member = clone(job.estimator)
        if job.split is None:
            return member.fit(X, y, **job.fit_params)
        train, test = job.split
        X_train, y_train = _safe_split(member, X, y, train)
        X_test, _ = _safe_split(member, X, y, test, train)
        member.fit(X_train, y_train, **taken(job.fit_params, train, len(y)))
        return said_of_all(say, member, X_test)
    except Exception as error:
        if fail or isinstance(error, AlignmentError):  # other classes are nobody's bad luck
            error.add_note(f"opinionpool: member {job.name!r}")
            raise
        return error


def taken(params: Mapping[str, Any], rows: Rows, n: int) -> dict[str, Any]:
    """Return fit parameters for some of n rows: those with one entry per row are cut."""
    from sklearn.utils import _safe_indexing

    def cut(value: Any) -> Any:
        per_row = hasattr(value, "__len__") and not isinstance(value, str) and len(value) == n
        return _safe_indexing(value, rows) if per_row else value

    return {name: cut(value) for name, value in params.items()}


def splits_of(cv: Any, X: Any, y: NDArray[Any], params: Mapping[str, Any]) -> list[Split]:
    """Return a splitter's folds, refusing rows that are trained and tested on at once."""
    splits = [
        (np.asarray(train, dtype=np.int64), np.asarray(test, dtype=np.int64))
        for train, test in cv.split(X, y, **params)
    ]
    for fold, (train, test) in enumerate(splits):
        common = np.intersect1d(train, test)
        if len(common):
            raise InputError(
                f"cv: fold {fold + 1} trains and tests on the same {len(common)} row(s), the "
                f"first being row {common[0]}; weights need rows that members have not seen"
            )
    return [(train, test) for train, test in splits if len(test)]


def seen_in_training(
    found: HeldOut, labels: NDArray[Any], weight: Array | None
) -> NDArray[np.bool_]:
    """Return which tested rows are of a class that their fold's members had seen.

    The others say nothing of the members that are used in the end, which were fitted on all
    classes; a member cannot be blamed for what it was not shown.
    """
    kept = np.ones(len(found.rows), dtype=bool)
    for fold, train in enumerate(found.trained):
        shown = labels[train] if weight is None else labels[train][weight[train] > 0]
        here = found.folds == fold
        kept[here] = np.isin(labels[found.rows[here]], shown)
    left = int((~kept).sum())
    if left:
        warn(
            f"{left} row(s) are of a class that the training rows of their fold lack; they were "
            "left out of choosing the weights"
        )
    if not kept.any():
        raise InputError("cv: no fold tests a class that it was trained on")
    return kept
