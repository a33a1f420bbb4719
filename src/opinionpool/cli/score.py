"""``opinionpool score``: every model and the pool against what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..errors import InputError
from ..pool import load
from ..report import scores_text
from ..score import score as score_models
from . import options as o
from .models import model_files
from .output import TALK, Talk
from .progress import Working


def score(
    *models: o.ModelFiles,
    labels: o.Labels = None,
    sample_weight: o.SampleWeight = None,
    pool: Annotated[
        Path | None,
        Parameter(
            group=o.INPUT,
            help="A saved pool to score as well; it says how files are read, and the floor.",
        ),
    ] = None,
    floor: Annotated[
        str | None,
        Parameter(
            group=o.ZEROS,
            help="Without a pool: 'veto' (exact zeros stay, the default), 'auto', or a number.",
        ),
    ] = None,
    ordered: Annotated[
        bool,
        Parameter(
            group=o.READING,
            negative="",
            show_default=False,
            help="The classes are in their order: add the ranked probability score. --classes, "
            "or the columns of the first file, say which order.",
        ),
    ] = False,
    threads: o.Threads = None,
    memory: o.Memory = None,
    reading: o.Reading = o.AS_FOUND,
    talk: Talk = TALK,
) -> None:
    """Score every model, and a pool, against labels.

    Negative log-likelihood, Brier score and what it is made of, accuracy and
    calibration error; for classes in an order the ranked probability score.

    For example:
      opinionpool score a.csv b.csv --labels labels.csv --pool pool.json
      opinionpool score a.csv --labels labels.csv --ordered --classes low,mid,high
    """
    files = model_files(models)
    if pool is not None and (floor is not None or reading != o.AS_FOUND):
        raise InputError(
            "--pool: the pool says how files are read and zeros treated; leave out --floor, "
            "--kind, --classes, --positive and --renormalise"
        )
    the_pool = None if pool is None else load(pool)
    with Working("reading and scoring", quiet=talk.quiet):
        result = score_models(
            files,
            labels,
            sample_weight=sample_weight,
            pool=the_pool,
            floor="veto" if floor is None else o.word_or_number(floor),
            ordered=ordered,
            threads=threads,
            memory=memory,
            **reading.keywords(),
        )
    talk.result(result, scores_text(result))
