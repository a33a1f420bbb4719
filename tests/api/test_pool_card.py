"""How a pool looks in a notebook: a small table, safe whatever models are called."""

import re

import numpy as np
from door_inputs import outputs

import opinionpool as op


def test_it_names_weights_and_what_they_are_worth():
    models, y = outputs(n=80)
    pool = op.fit(models, y)
    shown = pool._repr_html_()
    for name, w, loss in zip(pool.models, pool.weights, pool.losses, strict=True):
        row = re.search(rf"<bdi>{name}</bdi></th><td[^>]*>([\d.]+)</td><td[^>]*>([\d.]+)", shown)
        assert row.groups() == (f"{w:.4f}", f"{loss:.4f}")
    assert f"T {pool.temperature:.4g}" in shown
    assert f"loss {pool.loss:.4g}" in shown
    assert "gap" in shown


def test_names_are_text():
    models, y = outputs(n=40, m=2)
    pool = op.fit({"<script>": models["a"], "x" * 300: models["b"]}, y)
    shown = pool._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "x" * 61 not in shown


def test_many_models_are_counted():
    rng = np.random.default_rng(0)
    pool = op.fit(list(rng.normal(size=(30, 20, 3))), rng.integers(0, 3, 20), weighting="uniform")
    assert "and 10 more" in pool._repr_html_()
