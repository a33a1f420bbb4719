"""Greedy selection with replacement, against trying everything every time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import KINDS, evidence_kind, make_evidence
from scipy_optimum import objective_of
from shared_data import load, real_evidence

from opinionpool.losses import mean_loss
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS, greedy
from opinionpool.weightings.base import Task

GREEDY = WEIGHTINGS["greedy"]
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def by_brute_force(rule, evidence, rounds=50, same=0.01):
    """Caruana et al. 2004 in so many words: (M,) counts of the best bag, the first on ties."""
    n = evidence.weight.sum()
    bag: list[int] = []
    best, best_bag = np.inf, bag
    for _ in range(rounds):
        losses = []
        for model in range(evidence.n_models):
            votes = np.bincount([*bag, model], minlength=evidence.n_models)
            losses.append(mean_loss(rule, votes / votes.sum(), 1.0, evidence, closure=rule.vetoes))
        least = min(losses)
        bag = [*bag, next(i for i, x in enumerate(losses) if x <= least + 1e-12 * abs(least))]
        if least < best - same / n:
            best, best_bag = least, bag
    return np.bincount(best_bag, minlength=evidence.n_models)


@every_rule
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_greedy_is_brute_force_selection_with_replacement(rule, kind, seed):
    evidence = evidence_kind(kind, seed=seed, m=4, n=50)
    counts = by_brute_force(rule, evidence)
    choice = GREEDY.choose(Task(rule, evidence, 1.0, 0.0))
    assert_allclose(choice.weights, counts / counts.sum(), rtol=0, atol=1e-12)


def test_the_numbers_of_the_search():
    assert greedy.ROUNDS == 50
    assert greedy.SAME_EVIDENCE == 0.01


@every_rule
@pytest.mark.parametrize("seed", range(12))
def test_the_pruned_search_chooses_what_trying_everything_does(rule, seed, monkeypatch):
    evidence = make_evidence(seed, m=6, n=60, soft=seed % 3 == 1, zeros=0.1 * (seed % 3 == 2))
    task = Task(rule, evidence, 1.0, 0.0)
    pruned = GREEDY.choose(task)
    monkeypatch.setattr(
        greedy, "_lower_bounds", lambda _, counts, now: np.full(len(counts), -np.inf)
    )
    full = GREEDY.choose(task)
    assert_array_equal(pruned.weights, full.weights)
    assert full.n_evaluations == 50 * 6
    assert pruned.n_evaluations < 0.8 * full.n_evaluations


@every_rule
def test_a_bound_is_below_what_it_bounds(rule):
    task = Task(rule, make_evidence(5, m=4), 1.0, 0.0)
    problem, _ = objective_of(task)
    counts = np.array([3.0, 0.0, 2.0, 1.0])
    bounds = greedy._lower_bounds(problem, counts)
    for model in range(4):
        bag = counts + np.eye(4)[model]
        value = problem.value(bag / bag.sum())
        assert bounds[model] <= value
        assert bounds[model] >= value - 0.2  # and of some use


@every_rule
def test_the_first_of_equal_models_gets_the_votes(rule):
    copies = make_evidence(3, m=3, n=60).models([1, 0, 1, 2, 0])
    w = GREEDY.choose(Task(rule, copies, 1.0, 0.0)).weights
    assert w[2] == w[4] == 0
    assert w.max() < 1


@every_rule
def test_a_longer_bag_has_to_be_worth_it(rule):
    """With nothing to gain from a second model the first bag stays."""
    lone = make_evidence(3, m=1).models([0, 0])
    assert_array_equal(GREEDY.choose(Task(rule, lone, 1.0, 0.0)).weights, [1, 0])


def test_published_weights_of_titanic():
    arrays = load("mljar_titanic")
    evidence = real_evidence("mljar_titanic", 1e-7)
    linear = RULES["linear"]
    w = GREEDY.choose(Task(linear, evidence, 1.0, 0.0)).weights
    assert_allclose(w, arrays["published_weights"], rtol=0, atol=1e-12)
    assert_array_equal(np.sort(w)[-3:], [0.2, 0.4, 0.4])
    loss = mean_loss(linear, w, 1.0, evidence, closure=False)
    assert loss == pytest.approx(0.436319, abs=1e-6)
    assert loss == pytest.approx(float(arrays["published_ensemble_logloss"]), abs=1e-6)
    optimal = WEIGHTINGS["optimal"].choose(Task(linear, evidence, 1.0, 0.0))
    best = mean_loss(linear, optimal.weights, 1.0, evidence, closure=False)
    assert best == pytest.approx(0.43630, abs=1e-5)
    assert best <= loss


def test_published_weights_of_adult_income():
    """One model almost alone; the published figure is that of the chosen bag."""
    arrays = load("mljar_adult_income")
    evidence = real_evidence("mljar_adult_income", 1e-6)
    linear = RULES["linear"]
    published = arrays["published_weights"]
    loss = mean_loss(linear, published / published.sum(), 1.0, evidence, closure=False)
    assert loss == pytest.approx(0.273109, abs=1e-6)
    optimal = WEIGHTINGS["optimal"].choose(Task(linear, evidence, 1.0, 0.0))
    assert optimal.weights.max() > 0.99
    assert mean_loss(linear, optimal.weights, 1.0, evidence, closure=False) <= loss + 1e-9
