"""Blocks of several models' rows at once, their files shared out to threads that read ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from .lazy import LazyValues, ahead

Block = dict[str, NDArray[Any]]


def together(
    values: Mapping[str, NDArray[Any] | LazyValues], step: int, threads: int
) -> Generator[Block, None, None]:
    """Yield consecutive blocks of ``step`` rows of every model.

    Files that have to be decoded are read by as many threads as there may be, each of which has
    some of the models to itself: a decoder's own threads share out the columns of a block, which
    costs more than they save (8 models of 10 float32 columns in blocks of 52,428 rows, two cores:
    0.5 s so, 0.9 s with pyarrow's). Errors come in the order of the rows, then of the models.
    """
    n_costly = sum(isinstance(own, LazyValues) and own.costly for own in values.values())
    workers = max(1, min(threads, n_costly))
    groups = [ahead(_blocks(own, step, alone=workers == 1)) for own in _shared(values, workers)]
    try:
        for first, *others in zip(*groups, strict=True):
            block = first
            for other in others:
                block = {**block, **other}
            yield block
            del first, others, block
    finally:
        for group in groups:
            group.close()


def _shared(values: Mapping[str, Any], workers: int) -> Iterator[dict[str, Any]]:
    """Yield consecutive models, as many each time as can be."""
    names, n = list(values), len(values)
    for i in range(workers):
        yield {name: values[name] for name in names[n * i // workers : n * (i + 1) // workers]}


def _blocks(values: Mapping[str, Any], step: int, *, alone: bool) -> Iterator[Block]:
    scans = {name: _scan(own, step, alone=alone) for name, own in values.items()}
    n = len(next(iter(values.values())))
    for _ in range(0, n, step):
        yield {name: next(scan) for name, scan in scans.items()}


def _scan(values: Any, step: int, *, alone: bool) -> Iterator[NDArray[Any]]:
    if isinstance(values, LazyValues):
        yield from (values if alone else values.serial()).scan(step)
        return
    for start in range(0, len(values), step):
        yield values[start : start + step]
