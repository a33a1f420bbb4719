"""Fitting a pool: weights and temperature from held-out labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .choosing import choose_checked
from .diagnostics.decomposition import decomposition
from .errors import InputError, Status, warn
from .losses import mean_loss, model_losses
from .options import (
    Temperature,
    Weights,
    check_kinds,
    checked_seed,
    checked_temperature,
    is_word,
    named_rule,
    named_weighting,
    penalty_scale,
)
from .pool import Pool, Settings
from .pooling import (
    Floor,
    Policy,
    check_policies,
    class_prior,
    evidence_of,
    resolve_floor,
)
from .predictions import Gathered, Predictions, Reading, Targets, gather
from .predictions.classes import plain
from .predictions.columns import Kinds
from .provenance import fingerprint, row_counts
from .rules.base import AnyRule
from .weightings import Weighting
from .weightings.base import Choice, Task
from .weightings.choose import complete
from .weightings.learned_floors import learn_floors
from .weightings.scored import Metric

Array = NDArray[np.float64]


def fit(
    predictions: object,
    y: object = None,
    *,
    rule: str = "log",
    weighting: str | Weights | Weighting = "optimal",
    temperature: Temperature = "fit",
    family: str = "categorical",
    floor: Floor = "auto",
    penalty: float | Literal["auto"] = "auto",
    missing: str = "renormalise",
    fallback: str = "uniform",
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    positive: object = None,
    renormalise: bool = False,
    sample_weight: object = None,
    metric: str | Metric | None = None,
    resample: int = 0,
    seed: int | None = None,
) -> Pool:
    """Fit the pool of several models to held-out labels.

    Parameters
    ----------
    predictions
        As for :func:`combine`; rows that the models were **not** trained on.
    y
        Labels (N,), or distributions over the classes: (N, K), or for two classes floats
        strictly inside (0, 1). An array, a series, a frame or a path with a column ``label``;
        matched on ``id`` where predictions have one. Rows without a label are ignored and
        counted. None uses the labels that came with the predictions.
    rule
        ``"log"`` or ``"linear"``.
    weighting
        ``"optimal"`` (exact, with a certificate), ``"heskes"``, ``"heskes-resampled"`` (the
        quadratic programme; log rule only), ``"greedy"``, ``"score"``, ``"pseudo-bma"``,
        ``"pseudo-bma+"``, ``"uniform"``, ``"single"`` (the best model alone), or numbers.
    temperature
        ``"fit"``, or T > 0. The log rule fits it together with the weights, the linear rule
        after them.
    family
        ``"categorical"``.
    floor, missing, fallback, kind, classes, positive, renormalise
        As for :func:`combine`; ``missing`` and ``fallback`` may also be ``"prior"``, the
        classes' frequencies among the labels, and ``floor`` may be ``"learned"``: every model
        is mixed with the uniform by its own ε, fitted together with the weights (several
        starts; a local optimum, so without a gap).
    penalty
        Shrinkage towards equal weights and T = 1 that vanishes as rows are added:
        ``"auto"``, 0, or a number scaling it.
    sample_weight
        (N,) how much each label counts, or the name of a column beside the labels; 2 is a row
        seen twice.
    metric
        What ``weighting="score"`` goes by: ``"accuracy"`` (default), ``"auc"``, ``"brier"``,
        ``"log-loss"``, or a callable of class numbers (n,) and probabilities (n, K) that
        returns a number ≥ 0, larger when better.
    resample
        Average the optimal weights over this many row bootstraps; 0 for none.
    seed
        For the random starts that missing outputs make necessary; None is 0.

    Returns
    -------
    Pool
        With weights, temperature, the loss of every model and of the pool, and the gap.

    Warns
    -----
    OpinionPoolWarning
        When zeros were floored, a fit did not converge, or something else was decided on the
        caller's behalf.

    Raises
    ------
    InputError
        As for :func:`combine`; LabelError for labels, VetoError where exact zeros make the
        loss infinite.

    Examples
    --------
    >>> import numpy as np, opinionpool as op
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 200)
    >>> a, b = (np.eye(3)[y] * 2 + rng.normal(size=(200, 3)) for _ in range(2))
    >>> pool = op.fit({"a": a, "b": b}, y)
    >>> pool.weights.round(2), pool.status.value
    (array([0.53, 0.47]), 'converged')

    References
    ----------
    Heskes, "Selecting weighting factors in logarithmic opinion pools", NIPS 1997.
    """
    if family != "categorical":
        raise InputError(f"family: found {family!r}, expected 'categorical'")
    the_rule = named_rule(rule)
    check_policies(missing, fallback, labels=True)
    scale = penalty_scale(penalty)
    if not is_word(temperature, "fit"):
        temperature = checked_temperature(temperature, fitted=True)
    seed = checked_seed(seed)
    gathered = gather(
        predictions,
        Reading(kind, classes, positive, renormalise),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
    )
    check_kinds(kind, gathered.predictions)
    names = gathered.predictions.names
    chosen = named_weighting(weighting, names, resample=resample, metric=metric)
    settings = Settings(
        floor=floor,
        missing=missing,
        fallback=fallback,
        penalty=penalty,
        renormalise=renormalise,
        positive=None if positive is None else plain(positive),
        resample=int(resample),
        metric=getattr(metric, "__name__", type(metric).__name__) if callable(metric) else metric,
    )
    return fit_gathered(
        gathered,
        the_rule,
        chosen,
        temperature,
        scale,
        settings,
        seed,
    )


def fit_gathered(
    gathered: Gathered,
    rule: AnyRule,
    weighting: Weighting,
    temperature: Temperature,
    scale: float,
    settings: Settings,
    seed: int,
) -> Pool:
    """Fit aligned predictions; everything was checked."""
    predictions, targets = gathered.predictions, labelled(gathered)
    epsilon = resolve_floor(settings.floor, rule, predictions)
    learned = settings.floor == "learned"
    closure = rule.vetoes and weighting.closure and epsilon == 0 and not learned
    policy = Policy(
        np.full(predictions.n_models, epsilon),
        settings.missing,
        settings.fallback,
        needed_prior(settings, targets, predictions.n_classes),
        closure,
    )
    evidence = evidence_of(predictions, targets, policy, fitting=True)
    task = Task(rule, evidence, temperature, scale, seed)
    if learned:
        floors, choice = learned_choice(task, weighting)
        policy = replace(policy, floors=floors, mixed=True)
        evidence = evidence_of(predictions, targets, policy)
        task = replace(task, evidence=evidence)
        choice = complete(task, weighting, choice)
    else:
        choice = checked_choice(task, weighting, predictions, targets)
    s = choice.inverse_temperature
    assert s is not None
    loss, split = in_sample(task, choice, closure=closure)
    return Pool(
        models=predictions.names,
        classes=predictions.classes,
        kinds=predictions.kinds,
        rule=rule.name,
        weighting=weighting.name,
        weights=choice.weights,
        temperature=math.inf if s == 0 else 1.0 / s,
        floors=policy.floors,
        settings=Settings(**{**vars(settings), "closure": closure}),
        loss=loss,
        losses=model_losses(evidence),
        gap=choice.gap,
        status=choice.status,
        evaluations=choice.n_evaluations,
        rows=row_counts(predictions, targets, evidence, choice.weights),
        decomposition=split,
        prior=policy.prior,
        fingerprint=fingerprint(predictions, targets),
    )


def checked_choice(
    task: Task, weighting: Weighting, predictions: Predictions, targets: Targets
) -> Choice:
    """Choose weights and temperature; say so where the result may still be improved."""
    choice = choose_checked(task, weighting, predictions.names, targets.rows)
    if choice.status in (Status.NOT_CONVERGED, Status.SEPARABLE):
        warn(
            f"{choice.status.sentence} (gap {choice.gap:.2g} nats per row, "
            f"{choice.n_evaluations} evaluations)",
        )
    return choice


def learned_choice(task: Task, weighting: Weighting) -> tuple[Array, Choice]:
    """Fit floors together with optimal weights."""
    if weighting.name != "optimal":
        raise InputError(
            f"floor='learned' is fitted together with weighting='optimal', found {weighting.name!r}"
        )
    if weighting.stochastic:  # averaged weights are at no optimum, whose slope is known
        raise InputError("resample: not together with floor='learned'")
    return learn_floors(task, weighting)


def labelled(gathered: Gathered) -> Targets:
    """Return the labels, or say that there are none."""
    if gathered.targets is None:
        raise InputError("labels: none were given, and no model's table brought a column 'label'")
    return gathered.targets


def needed_prior(settings: Settings, targets: Targets, n_classes: int) -> Array | None:
    """Return the class prior where a policy uses it."""
    if "prior" not in (settings.missing, settings.fallback):
        return None
    return class_prior(targets, n_classes)


def in_sample(task: Task, choice: Choice, *, closure: bool) -> tuple[float, dict[str, float]]:
    """Return the pool's mean loss on its fitting rows, and its split on those answered."""
    s = choice.inverse_temperature
    assert s is not None
    answered = task.evidence.answered()
    loss = mean_loss(task.rule, choice.weights, s, answered, closure=closure)
    split = decomposition(task.rule, choice.weights, answered, loss)
    if answered.n_rows == task.evidence.n_rows:
        return loss, split
    return mean_loss(task.rule, choice.weights, s, task.evidence, closure=closure), split
