"""What can go wrong, and how a fit ended: each with a sentence a person can act on."""

from __future__ import annotations

import sys
import warnings
from enum import StrEnum


class OpinionPoolError(Exception):
    """Base of every error that opinionpool raises on purpose."""


class InputError(OpinionPoolError, ValueError):
    """What was given cannot be used: the message says what was found, where, what is right."""


class FileError(InputError):
    """A file cannot be read as what it claims to be."""


class AlignmentError(InputError):
    """Rows, ids or classes of several inputs do not fit together."""


class ProbabilityError(InputError):
    """Numbers that were to be probabilities, log-probabilities or logits are not."""


class DistributionError(InputError):
    """Numbers that were to be means and variances are not."""


class LabelError(InputError):
    """Labels, sample weights or groups do not fit the predictions."""


class VetoError(InputError):
    """Exact zeros leave a row without any possible outcome, or rule out what happened."""


class MissingOutputError(InputError):
    """A model has no output where one is required."""


class PoolFileError(InputError):
    """A saved pool has a missing or an impossible field."""


class MemoryLimitError(OpinionPoolError, MemoryError):
    """The job needs more memory than the machine has; nothing was allocated."""


class OutputError(OpinionPoolError, OSError):
    """A result could not be written; whatever stood at its place still stands there."""


class MissingExtraError(OpinionPoolError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f'{what} needs {package}, which is not installed: pip install "opinionpool[{extra}]"'
        )


class OpinionPoolWarning(UserWarning):
    """Something was decided on the caller's behalf, or did not turn out as asked."""


def warn(message: str) -> None:
    """Warn, pointing at the caller's line: the first one outside this package."""
    package = __name__.partition(".")[0]
    depth, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, OpinionPoolWarning, stacklevel=depth)


class Status(StrEnum):
    """How the weights came about: text that is saved, with a ``sentence`` that is shown."""

    CONVERGED = "converged"
    SEPARABLE = "separable"
    STATIONARY = "stationary"
    NOT_CONVERGED = "not-converged"
    FIXED = "fixed"

    @property
    def sentence(self) -> str:
        """What the status means for whoever uses the pool."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "The optimum was found: no weights do better by more than the gap.",
    Status.SEPARABLE: (
        "Separable data: a sharper pool is always better on these rows, so the temperature "
        "stopped at its lower limit; use the default penalty or more rows."
    ),
    Status.STATIONARY: (
        "A stationary point: with missing outputs, learned floors or weights that follow "
        "confidence the problem is not convex, so the best of several starts is reported and "
        "there is no gap."
    ),
    Status.NOT_CONVERGED: (
        "The solver stopped before the optimum: the weights may be improved by up to the gap."
    ),
    Status.FIXED: "The weights were given or chosen by a simpler way than the optimum.",
}
