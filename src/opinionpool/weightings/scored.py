"""Weights in proportion to a score of each model alone: common, and blind to redundancy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..families import Family
from ..families.lazy import Lazy
from ..families.mixture import Mixture
from ..rules.evidence import Evidence, Outcomes
from .base import Choice, Task, Weighting, fixed
from .row_means import ACCURACY, INVERSE_BRIER, INVERSE_LOG_LOSS, RowMean

Array = NDArray[np.float64]
#: Takes what happened (n,) and what was predicted (n, P), returns a score, larger when better.
Metric = Callable[[NDArray[Any], Array], float]


class Score(Weighting):
    """Scores normalised to sum to one.

    Parameters
    ----------
    metric
        For classes ``"accuracy"`` (default), ``"auc"`` (one against the rest, averaged),
        ``"brier"`` and ``"log-loss"`` (both as 1/score); for Gaussians ``"crps"`` (default) and
        ``"mse"`` (as 1/score). Or a callable, which needs labels that are no distributions,
        and rows of equal weight.
    """

    name = "score"
    by_blocks = True

    def __init__(self, metric: str | Metric | None = None) -> None:
        known = (*METRICS, *DENSITY_METRICS)
        right = metric is None or callable(metric) or (isinstance(metric, str) and metric in known)
        if not right:
            raise InputError(
                f"metric: found {metric!r}, expected one of {', '.join(known)}, or a callable"
            )
        self.metric = metric

    def choose(self, task: Task) -> Choice:
        """Score every model on the rows it answered."""
        evidence = task.evidence
        scores = np.array(self._scores(evidence))
        if not (np.isfinite(scores).all() and (scores >= 0).all() and scores.sum() > 0):
            raise InputError(
                f"weighting='score': the metric gave {scores.tolist()} for the models, expected "
                "finite numbers ≥ 0 with a positive sum"
            )
        return fixed(scores / scores.sum(), 1)

    def _known(self, family: Family) -> Callable[[Array, Outcomes, Array], float]:
        """Return a metric by name as it is for a family."""
        known = DENSITY_METRICS if family.columns else METRICS
        name = self.metric if isinstance(self.metric, str) else next(iter(known))
        if name not in known:
            raise InputError(
                f"metric: found {name!r}, expected one of {', '.join(known)} for {family.name} "
                "predictions, or a callable"
            )
        return known[name]

    def _scores(self, evidence: Evidence) -> list[float]:
        """Return every model's score; means over rows that are read by blocks, by blocks."""
        models = range(evidence.n_models)
        known = None if callable(self.metric) else self._known(evidence.family)
        if not isinstance(evidence.parameters, Lazy) or not isinstance(known, RowMean):
            return [self._score(evidence, model) for model in models]
        values = known.of_rows_read(evidence)
        here = [_counted(evidence, model) for model in models]
        return [
            known.mean(x[h], evidence.weight[h]) if h.any() else 0.0
            for x, h in zip(values, here, strict=True)
        ]

    def _score(self, evidence: Evidence, model: int) -> float:
        here = _counted(evidence, model)
        outcomes, weight = evidence.outcomes.take(here), evidence.weight[here]
        said = np.asarray(evidence.models([model]).parameters)[0, here]
        if not len(weight):
            return 0.0
        if callable(self.metric):
            if outcomes.soft is not None:
                raise InputError("weighting='score': a callable metric needs hard labels")
            if np.ptp(weight) > 0:
                raise InputError("weighting='score': a callable metric cannot weigh rows")
            return _as_number(self.metric(outcomes.array, evidence.family.shown(said)))
        return self._known(evidence.family)(said, outcomes, weight)


def _counted(evidence: Evidence, model: int) -> NDArray[np.bool_]:
    """Return the rows that count for a model: those it answered. One of weight 0 is no row."""
    here = evidence.weight > 0
    return here if evidence.present is None else here & evidence.present[model]


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"metric: the callable gave {value!r}, expected a number") from None


def _auc(log_p: Array, outcomes: Outcomes, u: Array) -> float:
    """Average of the classes' AUCs, each against the rest, over classes seen both ways."""
    q = outcomes.probabilities(log_p.shape[1])
    columns = [1] if log_p.shape[1] == 2 else range(log_p.shape[1])
    found = [_binary_auc(log_p[:, k], u * q[:, k], u * (1 - q[:, k])) for k in columns]
    known = [a for a in found if np.isfinite(a)]
    return float(np.mean(known)) if known else float("nan")


def _binary_auc(score: Array, positive: Array, negative: Array) -> float:
    """Return ``P(score of a positive > score of a negative)``, ties counting half."""
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    values, group = np.unique(score, return_inverse=True)
    up, down = (np.bincount(group, w, minlength=len(values)) for w in (positive, negative))
    below = np.cumsum(down) - down
    return float(up @ (below + 0.5 * down) / (positive.sum() * negative.sum()))


def _inverse_crps(moments: Array, outcomes: Outcomes, u: Array) -> float:
    assert outcomes.values is not None
    mean, variance = moments.T[:, None]
    score = Mixture(np.ones_like(mean), mean, variance).crps(outcomes.values)
    return 1 / max(float(u @ score / u.sum()), np.finfo(np.float64).tiny)


def _inverse_mse(moments: Array, outcomes: Outcomes, u: Array) -> float:
    assert outcomes.values is not None
    squares = (outcomes.values - moments[:, 0]) ** 2
    return 1 / max(float(u @ squares / u.sum()), np.finfo(np.float64).tiny)


DENSITY_METRICS: dict[str, Callable[[Array, Outcomes, Array], float]] = {
    "crps": _inverse_crps,
    "mse": _inverse_mse,
}
METRICS: dict[str, Callable[[Array, Outcomes, Array], float]] = {
    "accuracy": ACCURACY,
    "auc": _auc,
    "brier": INVERSE_BRIER,
    "log-loss": INVERSE_LOG_LOSS,
}
