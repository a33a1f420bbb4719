"""fit(): every field of a pool, for every rule, weighting and temperature."""

import numpy as np
import pytest
from door_inputs import SOLVED, chances, naive_pool, nll, normalised, outputs
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
import opinionpool.weightings

MODELS, Y = chances(n=60)
STACK = np.stack(list(MODELS.values()))
RULES = ["log", "linear"]
# All whose pools have the same weights in every row (test_confidence.py has others), and numbers.
WEIGHTINGS = [
    *(name for name, w in opinionpool.weightings.WEIGHTINGS.items() if not w.confident),
    [0.5, 0.2, 0.3],
]
every = pytest.mark.parametrize("rule", RULES)
REGISTRY = opinionpool.weightings.WEIGHTINGS
PAIRS = [
    (rule, weighting)
    for rule in RULES
    for weighting in WEIGHTINGS
    if not isinstance(weighting, str)
    or REGISTRY[weighting].rules is None
    or rule in REGISTRY[weighting].rules
]
each = pytest.mark.parametrize(("rule", "weighting"), PAIRS, ids=str)


@each
@pytest.mark.parametrize("temperature", ["fit", 1, 2.5])
def test_every_field(rule, weighting, temperature):
    pool = op.fit(MODELS, Y, rule=rule, weighting=weighting, temperature=temperature)
    assert pool.models == ("a", "b", "c")
    assert pool.classes == (0, 1, 2)
    assert pool.kinds == ("probabilities",) * 3
    assert pool.rule == rule
    assert pool.weighting == (weighting if isinstance(weighting, str) else "given")
    assert pool.weights.dtype == np.float64
    assert (pool.weights >= 0).all()
    assert pool.weights.sum() == pytest.approx(1, rel=1e-15)
    if temperature == "fit":
        assert 0.01 <= pool.temperature < np.inf
    else:
        assert pool.temperature == pytest.approx(temperature, rel=1e-15)
    assert_array_equal(pool.floors, np.zeros(3))
    assert pool.prior is None
    assert pool.rows == {
        "fitted": 60,
        "unlabelled": 0,
        "unpredicted": 0,
        "with_missing": 0,
        "fallback": 0,
    }
    assert_allclose(pool.losses, [nll(p, Y) for p in STACK], rtol=1e-13)
    p = naive_pool(STACK, pool.weights, rule, pool.temperature)
    assert pool.loss == pytest.approx(nll(p, Y), rel=1e-12)
    assert_allclose(pool.apply(MODELS), p, **tolerance(float, 256))
    assert pool.gap >= 0
    optimal = weighting == "optimal"
    assert pool.status is (op.Status.CONVERGED if optimal else op.Status.FIXED)
    assert pool.status.sentence.endswith(".")
    if optimal:
        assert pool.gap < 1e-8
    assert len(pool.fingerprint) == 64


@each
def test_error_minus_ambiguity(rule, weighting):
    pool = op.fit(MODELS, Y, rule=rule, weighting=weighting)
    parts = pool.decomposition
    assert parts["loss"] == pool.loss
    assert parts["average_error"] == pytest.approx(pool.weights @ pool.losses, rel=1e-12)
    untempered = nll(naive_pool(STACK, pool.weights, rule), Y)
    assert parts["loss_untempered"] == pytest.approx(untempered, rel=1e-12)
    assert parts["average_error"] - parts["ambiguity"] == pytest.approx(untempered, rel=1e-12)
    assert untempered - parts["temperature_gain"] == pytest.approx(pool.loss, rel=1e-12)
    assert parts["ambiguity"] >= -tolerance(float)["rtol"]


@every
@pytest.mark.parametrize("temperature", ["fit", 1.0])
def test_nothing_is_better_than_the_optimum(rule, temperature):
    options = {"rule": rule, "temperature": temperature, "penalty": 0}
    best = op.fit(MODELS, Y, **options)
    for other in (*(w for r, w in PAIRS if r == rule), [0.2, 0.1, 0.7]):
        if temperature == "fit" and rule == "linear":
            continue  # weights first, temperature after: not jointly the best
        assert best.loss <= op.fit(MODELS, Y, weighting=other, **options).loss + 1e-12
    rng = np.random.default_rng(0)
    for w in rng.dirichlet(np.ones(3), 50):
        p = naive_pool(STACK, w, rule, best.temperature if rule == "log" else 1.0)
        floor = best.loss if rule == "log" else best.decomposition["loss_untempered"]
        assert nll(p, Y) >= floor - 1e-12


def test_the_gap_bounds_what_other_weights_could_gain():
    best = op.fit(MODELS, Y, penalty=0, temperature=1.0)
    for weighting in WEIGHTINGS:
        pool = op.fit(MODELS, Y, penalty=0, temperature=1.0, weighting=weighting)
        assert pool.loss - best.loss <= pool.gap + 1e-12
        assert pool.gap < 10 * (pool.loss - best.loss) + 1


def test_identical_models_share_their_weight():
    a, b = MODELS["a"], MODELS["b"]
    pool = op.fit({"a": a, "twin": a.copy(), "b": b}, Y)
    assert pool.weights[0] == pool.weights[1]
    for rule in RULES:
        merged = op.fit({"a": a, "b": b}, Y, rule=rule, penalty=0)
        apart = op.fit({"a": a, "twin": a.copy(), "b": b}, Y, rule=rule, penalty=0)
        assert_allclose(apart.weights, merged.weights[[0, 0, 1]] * [0.5, 0.5, 1], **SOLVED)


def test_the_order_of_models_does_not_matter():
    some = op.fit(MODELS, Y)
    other = op.fit(dict(reversed(MODELS.items())), Y)
    assert_allclose(other.weights[::-1], some.weights, **SOLVED)
    assert other.models == ("c", "b", "a")


def test_the_penalty_shrinks_and_vanishes():
    w = [op.fit(MODELS, Y, penalty=p, temperature=1).weights for p in (1, 10, 100, 1e6)]
    away = [np.abs(one - 1 / 3).max() for one in w]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-3
    assert_array_equal(op.fit(MODELS, Y, penalty="auto", temperature=1).weights, w[0])
    assert op.fit(MODELS, Y, penalty=1e6).temperature == pytest.approx(1, abs=1e-3)


def test_the_same_data_give_the_same_bits():
    some, other = op.fit(MODELS, Y), op.fit({n: p.copy() for n, p in MODELS.items()}, Y.tolist())
    assert_array_equal(some.weights, other.weights)
    assert some.temperature == other.temperature
    assert some.fingerprint == other.fingerprint
    changed = {name: p.copy() for name, p in MODELS.items()}
    changed["a"][0] = changed["a"][0, ::-1]
    assert op.fit(changed, Y).fingerprint != some.fingerprint
    assert op.fit(MODELS, Y, sample_weight=np.full(60, 2.0)).fingerprint != some.fingerprint


def test_a_seed_makes_starts_reproducible():
    models = {name: p.copy() for name, p in MODELS.items()}
    models["b"][::4] = np.nan
    first, again = (op.fit(models, Y, seed=7) for _ in range(2))
    assert first.status is op.Status.STATIONARY
    assert np.isnan(first.gap)
    assert_array_equal(first.weights, again.weights)


def test_one_model():
    for rule in RULES:
        pool = op.fit({"a": MODELS["a"]}, Y, rule=rule)
        assert_array_equal(pool.weights, [1.0])
        assert pool.loss <= pool.losses[0] + 1e-3  # the penalty holds the temperature back
    assert op.fit({"a": MODELS["a"]}, Y, temperature=1).loss == pytest.approx(
        nll(MODELS["a"], Y), rel=1e-13
    )


def test_more_models_than_rows():
    models, y = outputs(n=6, m=8)
    for rule in RULES:
        pool = op.fit(models, y, rule=rule)
        assert pool.weights.sum() == pytest.approx(1)
        assert pool.gap < 1e-6


def test_one_row():
    pool = op.fit({"a": [[0.7, 0.3]], "b": [[0.4, 0.6]]}, [0], classes=[0, 1])
    assert pool.rows["fitted"] == 1
    assert pool.weights[0] > 0.5


def test_separable_data_are_said_to_be():
    sure = {name: np.eye(3)[Y] * 4 + z for name, z in outputs(n=60, signal=0)[0].items()}
    right = {name: np.where(np.eye(3)[Y] > 0, 20.0, np.clip(z, -1, 1)) for name, z in sure.items()}
    with pytest.warns(op.OpinionPoolWarning, match="Separable data.*gap"):
        pool = op.fit(right, Y, penalty=0)
    assert pool.status is op.Status.SEPARABLE
    shrunk = op.fit(right, Y)
    assert shrunk.status is op.Status.CONVERGED
    assert shrunk.temperature > pool.temperature


def test_models_that_are_always_wrong_make_the_uniform():
    rng = np.random.default_rng(2)
    wrong = {name: normalised(rng.random((60, 3)) - 3 * np.eye(3)[Y]) for name in "abc"}
    pool = op.fit(wrong, Y, penalty=0)
    assert pool.temperature > 1e9
    assert_allclose(pool.apply(wrong), np.full((60, 3), 1 / 3), rtol=1e-8)
    assert pool.loss == pytest.approx(np.log(3), rel=1e-8)
    assert pool.weights.sum() == pytest.approx(1)


def test_numbers_as_weighting():
    for w in ([2, 1, 1], {"c": 1, "a": 2, "b": 1}, np.array([0.5, 0.25, 0.25])):
        pool = op.fit(MODELS, Y, weighting=w, temperature=1)
        assert_allclose(pool.weights, [0.5, 0.25, 0.25])
        assert pool.weighting == "given"
        assert_allclose(pool.apply(MODELS), op.combine(MODELS, w), **tolerance(float, 4))


def test_more_rows_than_fit_in_one_block():
    models, y = outputs(n=30_000, k=3)
    pool = op.fit(models, y, temperature=1)
    p = naive_pool(normalised(np.stack(list(models.values())))[:, :50], pool.weights, "log")
    assert_allclose(pool.apply(models)[:50], p, **tolerance(float, 256))
    assert pool.loss == pytest.approx(nll(pool.apply(models), y), rel=1e-12)
