"""The split of the Brier score: exact for every K, weights, ties and soft outcomes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from problems import make_evidence
from shared_data import real_evidence
from tolerance import tolerance, ulps

from opinionpool.diagnostics.calibration import PARTS, brier_split, equal_mass_bins
from opinionpool.diagnostics.scores import scores
from opinionpool.rules.evidence import Outcomes

F8 = np.float64
KINDS = [{}, {"soft": True}, {"weighted": True}, {"zeros": 0.2}]


def one_model(n=150, k=4, ties=False, **kind):
    """Log-probabilities, outcomes and weights; `ties` leaves few distinct probabilities."""
    evidence = make_evidence(5, m=1, n=n, k=k, **kind)
    log_p = evidence.parameters[0]
    if ties:
        p = np.round(np.exp(log_p) * 4) + 1
        log_p = np.log(p / p.sum(axis=1, keepdims=True))
    return log_p, evidence.outcomes, evidence.weight


def together(split):
    signs = dict(zip(PARTS, (1, -1, 1, 1, -1), strict=True))
    return math.fsum(signs[name] * value for name, value in split.items())


def naive_split(p, q, weight, bins):
    """One bin after the other, as the formulas say it, summed over classes: O(N · bins)."""
    n, k = p.shape
    total = math.fsum(weight)
    parts = np.zeros(5)
    for c in range(k):
        binned = p[:, 1 if k == 2 else c]
        place = []
        for value in binned:
            before = math.fsum(u for v, u in zip(binned, weight, strict=True) if v < value)
            place.append(min(int(before * bins / total), bins - 1))
        mean = math.fsum(weight * q[:, c]) / total
        parts[2] += math.fsum(weight * (q[:, c] - mean) ** 2) / total
        for b in range(bins):
            rows = [row for row in range(n) if place[row] == b]
            if not rows:
                continue
            u = weight[rows]
            mass = math.fsum(u)
            p_bin, o_bin = (math.fsum(u * x[rows, c]) / mass for x in (p, q))
            dp, do = p[rows, c] - p_bin, q[rows, c] - o_bin
            parts += np.array(
                [
                    mass * (p_bin - o_bin) ** 2,
                    mass * (o_bin - mean) ** 2,
                    0,
                    math.fsum(u * dp**2),
                    2 * math.fsum(u * dp * do),
                ]
            ) / total  # fmt: skip
    return dict(zip(PARTS, parts.tolist(), strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("k", "bins"), [(2, 15), (4, 15), (4, 3), (3, 1)])
def test_the_split_is_what_plain_loops_say(kind, ties, k, bins):
    log_p, outcomes, weight = one_model(k=k, ties=ties, **kind)
    found = brier_split(log_p, outcomes, weight, bins)
    expected = naive_split(np.exp(log_p), outcomes.probabilities(k), weight, bins)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=ulps(F8, 64)), name


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_the_parts_are_the_brier_score(kind, ties, k):
    rows = one_model(k=k, ties=ties, **kind)
    assert together(brier_split(*rows)) == pytest.approx(scores(*rows)["brier"], abs=1e-12)


@given(
    seed=st.integers(0, 10**6),
    k=st.integers(2, 5),
    n=st.integers(1, 60),
    levels=st.integers(1, 6),
    soft=st.booleans(),
    bins=st.integers(1, 20),
)
def test_the_parts_are_the_brier_score_of_anything(seed, k, n, levels, soft, bins):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, levels, size=(n, k)) + 1e-3  # many ties, some almost zero
    q = rng.dirichlet(np.full(k, 0.5), n)
    outcomes = Outcomes(soft=q) if soft else Outcomes(classes=rng.integers(0, k, n))
    rows = np.log(p / p.sum(axis=1, keepdims=True)), outcomes, rng.uniform(0.01, 9, n)
    split = brier_split(*rows, bins)
    assert together(split) == pytest.approx(scores(*rows)["brier"], abs=1e-12)
    assert all(split[name] >= 0 for name in PARTS[:4])
    assert split["resolution"] <= split["uncertainty"] + 1e-12
    if not soft:
        mean = rows[2] @ outcomes.probabilities(k) / rows[2].sum()
        assert split["uncertainty"] == pytest.approx(mean @ (1 - mean), abs=1e-12)


@pytest.mark.parametrize("name", ["mljar_adult_income", "assembled_digits"])
def test_the_parts_are_the_brier_score_of_real_predictions(name):
    evidence = real_evidence(name, 1e-9)
    for log_p in evidence.parameters:
        rows = log_p, evidence.outcomes, evidence.weight
        assert together(brier_split(*rows)) == pytest.approx(scores(*rows)["brier"], abs=1e-12)


def test_two_classes_are_twice_one_class():
    metrics = pytest.importorskip("sklearn.metrics")
    log_p, outcomes, weight = one_model(k=2, weighted=True)
    one_class = metrics.brier_score_loss(
        outcomes.classes, np.exp(log_p[:, 1]), sample_weight=weight
    )
    split = brier_split(log_p, outcomes, weight)
    assert together(split) / 2 == pytest.approx(one_class, rel=1e-12)
    # In one bin nothing depends on which class comes second.
    turned = brier_split(log_p, Outcomes(classes=outcomes.classes), weight, bins=1)
    other = brier_split(log_p[:, ::-1], Outcomes(classes=1 - outcomes.classes), weight, bins=1)
    assert_allclose(list(turned.values()), list(other.values()), rtol=0, atol=ulps(F8, 8))


def test_several_classes_are_summed_one_against_the_rest():
    metrics = pytest.importorskip("sklearn.metrics")
    log_p, outcomes, weight = one_model(k=4, weighted=True)
    each = [
        metrics.brier_score_loss(outcomes.classes == c, np.exp(log_p[:, c]), sample_weight=weight)
        for c in range(4)
    ]
    assert together(brier_split(log_p, outcomes, weight)) == pytest.approx(sum(each), rel=1e-12)


def test_a_weight_is_that_many_rows():
    log_p, outcomes, _ = one_model(k=3, n=60)
    counts = np.random.default_rng(2).integers(1, 4, 60)
    rows = np.repeat(np.arange(60), counts)
    weighted = brier_split(log_p, outcomes, counts.astype(float))
    plain = brier_split(log_p[rows], outcomes.take(rows), np.ones(len(rows)))
    assert_allclose(list(weighted.values()), list(plain.values()), rtol=0, atol=ulps(F8, 64))


def test_probabilities_of_few_values_have_murphys_three_parts():
    """A bin for each value: nothing is left within the bins (Murphy 1973)."""
    p = np.repeat([0.1, 0.6, 0.9], 50)
    y = np.concatenate([np.arange(50) < right for right in (10, 25, 45)]).astype(int)
    split = brier_split(np.log(np.stack([1 - p, p], axis=1)), Outcomes(classes=y), np.ones(150))
    assert split["within_bin_variance"] == pytest.approx(0, abs=ulps(F8, 4))
    assert split["within_bin_covariance"] == pytest.approx(0, abs=ulps(F8, 4))
    # Frequencies .2, .5, .9 at .1, .6, .9, of both classes; 80 of 150 happened.
    assert split["reliability"] == pytest.approx(2 * (0.1**2 + 0.1**2) / 3, rel=1e-12)
    mean = 80 / 150
    resolution = sum((o - mean) ** 2 for o in (0.2, 0.5, 0.9)) / 3
    assert split["resolution"] == pytest.approx(2 * resolution, rel=1e-12)
    assert split["uncertainty"] == pytest.approx(2 * mean * (1 - mean), rel=1e-12)


def test_the_perfect_and_the_ignorant():
    y = np.arange(90) % 3
    with np.errstate(divide="ignore"):
        perfect = brier_split(np.log(np.eye(3)[y]), Outcomes(classes=y), np.ones(90))
    assert perfect["resolution"] == pytest.approx(perfect["uncertainty"], rel=1e-12)
    assert perfect["uncertainty"] == pytest.approx(2 / 3, rel=1e-12)
    assert perfect["reliability"] == pytest.approx(0, abs=ulps(F8, 4))
    ignorant = brier_split(np.log(np.full((90, 3), 1 / 3)), Outcomes(classes=y), np.ones(90))
    assert ignorant["resolution"] == pytest.approx(0, abs=ulps(F8, 4))
    assert ignorant["reliability"] == pytest.approx(0, abs=ulps(F8, 4))


def test_soft_outcomes_are_less_uncertain_than_labels_drawn_from_them():
    """Three of four rows of each kind are of class 1: as labels, or as q = .75 in every row."""
    p = np.repeat([0.2, 0.7], 4)
    log_p = np.log(np.stack([1 - p, p], axis=1))
    drawn = brier_split(log_p, Outcomes(classes=np.tile([1, 1, 1, 0], 2)), np.ones(8))
    soft = brier_split(log_p, Outcomes(soft=np.full((8, 2), [0.25, 0.75])), np.ones(8))
    # E Σ q (1 − q) is in the labels alone.
    assert drawn["uncertainty"] == pytest.approx(2 * 0.75 * 0.25, rel=1e-12)
    assert soft["uncertainty"] == pytest.approx(0, abs=ulps(F8, 4))
    for name in ("reliability", "resolution", "within_bin_variance"):
        assert soft[name] == pytest.approx(drawn[name], abs=ulps(F8, 4))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.integers(1, 15))
def test_bins_rise_with_the_values_and_ties_share_one(values, bins):
    x = np.array(values, dtype=float)
    weight = np.random.default_rng(len(values)).uniform(0.1, 3, len(x))
    place = equal_mass_bins(x, weight, bins)
    order = np.argsort(x)
    assert (np.diff(place[order]) >= 0).all()
    assert place.min() == 0
    assert place.max() < bins
    assert all(len(set(place[x == value])) == 1 for value in values)


@pytest.mark.parametrize(("n", "bins"), [(150, 15), (49, 49), (98, 7), (1000, 10)])
def test_bins_of_different_values_are_of_equal_size(n, bins):
    place = equal_mass_bins(np.random.default_rng(0).permutation(n).astype(float), np.ones(n), bins)
    assert_allclose(np.bincount(place, minlength=bins), n // bins, **tolerance(F8))
