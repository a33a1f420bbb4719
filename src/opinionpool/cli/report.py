"""``opinionpool report``: why a pool is what it is, as a page, a screen or JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..atomic import write_text
from ..errors import InputError, MissingExtraError, OutputError
from ..explain import DRAWS, explain
from ..pool import load
from ..report import explanation_html, explanation_text
from . import options as o
from .destination import Output, check_pool_output
from .models import model_files
from .output import OUTPUT, TALK, Talk
from .progress import Working

FORMATS = ("html", "text", "json")


def report(
    pool: o.PoolFile,
    /,
    *models: o.ModelFiles,
    labels: o.Labels = None,
    sample_weight: o.SampleWeight = None,
    costs: Annotated[
        str | None,
        Parameter(
            group=o.INPUT,
            help="What each model costs: a=1,b=20; the front of loss against cost is by these "
            "instead of by the number of models.",
        ),
    ] = None,
    ordered: Annotated[
        bool,
        Parameter(
            group=o.READING,
            negative="",
            show_default=False,
            help="The classes are in their order: add RPS and PIT.",
        ),
    ] = False,
    temperature: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="For refits: 'fit', or the temperature that the pool was given; without it what "
            "the pool remembers, else 1 counts as given and anything else as fitted.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        Parameter(
            group=o.POOLING,
            converter=o.whole,
            help="How many tests of leaving models out; 0 for none, by itself 5 where quick.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        Parameter(
            group=o.POOLING,
            help="Column beside the labels: rows of one group stay together, errors are by group.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        Parameter(group=o.POOLING, help="Column beside the labels: test on what comes next."),
    ] = None,
    draws: Annotated[
        int,
        Parameter(
            group=o.POOLING,
            converter=o.whole,
            help="How many bootstraps show how far the weights move; 0 for none.",
        ),
    ] = DRAWS,
    sample: Annotated[
        int | None,
        Parameter(
            group=o.POOLING,
            converter=o.whole,
            help="On how many rows pools are refitted, drawn at random; without it on all, or on "
            "20,000 where there are many. Losses are on all rows in any case.",
        ),
    ] = None,
    memory: o.Memory = None,
    seed: o.Seed = None,
    format: Annotated[
        str | None,
        Parameter(
            group=OUTPUT,
            help="html, text or json; by itself what the name of --output ends in, or text.",
        ),
    ] = None,
    output: Annotated[Output, Parameter(help="Where the report goes; a page needs one.")] = None,
    talk: Talk = TALK,
) -> None:
    """Explain a pool: a page, a screen of text, or JSON.

    Where its gain comes from, what every model is worth and how sure that
    is, whether its probabilities can be trusted, and what fewer models cost.
    The page is one file that needs no network.

    For example:
      opinionpool report pool.json a.csv b.csv --labels labels.csv -o report.html
      opinionpool report pool.json a.csv b.csv --labels labels.csv
    """
    shape = _shape(format, output, talk)
    files = model_files(models)
    check_pool_output(output, [pool, labels, *(file.path for file in files)])
    if shape == "html":
        _need_packages()
    the_pool = load(pool)
    with Working("reading and explaining", quiet=talk.quiet):
        found = explain(
            the_pool,
            files,
            labels,
            sample_weight=sample_weight,
            costs=None if costs is None else o.by_model(costs, "costs", float),
            ordered=ordered,
            temperature=None if temperature is None else o.word_or_number(temperature),
            folds=folds,
            groups=group,
            time=time,
            draws=draws,
            sample=sample,
            memory=memory,
            seed=seed,
        )
        page = explanation_html(found, apply_to=str(pool)) if shape == "html" else ""
    if output is None:
        replace(talk, json=shape == "json").result(found, explanation_text(found))
        return
    if shape == "json":
        page = json.dumps(found, indent=2, ensure_ascii=False)
    write_text(output, f"{page or explanation_text(found)}\n")
    talk.remark(f"Saved to {output}.")


def _shape(format: str | None, output: Path | None, talk: Talk) -> str:
    """Return what is to be made, or say why it cannot be."""
    from ..io import SUFFIXES

    if format is not None and format not in FORMATS:
        raise InputError(f"--format: found {format!r}, expected one of {', '.join(FORMATS)}")
    if talk.json and format not in (None, "json"):
        raise InputError("--json: not together with --format")
    suffix = "" if output is None else output.suffix.lower()
    by_name = {".html": "html", ".htm": "html", ".json": "json"}.get(suffix, "text")
    shape = "json" if talk.json else format or by_name
    if suffix in SUFFIXES:
        raise OutputError(f"cannot write {output}: a report is .html, .txt or .json")
    if shape == "html" and output is None:
        raise InputError("--format html: say where the page goes: -o report.html")
    return shape


def _need_packages() -> None:
    from importlib.util import find_spec

    for package in ("jinja2", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtraError("a report as HTML", package, "report")
