"""Fitting a pool: weights and temperature from held-out labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .choosing import choose_checked
from .diagnostics.decomposition import decomposition
from .errors import InputError, Status, warn
from .families.lazy import Lazy
from .losses import mean_loss, model_losses, of_all_rows
from .options import (
    Temperature,
    Weights,
    check_kinds,
    checked_seed,
    checked_word,
    confidence_setting,
    is_word,
    named_family,
    named_rule,
    named_weighting,
    penalty_scale,
    pool_temperature,
)
from .policies import Floor, Policy, check_policies, prior_of, resolve_floor
from .pool import Pool
from .pooling import evidence_of
from .predictions import Gathered, Predictions, Reading, Targets, gather
from .predictions.classes import plain
from .predictions.columns import Kinds
from .predictions.confidence import Scores
from .provenance import fingerprint, row_counts
from .resources import Memory, checked_threads, memory_budget
from .rules.base import AnyRule
from .scaling import scaled
from .settings import Settings
from .weightings import Weighting
from .weightings.base import Choice, Task
from .weightings.choose import complete
from .weightings.learned_floors import learn_floors
from .weightings.scored import Metric
from .weightings.temperature import own_temperatures

Array = NDArray[np.float64]

#: Cells from which a fit in plain NumPy takes seconds.
SLOW = 1 << 25


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
    confidence: Scores | None = None,
    calibrate: str | None = None,
    scaling: str | None = None,
    threads: int | None = None,
    seed: int | None = None,
    memory: Memory | None = None,
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
        ``"optimal"`` (exact, with a certificate), ``"confidence"`` (optimal, and in each row in
        proportion to a power of the model's confidence there), ``"heskes"``,
        ``"heskes-resampled"`` (the quadratic programme; log rule only), ``"greedy"``,
        ``"score"``, ``"pseudo-bma"``, ``"pseudo-bma+"``, ``"uniform"``, ``"single"`` (the best
        model alone), or numbers.
    temperature
        ``"fit"``, or T > 0. The log rule fits it together with the weights, the linear rule
        after them; a mixture of Gaussians is not tempered (T = 1).
    family
        ``"categorical"``; ``"gaussian"``, for means and variances in two columns, ``mean`` and
        ``variance`` or ``std``, with real labels; or ``"variance"``, for residual models of
        mean zero, ``y ~ N(0, variance)``.
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
        ``"log-loss"``; for Gaussians ``"crps"`` (default) or ``"mse"``; or a callable of class
        numbers (n,) and probabilities (n, K), or of labels and moments, that returns a number
        ≥ 0, larger when better.
    resample
        Average the optimal weights over this many row bootstraps; 0 for none.
    confidence
        For ``weighting="confidence"``: the name of a column in every model's table, (N,) scores
        in [0, 1] by model, or (M, N) in order; None takes one minus the normalised entropy.
    calibrate
        ``"temperature"`` fits every model a temperature of its own before pooling.
    scaling
        ``"vector"`` fits the pooled log-probabilities a factor and an offset per class, after
        everything else.
    threads
        How many threads compiled kernels may use (with the extra ``fast``, on large data); None
        for as many as there are cores. Another number changes results in the last digits only.
    seed
        For the random starts that missing outputs make necessary; None is 0.
    memory
        Bytes that predictions may take, a number or a text such as ``"1GB"``. Files (``.npy``,
        ``.parquet``, folders of parts) are then read block by block, once per pass, if they
        would need more. None reads files whole.

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
    the_family = named_family(family)
    the_rule = named_rule(rule)
    fallback = check_policies(missing, fallback, labels=True, family=the_family)
    scale = penalty_scale(penalty)
    temperature = pool_temperature(temperature, the_rule, the_family)
    if calibrate is not None and is_word(floor, "learned"):
        raise InputError("calibrate: not together with floor='learned', which fits the same tails")
    if scaling is not None and the_family.columns:
        raise InputError(f"scaling: {family} predictions have no classes")
    seed = checked_seed(seed)
    cores = checked_threads(threads)
    gathered = gather(
        predictions,
        Reading(kind, classes, positive, renormalise, the_family, confidence),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
        lazily=True,
        memory=memory_budget(memory),
        threads=cores,
    )
    check_kinds(kind, gathered.predictions.names)
    _say_what_is_missed(gathered.predictions.parameters.size)
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
        confidence=confidence_setting(confidence, chosen),
        calibrate=checked_word("calibrate", calibrate, "temperature"),
        scaling=checked_word("scaling", scaling, "vector"),
        temperature="fit" if is_word(temperature, "fit") else "given",
    )
    return fit_gathered(
        gathered,
        the_rule,
        chosen,
        temperature,
        scale,
        settings,
        seed,
        cores,
    )


def _say_what_is_missed(cells: int) -> None:
    """Say of a large fit without compiled kernels what they would gain."""
    if cells >= SLOW and find_spec("numba") is None:
        warn(
            f"{cells:,} numbers without compiled kernels: with the extra 'fast' (pip install "
            "'opinionpool[fast]') a fit of so many takes less than a tenth of the time"
        )


def fit_gathered(
    gathered: Gathered,
    rule: AnyRule,
    weighting: Weighting,
    temperature: Temperature,
    scale: float,
    settings: Settings,
    seed: int,
    threads: int = 1,
    traced: bool = True,
) -> Pool:
    """Fit aligned predictions; everything was checked. Rows are fingerprinted if ``traced``."""
    predictions, targets = gathered.predictions, labelled(gathered)
    learned = is_word(settings.floor, "learned")
    copied = learned and not learns_in_place(rule, gathered, settings)
    if copied or not weighting.by_blocks or converts_again_and_again(weighting, rule, gathered):
        predictions = predictions.whole()
    epsilon = resolve_floor(settings.floor, rule, predictions)
    vetoes = rule.vetoes and predictions.family.rules_out
    closure = vetoes and weighting.closure and epsilon == 0 and not learned
    prior = settings.missing == "prior"
    changed = epsilon > 0 or learned or prior or settings.calibrate is not None
    policy = Policy(
        np.full(predictions.n_models, epsilon),
        settings.missing,
        settings.fallback,
        needed_prior(settings, targets, predictions),
        closure,
        gamma=0.0 if weighting.confident else None,
    )
    # The linear rule alone looks up what happened, once.
    keep = rule.joint_temperature or settings.calibrate is not None
    evidence = evidence_of(predictions, targets, policy, fitting=True, keep=keep, threads=threads)
    if settings.calibrate:
        policy = replace(policy, betas=own_temperatures(evidence, scale))
        evidence = evidence_of(predictions, targets, policy, keep=keep, threads=threads)
    task = Task(rule, evidence, temperature, scale, seed)
    if learned:
        floors, choice = learned_choice(task, weighting)
        policy = replace(policy, floors=floors, mixed=True)
        evidence = evidence_of(predictions, targets, policy, threads=threads)
        if prior:  # which was mixed too while floors were learned, and is not in the pool
            choice = replace(choice, loss=None, untempered=np.nan)
        choice = complete(replace(task, evidence=evidence), weighting, choice)
    else:
        choice = checked_choice(task, weighting, predictions, targets)
        evidence = replace(evidence, gamma=choice.gamma or 0.0)
    task = replace(task, evidence=evidence)
    s = choice.inverse_temperature
    assert s is not None
    losses = model_losses(evidence) if gathered.losses is None or changed else gathered.losses
    loss, split = in_sample(task, choice, losses, closure=closure)
    vector = None
    if settings.scaling:
        vector, loss, split = scaled(task, choice, split, closure=closure)
    return Pool(
        models=predictions.names,
        family=predictions.family.name,
        classes=predictions.classes,
        kinds=predictions.kinds,
        rule=rule.name,
        weighting=weighting.name,
        weights=choice.weights,
        temperature=math.inf if s == 0 else 1.0 / s,
        floors=policy.floors,
        settings=Settings(**{**vars(settings), "closure": closure}),
        loss=loss,
        losses=losses,
        gap=choice.gap,
        status=choice.status,
        evaluations=choice.n_evaluations,
        rows=row_counts(predictions, targets, evidence, choice.weights),
        decomposition=split,
        prior=policy.prior,
        gamma=choice.gamma,
        model_temperatures=model_temperatures_of(policy),
        vector=vector,
        fingerprint=fingerprint(gathered.predictions, targets) if traced else "",
        passes=passes_of(gathered.predictions, choice),
    )


def converts_again_and_again(weighting: Weighting, rule: AnyRule, gathered: Gathered) -> bool:
    """Whether many passes would each normalise all rows, which memory affords to do once.

    The linear rule looks up what happened once, unless outcomes are distributions over classes.
    """
    lazy, targets = gathered.predictions.parameters, gathered.targets
    if not isinstance(lazy, Lazy) or targets is None or targets.outcomes.soft is None:
        return False
    m, _, k = lazy.shape
    return weighting.many_passes and not rule.joint_temperature and lazy.affords(8 * m * k)


def learns_in_place(rule: AnyRule, gathered: Gathered, settings: Settings) -> bool:
    """Whether floors are learned from blocks of rows, or from likelihoods of what happened."""
    known, outcomes = gathered.predictions, labelled(gathered).outcomes
    even = known.present is None or settings.missing == "prior"
    return rule.joint_temperature or (even and outcomes.soft is None)


def checked_choice(
    task: Task, weighting: Weighting, predictions: Predictions, targets: Targets
) -> Choice:
    """Choose weights and temperature; say so where the result may still be improved."""
    choice = choose_checked(task, weighting, predictions.names, targets.rows)
    if choice.status in (Status.NOT_CONVERGED, Status.SEPARABLE):
        bound = f"gap {choice.gap:.2g} nats per row" if np.isfinite(choice.gap) else "no gap known"
        warn(f"{choice.status.sentence} ({bound}, {choice.n_evaluations} evaluations)")
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


def model_temperatures_of(policy: Policy) -> Array | None:
    """Return the models' own temperatures: infinite where the uniform is better than the model."""
    with np.errstate(divide="ignore"):
        return None if policy.betas is None else 1 / policy.betas


def passes_of(given: Predictions, choice: Choice) -> int:
    """Return how often all rows were read."""
    lazy = given.parameters
    return lazy.reads if isinstance(lazy, Lazy) else choice.n_evaluations


def labelled(gathered: Gathered) -> Targets:
    """Return the labels, or say that there are none."""
    if gathered.targets is None:
        raise InputError("labels: none were given, and no model's table brought a column 'label'")
    return gathered.targets


def needed_prior(settings: Settings, targets: Targets, known: Predictions) -> Array | None:
    """Return what the labels say of every row, where a policy uses it."""
    if "prior" not in (settings.missing, settings.fallback):
        return None
    return prior_of(targets, known)


def in_sample(
    task: Task, choice: Choice, losses: Array, *, closure: bool
) -> tuple[float, dict[str, float]]:
    """Return the pool's mean loss on its fitting rows, and its split on those answered."""
    s = choice.inverse_temperature
    assert s is not None
    if isinstance(task.evidence.parameters, Lazy):
        return of_all_rows(task, choice, losses, closure=closure)
    answered = task.evidence.answered()
    loss = mean_loss(task.rule, choice.weights, s, answered, closure=closure)
    split = decomposition(task.rule, choice.weights, answered, loss)
    if answered.total_weight == task.evidence.total_weight:
        return loss, split
    return mean_loss(task.rule, choice.weights, s, task.evidence, closure=closure), split
