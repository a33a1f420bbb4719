"""opinionpool: one certified probabilistic prediction out of those of several models."""

from __future__ import annotations

from . import plot
from .activations import log_sigmoid, log_softmax, logsumexp, sigmoid, softargmin, softmax
from .boltzmann import BoltzmannDistribution, boltzmann_distribution, boltzmann_policy
from .combine import combine
from .compare import Comparison, compare
from .derivatives import softmax_jacobian, softmax_jvp, softmax_vjp
from .errors import OpinionPoolError, OpinionPoolWarning, Status
from .explain import explain
from .families.mixture import Mixture
from .fit import fit
from .io import sources as _sources  # noqa: F401 - registers files and frames
from .pool import Pool, load
from .sampling import sample
from .score import score
from .stack import Stacking, stack
from .threshold import threshold
from .write_pooled import write_pooled

__all__ = [
    "BoltzmannDistribution",
    "Comparison",
    "Mixture",
    "OpinionPoolError",
    "OpinionPoolWarning",
    "Pool",
    "Stacking",
    "Status",
    "boltzmann_distribution",
    "boltzmann_policy",
    "combine",
    "compare",
    "explain",
    "fit",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "plot",
    "sample",
    "score",
    "sigmoid",
    "softargmin",
    "softmax",
    "softmax_jacobian",
    "softmax_jvp",
    "softmax_vjp",
    "stack",
    "threshold",
    "write_pooled",
]

__version__ = "0.1.0"
