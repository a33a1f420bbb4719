"""Weights in proportion to a score of each model."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import make_evidence

import opinionpool as op
from opinionpool.errors import InputError
from opinionpool.families import FAMILIES
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.weightings.base import Task
from opinionpool.weightings.scored import METRICS, Score


def weights(metric, evidence):
    return Score(metric).choose(Task(RULES["linear"], evidence, 1.0)).weights


def shares(scores):
    scores = np.asarray(scores, dtype=float)
    return scores / scores.sum()


def mean(values, u):
    return (values * u).sum(axis=-1) / u.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_accuracy_brier_and_log_loss(k, weighted):
    evidence = make_evidence(0, k=k, weighted=weighted)
    p, y, u = np.exp(evidence.parameters), evidence.outcomes.classes, evidence.weight
    right = p.argmax(axis=-1) == y
    assert_allclose(weights("accuracy", evidence), shares(mean(right, u)), rtol=1e-12)
    brier = mean(((p - np.eye(k)[y]) ** 2).sum(axis=-1), u)
    assert_allclose(weights("brier", evidence), shares(1 / brier), rtol=1e-12)
    lost = mean(-evidence.parameters[:, np.arange(len(y)), y], u)
    assert_allclose(weights("log-loss", evidence), shares(1 / lost), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_that_of_scikit_learn(k, weighted, ties):
    metrics = pytest.importorskip("sklearn.metrics")
    evidence = make_evidence(1, n=80, k=k, weighted=weighted)
    if ties:
        evidence = replace(evidence, parameters=np.round(evidence.parameters, 1))
    y, u = evidence.outcomes.classes, evidence.weight
    expected = [
        np.mean(
            [
                metrics.roc_auc_score(y == c, z[:, c], sample_weight=u)
                for c in ([1] if k == 2 else range(k))
            ]
        )
        for z in evidence.parameters
    ]
    assert_allclose(weights("auc", evidence), shares(expected), rtol=1e-12)


def test_auc_leaves_out_classes_that_never_happened():
    evidence = make_evidence(1, n=80, k=3)
    more = np.concatenate([evidence.parameters, np.full((3, 80, 1), -40.0)], axis=-1)
    assert_allclose(
        weights("auc", replace(evidence, parameters=more)), weights("auc", evidence), rtol=1e-14
    )
    with pytest.raises(InputError, match=r"the metric gave .nan"):
        weights("auc", replace(evidence, outcomes=Outcomes(classes=np.zeros(80, int))))


@pytest.mark.parametrize("metric", METRICS)
def test_soft_labels_are_that_many_hard_ones(metric):
    """Half of one class and half of another are two rows of weight one half."""
    evidence = make_evidence(2, n=30)
    soft = np.zeros((30, 4))
    first = evidence.outcomes.classes
    second = (first + 1) % 4
    soft[np.arange(30), first] += 0.5
    soft[np.arange(30), second] += 0.5
    twice = evidence.take(np.r_[np.arange(30), np.arange(30)])
    hard = replace(twice, outcomes=Outcomes(classes=np.r_[first, second]))
    found = weights(metric, replace(evidence, outcomes=Outcomes(soft=soft)))
    if metric == "brier":  # squares are not linear in the label: less by its variance
        squares = ((np.exp(evidence.parameters) - soft) ** 2).sum(axis=-1).mean(axis=-1)
        assert_allclose(found, shares(1 / squares), rtol=1e-12)
    else:
        assert_allclose(found, weights(metric, hard), rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_models_are_scored_on_the_rows_they_answered(metric):
    evidence = make_evidence(3, n=60, missing=0.3)
    one_by_one = [
        METRICS[metric](e.parameters[0], e.outcomes, e.weight)
        for e in (evidence.models([model]).take(evidence.present[model]) for model in range(3))
    ]
    assert_allclose(weights(metric, evidence), shares(one_by_one), rtol=1e-13)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_weight_zero_are_no_rows(metric):
    evidence = make_evidence(3, n=60)
    log_p = evidence.parameters.copy()
    y = evidence.outcomes.classes[0]
    log_p[0, 0] = np.where(np.arange(4) == y, -np.inf, np.log(1 / 3))
    counted = np.arange(60) > 0
    evidence = replace(evidence, parameters=log_p, weight=counted.astype(float))
    assert_array_equal(weights(metric, evidence), weights(metric, evidence.take(counted)))


def test_ruling_out_what_happened_is_weight_zero_by_log_loss():
    with np.errstate(divide="ignore"):
        log_p = np.log([[[0.5, 0.5], [0.5, 0.5]], [[0.9, 0.1], [0.0, 1.0]]])
    evidence = Evidence(log_p, Outcomes(classes=np.zeros(2, int)), np.ones(2))
    assert_array_equal(weights("log-loss", evidence), [1.0, 0.0])


@pytest.mark.parametrize("metric", ["brier", "log-loss"])
def test_models_that_are_never_wrong_share_the_weight(metric):
    with np.errstate(divide="ignore"):
        log_p = np.log(np.stack([np.eye(3), np.eye(3), np.full((3, 3), 1 / 3)]))
    evidence = Evidence(log_p, Outcomes(classes=np.arange(3)), np.ones(3))
    assert_allclose(weights(metric, evidence), [0.5, 0.5, 0], atol=1e-14)


MODELS = {n: np.random.default_rng(i).dirichlet(np.ones(3), 30) for i, n in enumerate("ab")}
Y = np.arange(30) % 3


def hits(y, p):
    return (p.argmax(axis=1) == y).mean()


def test_a_callable():
    pool = op.fit(MODELS, Y, weighting="score", metric=hits)
    assert_allclose(
        pool.weights, op.fit(MODELS, Y, weighting="score", metric="accuracy").weights, rtol=1e-14
    )
    assert_allclose(pool.weights, op.fit(MODELS, Y, weighting="score").weights, rtol=1e-14)
    assert_allclose(pool.weights, shares([hits(Y, p) for p in MODELS.values()]), rtol=1e-14)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_callable_that_gives_no_score(bad):
    with pytest.raises(InputError, match=r"the metric gave .* expected finite numbers"):
        op.fit(MODELS, Y, weighting="score", metric=lambda y, p: bad)


@pytest.mark.parametrize("bad", ["good", None, [1, 2], {}])
def test_a_callable_that_gives_no_number(bad):
    with pytest.raises(InputError, match=r"metric: the callable gave .* expected a number"):
        op.fit(MODELS, Y, weighting="score", metric=lambda y, p: bad)


def test_a_callable_sees_neither_soft_labels_nor_weights():
    with pytest.raises(InputError, match="hard labels"):
        weights(hits, make_evidence(0, soft=True))
    with pytest.raises(InputError, match="cannot weigh rows"):
        weights(hits, make_evidence(0, weighted=True))


@pytest.mark.parametrize("metric", ["f1", "", 3, ["auc"]])
def test_an_unknown_metric(metric):
    with pytest.raises(InputError, match=r"metric: found .* accuracy, auc, brier, log-loss"):
        op.fit(MODELS, Y, weighting="score", metric=metric)


@pytest.mark.parametrize(("metric", "scale"), [("crps", 1), ("mse", 2)])
def test_means_and_variances_by_their_own_metrics(metric, scale):
    """Three forecasters of spread 1, 2, 4 around the truth: scores in inverse proportion."""
    rng = np.random.default_rng(2)
    spread, y = np.array([1.0, 2.0, 4.0]), rng.normal(size=20_000)
    means = y + spread[:, None] * rng.normal(size=(3, len(y)))
    moments = np.stack([means, np.broadcast_to(spread[:, None] ** 2, means.shape)], axis=-1)
    gaussian = FAMILIES["gaussian"]
    evidence = Evidence(moments, Outcomes(values=y), np.ones(len(y)), family=gaussian)
    expected = 1 / spread**scale
    found = Score(metric).choose(Task(RULES["log"], evidence)).weights
    assert_allclose(found, expected / expected.sum(), rtol=0.03)
    if metric == "crps":
        assert_array_equal(Score().choose(Task(RULES["log"], evidence)).weights, found)
    own = Score(lambda y, said: 1 / np.abs(y - said[:, 0]).mean())
    assert_allclose(
        own.choose(Task(RULES["log"], evidence)).weights, [4 / 7, 2 / 7, 1 / 7], rtol=0.03
    )
    with pytest.raises(InputError, match="expected one of crps, mse for gaussian"):
        Score("auc").choose(Task(RULES["log"], evidence))
