"""Figures of real predictions: shared/data/README.md, and what others published on them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from shared_data import load, real_evidence

from opinionpool.losses import mean_loss
from opinionpool.rules import RULES
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose

CLIP = float(np.exp(-10))


def fitted(evidence, rule, weighting, temperature, penalty=0.0):
    task = Task(RULES[rule], evidence, temperature, penalty)
    return choose(task, WEIGHTINGS[weighting], tuple(map(str, range(evidence.n_models))))


def loss(evidence, rule, choice):
    s = choice.inverse_temperature
    return mean_loss(RULES[rule], choice.weights, s, evidence, closure=False)


#: Floors, and the in-sample losses that the README prints (nats per row).
FLOORS = {
    "mljar_titanic": 1e-7,
    "flusight_2016-2017_wkahead": CLIP,
    "flusight_2017-2018_wkahead": CLIP,
}
PRINTED = {
    "assembled_digits": {
        ("linear", "uniform", 1.0): 0.25576,
        ("log", "uniform", 1.0): 0.09644,
    },
    "assembled_breast_cancer": {
        ("linear", "uniform", 1.0): 0.12880,
        ("log", "uniform", 1.0): 0.09457,
    },
    "mljar_titanic": {
        ("linear", "optimal", 1.0): 0.43630,
        ("log", "optimal", 1.0): 0.42766,
        ("log", "optimal", "fit"): 0.42745,
    },
    "mljar_adult_income": {
        ("linear", "optimal", 1.0): 0.273109,
    },
    "fivethirtyeight_midterms_2018": {
        ("linear", "uniform", 1.0): 0.10461,
        ("log", "uniform", 1.0): 0.10181,
    },
    "flusight_2016-2017_wkahead": {
        ("linear", "uniform", 1.0): 3.14893,
        ("log", "uniform", 1.0): 3.04755,
        ("linear", "optimal", 1.0): 3.00142,
        ("log", "optimal", 1.0): 2.95208,
        ("log", "optimal", "fit"): 2.92214,
    },
    "flusight_2017-2018_wkahead": {
        ("linear", "uniform", 1.0): 3.37423,
        ("log", "uniform", 1.0): 3.29886,
        ("linear", "optimal", 1.0): 3.13631,
        ("log", "optimal", 1.0): 3.11028,
        ("log", "optimal", "fit"): 3.10004,
    },
}


@pytest.mark.parametrize(
    ("name", "way", "printed"),
    [(name, way, figure) for name, ways in PRINTED.items() for way, figure in ways.items()],
)
def test_printed_losses(name, way, printed):
    evidence = real_evidence(name, FLOORS.get(name, 1e-6))
    choice = fitted(evidence, *way)
    assert loss(evidence, way[0], choice) == pytest.approx(printed, abs=1e-5)
    assert choice.gap <= 1e-6 or way[1] == "uniform"


@pytest.mark.parametrize(
    ("rule", "temperature", "held_out", "within", "fitted_temperature"),
    [
        ("linear", 1.0, 0.09867, 2e-4, 1.0),
        ("log", 1.0, 0.08118, 2e-4, 1.0),
        ("log", "fit", 0.07038, 5e-4, 0.3644),
    ],
)
def test_digits_from_even_rows_to_odd(rule, temperature, held_out, within, fitted_temperature):
    evidence = real_evidence("assembled_digits", 1e-6)
    even, odd = evidence.take(slice(0, None, 2)), evidence.take(slice(1, None, 2))
    choice = fitted(even, rule, "optimal", temperature)
    assert loss(odd, rule, choice) == pytest.approx(held_out, abs=within)
    assert 1 / choice.inverse_temperature == pytest.approx(fitted_temperature, abs=5e-5)


def test_influenza_2017_2018_has_a_certified_optimum_and_twins():
    evidence = real_evidence("flusight_2017-2018_wkahead", CLIP)
    names = load("flusight_2017-2018_wkahead")["models"].tolist()
    choice = fitted(evidence, "log", "optimal", "fit")
    assert evidence.n_models == 25
    assert loss(evidence, "log", choice) == pytest.approx(3.1000, abs=5e-4)
    assert choice.gap <= 1e-6
    assert choice.n_evaluations <= 15
    twins = choice.weights[[names.index("CU-SEL"), names.index("CU_Vixen")]]
    assert twins[0] == twins[1] > 0.01


@pytest.mark.parametrize(("season", "printed"), [("2016-2017", 3.15385), ("2017-2018", 3.38737)])
def test_the_published_average_of_influenza_models(season, printed):
    """The average that was published then, scored as our pools are: ours is no worse."""
    arrays = load(f"flusight_{season}_wkahead")
    p = arrays["ref_UnwghtAvg"].astype(float)
    p = np.maximum(p / p.sum(axis=1, keepdims=True), CLIP)
    p /= p.sum(axis=1, keepdims=True)
    y = arrays["labels"].astype(int)
    assert -np.log(p[np.arange(len(y)), y]).mean() == pytest.approx(printed, abs=1e-4)


def test_the_plain_mean_of_the_models_present_is_the_published_average():
    arrays = load("flusight_2016-2017_unweighted_average_check")
    models = arrays["probs"].astype(float).reshape(28, -1, 131)
    present = ~np.isnan(models).any(axis=2)
    assert 0.5 < present.mean() < 1
    with np.errstate(divide="ignore"):
        log_p = np.log(models)
    linear = RULES["linear"]
    pooled = np.exp(linear.pooled(np.full(28, 1 / 28), log_p, present))
    published = arrays["published_unweighted_average"].reshape(-1, 131)
    assert np.abs(pooled - published).max() <= 1e-8


def wine_halves(rule, temperature, penalty):
    evidence = real_evidence("assembled_wine", 1e-6)
    held_out = []
    for i in range(20):
        rows = np.random.default_rng(i).permutation(178)
        choice = fitted(evidence.take(rows[:89]), rule, "optimal", temperature, penalty)
        held_out.append(loss(evidence.take(rows[89:]), rule, choice))
    return float(np.mean(held_out))


def test_wine_few_rows_and_separable():
    """The penalty is what makes a fitted temperature usable on 89 rows."""
    assert wine_halves("log", "fit", 1.0) == pytest.approx(0.068, abs=5e-4)
    assert wine_halves("log", "fit", 1.0) <= 0.075
    assert wine_halves("log", "fit", 0.0) > 0.2
    assert wine_halves("log", 1.0, 0.0) == pytest.approx(0.067, abs=5e-4)
    assert wine_halves("linear", 1.0, 0.0) == pytest.approx(0.0735, abs=2e-4)


def test_adult_income_leaves_one_model_almost_alone():
    evidence = real_evidence("mljar_adult_income", 1e-6)
    for rule in RULES:
        w = fitted(evidence, rule, "optimal", 1.0).weights
        assert w.max() > 0.95


def test_a_real_set_with_zeros_is_not_fitted_by_accident():
    """Without a floor every bin is vetoed in hundreds of rows: the tests above need theirs."""
    zeros = load("flusight_2017-2018_wkahead")["probs"] <= 0
    assert (zeros.any(axis=0).all(axis=1)).sum() == 1168
    assert_array_equal(real_evidence("flusight_2017-2018_wkahead", CLIP).parameters > -np.inf, True)
