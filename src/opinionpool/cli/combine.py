"""``opinionpool combine``: pool with given or equal weights, no labels needed."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..combine import combine_aligned
from ..options import check_kinds, named_family
from ..predictions import Reading as HowToRead
from ..predictions import gather
from ..resources import checked_threads, memory_budget
from ..weightings.given import normalised_weights
from . import options as o
from .destination import TableOutput, check_table_output
from .models import model_files
from .output import TALK, Talk
from .pooled import hand_out
from .progress import Working


def combine(
    *models: o.ModelFiles,
    weights: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="One number per model, normalised to sum to one: a=.4,b=.6 or in order .4,.6; "
            "without it all are equal.",
        ),
    ] = None,
    rule: o.Rule = "log",
    temperature: Annotated[
        float, Parameter(group=o.POOLING, help="T of the pool; below 1 sharpens.")
    ] = 1.0,
    floor: o.Floor = "auto",
    missing: o.Missing = "renormalise",
    fallback: o.Fallback = "uniform",
    quantiles: o.Quantiles = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    reading: o.Reading = o.AS_FOUND,
    output: TableOutput = None,
    talk: Talk = TALK,
) -> None:
    """Pool predictions with given or equal weights; no labels needed.

    The result has a column id, where the models have one, and one column of
    probabilities per class; for Gaussians mean and variance.

    For example:
      opinionpool combine a.csv b.csv -o pooled.csv
      opinionpool combine cnn=a.npy vit=b.npy --weights cnn=.4,vit=.6 --rule linear
    """
    files = model_files(models)
    check_table_output(output, [file.path for file in files])
    given = None if weights is None else o.weights_of(weights)
    how = reading.keywords()
    with Working("reading the predictions", quiet=talk.quiet) as progress:
        family = named_family(how.pop("family"))
        cores = checked_threads(threads)
        known = gather(
            files,
            HowToRead(**how, family=family),
            lazily=True,
            memory=memory_budget(memory),
            threads=cores,
        ).predictions
        check_kinds(how["kind"], known.names)
        progress("pooling")
        pooled = combine_aligned(
            known,
            given,
            rule=rule,
            temperature=temperature,
            floor=o.word_or_number(floor),
            missing=missing,
            fallback=fallback,
            shown=True,
            threads=cores,
        )
    facts = {
        "rule": rule,
        "temperature": float(temperature),
        "weights": normalised_weights(given, known.names),
    }
    hand_out(known, pooled, facts, output, talk, o.shares_of(quantiles))
