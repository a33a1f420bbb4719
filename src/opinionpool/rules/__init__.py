"""Rules by name. Adding one: a file with a :class:`~opinionpool.rules.base.Rule`, a line here."""

from __future__ import annotations

from .base import AnyRule
from .linear import RULE as LINEAR
from .log import RULE as LOG

__all__ = ["LINEAR", "LOG", "RULES", "AnyRule"]

RULES: dict[str, AnyRule] = {rule.name: rule for rule in (LOG, LINEAR)}
