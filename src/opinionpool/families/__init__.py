"""Families by name. Adding one: a file with a :class:`~.base.Family`, a line here."""

from __future__ import annotations

from .base import Family
from .categorical import FAMILY as CATEGORICAL
from .gaussian import GAUSSIAN, VARIANCE

__all__ = ["CATEGORICAL", "FAMILIES", "GAUSSIAN", "VARIANCE", "Family"]

FAMILIES: dict[str, Family] = {f.name: f for f in (CATEGORICAL, GAUSSIAN, VARIANCE)}
