"""Explanations for the tests of what is made of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from door_inputs import chances, outputs, with_gaps

import opinionpool as op

#: Names that are markup, code, mathematics, other scripts, quotes, or far too long.
NASTY = [
    "<script>alert(1)</script>",
    "\"quoted\" & 'quoted' </title><img src=x onerror=alert(2)>",
    "שלום עולם ‮evil",
    "$\\frac{1}{2}$ _{x}^{y} {{ 7 * 7 }} {% raw %}",
    "n" * 300,
    "模型 🚀 é",
]


@cache
def explained(kind: str = "classes") -> dict[str, Any]:
    """The explanation of one kind of pool."""
    keywords: dict[str, Any] = {}
    if kind == "two":
        models, y = chances(n=120, k=2)
    elif kind == "missing":
        models, y = with_gaps(n=80)
    elif kind == "nasty":
        plain, y = outputs(n=80, m=6)
        models = dict(zip(NASTY, plain.values(), strict=True))
    elif kind == "one":
        models, y = outputs(n=60, m=1)
    elif kind == "infinite":
        models, y = chances(n=60, m=2)
        models["a"][:3] = [0.0, 0.5, 0.5]
        y[:3] = [0, 1, 1]
        keywords = {"rule": "linear"}
    elif kind == "gaussian":
        rng = np.random.default_rng(0)
        y = rng.normal(size=100)
        models = {
            name: np.stack([y + s * rng.normal(size=100), np.full(100, s**2)], axis=1)
            for name, s in (("a", 0.5), ("b", 1.0))
        }
        keywords = {"family": "gaussian"}
    elif kind == "many":
        models, y = outputs(n=300, m=8)
        rng = np.random.default_rng(1)
        models = {f"m{i}": models["abcdefgh"[i % 8]] + rng.normal(size=(300, 3)) for i in range(40)}
    else:
        models, y = outputs(n=150)
    pool = op.fit(models, y, **keywords)
    draws = 0 if kind in ("missing", "many") else 30
    return op.explain(pool, models, y, draws=draws, folds=0)


KINDS = ["classes", "two", "missing", "nasty", "one", "infinite", "gaussian", "many"]
