"""opinionpool: one certified probabilistic prediction out of those of several models."""

from __future__ import annotations

from .activations import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax
from .combine import combine
from .compare import Comparison, compare
from .errors import OpinionPoolError, OpinionPoolWarning, Status
from .fit import fit
from .io import sources as _sources  # noqa: F401 - registers files and frames
from .pool import Pool, load
from .score import score

__all__ = [
    "Comparison",
    "OpinionPoolError",
    "OpinionPoolWarning",
    "Pool",
    "Status",
    "combine",
    "compare",
    "fit",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "score",
    "sigmoid",
    "softmax",
]

__version__ = "0.1.0"
