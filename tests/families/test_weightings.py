"""Every way of choosing weights, on densities (tests/weightings/test_contract.py has classes)."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import GAUSSIAN_KINDS, gaussian_kind, make_gaussian_evidence, repeated
from scipy_optimum import objective_of
from tolerance import ulps

from opinionpool.errors import OpinionPoolWarning, Status
from opinionpool.losses import mean_loss, model_losses
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose
from opinionpool.weightings.resampled import ResampledOptimal

F8 = np.float64
NAMES = ("a", "b", "c")
#: All but the one that needs scores of confidence, which densities bring none of.
CHOOSERS = {name: w for name, w in WEIGHTINGS.items() if not w.confident}
CHOOSERS["resampled"] = ResampledOptimal(3)
PAIRS = {
    f"{name}-{rule.name}": (rule, weighting)
    for name, weighting in CHOOSERS.items()
    for rule in RULES.values()
    if weighting.rules is None or rule.name in weighting.rules
}
every_pair = pytest.mark.parametrize(("rule", "weighting"), PAIRS.values(), ids=PAIRS)
every_kind = pytest.mark.parametrize("kind", GAUSSIAN_KINDS)
COMPLETE = [kind for kind in GAUSSIAN_KINDS if "missing" not in kind]


def temperature_of(rule, temperature):
    """A mixture of Gaussians is not tempered."""
    return temperature if rule.joint_temperature else 1.0


@every_pair
@every_kind
@pytest.mark.parametrize("temperature", [1.0, 2.0, "fit"])
def test_a_choice_is_complete(rule, weighting, kind, temperature):
    temperature = temperature_of(rule, temperature)
    choice = choose(Task(rule, gaussian_kind(kind), temperature, 1.0), weighting, NAMES)
    assert choice.weights.shape == (3,)
    assert (choice.weights >= 0).all()
    assert choice.weights.sum() == pytest.approx(1, abs=ulps(F8, 8))
    if temperature != "fit":
        assert choice.inverse_temperature == 1 / temperature
    assert 0 < choice.inverse_temperature <= 100 * (1 + 1e-9)
    assert isinstance(choice.status, Status)
    assert np.isnan(choice.gap) if "missing" in kind else 0 <= choice.gap < np.inf


@every_pair
@pytest.mark.parametrize("kind", COMPLETE)
@pytest.mark.parametrize("temperature", [1.0, "fit"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_gap_is_never_below_the_truth(rule, weighting, kind, temperature, penalty):
    task = Task(rule, gaussian_kind(kind), temperature_of(rule, temperature), penalty)
    choice, best = (choose(task, w, NAMES) for w in (weighting, WEIGHTINGS["optimal"]))
    problem, _ = objective_of(task)

    def value(c):
        return problem.value(c.weights * (c.inverse_temperature if rule.joint_temperature else 1))

    assert value(choice) - value(best) <= choice.gap + 1e-12
    assert value(best) <= value(choice) + 1e-9


@every_pair
@every_kind
def test_the_order_of_models_does_not_matter(rule, weighting, kind):
    evidence, order = gaussian_kind(kind), np.array([2, 0, 1])
    temperature = temperature_of(rule, "fit")
    plain = choose(Task(rule, evidence, temperature), weighting, NAMES)
    shuffled = choose(Task(rule, evidence.models(order), temperature), weighting, NAMES)
    slack = 1e-4 if "missing" in kind else 1e-6
    assert_allclose(shuffled.weights, plain.weights[order], rtol=0, atol=slack)
    assert shuffled.inverse_temperature == pytest.approx(plain.inverse_temperature, rel=1e-3)


@every_pair
@pytest.mark.parametrize("kind", COMPLETE)
def test_a_weight_is_that_many_rows(rule, weighting, kind):
    if weighting.stochastic:
        pytest.skip("resamples a row of weight 2 as one row")
    counts = np.random.default_rng(5).integers(0, 4, 40)
    evidence = replace(gaussian_kind(kind), weight=counts.astype(float))
    a, b = (
        choose(Task(rule, e, temperature_of(rule, "fit")), weighting, NAMES)
        for e in (evidence, repeated(evidence, counts))
    )
    assert_allclose(a.weights, b.weights, rtol=0, atol=1e-6)
    assert a.inverse_temperature == pytest.approx(b.inverse_temperature, rel=1e-6)


@every_pair
def test_the_same_task_has_the_same_answer(rule, weighting):
    task = Task(rule, gaussian_kind("gaussian missing"), temperature_of(rule, "fit"), 1.0, seed=3)
    a, b = (choose(task, weighting, NAMES) for _ in range(2))
    assert_array_equal(a.weights, b.weights)
    assert a.inverse_temperature == b.inverse_temperature


@every_pair
def test_one_model_gets_all_the_weight(rule, weighting):
    choice = choose(Task(rule, make_gaussian_evidence(0, m=1), 1.0), weighting, ("only",))
    assert_array_equal(choice.weights, [1.0])


@every_pair
def test_models_without_outputs_get_no_weight_from_those_who_learn(rule, weighting):
    evidence = make_gaussian_evidence(4, missing=0.2)
    present = evidence.present.copy()
    present[1] = False
    task = Task(rule, replace(evidence, present=present), 1.0)
    if not weighting.learns:
        assert choose(task, weighting, NAMES).weights[1] > 0
        return
    with pytest.warns(OpinionPoolWarning, match=r"no outputs in the fitting rows.*: b$"):
        choice = choose(task, weighting, NAMES)
    assert choice.weights[1] == 0
    alone = choose(replace(task, evidence=task.evidence.models([0, 2])), weighting, ("a", "c"))
    assert_array_equal(choice.weights[[0, 2]], alone.weights)


@every_pair
def test_a_row_of_weight_zero_is_no_row(rule, weighting):
    """Not even where a model is as wrong there as can be."""
    if weighting.stochastic:
        pytest.skip("draws other numbers for another number of rows")
    evidence = gaussian_kind("gaussian")
    parameters = evidence.parameters.copy()
    parameters[0, 0] = [1e3, 1e-3]
    weight = np.where(np.arange(40) == 0, 0.0, 1.0)
    evidence = replace(evidence, parameters=parameters, weight=weight)
    a, b = (
        choose(Task(rule, e, 1.0), weighting, NAMES) for e in (evidence, evidence.take(weight > 0))
    )
    assert_allclose(a.weights, b.weights, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", GAUSSIAN_KINDS)
def test_the_single_best_model_is_the_one_of_least_loss(kind):
    """Rows it did not answer cost their fallback."""
    evidence = gaussian_kind(kind)
    losses = [mean_loss(RULES["log"], w, 1.0, evidence, closure=False) for w in np.eye(3)]
    for rule in RULES.values():
        choice = choose(Task(rule, evidence, 1.0), WEIGHTINGS["single"], NAMES)
        assert_array_equal(choice.weights, np.eye(3)[np.argmin(losses)])


@pytest.mark.parametrize("kind", ["gaussian missing", "variance missing"])
def test_a_models_loss_is_that_of_the_rows_it_answered(kind):
    evidence = gaussian_kind(kind)
    for own, found in enumerate(model_losses(evidence)):
        here = evidence.present[own]
        rows = evidence.take(here)
        said = rows.family.log_likelihood(rows.parameters[own], rows.outcomes)
        assert found == pytest.approx(-np.average(said, weights=rows.weight), rel=1e-13)
    nobody = replace(evidence, present=np.zeros_like(evidence.present))
    assert np.isnan(model_losses(nobody)).all()
