"""Predictions: what comes in, given a meaning, checked once, and aligned."""

from __future__ import annotations

from .columns import Kinds, Reading
from .gather import Gathered, gather
from .labels import read_labels
from .predictions import Predictions
from .sheet import Sheet
from .table import SOURCES, Source, Table, model_table
from .targets import Targets

__all__ = [
    "SOURCES",
    "Gathered",
    "Kinds",
    "Predictions",
    "Reading",
    "Sheet",
    "Source",
    "Table",
    "Targets",
    "gather",
    "model_table",
    "read_labels",
]
