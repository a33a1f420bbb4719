"""compare(): the candidates, their test losses recomputed fold by fold, the recommendation."""

import itertools
import math

import numpy as np
import pytest
from door_inputs import chances, normalised, outputs, with_gaps
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool import folds as splits
from opinionpool.candidates import candidates
from opinionpool.families import CATEGORICAL
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.greedy import Greedy

NAMES = {
    "best single model",
    *(
        f"{weighting} {rule}, T {t}"
        for weighting in ("uniform", "greedy", "optimal")
        for rule in ("linear", "log")
        for t in ("= 1", "fitted")
    ),
}
MODELS, Y = outputs(n=60)
WEIGHT = np.random.default_rng(4).integers(1, 4, 60)
CLINIC = np.random.default_rng(8).integers(0, 9, 60)


def by_candidate(comparison):
    return {row["candidate"]: row for row in comparison.table}


def naive(row, cut, weight=None):
    """Fit one candidate in every fold through fit(), and return its test losses."""
    weight = np.ones(len(Y)) if weight is None else weight
    losses = []
    single = row["candidate"] == "best single model"
    for train, test in cut:
        pool = op.fit(
            {name: z[train] for name, z in MODELS.items()},
            Y[train],
            rule=row["rule"],
            weighting="single" if single else row["weighting"],
            temperature=row["temperature"],
            sample_weight=weight[train],
        )
        p = pool.apply({name: z[test] for name, z in MODELS.items()})
        losses.append(-np.log(p[np.arange(len(test)), Y[test]]))
    return np.concatenate(losses)


def paired(losses, best, weight, cluster):
    """Return the mean difference, and its error from the sums over clusters, one by one."""
    d = losses - best
    mean = (weight * d).sum() / weight.sum()
    sums = np.array([(weight * (d - mean))[cluster == c].sum() for c in np.unique(cluster)])
    g = len(sums)
    return mean, math.sqrt(g / (g - 1) * (sums**2).sum()) / weight.sum()


CASES = {
    "rows": ({}, splits.by_row(60, 5, 0), np.arange(60), None),
    "seed": ({"seed": 3, "folds": 4}, splits.by_row(60, 4, 3), np.arange(60), None),
    "weights": ({"sample_weight": WEIGHT}, splits.by_row(60, 5, 0), np.arange(60), WEIGHT),
    "groups": ({"groups": CLINIC}, splits.by_group(CLINIC, 5, 0), CLINIC, None),
    "time": ({"time": CLINIC, "folds": 3}, splits.forward(CLINIC, 3), CLINIC, None),
}


@pytest.mark.parametrize(("options", "cut", "cluster", "weight"), CASES.values(), ids=CASES)
def test_every_number_of_the_table(options, cut, cluster, weight):
    found = op.compare(MODELS, Y, **options)
    assert {row["candidate"] for row in found.table} == NAMES
    assert len(found.table) == 13
    tested = np.concatenate([test for _, test in cut])
    u = np.ones(len(tested)) if weight is None else weight[tested].astype(float)
    losses = {row["candidate"]: naive(row, cut, weight) for row in found.table}
    best = losses[found.table[0]["candidate"]]
    for row in found.table:
        own = losses[row["candidate"]]
        assert row["loss"] == pytest.approx(np.average(own, weights=u), rel=1e-8)
        mean, error = paired(own, best, u, cluster[tested])
        assert row["difference"] == pytest.approx(mean, rel=1e-6, abs=1e-10)
        assert row["standard_error"] == pytest.approx(error, rel=1e-6, abs=1e-10)
    assert [row["loss"] for row in found.table] == sorted(row["loss"] for row in found.table)
    assert found.table[0]["difference"] == found.table[0]["standard_error"] == 0


def test_the_columns_of_the_table():
    for row in op.compare(MODELS, Y, folds=2).table:
        assert list(row) == [
            "candidate", "rule", "weighting", "temperature", "loss", "difference",
            "standard_error", "recommended", "note",
        ]  # fmt: skip
        assert row["note"] == ""


def test_the_recommendation_is_the_simplest_within_one_standard_error():
    order = [c.name for c in candidates(CATEGORICAL)]
    assert set(order) == NAMES
    assert order[0] == "best single model"
    assert [name.split()[0] for name in order[1::4]] == ["uniform", "greedy", "optimal"]
    for seed in range(6):
        models, y = outputs(n=40, seed=seed, signal=2.0)
        found = op.compare(models, y, seed=seed)
        table = by_candidate(found)
        within = [n for n in order if table[n]["difference"] <= table[n]["standard_error"]]
        assert found.recommended == within[0]
        assert [n for n in order if table[n]["recommended"]] == [found.recommended]


def test_uniform_is_enough_for_exchangeable_models():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, 300)
        models = {name: 2 * np.eye(3)[y] + rng.normal(size=(300, 3)) for name in "abcd"}
        assert op.compare(models, y, seed=seed).recommended.startswith("uniform")


def test_weights_are_recommended_where_they_matter():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    noise = {name: rng.normal(size=(600, 3)) * 3 for name in "cdef"}
    good = {name: 2 * np.eye(3)[y] + rng.normal(size=(600, 3)) for name in "ab"}
    assert op.compare(good | noise, y).recommended.split()[0] in ("greedy", "optimal")


def test_the_best_single_model_is_recommended_where_the_rest_is_noise():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    good = np.full((300, 3), 0.05) + 0.85 * np.eye(3)[y]
    noise = {name: rng.dirichlet(np.ones(3) * 0.3, 300) + 1e-6 for name in "bc"}
    noise = {name: p / p.sum(axis=1, keepdims=True) for name, p in noise.items()}
    right = good[np.arange(300)]
    wrong = rng.random(300) < 0.1
    right[wrong] = right[wrong][:, [1, 2, 0]]
    found = op.compare({"a": right, **noise}, y)
    assert found.recommended == "best single model"
    assert_array_equal(found.pool.weights, [1, 0, 0])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_pool_is_the_recommended_refitted_on_all_rows(seed):
    models, y = chances(n=80, seed=seed)
    found = op.compare(models, y, seed=seed)
    row = by_candidate(found)[found.recommended]
    single = found.recommended == "best single model"
    same = op.fit(
        models,
        y,
        rule=row["rule"],
        weighting="single" if single else row["weighting"],
        temperature=row["temperature"],
    )
    assert found.pool is found.pool
    assert_array_equal(found.pool.weights, same.weights)
    assert found.pool.temperature == same.temperature
    assert found.pool.fingerprint == same.fingerprint
    assert found.pool.rows["fitted"] == 80


def test_a_seed_makes_it_reproducible():
    assert op.compare(MODELS, Y, seed=5).table == op.compare(MODELS, Y, seed=5).table
    assert op.compare(MODELS, Y).table == op.compare(MODELS, Y, seed=0).table
    assert op.compare(MODELS, Y, seed=5).table != op.compare(MODELS, Y, seed=6).table


class Spy(Greedy):
    """Greedy selection that remembers what it was given to learn from."""

    def __init__(self):
        self.seen = []

    def choose(self, task):
        self.seen.append(task.evidence)
        return super().choose(task)


@pytest.fixture
def spy(monkeypatch):
    watching = Spy()
    monkeypatch.setitem(WEIGHTINGS, "greedy", watching)
    return watching


@pytest.mark.parametrize(("options", "cut", "cluster", "weight"), CASES.values(), ids=CASES)
def test_only_the_training_part_of_a_fold_is_learned_from(spy, options, cut, cluster, weight):
    op.compare(MODELS, Y, **options)
    assert len(spy.seen) == 2 * len(cut)  # once per rule and fold, whatever the temperatures
    for i, evidence in enumerate(spy.seen):
        train, _ = cut[i % len(cut)]
        assert_array_equal(evidence.outcomes.classes, Y[train])
        assert_allclose(np.exp(evidence.parameters[0]), normalised(MODELS["a"][train]), rtol=1e-12)
        assert_array_equal(
            evidence.weight, np.ones(len(train)) if weight is None else weight[train]
        )


def test_a_prior_is_learned_inside_the_fold(spy):
    models, y = with_gaps(n=30)
    op.compare(models, y, folds=3, missing="prior")
    for evidence, (train, _) in zip(spy.seen, splits.by_row(30, 3, 0), strict=False):
        prior = (np.bincount(y[train], minlength=3) + 1) / (len(train) + 3)
        absent = np.isnan(models["b"][train, 0])
        filled = np.exp(evidence.parameters[1][absent])
        assert len(filled)
        assert_allclose(filled, np.tile(prior, (len(filled), 1)), rtol=1e-12)


def test_the_time_limit_bites_and_is_said():
    found = op.compare(MODELS, Y, time_limit=0)
    assert [row["candidate"] for row in found.table] == ["best single model"]
    assert found.recommended == "best single model"
    note = next(note for note in found.notes if "time limit of 0 s" in note)
    assert all(name in note for name in NAMES - {"best single model"})
    assert found.pool.weights.max() == 1
    everything = op.compare(MODELS, Y, time_limit=None)
    assert len(everything.table) == 13
    assert not any("time limit" in note for note in everything.notes)


def test_the_time_limit_stops_between_candidates(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    found = op.compare(MODELS, Y, time_limit=4.5)
    done = [c.name for c in candidates(CATEGORICAL)[: len(found.table)]]
    assert 1 < len(done) < 13
    assert {row["candidate"] for row in found.table} == set(done)


def test_progress_is_told_in_order():
    told = []
    op.compare(MODELS, Y, folds=2, progress=lambda what, share: told.append((what, share)))
    assert len(told) == 26
    assert told[0] == ("best single model, fold 1", 0)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] < 1
