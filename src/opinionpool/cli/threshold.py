"""``opinionpool threshold``: from probabilities of two classes to decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from ..diagnostics.decisions import METRICS
from ..errors import InputError
from ..pool import load
from ..report import threshold_text
from ..threshold import DRAWS
from ..threshold import threshold as find_threshold
from . import options as o
from .models import model_files
from .output import TALK, Talk
from .progress import Working

#: Between reading and output, as pooling is elsewhere.
CHOOSING = Group("Choosing", sort_key=2)


def threshold(
    *models: o.ModelFiles,
    labels: o.Labels = None,
    sample_weight: o.SampleWeight = None,
    pool: Annotated[
        Path | None,
        Parameter(
            group=o.INPUT,
            help="The saved pool whose probabilities are cut; needed for several models. It "
            "says how files are read.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        Parameter(
            group=CHOOSING,
            help=f"What is made large: {', '.join(METRICS)}; f1 where neither this nor --cost is "
            "given.",
        ),
    ] = None,
    cost: Annotated[
        str | None,
        Parameter(
            group=CHOOSING,
            help="What is made small instead: fp=1,fn=5, the costs of deciding wrongly for and "
            "against the positive class.",
        ),
    ] = None,
    folds: Annotated[
        int,
        Parameter(
            group=CHOOSING,
            converter=o.whole,
            help="How many tests on rows the threshold was not chosen on; 0 for none.",
        ),
    ] = 5,
    group: Annotated[
        str | None,
        Parameter(
            group=CHOOSING,
            help="Column beside the labels: rows of one group are never split between training "
            "and test.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        Parameter(
            group=CHOOSING,
            help="Column beside the labels: choose on the past, test on what comes next.",
        ),
    ] = None,
    draws: Annotated[
        int,
        Parameter(
            group=CHOOSING,
            converter=o.whole,
            help="How many bootstraps show how far the threshold moves; 0 for none.",
        ),
    ] = DRAWS,
    seed: Annotated[
        int | None,
        Parameter(group=CHOOSING, converter=o.whole, help="For the folds and the bootstraps."),
    ] = None,
    reading: o.Reading = o.AS_FOUND,
    talk: Talk = TALK,
) -> None:
    """Find the threshold at which a probability becomes a decision.

    For two classes: of a pool (--pool), or of one model. The positive class
    is the second one, or --positive. Use rows that the pool was not fitted on.

    For example:
      opinionpool threshold a.csv b.csv --labels labels.csv --pool pool.json
      opinionpool threshold a.csv --labels labels.csv --cost fp=1,fn=5
    """
    files = model_files(models)
    if pool is not None and replace(reading, positive=None) != o.AS_FOUND:
        raise InputError(
            "--pool: the pool says how files are read; leave out --kind, --classes and "
            "--renormalise"
        )
    keywords = reading.keywords()
    if keywords.pop("family", "categorical") != "categorical":
        raise InputError("--family: a threshold divides two classes, expected categorical")
    costs = None if cost is None else _costs(cost)
    the_pool = None if pool is None else load(pool)
    with Working("reading and choosing", quiet=talk.quiet):
        result = find_threshold(
            files,
            labels,
            sample_weight=sample_weight,
            pool=the_pool,
            metric=metric,
            cost=costs,
            folds=folds,
            groups=group,
            time=time,
            draws=draws,
            seed=seed,
            **keywords,
        )
    talk.result(result, threshold_text(result))


def _costs(text: str) -> dict[str, float]:
    """Read ``fp=1,fn=5``.

    Examples
    --------
    >>> _costs("fp=1, fn=5")
    {'fp': 1.0, 'fn': 5.0}
    """
    found: dict[str, float] = {}
    for part in o.listed(text):
        name, _, value = part.partition("=")
        number = o.word_or_number(value)
        if name not in ("fp", "fn") or name in found or not isinstance(number, float):
            raise InputError(f"--cost: found {text!r}, expected two numbers: fp=1,fn=5")
        found[name] = number
    return found
