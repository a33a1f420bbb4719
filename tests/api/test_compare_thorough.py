"""compare(thorough=True): what else is tried, and that all of it is fitted inside the folds."""

import numpy as np
import pytest
from door_inputs import chances, outputs
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool import crossval, folds
from opinionpool.candidates import RESAMPLES, candidates
from opinionpool.families import CATEGORICAL, GAUSSIAN
from opinionpool.weightings.learned_floors import learn_floors

MODELS, Y = outputs(n=60)
FOLDS = 3
CUT = folds.by_row(60, FOLDS, 0)


@pytest.fixture(scope="module")
def thorough():
    return op.compare(MODELS, Y, thorough=True, folds=FOLDS)


def grid(name, rules=("linear", "log"), after=""):
    return {f"{name} {rule}, T {t}{after}" for rule in rules for t in ("= 1", "fitted")}


PLAIN = {"best single model"} | grid("uniform") | grid("greedy") | grid("optimal")
MORE = (
    grid("score")
    | grid("pseudo-bma+")
    | grid("heskes", ["log"])
    | grid("heskes-resampled", ["log"])
    | grid("optimal resampled")
    | grid("confidence")
    | grid("optimal", after=", floors learned")
)


def test_what_is_tried(thorough):
    assert {row["candidate"] for row in thorough.table} == PLAIN | MORE
    assert {row["candidate"] for row in op.compare(MODELS, Y, folds=FOLDS).table} == PLAIN
    losses = [row["loss"] for row in thorough.table]
    assert losses == sorted(losses)


def test_candidates_are_in_order_of_simplicity():
    for family in (CATEGORICAL, GAUSSIAN):
        names = [c.name for c in candidates(family, thorough=True)]
        assert len(set(names)) == len(names)
        order = ("uniform", "score", "greedy", "heskes", "optimal", "optimal resampled")
        places = [names.index(f"{w} log, T = 1") for w in order]
        assert places == sorted(places)
        assert names[0] == "best single model"
    # No floors to learn and no temperature of a mixture where nothing is a class.
    assert not any("floors learned" in name or "linear, T fitted" in name for name in names)


@pytest.mark.parametrize("name", sorted(MORE))
def test_each_is_fitted_on_the_training_part_of_every_fold(thorough, name):
    """The temperature of a linear pool of learned floors used to be that of one without."""
    row = next(row for row in thorough.table if row["candidate"] == name)
    losses = []
    for train, test in CUT:
        pool = op.fit(
            {model: z[train] for model, z in MODELS.items()},
            Y[train],
            rule=row["rule"],
            weighting=row["weighting"],
            temperature=row["temperature"],
            resample=RESAMPLES if "resampled " in name and "heskes" not in name else 0,
            floor="learned" if "learned" in name else "auto",
        )
        p = pool.apply({model: z[test] for model, z in MODELS.items()})
        losses.append(-np.log(p[np.arange(len(test)), Y[test]]))
    assert row["loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-8)


def with_zeros(n=60):
    """Probabilities with some exact zeros, one of them at what happened."""
    models, y = chances(n=n)
    p = models["a"]
    for row in range(0, n, 7):
        other = (y[row] + 1) % 3
        p[row, other] = 0.0
    p[5] = np.where(np.arange(3) == y[5], 0.0, 0.5)
    models["a"] = p / p.sum(axis=1, keepdims=True)
    return models, y


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_floors_are_learned_on_evidence_that_was_not_floored(monkeypatch):
    seen = []

    def spy(task, weighting):
        seen.append(task.evidence)
        return learn_floors(task, weighting)

    monkeypatch.setattr(crossval, "learn_floors", spy)
    models, y = with_zeros()
    found = op.compare(models, y, thorough=True, folds=FOLDS)
    assert len(seen) == 4 * FOLDS
    for i, evidence in enumerate(seen):
        train, _ = CUT[i % FOLDS]
        assert_array_equal(evidence.outcomes.classes, y[train])
        zero = models["a"][train] == 0
        assert zero.any()
        assert_array_equal(np.isneginf(evidence.parameters[0]), zero)
    by_name = {row["candidate"]: row for row in found.table}
    for name in grid("optimal", after=", floors learned") | grid("optimal"):
        assert np.isfinite(by_name[name]["loss"])
    assert "exact zeros were raised to 1e-06 for every candidate" in found.notes


def calibrated_but_for_blunders(n=600, seed=0):
    """A model that knows how sure it is, save for a twentieth of the rows: there it is wrong.

    A temperature would flatten every row for them; a floor mends only those.
    """
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(3, 0.3), n)
    y = np.array([rng.choice(3, p=row) for row in p])
    blunder = rng.random(n) < 0.05
    p[blunder] = np.eye(3)[(y[blunder] + 1) % 3]
    p = p * (1 - 3e-9) + 1e-9
    return {"a": p}, y


def test_a_recommended_pool_of_learned_floors_is_fitted_with_them():
    models, y = calibrated_but_for_blunders()
    found = op.compare(models, y, thorough=True, folds=FOLDS)
    assert "floors learned" in found.recommended
    row = next(row for row in found.table if row["recommended"])
    same = op.fit(models, y, rule=row["rule"], temperature=row["temperature"], floor="learned")
    assert found.pool.settings.floor == "learned"
    assert found.pool.floors.max() > 0.02
    assert_allclose(found.pool.floors, same.floors, rtol=1e-12)
    assert_allclose(found.pool.weights, same.weights, rtol=1e-12)
    assert_array_equal(found.pool.apply(models), same.apply(models))


def test_learned_floors_are_no_floor_of_the_others():
    with pytest.raises(op.OpinionPoolError, match="one of the candidates of thorough=True"):
        op.compare(MODELS, Y, floor="learned", thorough=True)
