"""The pool as a PyTorch module: trained with the models, or made from a fitted pool."""

from __future__ import annotations

from ...errors import MissingExtraError

try:
    from .module import OpinionPool
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError("opinionpool.integrations.torch", "torch", "torch") from error

__all__ = ["OpinionPool"]
