"""``opinionpool compare``: which rule and weighting, by cross-validation."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from ..compare import TIME_LIMIT
from ..compare import compare as compare_pools
from ..pool_file import document
from ..report import comparison_text
from . import options as o
from .destination import Output, check_pool_output
from .models import model_files
from .output import TALK, Talk
from .progress import Working


def compare(
    *models: o.ModelFiles,
    labels: o.Labels = None,
    sample_weight: o.SampleWeight = None,
    thorough: Annotated[
        bool,
        Parameter(
            group=o.POOLING,
            negative="",
            show_default=False,
            help="Try the slower and the less common ways as well.",
        ),
    ] = False,
    folds: Annotated[
        int, Parameter(group=o.POOLING, converter=o.whole, help="How many tests.")
    ] = 5,
    group: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="Column beside the labels: rows of one group are never split between training "
            "and test.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="Column beside the labels: train on the past, test on what comes next.",
        ),
    ] = None,
    time_limit: Annotated[
        float,
        Parameter(group=o.POOLING, help="Seconds after which no further candidate is started."),
    ] = TIME_LIMIT,
    penalty: o.Penalty = "auto",
    calibrate: o.Calibrate = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    seed: o.Seed = None,
    floor: o.Floor = "auto",
    missing: o.Missing = "renormalise",
    fallback: o.Fallback = "uniform",
    reading: o.Reading = o.AS_FOUND,
    output: Annotated[
        Output, Parameter(help="Where the recommended pool goes, fitted on all rows, as JSON.")
    ] = None,
    talk: Talk = TALK,
) -> None:
    """Find the rule and weighting that do best, by cross-validation.

    Compares the best single model, uniform, greedy and optimal weights under
    either rule, with and without a temperature. Recommends the simplest one
    that is within a standard error of the best. With --thorough also scores,
    pseudo-BMA+, Heskes' programme, resampled weights and learned floors.

    For example:
      opinionpool compare a.csv b.csv --labels labels.csv -o pool.json
      opinionpool compare a.csv b.csv --labels labels.csv --group patient
    """
    files = model_files(models)
    check_pool_output(output, [labels, *(file.path for file in files)])
    with Working("reading the predictions", quiet=talk.quiet) as progress:
        found = compare_pools(
            files,
            labels,
            sample_weight=sample_weight,
            thorough=thorough,
            folds=folds,
            groups=group,
            time=time,
            time_limit=time_limit,
            floor=o.word_or_number(floor),
            penalty=o.word_or_number(penalty),
            missing=missing,
            fallback=fallback,
            calibrate=calibrate,
            seed=seed,
            progress=progress,
            threads=threads,
            memory=memory,
            **reading.keywords(),
        )
        if output is not None:
            progress("fitting the recommended pool on all rows")
            found.pool.save(output)
    result: dict[str, Any] = {
        "table": found.table,
        "recommended": found.recommended,
        "notes": found.notes,
        "pool": None if output is None else document(found.pool),
    }
    text = comparison_text(result)
    if output is not None:
        text += f"\n\n  The recommended pool, fitted on all rows, is in {output}."
    talk.result(result, text)
