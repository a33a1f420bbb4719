"""Reliability curves, histograms and PIT, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

import opinionpool as op
from opinionpool.diagnostics.reliability import (
    histogram,
    pit_of_classes,
    reliability_curve,
    wilson,
)

Z = 1.959963984540054


def forecasts(n=150, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return p, (rng.random(n) < p**1.5).astype(float)


def test_scikit_learn_agrees():
    p, y = forecasts()
    points = reliability_curve(p, y, np.ones(150), Z)
    observed, predicted = calibration_curve(y, p, n_bins=15, strategy="quantile")
    assert [q["rows"] for q in points] == [10] * 15
    np.testing.assert_allclose([q["observed"] for q in points], observed, rtol=1e-12)
    np.testing.assert_allclose([q["predicted"] for q in points], predicted, rtol=1e-12)


def test_scikit_learn_agrees_on_scores():
    p, y = forecasts(seed=3)
    both = np.stack([1 - p, p], axis=1)
    pool = op.fit({"a": both}, y.astype(int), temperature=1.0)
    own = op.explain(pool, {"a": both}, y.astype(int), draws=0, folds=0)["calibration"]["pool"]
    assert own["nll"] == pytest.approx(log_loss(y, p), rel=1e-12)
    assert own["brier"] == pytest.approx(2 * brier_score_loss(y, p), rel=1e-12)
    assert own["auc"] == pytest.approx(roc_auc_score(y, p), rel=1e-12)
    observed, _ = calibration_curve(y, p, n_bins=15, strategy="quantile")
    second = [q["observed"] for q in own["reliability_of_second"]]
    np.testing.assert_allclose(second, observed, rtol=1e-12)


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0.0, 20, 0.0, 0.1611),
        (1 / 29, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(share, n, low, high):
    assert wilson(share, n, Z) == pytest.approx((low, high), abs=5e-5)


def test_weights_are_rows_seen_again_but_not_surer():
    p, y = forecasts(seed=1)
    once = reliability_curve(p, y, np.ones(150), Z)
    heavy = reliability_curve(p, y, np.full(150, 7.0), Z)
    for a, b in zip(once, heavy, strict=True):
        assert b == pytest.approx(a, rel=1e-12)


def test_a_histogram_by_hand():
    bars = histogram(np.array([0.0, 0.04, 0.051, 1.0]), np.array([1.0, 1.0, 1.0, 5.0]))
    assert bars[0] == pytest.approx(2 / 8)
    assert bars[1] == pytest.approx(1 / 8)
    assert bars[-1] == pytest.approx(5 / 8)
    assert sum(bars) == pytest.approx(1)


def test_pit_by_hand():
    log_p = np.log(np.array([[0.25, 0.5, 0.25]]))
    # The middle class: evenly over [.25, .75].
    bars = pit_of_classes(log_p, np.array([[0.0, 1.0, 0.0]]), np.ones(1), bars=4)
    assert bars == pytest.approx([0, 0.5, 0.5, 0])
    with np.errstate(divide="ignore"):
        jump = np.log(np.array([[0.3, 0.0, 0.7]]))
    bars = pit_of_classes(jump, np.array([[0.0, 1.0, 0.0]]), np.ones(1), bars=2)
    assert bars == pytest.approx([1, 0])


def test_calibrated_forecasts_have_a_flat_pit():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 20000)
    y = (p.cumsum(axis=1) < rng.random((20000, 1))).sum(axis=1)
    bars = pit_of_classes(np.log(p), np.eye(5)[y], np.ones(20000), bars=10)
    np.testing.assert_allclose(bars, 0.1, atol=0.01)
    over = pit_of_classes(np.log(p[:, ::-1]), np.eye(5)[y], np.ones(20000), bars=10)
    assert np.abs(np.array(over) - 0.1).max() > 0.03
