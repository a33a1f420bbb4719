"""Predictions: what comes in, given a meaning, checked once, and aligned."""

from __future__ import annotations

from .gather import Gathered, Reading, gather
from .predictions import Predictions, floored
from .sheet import Sheet
from .table import SOURCES, Source, Table, model_table
from .targets import Targets, read_labels

__all__ = [
    "SOURCES",
    "Gathered",
    "Predictions",
    "Reading",
    "Sheet",
    "Source",
    "Table",
    "Targets",
    "floored",
    "gather",
    "model_table",
    "read_labels",
]
