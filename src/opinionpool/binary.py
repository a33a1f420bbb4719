"""Two classes: what was said of the positive one in each labelled row, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnostics.cuts import Cuts
from .diagnostics.optimism import both_classes
from .errors import InputError, LabelError, MissingOutputError
from .fit import labelled
from .pool import Pool
from .pooling import warn_of_fallback
from .predictions import Gathered, Reading, Targets
from .predictions.classes import Label, class_text
from .predictions.table import source_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Binary:
    """Rows of two classes.

    Attributes
    ----------
    p
        (N,) P(positive), in the precision in which the caller is given it.
    q
        (N,) how far the outcome is positive: 0 or 1, between for soft labels.
    targets
        The labelled rows that have a prediction.
    rows
        Counts of rows used, left out and touched by a policy.
    cuts
        Every way to divide ``p``.
    """

    p: NDArray[Any]
    q: Array
    targets: Targets
    rows: dict[str, int]
    cuts: Cuts

    @property
    def plus(self) -> Array:
        """Return how much each row counts as positive."""
        return self.targets.weight * self.q

    @property
    def minus(self) -> Array:
        """Return how much each row counts as negative."""
        return self.targets.weight * (1 - self.q)


def binary(gathered: Gathered, pool: Pool | None, second: int) -> Binary:
    """Return the labelled rows of one model, or pooled; class number ``second`` is positive."""
    known, targets = gathered.predictions, labelled(gathered)
    rows = {"rows_unlabelled": targets.n_unlabelled}
    if pool is None:
        if known.n_models > 1:
            raise InputError(
                f"threshold: found {known.n_models} models ({', '.join(known.names)}) and no pool, "
                "expected one model; fit a pool of them first, and give it (pool, --pool)"
            )
        taken = known.take(targets.rows)
        log_p = taken.parameters[0]
        if taken.present is not None:
            here = taken.present[0]
            rows["rows_unanswered"] = int((~here).sum())
            log_p, targets = log_p[here], targets.take(here)
        if not len(log_p):
            raise MissingOutputError("threshold: no labelled row has an output of the model")
    else:
        pooled = pool.pool_known(pool.prepared(known).take(targets.rows))
        warn_of_fallback(pooled, pool.policy)
        rows, log_p = {**pooled.touched, **rows}, pooled.parameters
    rows["rows"] = len(log_p)
    # As they are given to the caller: equal ones are not to be divided, others are.
    p = np.minimum(np.exp(log_p[:, second]), 1.0).astype(known.dtype)
    q = targets.outcomes.probabilities(2)[:, second]
    found = Binary(p, q, targets, rows, Cuts(p))
    if not both_classes(found.plus, found.minus):
        only = known.classes[second if found.plus.any() else 1 - second]
        raise LabelError(
            f"labels: all {len(q)} are of the class {only}; a threshold is chosen on rows of both"
        )
    return found


def positive_class(classes: tuple[Label, ...], positive: object, reading: Reading) -> int:
    """Return the number of the positive class, of two."""
    texts = [class_text(c) for c in classes]
    if not texts:
        raise InputError("threshold: the predictions have no classes; a threshold divides two")
    if len(texts) != 2:
        more = ", …" if len(texts) > 8 else ""
        raise InputError(
            f"threshold: found {len(texts)} classes ({', '.join(texts[:8])}{more}); a threshold "
            "divides two"
        )
    asked = reading.positive if positive is None else positive
    if asked is None:
        return 1
    if class_text(asked) not in texts:
        raise InputError(
            f"positive: found {asked!r}, expected one of the two classes; the classes are "
            f"{', '.join(texts)}"
        )
    return texts.index(class_text(asked))


def as_one_model(predictions: Any) -> Any:
    """Name an array that stands alone: without a pool it can only be one model's."""
    if source_of(predictions) is not None:
        return predictions
    numbers = isinstance(predictions, list | tuple) and all(
        isinstance(value, Real) for value in predictions
    )
    alone = len(getattr(predictions, "shape", ())) in (1, 2) or (numbers and len(predictions))
    return {"pooled": predictions} if alone else predictions
