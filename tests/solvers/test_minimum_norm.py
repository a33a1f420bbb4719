"""Equal models get equal weights, and ties the weights nearest to equal."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import log_softmax, make_evidence
from scipy_optimum import objective_of

from opinionpool.errors import Status
from opinionpool.families.lazy import as_array
from opinionpool.kernels import fused
from opinionpool.predictions.cells import Cells
from opinionpool.rules import RULES
from opinionpool.solvers.feasible import FeasibleSet
from opinionpool.solvers.minimum_norm import nearest_to_equal
from opinionpool.solvers.newton import TOLERANCE, minimise
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.optimal import identical_models

OPTIMAL = WEIGHTINGS["optimal"]
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def total_of(task, choice):
    _, feasible = objective_of(task)
    return feasible.total if choice.inverse_temperature is None else choice.inverse_temperature


@every_rule
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("temperature", [1.0, "fit"])
@pytest.mark.parametrize("order", [[0, 1, 1, 2], [1, 0, 1, 2, 1], [2, 1, 0, 1, 0]])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_equal_models_get_equal_weights(rule, penalty, temperature, order, missing):
    copies = make_evidence(6, n=80, missing=missing).models(order)
    choice = OPTIMAL.choose(Task(rule, copies, temperature, penalty))
    w = choice.weights
    assert w.sum() == pytest.approx(1)
    for model in range(3):
        own = w[np.array(order) == model]
        assert_array_equal(own, own[0])
    assert (w > 0).sum() >= len(order) - 1  # there is something to share


@every_rule
@pytest.mark.parametrize("temperature", [1.0, "fit"])
def test_copies_change_neither_pool_nor_loss(rule, temperature):
    evidence = make_evidence(6, n=80)
    copies = evidence.models([0, 1, 1, 1, 2])
    a, b = (OPTIMAL.choose(Task(rule, e, temperature, 0.0)) for e in (evidence, copies))
    merged = np.array([b.weights[0], b.weights[1:4].sum(), b.weights[4]])
    assert_allclose(merged, a.weights, rtol=0, atol=1e-7)


def test_copies_are_shrunk_to_equal_weights_one_by_one():
    """Under a heavy penalty two copies get a share each, not one between them."""
    copies = make_evidence(6, n=80).models([0, 1, 1])
    choice = OPTIMAL.choose(Task(RULES["log"], copies, "fit", 1e7))
    assert_allclose(choice.weights, 1 / 3, atol=1e-4)


def test_who_is_identical():
    evidence = make_evidence(0, missing=0.3)
    first, group, sizes = identical_models(evidence.models([2, 0, 2, 1, 0, 2]))
    assert_array_equal(first, [0, 1, 3])
    assert_array_equal(group, [0, 1, 0, 2, 1, 0])
    assert_array_equal(sizes, [3, 2, 1])
    # Absent in other rows, or different where both answered: not the same.
    twins = evidence.models([0, 0])
    present = twins.present.copy()
    present[1, np.flatnonzero(present[1])[0]] = False
    assert len(identical_models(replace(twins, present=present))[0]) == 2
    off = twins.parameters.copy()
    off[1, np.flatnonzero(twins.present[1])[0], 0] += 1e-12
    assert len(identical_models(replace(twins, parameters=off))[0]) == 2


def test_twice_as_large_is_another_model_though_checksums_are_the_same():
    """A power of two changes every exponent alike; over 2**21 cells, that adds up to nothing."""
    x = np.random.default_rng(0).normal(size=(2**16, 32)).astype(np.float32)
    found = [fused.survey(own) for own in (x, 2 * x)]
    sums, spread = tuple(own.checksum for own in found), np.array([own.spread for own in found])
    assert sums[0] == sums[1]
    evidence = make_evidence(0, m=2)
    for own, groups in ((spread, 2), (spread[[0, 0]], 1)):
        cells = Cells([], (2, *x.shape), checksums=sums, spread=own)
        assert len(identical_models(replace(evidence, parameters=as_array(cells)))[0]) == groups


def collinear(rule, seed=6):
    """The third of four models is what a pool of the first two says: it can be replaced."""
    evidence = make_evidence(seed, m=3, n=80)
    l = evidence.parameters
    middle = {
        "log": log_softmax(l[0] + l[1]),
        "linear": np.log((np.exp(l[0]) + np.exp(l[1])) / 2),
    }[rule.name]
    direction = np.array([0.5, 0.5, -1.0, 0.0])  # v + t·direction pools alike
    if rule.name == "log":
        middle = (l[0] + l[1]) / 2
    return replace(evidence, parameters=np.stack([l[0], l[1], middle, l[2]])), direction


@pytest.mark.parametrize(
    ("name", "temperature", "seed"),
    [
        (name, temperature, seed)
        for name, seeds in (("log", (3, 7, 9)), ("linear", (13, 24, 51)))
        for temperature in (1.0, "fit")
        for seed in seeds
    ],
)
def test_of_ties_the_weights_nearest_to_equal_win(name, temperature, seed):
    evidence, direction = collinear(RULES[name], seed)
    task = Task(RULES[name], evidence, temperature, 0.0)
    choice = OPTIMAL.choose(task)
    problem, _ = objective_of(task)
    v = total_of(task, choice) * choice.weights
    value = problem.value(v)
    assert choice.status is Status.CONVERGED
    assert choice.gap <= TOLERANCE
    # It is a tie: some way along, nothing changes …
    room = 0.5 * min(v[:3])
    assert room > 1e-3
    for t in (room, -room):
        assert problem.value(v + t * direction) == pytest.approx(value, abs=1e-12)
    # … and a point of the tie in which nothing is left to gain towards equal weights.
    assert abs(direction @ (v - v.mean())) <= 1e-6


@every_rule
@pytest.mark.parametrize("seed", range(12))
def test_ties_end_at_a_bound_at_most(rule, seed):
    evidence, direction = collinear(rule, seed)
    task = Task(rule, evidence, 1.0, 0.0)
    choice = OPTIMAL.choose(task)
    pull = direction @ (choice.weights - 0.25)
    ahead = -np.sign(pull) * direction  # nearer to equal weights
    if abs(pull) > 1e-6:
        assert (choice.weights[ahead < 0] <= 1e-9).any()


@every_rule
@pytest.mark.parametrize("temperature", [1.0, "fit"])
@pytest.mark.parametrize("size", [1e-13, 1e-9])
def test_models_that_differ_by_rounding_get_almost_equal_weights(rule, temperature, size):
    evidence = make_evidence(6, n=80)
    noise = 1 + size * np.random.default_rng(0).normal(size=evidence.parameters.shape[1:])
    near = replace(
        evidence,
        parameters=log_softmax(
            np.stack(
                [evidence.parameters[0], evidence.parameters[1], evidence.parameters[1] * noise]
            )
        ),
    )
    choice = OPTIMAL.choose(Task(rule, near, temperature, 0.0))
    assert choice.weights[1] > 0.05
    assert choice.weights[1] == pytest.approx(choice.weights[2], rel=1e-3)


@every_rule
@pytest.mark.parametrize("temperature", [1.0, "fit"])
def test_a_unique_optimum_stays_where_it_is(rule, temperature):
    problem, feasible = objective_of(Task(rule, make_evidence(6, n=80), temperature, 0.0))
    found = minimise(problem, feasible)
    moved = nearest_to_equal(problem, feasible, found)
    assert_allclose(moved.v, found.v, rtol=0, atol=1e-9)
    assert moved.evaluation.value <= found.evaluation.value + 1e-12


def test_ties_stay_inside_a_feasible_set_with_bounds():
    evidence, _ = collinear(RULES["log"])
    problem, _ = objective_of(Task(RULES["log"], evidence, "fit", 0.0))
    for feasible in (FeasibleSet(4), FeasibleSet(4, 1.5, capped=True), FeasibleSet(4, lower=0.05)):
        found = minimise(problem, feasible)
        moved = nearest_to_equal(problem, feasible, found)
        assert (moved.v >= feasible.lower).all()
        assert moved.v.sum() <= feasible.total * (1 + 1e-12)
        spread = [np.linalg.norm(x.v - x.v.mean()) for x in (moved, found)]
        assert spread[0] <= spread[1] + 1e-9
        assert moved.evaluation.value <= found.evaluation.value + 1e-9
