"""The command ``opinionpool``: parse, call, print; one file per command."""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
