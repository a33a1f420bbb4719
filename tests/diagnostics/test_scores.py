"""Scores against scikit-learn's and against plain loops."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import evidence_kind, make_evidence, repeated
from tolerance import tolerance, ulps

from opinionpool.diagnostics.calibration import calibration_error
from opinionpool.diagnostics.scores import losses, ranked_probability_score, scores
from opinionpool.rules.evidence import Outcomes

F8 = np.float64


def one_model(n=150, k=4, **kind):
    evidence = make_evidence(5, m=1, n=n, k=k, **kind)
    return evidence.parameters[0], evidence.outcomes, evidence.weight


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_scikit_learns(k, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    log_p, outcomes, weight = one_model(k=k, weighted=weighted)
    p, y = np.exp(log_p), outcomes.classes
    found = scores(log_p, outcomes, weight)
    labels = list(range(k))
    nll = metrics.log_loss(y, p / p.sum(axis=1, keepdims=True), sample_weight=weight, labels=labels)
    assert found["nll"] == pytest.approx(nll, rel=1e-12)
    accuracy = metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=weight)
    assert found["accuracy"] == pytest.approx(accuracy, rel=1e-12)
    one_against_rest = sum(
        metrics.brier_score_loss(y == c, p[:, c], sample_weight=weight) for c in labels
    )
    assert found["brier"] == pytest.approx(one_against_rest, rel=1e-12)


@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"weighted": True}, {"zeros": 0.2}])
def test_scores_are_what_plain_loops_say(kind):
    log_p, outcomes, weight = one_model(**kind)
    q = outcomes.probabilities(4)
    nll, brier, right = [], [], []
    for row in range(150):
        p = [math.exp(x) for x in log_p[row]]
        nll.append(-math.fsum(q[row, c] * log_p[row, c] for c in range(4) if q[row, c]))
        brier.append(math.fsum((p[c] - q[row, c]) ** 2 for c in range(4)))
        right.append(q[row, max(range(4), key=lambda c: p[c])])
    total = math.fsum(weight)
    found = scores(log_p, outcomes, weight)
    for name, values in (("nll", nll), ("brier", brier), ("accuracy", right)):
        assert found[name] == pytest.approx(np.dot(weight, values) / total, rel=ulps(F8, 64))
    assert_allclose(losses(log_p, outcomes), nll, rtol=ulps(F8, 16), atol=0)


def naive_ece(confidence, right, weight, bins=15):
    """Ties in one bin: the one that the first of them is in, by the weight before it."""
    total = math.fsum(weight)
    gaps = [0.0] * bins
    for value in sorted(set(confidence)):
        before = math.fsum(u for c, u in zip(confidence, weight, strict=True) if c < value)
        place = min(int(before * bins / total), bins - 1)
        gaps[place] += math.fsum(
            u * (c - r) for c, r, u in zip(confidence, right, weight, strict=True) if c == value
        )
    return math.fsum(map(abs, gaps)) / total


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("n", [3, 150, 151])
def test_calibration_error_is_what_plain_loops_say(ties, weighted, bins, n):
    rng = np.random.default_rng(n)
    confidence = rng.uniform(0.3, 1, n)
    if ties:
        confidence = np.round(confidence, 1)
    right = (rng.random(n) < confidence).astype(float)
    weight = rng.uniform(0.1, 3, n) if weighted else np.ones(n)
    found = calibration_error(confidence, right, weight, bins)
    assert found == pytest.approx(naive_ece(confidence, right, weight, bins), abs=ulps(F8, 64))


def test_bins_are_of_equal_mass():
    """150 different confidences are fifteen tens, whatever the confidences."""
    rng = np.random.default_rng(0)
    confidence = np.sort(rng.uniform(0, 1, 150) ** 5)
    right = (rng.random(150) < 0.5).astype(float)
    tens = np.abs((confidence - right).reshape(15, 10).sum(axis=1)).sum() / 150
    shuffle = rng.permutation(150)
    found = calibration_error(confidence[shuffle], right[shuffle], np.ones(150))
    assert found == pytest.approx(tens, rel=ulps(F8, 64))


def test_the_order_of_tied_rows_does_not_matter():
    """Without bins for ties, which of equal confidences were right would decide."""
    rng = np.random.default_rng(1)
    confidence = np.repeat([0.6, 0.9], 50)
    right = np.concatenate([np.arange(50) < 30, np.arange(50) < 45]).astype(float)
    for _ in range(3):
        order = rng.permutation(100)
        found = calibration_error(confidence[order], right[order], np.ones(100))
        assert found == pytest.approx(0, abs=ulps(F8, 64))  # 30 of 50 at .6, 45 of 50 at .9


def test_a_weight_is_that_many_rows():
    counts = np.random.default_rng(2).integers(1, 4, 40)
    for kind in ("hard", "soft"):
        evidence = evidence_kind(kind)
        rows = repeated(evidence, counts)
        weighted = scores(evidence.parameters[0], evidence.outcomes, counts.astype(float))
        plain = scores(rows.parameters[0], rows.outcomes, rows.weight)
        for name, value in plain.items():
            assert weighted[name] == pytest.approx(value, rel=1e-12)


def test_only_ratios_of_weights_count():
    log_p, outcomes, weight = one_model(weighted=True)
    a, b = scores(log_p, outcomes, weight), scores(log_p, outcomes, 7.3 * weight)
    assert_allclose(list(a.values()), list(b.values()), **tolerance(F8, 64))


def test_of_tied_classes_the_first_is_named():
    log_p = np.log([[0.4, 0.4, 0.2]] * 2)
    found = scores(log_p, Outcomes(classes=np.array([0, 1])), np.array([3.0, 1.0]))
    assert found["accuracy"] == 0.75
    assert found["ece"] == pytest.approx(0.75 - 0.4, rel=ulps(F8, 8))


def test_soft_outcomes_count_as_distributions():
    p = np.array([[0.7, 0.3]])
    found = scores(np.log(p), Outcomes(soft=np.array([[0.6, 0.4]])), np.ones(1))
    # mp.dps = 30: -(mp.mpf(6)/10*mp.log(mp.mpf(7)/10) + mp.mpf(4)/10*mp.log(mp.mpf(3)/10))
    assert found["nll"] == pytest.approx(0.69559408809361382440, rel=ulps(F8, 8))
    assert found["brier"] == pytest.approx(0.02, rel=ulps(F8, 32))
    assert found["accuracy"] == 0.6
    assert found["ece"] == pytest.approx(0.1, rel=ulps(F8, 32))


def test_a_perfect_and_an_impossible_prediction():
    sure = np.array([[0.0, -np.inf], [-np.inf, 0.0]])
    right = scores(sure, Outcomes(classes=np.array([0, 1])), np.ones(2))
    assert right == {"nll": 0.0, "brier": 0.0, "accuracy": 1.0, "ece": 0.0}
    wrong = scores(sure, Outcomes(classes=np.array([1, 0])), np.ones(2))
    assert wrong == {"nll": np.inf, "brier": 2.0, "accuracy": 0.0, "ece": 1.0}


@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"weighted": True}, {"zeros": 0.2}, {"k": 2}])
def test_the_ranked_probability_score_is_what_plain_loops_say(kind):
    log_p, outcomes, weight = one_model(**kind)
    k = log_p.shape[1]
    q = outcomes.probabilities(k)
    rows = [
        math.fsum(
            (math.fsum(math.exp(x) for x in log_p[row, : c + 1]) - math.fsum(q[row, : c + 1])) ** 2
            for c in range(k - 1)
        )
        for row in range(150)
    ]
    found = ranked_probability_score(log_p, outcomes, weight)
    assert found == pytest.approx(np.dot(weight, rows) / math.fsum(weight), rel=ulps(F8, 64))


def test_the_ranked_probability_score_by_hand():
    """P = .2, .5, .3: F = .2, .7; for y = 1 it is .2² + .3², for y = 2 .2² + .7²."""
    log_p = np.log([[0.2, 0.5, 0.3]] * 2)
    for classes, expected in (([1, 1], 0.13), ([2, 2], 0.53), ([1, 2], 0.33)):
        found = ranked_probability_score(log_p, Outcomes(classes=np.array(classes)), np.ones(2))
        assert found == pytest.approx(expected, rel=ulps(F8, 16))
    sure = np.array([[0.0, -np.inf, -np.inf]])
    far = ranked_probability_score(sure, Outcomes(classes=np.array([2])), np.ones(1))
    assert far == 2.0  # K − 1, the largest


def test_the_ranked_probability_score_of_two_classes_is_half_of_brier():
    log_p, outcomes, weight = one_model(k=2, weighted=True)
    half = scores(log_p, outcomes, weight)["brier"] / 2
    assert ranked_probability_score(log_p, outcomes, weight) == pytest.approx(half, rel=1e-12)


def test_the_ranked_probability_score_knows_the_order():
    """A miss by one class costs less than a miss by two, and the mirror image the same."""
    log_p, outcomes, weight = one_model(k=3)
    rps = ranked_probability_score(log_p, outcomes, weight)
    mirrored = ranked_probability_score(
        log_p[:, ::-1], Outcomes(classes=2 - outcomes.classes), weight
    )
    assert mirrored == pytest.approx(rps, rel=1e-12)
    swapped = ranked_probability_score(
        log_p[:, [1, 0, 2]], Outcomes(classes=np.array([1, 0, 2])[outcomes.classes]), weight
    )
    assert abs(swapped - rps) > 1e-3
