"""Which rule and weighting, by cross-validation with paired standard errors."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import folds as splits
from .errors import InputError, LabelError, OpinionPoolError, Status
from .fit import fit_gathered, labelled, needed_prior
from .losses import row_losses
from .options import check_kinds, penalty_scale
from .pool import Pool, Settings
from .pooling import Floor, Policy, check_policies, check_vetoes, evidence_of, resolve_floor
from .predictions import Gathered, Predictions, Reading, Targets, gather
from .predictions.classes import plain
from .predictions.gather import Kinds
from .rules import LOG, RULES
from .rules.evidence import Evidence
from .weightings import WEIGHTINGS
from .weightings.base import Choice, Task
from .weightings.choose import complete, weigh

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]

#: Seconds after which no further candidate is started.
TIME_LIMIT = 300.0


@dataclass(frozen=True)
class Candidate:
    """One way to make a pool; ``CANDIDATES`` lists them from simple to elaborate."""

    weighting: str
    rule: str
    temperature: float | Literal["fit"]

    @property
    def name(self) -> str:
        """How tables call it: ``"optimal log, T fitted"``."""
        if self.weighting == "single":
            return "best single model"
        return f"{self.weighting} {self.rule}, T {'fitted' if self.temperature == 'fit' else '= 1'}"


#: In order of simplicity: nothing fitted, one number fitted, then as many as there are models.
CANDIDATES = (
    Candidate("single", "log", 1.0),
    *(
        Candidate(weighting, rule, temperature)
        for weighting in ("uniform", "greedy", "optimal")
        for temperature in (1.0, "fit")
        for rule in ("linear", "log")
    ),
)


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes
    ----------
    table
        One dict per candidate, best first: ``candidate``, ``rule``, ``weighting``,
        ``temperature``, ``loss`` (mean test NLL, nats per row), ``difference`` to the best and
        its ``standard_error`` (paired), ``recommended``, ``note``.
    recommended
        Name of the simplest candidate within one standard error of the best.
    notes
        What a reader should know: the folds, floors, candidates left out by the time limit.
    """

    table: list[dict[str, Any]]
    recommended: str
    notes: list[str]
    _refit: Callable[[Candidate], Pool] = field(repr=False)

    @cached_property
    def pool(self) -> Pool:
        """The recommended candidate, fitted on all rows."""
        return self._refit(next(c for c in CANDIDATES if c.name == self.recommended))

    def __str__(self) -> str:
        width = max(len(row["candidate"]) for row in self.table)
        lines = [f"{'candidate':{width}}  test loss  difference  std. error"]
        for row in self.table:
            mark = " <- recommended" if row["recommended"] else ""
            figures = (
                f"{row['loss']:9.5f}  {row['difference']:10.5f}  {row['standard_error']:10.5f}"
                if row["loss"] is not None
                else "        -           -           -"
            )
            note = f"  ({row['note']})" if row["note"] else ""
            lines.append(f"{row['candidate']:{width}}  {figures}{mark}{note}")
        return "\n".join([*lines, *self.notes])


def compare(
    predictions: object,
    y: object = None,
    *,
    folds: int = 5,
    groups: object = None,
    time: object = None,
    floor: Floor = "auto",
    penalty: float | Literal["auto"] = "auto",
    missing: str = "renormalise",
    fallback: str = "uniform",
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    positive: object = None,
    renormalise: bool = False,
    sample_weight: object = None,
    seed: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    progress: Progress | None = None,
) -> Comparison:
    """Compare one model, {uniform, greedy, optimal} × {log, linear} × {T = 1, fitted}.

    Everything is fitted inside the training part of each fold, the choice of the single model
    included. Every rule is tried with and without a temperature, so that none wins only
    because its rival had none.

    Parameters
    ----------
    predictions, y
        As for :func:`opinionpool.fit`.
    folds
        How many tests.
    groups
        (N,) labels of groups that stay together, or the name of a column beside the labels.
    time
        (N,) times, or the name of such a column: train on the past, test on what comes next.
    floor, penalty, missing, fallback, kind, classes, positive, renormalise, sample_weight
        As for :func:`opinionpool.fit`. ``floor="auto"`` is resolved once, for all candidates:
        losses under different floors are not comparable.
    seed
        Of the folds; None is 0.
    time_limit
        Seconds after which no further candidate is started; None for no limit.
    progress
        Called with what is being done and the share already done.

    Returns
    -------
    Comparison
        With ``table``, ``recommended`` and ``pool``, the recommended candidate refitted on all
        rows. The recommendation is the simplest candidate whose paired difference to the best
        is within one standard error (Breiman et al. 1984): "uniform is enough" is a good answer.

    Raises
    ------
    InputError
        As for :func:`opinionpool.fit`, and for folds, groups or times that cannot be.

    Examples
    --------
    >>> import numpy as np, opinionpool as op
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 300)
    >>> a, b = (np.eye(3)[y] * 2 + rng.normal(size=(300, 3)) for _ in range(2))
    >>> op.compare({"a": a, "b": b}, y).recommended
    'uniform log, T = 1'
    """
    check_policies(missing, fallback, labels=True)
    scale = penalty_scale(penalty)
    gathered = gather(
        predictions,
        Reading(kind, classes, positive, renormalise),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
    )
    known, targets = gathered.predictions, labelled(gathered)
    check_kinds(kind, known)
    settings = Settings(
        floor,
        missing,
        fallback,
        penalty,
        renormalise,
        None if positive is None else plain(positive),
    )
    epsilon = resolve_floor(floor, LOG, known)
    cut, cluster, how = _splits(gathered, targets, folds, groups, time, seed or 0)
    parts = [_parts(known, targets, settings, epsilon, split) for split in cut]
    run = _Run(parts, known.names, scale, seed or 0, time_limit, progress)
    losses = run.all_losses()
    tested = np.concatenate([test for _, test in cut])
    table, recommended = _table(losses, run.remarks, targets.weight[tested], cluster[tested])
    notes = [how, *run.notes]
    if epsilon and floor == "auto":
        notes.append(f"exact zeros were raised to {epsilon:g} for every candidate")

    def refit(candidate: Candidate) -> Pool:
        return fit_gathered(
            gathered,
            RULES[candidate.rule],
            WEIGHTINGS[candidate.weighting],
            candidate.temperature,
            scale,
            Settings(**{**vars(settings), "floor": epsilon or floor}),
            seed or 0,
        )

    return Comparison(table, recommended, notes, refit)


def _parts(
    predictions: Predictions,
    targets: Targets,
    settings: Settings,
    epsilon: float,
    split: splits.Split,
) -> tuple[Evidence, Evidence]:
    """Return a fold's training and test evidence; a class prior comes from the training rows."""
    train, test = (targets.take(rows) for rows in split)
    policy = Policy(
        np.full(predictions.n_models, epsilon),
        settings.missing,
        settings.fallback,
        needed_prior(settings, train, predictions.n_classes),
    )
    return evidence_of(predictions, train, policy), evidence_of(predictions, test, policy)


class _Run:
    """Fits every candidate in every fold, until the time is up."""

    def __init__(
        self,
        parts: list[tuple[Evidence, Evidence]],
        names: tuple[str, ...],
        scale: float,
        seed: int,
        time_limit: float | None,
        progress: Progress | None,
    ) -> None:
        self.parts, self.names, self.scale, self.seed = parts, names, scale, seed
        self.deadline = math.inf if time_limit is None else clock.monotonic() + time_limit
        self.time_limit = time_limit
        self.progress = progress or (lambda what, share: None)
        self.remarks: dict[str, str] = {}
        self.notes: list[str] = []
        self._weights: dict[tuple[str, str, int], Choice] = {}

    def all_losses(self) -> dict[Candidate, Array]:
        """Return each candidate's test losses, fold after fold."""
        done: dict[Candidate, Array] = {}
        for number, candidate in enumerate(CANDIDATES):
            if clock.monotonic() > self.deadline and done:
                left = [c.name for c in CANDIDATES[number:]]
                self.notes.append(
                    f"the time limit of {self.time_limit:g} s was reached; not compared: "
                    + "; ".join(left)
                )
                break
            rows = self._losses(candidate, number / len(CANDIDATES))
            if rows is not None:
                done[candidate] = rows
        if not done:
            raise LabelError(
                "no candidate could be fitted: " + "; ".join(dict.fromkeys(self.remarks.values()))
            )
        return done

    def _losses(self, candidate: Candidate, share: float) -> Array | None:
        found = []
        for fold, (train, test) in enumerate(self.parts):
            self.progress(
                f"{candidate.name}, fold {fold + 1}",
                share + fold / len(self.parts) / len(CANDIDATES),
            )
            rule = RULES[candidate.rule]
            task = Task(rule, train, candidate.temperature, self.scale, self.seed)
            try:
                check_vetoes(rule, train, self.names, np.ones(len(self.names), dtype=bool))
                choice = self._choice(task, candidate, fold)
            except OpinionPoolError as error:
                self.remarks[candidate.name] = str(error)
                return None
            if choice.status in (Status.NOT_CONVERGED, Status.SEPARABLE):
                self.remarks[candidate.name] = f"{choice.status.value} in fold {fold + 1}"
            s = choice.inverse_temperature
            assert s is not None
            found.append(row_losses(rule, choice.weights, s, test, closure=rule.vetoes))
        return np.concatenate(found)

    def _choice(self, task: Task, candidate: Candidate, fold: int) -> Choice:
        """Choose weights once per fold for all temperatures that do not change them."""
        weighting = WEIGHTINGS[candidate.weighting]
        if candidate.weighting == "optimal" and task.joint:
            return complete(task, weigh(task, weighting, self.names))
        key = (candidate.weighting, candidate.rule, fold)
        if key not in self._weights:
            self._weights[key] = weigh(task, weighting, self.names)
        return complete(task, self._weights[key])


def _splits(
    gathered: Gathered, targets: Targets, folds: int, groups: object, time: object, seed: int
) -> tuple[list[splits.Split], NDArray[np.int64], str]:
    """Return the folds, which rows are one draw for standard errors, and how it was done."""
    n = len(targets.rows)
    if groups is not None and time is not None:
        raise InputError("groups and time: give one of them, not both")
    if groups is not None:
        codes = _codes(gathered, targets, groups, "groups")
        how = f"{folds} folds of whole groups ({codes.max() + 1} groups), errors by group"
        return splits.by_group(codes, folds, seed), codes, how
    if time is not None:
        codes = _codes(gathered, targets, time, "time")
        how = f"{folds} folds forward in time ({codes.max() + 1} moments), errors by moment"
        return splits.forward(codes, folds), codes, how
    return splits.by_row(n, folds, seed), np.arange(n), f"{folds} folds by row"


def _codes(gathered: Gathered, targets: Targets, column: object, what: str) -> NDArray[np.int64]:
    """Return ranks 0, 1, … of a column given as an array beside the labels, or by name."""
    if isinstance(column, str):
        if column in targets.extras:
            values = np.asarray(targets.extras[column])
        else:
            values = _from_tables(gathered, column, what, targets)
    else:
        given = np.asarray(column)
        n_given = int(targets.source_rows.max()) + 1
        if given.ndim != 1 or len(given) < n_given:
            raise InputError(f"{what}: found shape {given.shape}, expected one value per label")
        values = given[targets.source_rows]
    absent = [v is None or v != v for v in values.tolist()]
    if any(absent):
        raise LabelError(f"{what}: row {absent.index(True)} has no value")
    codes: NDArray[np.int64] = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return codes


def _from_tables(gathered: Gathered, column: str, what: str, targets: Targets) -> NDArray[Any]:
    for table in gathered.tables.values():
        if column in table.extras and len(table.values) == gathered.predictions.n_rows:
            return np.asarray(table.extras[column])[targets.rows]
    have = sorted({*targets.extras, *(n for t in gathered.tables.values() for n in t.extras)})
    raise InputError(
        f"{what}: there is no column {column!r} beside the labels; found: "
        f"{', '.join(have) or 'none'}"
    )


def _table(
    losses: dict[Candidate, Array],
    remarks: dict[str, str],
    weight: Array,
    cluster: NDArray[np.int64],
) -> tuple[list[dict[str, Any]], str]:
    mean = {c: float(weight @ rows / weight.sum()) for c, rows in losses.items()}
    best = min(mean, key=lambda c: mean[c])
    rows = []
    for c, test in losses.items():
        difference, error = paired_difference(test, losses[best], weight, cluster)
        rows.append((c, mean[c], difference, error))
    recommended = next(c for c, _, d, error in rows if c is best or d <= error)
    rows.sort(key=lambda row: row[1])
    table = [
        _row(c, loss, difference, error, remarks.get(c.name, ""), c is recommended)
        for c, loss, difference, error in rows
    ]
    failed = [c for c in CANDIDATES if c.name in remarks and c not in losses]
    table += [_row(c, None, None, None, remarks[c.name], False) for c in failed]
    return table, recommended.name


def paired_difference(
    a: Array, b: Array, weight: Array, cluster: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the mean of ``a − b`` and its standard error, clusters being single draws."""
    if a is b:
        return 0.0, 0.0
    with np.errstate(invalid="ignore"):
        d = a - b
    total = weight.sum()
    mean = float(weight @ d / total)
    if not math.isfinite(mean):
        return math.inf, math.inf if math.isnan(mean) else math.nan
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weight * (d - mean))
    g = len(sums)
    if g < 2:
        return mean, math.nan
    return mean, float(math.sqrt(g / (g - 1) * (sums @ sums)) / total)


def _row(
    c: Candidate,
    loss: float | None,
    difference: float | None,
    error: float | None,
    note: str,
    recommended: bool,
) -> dict[str, Any]:
    return {
        "candidate": c.name,
        "rule": c.rule,
        "weighting": c.weighting,
        "temperature": "fit" if c.temperature == "fit" else 1.0,
        "loss": loss,
        "difference": difference,
        "standard_error": error,
        "recommended": recommended,
        "note": note,
    }
