"""Which rule and weighting, by cross-validation with paired standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidate, candidates
from .crossval import Progress, Run
from .errors import InputError
from .families.lazy import Lazy
from .fit import fit_gathered, labelled
from .fold_evidence import FoldEvidence
from .folds import splits_of
from .options import check_kinds, checked_seed, checked_word, is_word, named_family, penalty_scale
from .policies import Floor, Policy, check_policies, resolve_floor
from .pool import Pool
from .pooling import prepared
from .predictions import Predictions, Reading, Targets, gather
from .predictions.classes import plain
from .predictions.columns import Kinds
from .resources import Memory, checked_threads, memory_budget
from .rules import LOG, RULES
from .settings import Settings

Array = NDArray[np.float64]

#: Seconds after which no further candidate is started.
TIME_LIMIT = 300.0


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
    _refit: Callable[[str], Pool] = field(repr=False)

    @cached_property
    def pool(self) -> Pool:
        """The recommended candidate, fitted on all rows."""
        return self._refit(self.recommended)

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
    family: str = "categorical",
    thorough: bool = False,
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
    calibrate: str | None = None,
    seed: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    progress: Progress | None = None,
    threads: int | None = None,
    memory: Memory | None = None,
) -> Comparison:
    """Compare one model, {uniform, greedy, optimal} × {log, linear} × {T = 1, fitted}.

    And more with ``thorough``.

    Everything is fitted inside the training part of each fold, the choice of the single model
    included. Every rule is tried with and without a temperature, so that none wins only
    because its rival had none.

    Parameters
    ----------
    predictions, y
        As for :func:`opinionpool.fit`.
    family
        As for :func:`opinionpool.fit`.
    thorough
        Also try the slower and the less common ways: score, pseudo-BMA+, Heskes' programme and
        its resampled form, resampled optimal weights, learned floors.
    folds
        How many tests.
    groups
        (N,) labels of groups that stay together, or the name of a column beside the labels.
    time
        (N,) times, or the name of such a column: train on the past, test on what comes next.
    floor, penalty, missing, fallback, kind, classes, positive, renormalise, sample_weight
        As for :func:`opinionpool.fit`. ``floor="auto"`` is resolved once, for all candidates:
        losses under different floors are not comparable.
    calibrate
        As for :func:`opinionpool.fit`, for every candidate but those that learn floors.
    seed
        Of the folds; None is 0.
    time_limit
        Seconds after which no further candidate is started; None for no limit.
    progress
        Called with what is being done and the share already done.
    threads, memory
        As for :func:`opinionpool.fit`. Where the rows do not fit into ``memory``, with what is
        made of them, the comparison is on as many of them as do, drawn at random, which a note
        says; the recommended pool is fitted on all rows.

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
    'uniform log, T fitted'
    """
    the_family = named_family(family)
    fallback = check_policies(missing, fallback, labels=True, family=the_family)
    scale = penalty_scale(penalty)
    seed = checked_seed(seed)
    cores, budget = checked_threads(threads), memory_budget(memory)
    if is_word(floor, "learned"):
        raise InputError("floor='learned' is one of the candidates of thorough=True")
    if time_limit is not None and not isinstance(time_limit, int | float):
        raise InputError(f"time_limit: found {time_limit!r}, expected seconds, or None")
    gathered = gather(
        predictions,
        Reading(kind, classes, positive, renormalise, the_family),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
        lazily=True,
        memory=budget,
        threads=cores,
    )
    known, targets = gathered.predictions, labelled(gathered)
    check_kinds(kind, known.names)
    settings = Settings(
        floor,
        missing,
        fallback,
        penalty,
        renormalise,
        None if positive is None else plain(positive),
        calibrate=checked_word("calibrate", calibrate, "temperature"),
    )
    epsilon = resolve_floor(floor, LOG, known)
    labels = len(targets.rows)
    tried = candidates(the_family, thorough=thorough)
    if budget is not None:
        least = 2 * folds
        row_bytes = FoldEvidence.row_bytes(known, targets, settings, tried, folds)
        known, targets = _in_memory(known, targets, row_bytes, least, budget, seed)
    cut, cluster, how = splits_of(gathered, targets, folds, groups, time, seed)
    if missing == "error":
        # Once, over all rows: a fold would count its own only.
        prepared(known.take(targets.rows), Policy(np.zeros(known.n_models), missing))
    confident = any(c.chooser.confident for c in tried)
    folded = FoldEvidence(known, targets, settings, epsilon, cut, scale, confident, cores)
    run = Run(
        tried,
        folded,
        known.names,
        scale,
        seed,
        time_limit,
        progress,
    )
    losses = run.all_losses()
    tested = np.concatenate([test for _, test in cut])
    weight, cluster = targets.weight[tested], cluster[tested]
    table, recommended = _table(tried, losses, run.remarks, weight, cluster)
    notes = [how, *run.notes]
    if len(targets.rows) < labels:
        notes.append(
            f"compared on {len(targets.rows):,} of {labels:,} rows, drawn at random, which fit "
            "into memory; the recommended pool is fitted on all"
        )
    if epsilon and floor == "auto":
        notes.append(f"exact zeros were raised to {epsilon:g} for every candidate")

    def refit(name: str) -> Pool:
        candidate = next(c for c in tried if c.name == name)
        chosen = "learned" if candidate.learned else epsilon or floor
        return fit_gathered(
            gathered,
            RULES[candidate.rule],
            candidate.chooser,
            candidate.temperature,
            scale,
            replace(
                settings,
                floor=chosen,
                resample=candidate.resample,
                temperature="fit" if candidate.temperature == "fit" else "given",
                calibrate=None if candidate.learned else settings.calibrate,
            ),
            seed,
            cores,
        )

    return Comparison(table, recommended, notes, refit)


def _in_memory(
    known: Predictions, targets: Targets, row_bytes: int, least: int, budget: int, seed: int
) -> tuple[Predictions, Targets]:
    """Return as many labelled rows as fit into a budget, drawn at random, in memory."""
    most = budget // row_bytes
    chosen = np.arange(len(targets.rows))
    if most < len(chosen):
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(chosen, max(most, least), replace=False))
    taken = targets.take(chosen)
    some, lazy = known.take(taken.rows), known.parameters
    if isinstance(lazy, Lazy) and not lazy.at_hand:
        some = replace(some, parameters=cast(Lazy, some.parameters).held())
    return some, replace(taken, rows=np.arange(len(chosen)))


def _table(
    tried: tuple[Candidate, ...],
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
    failed = [c for c in tried if c.name in remarks and c not in losses]
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
