"""Stretches of rows: what they add up to, and what is asked of them."""

from dataclasses import replace

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool.families.lazy import Held, as_array
from opinionpool.losses import row_losses
from opinionpool.rules import LINEAR, LOG, RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss
from opinionpool.rules.stretches import Stretch
from opinionpool.solvers.self_concordance import Landmark
from opinionpool.weightings.base import Task
from opinionpool.weightings.single import Single

M, N, K = 3, 300, 5
CUTS = slice(0, 100), slice(100, 150), slice(150, N)
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
pytestmark = needs_numba


def evidence(missing=False, lazy=True, soft=False):
    rng = np.random.default_rng(2)
    y = rng.integers(0, K, N)
    z = rng.normal(size=(M, N, K)) + np.eye(K)[y]
    present = None
    if missing:
        present = rng.random((M, N)) > 0.2
        present[:, CUTS[1]] = True
        present[:, 7] = False
    parameters = as_array(Held(list(z))) if lazy else op.log_softmax(z)
    outcomes = Outcomes(soft=np.eye(K)[y] * 0.5 + 0.1) if soft else Outcomes(classes=y)
    fallback = np.full(K, -np.log(K))
    return Evidence(parameters, outcomes, rng.uniform(0.5, 2, N), present, fallback)


@every_rule
@pytest.mark.parametrize("missing", [False, True])
def test_sums_of_stretches_add_up(rule, missing):
    whole = evidence(missing)
    stretches = [Stretch(whole.take(rows)) for rows in CUTS]
    apart, together = PooledLoss(rule, whole.in_stretches(stretches)), PooledLoss(rule, whole)
    v = np.array([0.2, 0.5, 0.3])
    assert apart.value(v) == pytest.approx(together.value(v), rel=1e-12)
    found, expected = apart.evaluate(v), together.evaluate(v)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert_allclose(found.gradient, expected.gradient, rtol=1e-10)
    assert_allclose(found.curvature, expected.curvature, rtol=1e-10)
    assert apart.n == together.n


@every_rule
def test_what_one_fold_asked_no_other_asks_again(rule, monkeypatch):
    asked = []
    plain = type(rule).evaluate

    def noted(self, v, block):
        asked.append(v)
        return plain(self, v, block)

    monkeypatch.setattr(type(rule), "evaluate", noted)
    whole = evidence()
    stretches = [Stretch(whole.take(rows)) for rows in CUTS]
    v = np.full(M, 1 / M)
    values = []
    for left_out in range(3):
        some = [s for i, s in enumerate(stretches) if i != left_out]
        weight = whole.weight.copy()
        weight[CUTS[left_out]] = 0.0
        fold = whole.reweighted(weight, None)
        values.append(PooledLoss(rule, fold.in_stretches(some)).evaluate(v).value)
        assert values[-1] == pytest.approx(PooledLoss(rule, fold).value(v), rel=1e-12)
        assert PooledLoss(rule, fold.in_stretches(some)).value(v) == values[-1]
    assert len(asked) == 3
    assert len(set(values)) == 3


def test_other_parameters_outcomes_or_rows_are_in_no_stretches():
    whole = evidence().looked_up()
    whole = whole.in_stretches([Stretch(whole)])
    assert whole.models([0, 1, 2]) is whole
    for other in (whole.models([0, 1]), whole.take(slice(9)), replace(whole, weight=whole.weight)):
        assert not other.stretches
    moved = replace(whole, outcomes=Outcomes(classes=np.zeros(N, dtype=np.int64)))
    plain = evidence(lazy=False)
    expected = replace(plain, outcomes=moved.outcomes).log_likelihood()
    assert_allclose(moved.log_likelihood(), expected, rtol=1e-12)
    some = np.arange(5, 90, 2)
    assert_array_equal(whole.take(some).log_likelihood(), whole.log_likelihood()[:, some])


@every_rule
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("s", [0.0, 0.7, 1.0])
def test_losses_of_rows_read_in_place(rule, missing, soft, s):
    w = np.array([0.6, 0.0, 0.4])
    found, expected = (
        row_losses(rule, w, s, evidence(missing, lazy, soft), closure=False)
        for lazy in (True, False)
    )
    assert_allclose(found, expected, rtol=1e-10)


def test_a_mixture_looks_up_no_more_than_what_happened(monkeypatch):
    whole = evidence()
    monkeypatch.setattr(type(LINEAR), "pooled", None)
    monkeypatch.setattr(type(LINEAR), "pool_logits", None)
    assert np.isfinite(row_losses(LINEAR, np.full(M, 1 / M), 1.0, whole, closure=False)).all()


def test_a_row_that_does_not_count_is_in_no_sample():
    whole = evidence()
    some = whole.reweighted(np.where(np.arange(N) < 200, 0.0, whole.weight), None)
    sample = PooledLoss(LOG, some).sample(0)
    assert (sample.evidence.weight > 0).all()
    assert sample.evidence.n_rows > 0


def test_the_best_single_model_may_rule_out_what_does_not_count():
    """0 times infinity was NaN, and the model with the first NaN the best."""
    z = np.log(np.array([[[0.5, 0.5], [0.5, 0.5]], [[0.9, 0.1], [0.5, 0.5]]]))
    z[0, 1] = [0.0, -np.inf]
    outcomes = Outcomes(classes=np.array([0, 1]))
    rows = Evidence(as_array(Held(list(z))), outcomes, np.array([1.0, 0.0]))
    assert_array_equal(Single().choose(Task(LOG, rows, 1.0)).weights, [0, 1])


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 5.0])
def test_the_curvature_lifts_the_tangent_no_higher_than_the_loss(scale):
    problem = PooledLoss(LOG, evidence(lazy=False))
    z = problem.evidence.parameters
    spread = (z.max(axis=2) - z.min(axis=2)).max(axis=1)
    v = np.array([0.3, 0.3, 0.4])
    now = problem.evaluate(v)
    mark = Landmark(v, now.curvature, spread, np.zeros((M, M)))
    for t in scale * np.random.default_rng(0).normal(size=(20, M)):
        above = problem.value(v + t) - now.value - now.gradient @ t
        rise = mark.rise(t)
        assert 0 <= rise <= above + 1e-12
        if scale <= 1e-6:
            assert rise == pytest.approx(0.5 * t @ now.curvature @ t, rel=1e-4)
