"""Real models on real data, end to end: what ``opinionpool demo`` runs."""

from __future__ import annotations

from .run import run_demo

__all__ = ["run_demo"]
