"""Results for people: pure functions from dicts to text."""

from __future__ import annotations

from .comparison import comparison_text
from .demo import demo_text
from .explanation import explanation_text
from .html import explanation_html
from .pool import pool_text
from .pooled import pooled_text
from .scores import scores_text
from .threshold import threshold_text

__all__ = [
    "comparison_text",
    "demo_text",
    "explanation_html",
    "explanation_text",
    "pool_text",
    "pooled_text",
    "scores_text",
    "threshold_text",
]
