"""What a fit says of its own rows, read lazily, is what it says of a copy of them."""

from dataclasses import replace

import numpy as np
import pytest
from problems import evidence_kind
from tolerance import ulps

from opinionpool.errors import Status
from opinionpool.families.lazy import Lazy
from opinionpool.fit import in_sample
from opinionpool.losses import mean_loss, model_losses, of_all_rows
from opinionpool.rules import RULES
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings.base import Choice, Task

PRIOR = np.log([0.4, 0.3, 0.2, 0.1])
WEIGHTS = {"all": [0.5, 0.2, 0.3], "two": [0.0, 0.6, 0.4], "one": [0.0, 0.0, 1.0]}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


class Read(Lazy):
    """An array that is read in two parts."""

    def __init__(self, parameters):
        self.cells, self.shape = parameters, parameters.shape

    def parts(self):
        for rows in (slice(0, 13), slice(13, self.shape[1])):
            yield rows, self.cells[:, rows]


def few(evidence):
    """One row in twenty lacks an output."""
    present = np.ones((3, 40), bool)
    present[1, 3] = present[2, 21] = False
    return replace(evidence, present=present)


def nobody(evidence):
    """A row that nobody answered, and two that one model alone did."""
    evidence.present[:, 5] = False
    evidence.present[:, [7, 30]] = [[True], [False], [False]]
    return evidence


def weightless(evidence):
    """Rows of weight 0 count for nothing."""
    evidence = nobody(evidence)
    weight = evidence.weight.copy()
    weight[[2, 5, 9, 30]] = 0.0
    evidence.parameters[0, [2, 9], 0] = -np.inf
    return replace(evidence, weight=weight)


def confident(evidence):
    rng = np.random.default_rng(3)
    return replace(nobody(evidence), confidence=rng.uniform(0, 1, (3, 40)), gamma=0.8)


def confident_everywhere(evidence):
    return replace(confident(few(evidence)), present=None)


CASES = [lambda e: e, few, nobody, weightless, confident, confident_everywhere]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__.strip("<>"))


def made(case, kind="missing", fallback=PRIOR):
    evidence = case(evidence_kind(kind))
    absent = np.zeros((3, 40), bool) if evidence.present is None else ~evidence.present
    parameters = np.where(absent[:, :, None], np.nan, evidence.parameters)
    if case is few or case is confident_everywhere:
        parameters = evidence_kind("weighted").parameters
    return replace(evidence, parameters=parameters, fallback=fallback)


def both(rule, evidence, w, s, closure, **known):
    """The figures of evidence that is read lazily, and of the same in memory."""
    choice = Choice(np.array(w), s, np.nan, Status.STATIONARY, 1, **known)
    losses = model_losses(evidence)
    lazily = replace(evidence, parameters=Read(evidence.parameters))
    tasks = Task(rule, lazily), Task(rule, evidence)
    return [in_sample(task, choice, losses, closure=closure) for task in tasks]


def assert_same(found, expected):
    near = {"rel": ulps(float, 1024), "abs": ulps(float, 1024)}
    assert found[0] == pytest.approx(expected[0], **near)
    assert found[1] == pytest.approx(expected[1], **near)


@every_case
@every_rule
@pytest.mark.parametrize("kind", ["missing", "everything"])
@pytest.mark.parametrize("s", [1.0, 0.4])
@pytest.mark.parametrize("w", WEIGHTS.values(), ids=WEIGHTS)
def test_the_same_loss_and_split(case, rule, kind, s, w):
    evidence = made(case, kind)
    found, expected = both(rule, evidence, w, s, closure=False)
    assert_same(found, expected)
    parts = found[1]["average_error"] - found[1]["ambiguity"] - found[1]["temperature_gain"]
    assert parts == pytest.approx(found[1]["loss"], rel=ulps(float, 64))
    assert np.isfinite(found[0])


@every_case
@every_rule
@pytest.mark.parametrize("s", [0.0, 0.4])
def test_the_same_loss_where_models_without_weight_veto(case, rule, s):
    """Where they rule something out: the split in memory is that of the models with weight."""
    evidence = made(case, "everything" if s else "missing")
    found, expected = both(rule, evidence, WEIGHTS["two"], s, closure=True)
    assert found[0] == pytest.approx(expected[0], rel=ulps(float, 1024))


@every_case
@every_rule
def test_what_is_known_is_not_read_again(case, rule):
    evidence = made(case)
    w, s = np.array(WEIGHTS["all"]), 0.4 if rule.joint_temperature else 1.0
    problem = PooledLoss(rule, evidence)
    loss = problem.loss(w * s)
    known = {"loss": loss, "untempered": problem.loss(w)}
    found, expected = both(rule, evidence, w, s, closure=False, **known)
    assert_same(found, expected)
    # It is taken on trust.
    wrong, _ = both(rule, evidence, w, s, closure=False, loss=loss + 1, untempered=loss + 1)
    assert wrong[1]["loss"] == pytest.approx(loss + 1)


@every_rule
@pytest.mark.parametrize("s", [1.0, 0.4])
def test_a_fallback_that_is_an_error_costs_everything(rule, s):
    evidence = made(nobody, fallback=None)
    evidence = replace(evidence, weight=np.where(np.arange(40) == 5, 0.0, evidence.weight))
    found, expected = both(rule, evidence, WEIGHTS["two"], s, closure=False)
    assert found[0] == expected[0] == np.inf
    # And nothing where such rows have no weight.
    evidence = replace(evidence, weight=np.where(evidence.present[1:].any(axis=0), 1.0, 0.0))
    assert_same(*both(rule, evidence, WEIGHTS["two"], s, closure=False))


@pytest.mark.parametrize("case", [few, nobody])
def test_a_member_that_ruled_out_what_happened(case):
    evidence = made(case)
    row = int(np.flatnonzero(evidence.present.all(axis=0))[0])
    evidence.parameters[0, row, evidence.outcomes.classes[row]] = -np.inf
    found, expected = both(RULES["linear"], evidence, WEIGHTS["all"], 1.0, closure=False)
    assert found[1]["average_error"] == found[1]["ambiguity"] == np.inf
    assert found[0] == pytest.approx(expected[0], rel=ulps(float, 64))
    assert found[1]["loss_untempered"] == pytest.approx(found[1]["loss"], rel=ulps(float, 64))


@every_rule
def test_rows_without_a_voice_cost_their_fallback_at_any_temperature(rule):
    """And nobody disagrees there, in memory or not."""
    evidence = made(nobody)
    for _, split in both(rule, evidence, WEIGHTS["two"], 1.0, closure=False):
        assert split["temperature_gain"] == pytest.approx(0, abs=ulps(float, 64))
    alone = evidence.take(np.array([7, 30]))
    fallback = alone.weight @ alone.fallback_loss() / alone.total_weight
    for loss, split in both(rule, alone, WEIGHTS["two"], 0.4, closure=False):
        assert loss == pytest.approx(fallback, rel=ulps(float, 16))
        assert split["average_error"] == pytest.approx(fallback, rel=ulps(float, 16))
        assert split["ambiguity"] == 0


def test_only_rows_with_gaps_are_looked_up(monkeypatch):
    evidence = made(few)
    seen = []
    ours = Lazy.held
    monkeypatch.setattr(Lazy, "held", lambda x, n: seen.append(x.shape[1]) or ours(x, n))
    lazily = replace(evidence, parameters=Read(evidence.parameters))
    choice = Choice(np.array(WEIGHTS["all"]), 1.0, np.nan, Status.STATIONARY, 1, loss=0.7)
    task = Task(RULES["log"], lazily)
    of_all_rows(task, choice, model_losses(evidence), closure=False)
    assert seen == [2]


def test_a_mean_loss_knows_rows_of_weight_0_that_may_cost_anything():
    evidence = made(weightless, fallback=None)
    w = np.array(WEIGHTS["all"])
    some = evidence.take(evidence.weight > 0)
    loss = mean_loss(RULES["log"], w, 1.0, evidence, closure=False)
    assert loss == pytest.approx(mean_loss(RULES["log"], w, 1.0, some, closure=False))
