"""Weights learned by gradient meet the certified optimum."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from door_inputs import outputs
from numpy.testing import assert_allclose, assert_array_equal
from problems import GAUSSIAN_KINDS, KINDS, evidence_kind, gaussian_kind, make_evidence
from shared_data import real_evidence
from tolerance import ulps

import opinionpool as op
from opinionpool.errors import InputError, OpinionPoolWarning, Status
from opinionpool.rules import RULES
from opinionpool.rules.objective import PooledLoss
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose
from opinionpool.weightings.gradient import Gradient

torch = pytest.importorskip("torch", reason="torch is not installed")

#: What the issue promises, nats per row.
PROMISED = 1e-4
NAMES = ("a", "b", "c")
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
every_temperature = pytest.mark.parametrize("temperature", [1.0, 2.0, "fit"])

SETS = {
    "assembled_digits": 1e-6,
    "assembled_breast_cancer": 1e-6,
    "assembled_wine": 1e-6,
    "mljar_adult_income": 1e-6,
    "mljar_titanic": 1e-7,
    "fivethirtyeight_midterms_2018": 1e-6,
    "flusight_2016-2017_wkahead": math.exp(-10),
    "flusight_2017-2018_wkahead": math.exp(-10),
}


@every_rule
@pytest.mark.parametrize("name", SETS)
def test_real_predictions(rule, name):
    evidence = real_evidence(name, SETS[name])
    task = Task(rule, evidence, "fit", 1.0)
    choice = choose(task, Gradient(), tuple(f"m{i}" for i in range(evidence.n_models)))
    assert choice.status is Status.FIXED
    # The gap is a bound that solving for the optimum itself gives (weightings/base.py).
    assert 0 <= choice.gap < PROMISED


@every_rule
@every_temperature
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_every_kind_of_evidence(rule, temperature, kind, penalty):
    task = Task(rule, evidence_kind(kind), temperature, penalty)
    choice = choose(task, Gradient(), NAMES)
    assert (choice.weights >= 0).all()
    assert choice.weights.sum() == pytest.approx(1, abs=ulps(float, 8))
    assert 0 <= choice.inverse_temperature <= 100
    if temperature != "fit":
        assert choice.inverse_temperature == 1 / temperature
    best = choose(task, WEIGHTINGS["optimal"], NAMES)
    if "missing" not in KINDS[kind]:
        assert 0 <= choice.gap < PROMISED
    else:  # not convex: a local optimum that is no better than the search's, and not by much worse
        assert np.isnan(choice.gap)
        problem = PooledLoss(rule, task.evidence, penalty)

        def value(c):
            return problem.value(c.weights * (c.inverse_temperature if rule.vetoes else 1))

        assert value(best) - 1e-9 <= value(choice) <= value(best) + 0.02


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("kind", [k for k in GAUSSIAN_KINDS if "missing" not in k])
def test_means_and_variances(rule, kind):
    temperature = "fit" if rule == "log" else 1.0
    choice = choose(Task(RULES[rule], gaussian_kind(kind), temperature), Gradient(), NAMES)
    assert 0 <= choice.gap < PROMISED


@every_rule
def test_the_order_of_models_does_not_matter(rule):
    evidence, order = make_evidence(3), np.array([2, 0, 1])
    plain = choose(Task(rule, evidence), Gradient(), NAMES)
    shuffled = choose(Task(rule, evidence.models(order)), Gradient(), NAMES)
    assert_allclose(shuffled.weights, plain.weights[order], rtol=0, atol=1e-3)


@every_rule
def test_the_same_seed_gives_the_same_answer(rule):
    task = Task(rule, make_evidence(0, n=400), seed=3)
    state = torch.random.get_rng_state()
    a, b = (choose(task, Gradient(batch=32), NAMES) for _ in range(2))
    other = choose(replace(task, seed=4), Gradient(batch=32), NAMES)
    assert_array_equal(a.weights, b.weights)
    assert (a.weights != other.weights).any()
    assert torch.equal(torch.random.get_rng_state(), state)  # no switch of the process was touched


@every_rule
def test_batches_are_used(rule):
    """Small batches come as close, and take more steps in as many epochs."""
    task = Task(rule, make_evidence(1, n=600), "fit", 1.0)
    whole, small = (Gradient(batch=b, epochs=5).choose(task) for b in (600, 32))
    assert small.n_evaluations > 19 * 5 > 2 * whole.n_evaluations
    assert choose(task, Gradient(batch=32), NAMES).gap < PROMISED


OPTIMISERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=2.0, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.0),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.02),
    "LBFGS": lambda p: torch.optim.LBFGS(p, max_iter=5, line_search_fn="strong_wolfe"),
}


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
@every_rule
def test_any_optimiser(rule, optimiser):
    task = Task(rule, make_evidence(5, n=300), "fit", 1.0)
    assert choose(task, Gradient(optimiser), NAMES).gap < PROMISED


def test_it_stops_early():
    task = Task(RULES["log"], make_evidence(0, n=200), "fit", 1.0)
    patient, hasty = (Gradient(patience=p).choose(task).n_evaluations for p in (40, 3))
    assert hasty < patient
    # Not a matter of the epochs allowed, of six evaluations each.
    assert Gradient(epochs=3000).choose(task).n_evaluations < 6 * 1000


def test_the_best_end_of_an_epoch_is_kept():
    """With an optimiser that jumps about the result is never worse than equal weights."""
    task = Task(RULES["log"], make_evidence(0), "fit", 1.0)
    problem = PooledLoss(task.rule, task.evidence, 1.0)
    choice = Gradient(lambda p: torch.optim.SGD(p, lr=50.0), epochs=20).choose(task)
    start = problem.value(np.full(3, 1 / 3))
    assert problem.value(choice.weights * choice.inverse_temperature) <= start


def test_a_useless_model_gets_exactly_nothing():
    evidence = make_evidence(0, n=300)
    log_p = evidence.parameters.copy()
    log_p[1] = log_p[1, :, ::-1]  # says the opposite of what it knows
    choice = choose(Task(RULES["log"], replace(evidence, parameters=log_p)), Gradient(), NAMES)
    assert choice.weights[1] == 0


def test_models_without_outputs_get_no_weight():
    evidence = make_evidence(4, m=3, missing=0.2)
    present = evidence.present.copy()
    present[1] = False
    with pytest.warns(OpinionPoolWarning, match="no outputs in the fitting rows.*: b$"):
        choice = choose(
            Task(RULES["log"], replace(evidence, present=present), 1.0), Gradient(), NAMES
        )
    assert choice.weights[1] == 0


def test_rows_without_weight_are_no_rows():
    evidence = make_evidence(0, n=64)
    log_p = evidence.parameters.copy()
    log_p[0, :32] = np.log([1e-9, 1e-9, 1e-9, 1 - 3e-9])
    weight = np.where(np.arange(64) < 32, 0.0, 1.0)
    evidence = replace(evidence, parameters=log_p, weight=weight)
    task = Task(RULES["log"], evidence, 1.0)
    assert choose(task, Gradient(batch=4), NAMES).gap < 1e-3  # whole batches of weight 0
    assert choose(task, Gradient(), NAMES).gap < PROMISED


def test_through_fit(tmp_path):
    models, y = outputs(n=200)
    pool = op.fit(models, y, weighting=Gradient(), seed=1)
    assert pool.weighting == "gradient"
    assert 0 <= pool.gap < PROMISED
    assert pool.loss == pytest.approx(op.fit(models, y).loss, abs=1e-3)
    pool.save(tmp_path / "pool.json")
    assert_array_equal(op.load(tmp_path / "pool.json").apply(models), pool.apply(models))


def test_a_separable_problem_stays_below_the_cap():
    evidence = make_evidence(0, n=30, signal=7.0)
    fast = Gradient(lambda p: torch.optim.Adam(p, lr=1.0), epochs=50)
    choice = fast.choose(Task(RULES["log"], evidence, "fit", 0.0))
    assert choice.inverse_temperature == pytest.approx(100)


BAD = [
    ({"batch": 0}, "batch: found 0"),
    ({"epochs": 1.5}, "epochs: found 1.5"),
    ({"patience": True}, "patience: found True"),
    ({"optimiser": "adam"}, "optimiser: found 'adam', expected a function"),
]


@pytest.mark.parametrize(("options", "words"), BAD)
def test_options_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        Gradient(**options)


def test_torch_is_imported_only_when_used():
    code = (
        "import sys; from opinionpool.weightings.gradient import Gradient; Gradient();"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(op.OpinionPoolError, match=r"opinionpool\[torch\]"):
        Gradient().choose(Task(RULES["log"], make_evidence(0)))


def test_by_name():
    import opinionpool as op

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    models = {name: np.eye(3)[y] + rng.normal(size=(120, 3)) for name in "ab"}
    found, best = (op.fit(models, y, weighting=w) for w in ("gradient", "optimal"))
    assert found.weighting == "gradient"
    assert found.loss == pytest.approx(best.loss, abs=1e-3)
