"""``opinionpool fit``: weights and temperature from held-out labels."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..fit import fit as fit_pool
from ..pool_file import document
from ..report import pool_text
from . import options as o
from .destination import Output, check_pool_output
from .models import model_files
from .output import TALK, Talk
from .progress import Working


def fit(
    *models: o.ModelFiles,
    labels: o.Labels = None,
    sample_weight: o.SampleWeight = None,
    rule: o.Rule = "log",
    weighting: o.Weighting = "optimal",
    temperature: o.Temperature = "fit",
    penalty: o.Penalty = "auto",
    metric: o.Metric = None,
    resample: o.Resample = 0,
    confidence: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="For '--weighting confidence': the column of every model's table that holds its "
            "confidence in [0, 1]; without it, how far from uniform its probabilities are.",
        ),
    ] = None,
    calibrate: o.Calibrate = None,
    scaling: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="'vector': scale and shift each class's pooled log-probability, after all else.",
        ),
    ] = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    seed: o.Seed = None,
    floor: o.Floor = "auto",
    missing: o.Missing = "renormalise",
    fallback: o.Fallback = "uniform",
    reading: o.Reading = o.AS_FOUND,
    output: Annotated[Output, Parameter(help="Where the pool goes, as JSON.")] = None,
    talk: Talk = TALK,
) -> None:
    """Fit weights and temperature to held-out labels.

    Use rows that the models were not trained on: their predictions are too
    good on rows they have seen.

    For example:
      opinionpool fit a.csv b.csv --labels labels.csv -o pool.json
      opinionpool fit a.npy b.npy --labels y.npy --rule linear --temperature 1
    """
    files = model_files(models)
    check_pool_output(output, [labels, *(file.path for file in files)])
    with Working("reading and fitting", quiet=talk.quiet):
        pool = fit_pool(
            files,
            labels,
            sample_weight=sample_weight,
            rule=rule,
            weighting=o.weighting_of(weighting),
            temperature=o.word_or_number(temperature),
            floor=o.word_or_number(floor),
            penalty=o.word_or_number(penalty),
            missing=missing,
            fallback=fallback,
            metric=metric,
            resample=resample,
            confidence=confidence,
            calibrate=calibrate,
            scaling=scaling,
            threads=threads,
            memory=memory,
            seed=seed,
            **reading.keywords(),
        )
    if output is not None:
        pool.save(output)
    notes = () if output is None else (f"Saved to {output}.",)
    shown = document(pool)
    talk.result(shown, pool_text(shown, pool.status.sentence, notes=notes))
