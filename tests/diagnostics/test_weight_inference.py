"""Inference about weights: row gradients, the sandwich, where it holds, and its coverage."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from problems import evidence_kind, gaussian_kind, make_evidence
from tolerance import ulps

from opinionpool.diagnostics.paired import Clusters
from opinionpool.diagnostics.row_gradients import row_gradients
from opinionpool.diagnostics.weight_inference import (
    Estimate,
    Scores,
    of_shares,
    one_step_draws,
    sandwich,
)
from opinionpool.rules import LINEAR, LOG
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers.feasible import FeasibleSet
from opinionpool.solvers.newton import minimise

F8 = np.float64
V = np.array([0.6, 0.3, 0.4])

EVIDENCE = {
    "hard": lambda: evidence_kind("hard"),
    "soft": lambda: evidence_kind("soft"),
    "weighted": lambda: evidence_kind("weighted"),
    "vetoes": lambda: evidence_kind("vetoes"),
    "gaussian": lambda: gaussian_kind("gaussian weighted"),
    "variance": lambda: gaussian_kind("variance"),
}


def cluster_scores(scores, weight, cluster):
    sums = Scores(scores.shape[1], Clusters.of(cluster))
    sums.add(scores, weight, cluster)
    return sums.found()[0]


@pytest.mark.parametrize("rule", [LOG, LINEAR], ids=["log", "linear"])
@pytest.mark.parametrize("kind", EVIDENCE)
def test_row_gradients_sum_to_the_rule_s(kind, rule):
    evidence = EVIDENCE[kind]()
    v = V if rule is LOG else V / V.sum()
    expected = rule.evaluate(v, rule.prepare(evidence)).gradient
    rows = row_gradients(rule, v, evidence)
    assert rows.shape == (evidence.n_rows, 3)
    np.testing.assert_allclose(evidence.weight @ rows, expected, rtol=1e-11, atol=1e-11)


def noisy(n):
    """Models of equal worth, so that all have weight."""
    return make_evidence(17, n=n, signal=0.7, spread=0.8)


def estimated(evidence, rule=LOG, capped=True):
    problem = PooledLoss(rule, evidence)
    feasible = FeasibleSet(evidence.n_models, 100.0 if capped else 1.0, capped=capped)
    v = minimise(problem, feasible, tolerance=1e-13).v
    now = problem.evaluate(v)
    rows = row_gradients(rule, v, evidence)
    scores = cluster_scores(rows, evidence.weight, np.arange(len(rows)))
    return Estimate(v, scores, now.gradient, now.curvature, feasible)


@pytest.mark.parametrize(("rule", "capped"), [(LOG, True), (LOG, False), (LINEAR, False)])
def test_the_sandwich_is_the_infinitesimal_jackknife(rule, capped):
    """V is the sum over rows of squared influences: moves of the optimum when a row is weighted."""
    evidence = noisy(60)
    estimate = estimated(evidence, rule, capped)
    assert estimate.active.all()
    covariance, _ = sandwich(estimate)
    problem_moves = []
    h = 1e-4
    for row in range(60):
        ends = []
        for sign in (1, -1):
            weight = evidence.weight.copy()
            weight[row] += sign * h
            ends.append(estimated(replace(evidence, weight=weight), rule, capped).v)
        problem_moves.append((ends[0] - ends[1]) / (2 * h))
    moves = np.array(problem_moves)
    np.testing.assert_allclose(covariance, 60 / 59 * moves.T @ moves, rtol=2e-3, atol=1e-6)


def test_shares_have_no_variance_in_their_sum():
    covariance, _ = sandwich(estimated(noisy(60)))
    v = np.array([0.4, 0.5, 0.2])
    shares = of_shares(covariance, v)
    np.testing.assert_allclose(shares.sum(axis=0), 0, atol=ulps(F8, 64))
    assert (np.diag(shares) > 0).all()


def test_rows_of_weight_two_are_rows_seen_twice():
    evidence = make_evidence(3, n=50)
    twice = evidence.take(np.repeat(np.arange(50), 2))
    rows, cluster = row_gradients(LOG, V, evidence), np.repeat(np.arange(50), 2)
    one = cluster_scores(rows, 2 * evidence.weight, np.arange(50))
    other = cluster_scores(row_gradients(LOG, V, twice), twice.weight, cluster)
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(one.sum(axis=0), 0, atol=1e-14)


def with_edges(**changes):
    base = {
        "v": np.array([0.5, 0.5]),
        "scores": 1e-3 * np.random.default_rng(0).normal(size=(50, 2)),
        "gradient": np.zeros(2),
        "curvature": np.eye(2),
        "feasible": FeasibleSet(2),
    }
    return Estimate(**{**base, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"v": np.array([0.999, 0.001])}, "within two standard errors of 0"),
        ({"v": np.array([1.0, 0.0]), "gradient": np.array([0.0, 1e-4])}, "might as well"),
        ({"v": np.array([1.0, 0.0]), "gradient": np.array([0.0, 1.0])}, None),
        ({"curvature": np.ones((2, 2))}, "can be exchanged"),
        ({"v": np.array([50.0, 50.0]), "feasible": FeasibleSet(2, 100.0, capped=True)}, "limit"),
        ({"scores": np.zeros((1, 2))}, "only one"),
    ],
)
def test_it_says_where_it_does_not_hold(changes, words):
    reason = sandwich(with_edges(**changes))[1]
    assert reason is None if words is None else words in reason


def test_one_step_draws_scatter_as_the_sandwich_says():
    estimate = estimated(noisy(400))
    drawn = one_step_draws(estimate, 2000, seed=1)
    covariance, reason = sandwich(estimate)
    assert reason is None
    sizes = np.sqrt(np.diag(covariance))
    # 2,000 draws: about 1/√2000 of the sizes, four times over.
    assert (np.abs(np.cov(drawn.T) - covariance) < 0.1 * np.outer(sizes, sizes)).all()
    np.testing.assert_array_equal(drawn, one_step_draws(estimate, 2000, seed=1))


def test_one_step_draws_stay_on_the_simplex():
    estimate = estimated(make_evidence(5, m=5, n=40), LINEAR, capped=False)
    drawn = one_step_draws(estimate, 100, seed=0)
    np.testing.assert_allclose(drawn.sum(axis=1), 1, rtol=1e-9)
    assert (drawn >= 0).all()
    assert (drawn == 0).any()


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_intervals_cover(rule):
    """A short form of benchmarks/interval_coverage.py: its 500 sets covered 94.4 to 96.0 %."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    coverage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(coverage)
    inside = np.array([coverage.covered(rule, seed, rows=500)[0] for seed in range(120)])
    # 360 counts at 95 in 100, three to a set: four standard errors, as if 240 were independent.
    assert abs(inside.mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 240)
