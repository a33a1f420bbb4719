"""Diagnostics: scores and decompositions, as plain dicts."""
