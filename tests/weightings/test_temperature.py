"""One number for a pool whose weights are chosen."""

from dataclasses import replace

import numpy as np
import pytest
from problems import log_softmax, make_evidence
from scipy.optimize import minimize_scalar

from opinionpool.errors import Status
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Outcomes
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose
from opinionpool.weightings.temperature import fit_temperature

NAMES = ("a", "b", "c")
W = np.array([0.5, 0.2, 0.3])
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def tempered(rule, evidence, w, beta):
    """The pool as evidence of a single model."""
    pooled = rule.pooled(w, evidence.parameters, evidence.present)
    return replace(evidence, parameters=log_softmax(beta * pooled)[None], present=None)


@every_rule
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"weighted": True}, {"missing": 0.3}])
def test_the_fitted_temperature_is_scipys(rule, penalty, kind):
    evidence = make_evidence(3, n=60, spread=2.0, **kind)
    found, loss = fit_temperature(rule, evidence, W, penalty)
    n = evidence.weight.sum()

    def objective(beta):
        itself = tempered(rule, evidence, W, beta)
        loss = -(evidence.weight @ itself.log_likelihood()[0]) / n
        # maths.md §5 with one model: ‖v − s‖ = 0
        return loss + penalty * 3 * (beta - 1 - np.log(beta)) / n

    if "soft" in kind and not penalty:  # these outcomes have nothing to do with the models
        assert found.v[0] == pytest.approx(0, abs=1e-9)
        assert found.evaluation.value == pytest.approx(np.log(4), abs=1e-9)
        assert loss == found.evaluation.value
        return
    best = minimize_scalar(objective, bounds=(1e-3, 10), method="bounded", options={"xatol": 1e-9})
    assert found.v[0] == pytest.approx(best.x, rel=1e-5)
    assert found.evaluation.value == pytest.approx(best.fun, abs=1e-9)
    itself = tempered(rule, evidence, W, found.v[0])
    assert loss == pytest.approx(-(evidence.weight @ itself.log_likelihood()[0]) / n, abs=1e-12)
    assert found.status is Status.CONVERGED


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"zeros": 0.1}])
def test_after_a_joint_fit_the_best_further_temperature_is_one(seed, kind):
    """If sharpening the fitted pool helped, scaling v would have (maths.md §2)."""
    log = RULES["log"]
    evidence = make_evidence(seed, n=60, **kind)
    choice = choose(Task(log, evidence, "fit", 0.0), WEIGHTINGS["optimal"], NAMES)
    assert choice.status is Status.CONVERGED
    again, _ = fit_temperature(log, evidence, choice.weights, 0.0, closure=True)
    assert again.v[0] == pytest.approx(choice.inverse_temperature, rel=1e-4)
    pooled = log.pooled(choice.weights, evidence.parameters, closure=True)
    itself = replace(evidence, parameters=log_softmax(choice.inverse_temperature * pooled)[None])
    further, _ = fit_temperature(log, itself, np.ones(1), 0.0)
    assert further.v[0] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "weighting"),
    [(name, w) for name in RULES for w in ("uniform", "optimal")],
)
def test_where_nothing_is_known_the_temperature_is_infinite(name, weighting):
    """Outcomes that are uniform themselves: β = 0, which says nothing about the weights."""
    for seed in range(5):
        evidence = replace(make_evidence(seed), outcomes=Outcomes(soft=np.full((40, 4), 0.25)))
        choice = choose(Task(RULES[name], evidence, "fit", 0.0), WEIGHTINGS[weighting], NAMES)
        assert choice.status in (Status.CONVERGED, Status.FIXED)
        assert choice.inverse_temperature == 0
        if name == "log":
            np.testing.assert_array_equal(choice.weights, np.full(3, 1 / 3))


@every_rule
@pytest.mark.parametrize("weighting", ["uniform", "optimal"])
@pytest.mark.parametrize("soft", [False, True])
def test_separable_data_send_the_temperature_to_its_limit(rule, weighting, soft):
    evidence = make_evidence(2, signal=9.0, spread=0.3)
    if soft:
        evidence = replace(evidence, outcomes=Outcomes(soft=evidence.outcomes.probabilities(4)))
    choice = choose(Task(rule, evidence, "fit", 0.0), WEIGHTINGS[weighting], NAMES)
    assert choice.inverse_temperature == pytest.approx(100, rel=1e-9)
    assert choice.status is Status.SEPARABLE
    penalised = choose(Task(rule, evidence, "fit", 1.0), WEIGHTINGS[weighting], NAMES)
    assert 1 < penalised.inverse_temperature < 20
    assert penalised.status in (Status.CONVERGED, Status.FIXED)


def test_rows_nobody_answered_have_no_temperature():
    log, evidence = RULES["log"], make_evidence(3, missing=0.3)
    present = evidence.present.copy()
    present[:, :10] = False
    with_dead = replace(evidence, present=present)
    a, _ = fit_temperature(log, with_dead, W, 0.0)
    b, _ = fit_temperature(log, evidence.take(slice(10, None)), W, 0.0)
    assert a.v[0] == pytest.approx(b.v[0], rel=1e-9)
