"""Choosing weights on evidence that was checked for what no weights could mend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .vetoes import check_vetoes
from .weightings import Weighting
from .weightings.base import Choice, Task
from .weightings.choose import complete, weigh


def weigh_checked(
    task: Task, weighting: Weighting, names: tuple[str, ...], rows: NDArray[np.int64]
) -> Choice:
    """Choose weights; exact zeros that make the pool's loss infinite are an error.

    Under the closure of the log rule every model vetoes, whatever its weight; otherwise only
    those that are given weight. ``rows`` are the rows' numbers for messages.
    """
    if weighting.rules is not None and task.rule.name not in weighting.rules:
        raise InputError(
            f"weighting={weighting.name!r} is for rule={' or '.join(map(repr, weighting.rules))}, "
            f"found rule={task.rule.name!r}"
        )
    everyone = np.ones(len(names), dtype=bool)
    if weighting.closure:
        check_vetoes(task.rule, task.evidence, names, everyone, rows)
        return weigh(task, weighting, names)
    choice = weigh(task, weighting, names)
    check_vetoes(task.rule, task.evidence, names, choice.weights > 0, rows)
    return choice


def choose_checked(
    task: Task, weighting: Weighting, names: tuple[str, ...], rows: NDArray[np.int64]
) -> Choice:
    """Choose weights as :func:`weigh_checked`, then the temperature, and certify the result."""
    return complete(task, weighting, weigh_checked(task, weighting, names, rows))
