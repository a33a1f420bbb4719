"""scikit-learn estimators that pool the predictions of others.

They fit their members, take predictions of rows that the members were not fitted on, choose the
weights on these, and fit the members again on all rows.
"""

from __future__ import annotations

from ...errors import MissingExtraError

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(__name__, "scikit-learn", "sklearn") from error

from .bagging_classifier import PooledBaggingClassifier
from .bagging_regressor import PooledBaggingRegressor
from .classifier import OpinionPoolClassifier
from .fractions import OpinionPoolProbabilityRegressor
from .probability import ProbabilityRegressor
from .regressor import OpinionPoolRegressor

__all__ = [
    "OpinionPoolClassifier",
    "OpinionPoolProbabilityRegressor",
    "OpinionPoolRegressor",
    "PooledBaggingClassifier",
    "PooledBaggingRegressor",
    "ProbabilityRegressor",
]
