"""Blocks that compiled kernels sum are the plain blocks, to rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import KINDS, evidence_kind, make_evidence
from tolerance import ulps

from opinionpool.kernels import threads
from opinionpool.rules import RULES, fused
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose

pytest.importorskip("numba", reason="numba is not installed: the plain kernels are the only ones")
V = {"simplex": [0.2, 0.5, 0.3], "sharp": [3.0, 0.5, 1.0], "a zero": [0.0, 0.6, 0.4]}


@pytest.fixture
def always(monkeypatch):
    """Let evidence of any size be worth compiled kernels."""
    monkeypatch.setattr(fused, "WORTHWHILE", 0)


def plainly(monkeypatch, f):
    """Evaluate with plain NumPy."""
    with monkeypatch.context() as m:
        m.setattr(fused, "WORTHWHILE", 1 << 60)
        return f()


@pytest.mark.parametrize("gamma", [0.0, 0.8])
@pytest.mark.parametrize("k", [2, 4, 131])
@pytest.mark.parametrize("v", V.values(), ids=V)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_the_same_sums(rule, kind, v, k, gamma, always, monkeypatch):
    evidence = evidence_kind(kind, k=k)
    if gamma:
        rng = np.random.default_rng(0)
        evidence = replace(evidence, confidence=rng.uniform(0, 1, (3, 40)), gamma=gamma)
    v = np.array(v) / (sum(v) if rule == "linear" else 1)
    compiled = PooledLoss(RULES[rule], evidence)
    plain = plainly(monkeypatch, lambda: PooledLoss(RULES[rule], evidence))
    assert len(compiled._blocks) == 1
    found, expected = compiled.evaluate(v), plain.evaluate(v)
    scale = 1 + np.abs(expected.curvature).max()
    assert found.value == pytest.approx(expected.value, rel=ulps(float, 256))
    assert compiled.value(v) == pytest.approx(found.value, rel=ulps(float, 64))
    assert_allclose(found.gradient, expected.gradient, rtol=0, atol=ulps(float, 1024) * scale)
    assert_allclose(found.curvature, expected.curvature, rtol=0, atol=ulps(float, 1024) * scale)
    assert found.excess == pytest.approx(expected.excess, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("weighting", ["optimal", "greedy", "uniform"])
@pytest.mark.parametrize("rule", RULES)
def test_the_same_choice(rule, weighting, always, monkeypatch):
    evidence = evidence_kind("weighted")
    task = Task(RULES[rule], evidence)
    names = ("a", "b", "c")
    found = choose(task, WEIGHTINGS[weighting], names)
    expected = plainly(monkeypatch, lambda: choose(task, WEIGHTINGS[weighting], names))
    assert_allclose(found.weights, expected.weights, atol=1e-6)
    assert found.inverse_temperature == pytest.approx(expected.inverse_temperature, rel=1e-6)
    assert found.status == expected.status


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing_but_rounding(threads, always):
    evidence = evidence_kind("soft", n=5000)
    v = np.array(V["sharp"])
    one = PooledLoss(RULES["log"], evidence).evaluate(v)
    several = PooledLoss(RULES["log"], replace(evidence, threads=threads)).evaluate(v)
    again = PooledLoss(RULES["log"], replace(evidence, threads=threads)).evaluate(v)
    assert several.value == again.value
    assert several.value == pytest.approx(one.value, rel=1e-12)
    assert_allclose(several.gradient, one.gradient, rtol=0, atol=1e-12)


def test_small_evidence_is_not_worth_a_compiler():
    assert not fused.worthwhile(1000)


@pytest.mark.parametrize("n", [600, 6001])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_the_curvature_of_some_rows_says_what_all_rows_is_likely_to_be(n, scale, monkeypatch):
    monkeypatch.setattr(fused, "WORTHWHILE", 0)
    monkeypatch.setattr(threads, "LEAST_BYTES", 1 << 12)
    problem = PooledLoss(RULES["log"], make_evidence(0, m=3, n=n, k=4), scale)
    v = np.array([0.4, 0.3, 0.6])
    now, some = problem.evaluate(v), problem.slope(v)
    assert now.likely is None
    assert some.likely is not None
    size = np.abs(now.curvature).max()
    assert_allclose(some.likely, now.curvature, rtol=0, atol=0.2 * size)
    assert np.linalg.eigvalsh(now.curvature - some.curvature)[0] > -1e-12 * size
    assert some.curvature[0, 0] < 0.5 * now.curvature[0, 0]
