"""What a weight costs on densities: loss, gradient, curvature (maths.md §3 and §6)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from problems import (
    DIFFERENCES,
    GAUSSIAN_KINDS,
    derivative,
    gaussian_kind,
    make_gaussian_evidence,
    repeated,
    total,
)
from tolerance import tolerance, ulps

from opinionpool.families import GAUSSIAN
from opinionpool.rules import LINEAR, LOG, RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss

F8 = np.float64
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
every_kind = pytest.mark.parametrize("kind", GAUSSIAN_KINDS)
complete_kind = pytest.mark.parametrize("kind", [k for k in GAUSSIAN_KINDS if "missing" not in k])
V = {"above one": np.array([0.9, 0.3, 0.5]), "below one": np.array([0.1, 0.35, 0.2])}
every_v = pytest.mark.parametrize("v", V.values(), ids=V)


def close(n_rows, digits=64):
    """Rounding of a sum over so many rows."""
    return {"rtol": ulps(F8, digits), "atol": ulps(F8, 8) * n_rows}


def naive_loss(rule, v, evidence):
    """Sum over rows with nothing but the density of each pool, worked out one by one."""
    s, lost = v.sum(), 0.0
    for n in range(evidence.n_rows):
        y, own = evidence.outcomes.values[n], evidence.parameters[:, n]
        here = ~np.isnan(own[:, 1]) & (v > 0)
        w = v[here] / v[here].sum()
        mean, variance = own[here].T
        if rule is LOG:
            Λ = s * (w @ (1 / variance))
            centre = s * (w @ (mean / variance)) / Λ
            log_p = -0.5 * (Λ * (y - centre) ** 2 - np.log(Λ / (2 * np.pi)))
        else:
            density = np.exp(-0.5 * (y - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
            log_p = np.log(w @ density)
        lost -= evidence.weight[n] * log_p
    return lost


@every_rule
@every_kind
@every_v
def test_the_loss_is_what_plain_loops_say(rule, kind, v):
    v = v if rule is LOG else v / v.sum()
    evidence = gaussian_kind(kind)
    block = rule.prepare(evidence)
    expected = naive_loss(rule, v, evidence)
    assert rule.value(v, block) == pytest.approx(expected, rel=ulps(F8, 256))
    assert rule.evaluate(v, block).value == pytest.approx(expected, rel=ulps(F8, 256))
    s = v.sum()
    rows = rule.row_losses(v / s, s, evidence, closure=False)
    assert evidence.weight @ rows == pytest.approx(expected, rel=ulps(F8, 256))


@every_rule
@every_kind
@every_v
def test_the_gradient_is_the_slope(rule, kind, v):
    evidence = gaussian_kind(kind)
    block = rule.prepare(evidence)
    off = rule.evaluate(v, block).gradient - derivative(lambda t: rule.value(t, block), v)
    if evidence.present is not None and not rule.joint_temperature:
        off -= off.mean()  # with the total given, only differences between models count
    allowed = 50 * DIFFERENCES if evidence.present is None else 1e-6
    assert np.abs(off).max() <= evidence.n_rows * allowed


@every_rule
@complete_kind
@every_v
def test_the_curvature_is_the_slope_of_the_gradient(rule, kind, v):
    evidence = gaussian_kind(kind)
    block = rule.prepare(evidence)
    bend = derivative(lambda t: rule.evaluate(t, block).gradient, v)
    off = np.abs(rule.evaluate(v, block).curvature - bend).max()
    assert off <= evidence.n_rows * 1000 * DIFFERENCES


@every_rule
@every_kind
@every_v
def test_the_curvature_is_positive_semidefinite(rule, kind, v):
    curvature = total(rule, v, gaussian_kind(kind)).curvature
    assert_allclose(curvature, curvature.T, **tolerance(F8, 16))
    assert np.linalg.eigvalsh(curvature).min() >= -ulps(F8, 16) * np.trace(curvature)


@pytest.mark.parametrize("kind", ["gaussian missing", "variance missing"])
@every_v
def test_the_curvature_with_missing_outputs_is_the_part_maths_md_names(kind, v):
    """J H̃ Jᵀ with J = s D/S + w̃ and D = diag(m) − m w̃ᵀ, row by row."""
    evidence = gaussian_kind(kind)
    s, expected = v.sum(), np.zeros((3, 3))
    for n in range(evidence.n_rows):
        here = evidence.present[:, n]
        m = here.astype(float)
        w = v * m / (v @ m)
        row = replace(evidence.take([n]), present=None, weight=evidence.weight[[n]])
        H = np.zeros((3, 3))
        where = np.flatnonzero(here)
        H[np.ix_(where, where)] = total(LOG, s * w[here], row.models(where)).curvature
        J = s * (np.diag(m) - np.outer(m, w)) / (v @ m) + w
        expected += J @ H @ J.T
    assert_allclose(total(LOG, v, evidence).curvature, expected, rtol=1e-12, atol=1e-12)


@every_rule
@every_kind
def test_the_order_of_models_does_not_matter(rule, kind):
    evidence, order, v = gaussian_kind(kind), np.array([2, 0, 1]), V["above one"]
    found, plain = total(rule, v[order], evidence.models(order)), total(rule, v, evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient[order], **close(400))
    assert_allclose(found.curvature, plain.curvature[np.ix_(order, order)], **close(400))


@every_rule
@every_kind
def test_a_model_split_in_two_costs_the_same(rule, kind):
    evidence = gaussian_kind(kind)
    found = total(rule, np.array([0.9, 0.1, 0.2, 0.5]), evidence.models([0, 1, 1, 2]))
    plain = total(rule, V["above one"], evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient[[0, 1, 1, 2]], **close(400))


@every_rule
@every_kind
def test_a_weight_is_that_many_rows(rule, kind):
    counts = np.random.default_rng(5).integers(0, 4, 40)
    evidence = replace(gaussian_kind(kind), weight=counts.astype(float))
    weighted, rows = (
        total(rule, V["above one"], e) for e in (evidence, repeated(evidence, counts))
    )
    assert weighted.value == pytest.approx(rows.value, rel=ulps(F8, 64))
    assert_allclose(weighted.gradient, rows.gradient, **close(800))
    assert_allclose(weighted.curvature, rows.curvature, **close(800))
    assert_allclose(weighted.reach, rows.reach, **close(800))


@every_rule
@every_kind
@pytest.mark.parametrize("rows", [1, 7])
def test_many_blocks_are_one(rule, kind, rows, monkeypatch):
    evidence = gaussian_kind(kind)
    whole = PooledLoss(rule, evidence).evaluate(V["above one"])
    monkeypatch.setattr("opinionpool.rules.evidence.BLOCK_CELLS", rows * 6 + 2)
    assert next(evidence.blocks()).n_rows == rows
    problem = PooledLoss(rule, evidence)
    parts = problem.evaluate(V["above one"])
    assert parts.value == pytest.approx(whole.value, rel=ulps(F8, 64))
    assert problem.value(V["above one"]) == pytest.approx(whole.value, rel=ulps(F8, 64))
    assert_allclose(parts.gradient, whole.gradient, **close(10))
    assert_allclose(parts.curvature, whole.curvature, **close(10))
    assert parts.excess == pytest.approx(whole.excess, rel=1e-10, abs=1e-12)


@every_rule
@pytest.mark.parametrize("kind", ["gaussian", "variance"])
def test_a_mask_without_absences_changes_nothing(rule, kind):
    evidence = gaussian_kind(kind)
    full = replace(evidence, present=np.ones((3, 40), dtype=bool), fallback=np.array([0.0, 1.0]))
    v = V["above one"] if rule.joint_temperature else V["above one"] / 1.7
    found, plain = total(rule, v, full), total(rule, v, evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient, **close(400))
    assert_allclose(found.curvature, plain.curvature, **close(400))


# ------------------------------------------------------------------- missing rows


@every_rule
@pytest.mark.parametrize("kind", ["gaussian missing", "variance missing"])
def test_rows_nobody_with_weight_answers_cost_their_fallback(rule, kind):
    evidence, w = gaussian_kind(kind, missing=0.5), np.array([1.0, 0.0, 0.0])
    dead = ~evidence.present[0]
    assert 5 < dead.sum() < 35
    answered, found = total(rule, w, evidence.take(~dead)), total(rule, w, evidence)
    own = evidence.take(dead)
    fallback = np.broadcast_to(evidence.fallback, (own.n_rows, 2))
    cost = -own.weight @ evidence.family.log_likelihood(fallback, own.outcomes)
    assert found.value == pytest.approx(answered.value + cost, rel=ulps(F8, 64))
    assert_allclose(found.gradient[0], answered.gradient[0], **close(400))
    none = replace(evidence, fallback=None)
    assert rule.value(w, rule.prepare(none)) == np.inf


@every_rule
def test_rows_nobody_answered_do_not_count(rule):
    evidence = gaussian_kind("gaussian missing")
    dead = np.arange(40) < 5
    lost = replace(evidence, present=evidence.present & ~dead)
    a, b = PooledLoss(rule, lost), PooledLoss(rule, evidence.take(~dead))
    assert a.n == b.n
    assert a.value(V["below one"]) == b.value(V["below one"])


# ---------------------------------------------------------------- units and limits


def moved(evidence, c=1.0, shift=0.0):
    """The same rows in other units: means and outcomes c·x + shift, variances c² as large."""
    mean, variance = np.moveaxis(evidence.parameters, -1, 0)
    parameters = np.stack([c * mean + shift, c * variance * c], axis=-1)
    y = c * evidence.outcomes.values + shift
    return replace(evidence, parameters=parameters, outcomes=Outcomes(values=y))


@every_rule
@every_kind
@pytest.mark.parametrize("c", [1e-150, 1e-9, 1e3, 1e150])
def test_other_units_shift_the_loss_by_their_logarithm(rule, kind, c):
    size = 1e-9 if rule is LINEAR else 1e-11  # the linear rule goes through an exponential
    allowed = {"rtol": size, "atol": size}
    evidence = gaussian_kind(kind)
    v = V["above one"] if rule.joint_temperature else V["above one"] / 1.7
    plain, found = total(rule, v, evidence), total(rule, v, moved(evidence, c))
    n = evidence.weight.sum()
    assert found.value == pytest.approx(plain.value + n * np.log(c), rel=1e-12)
    assert_allclose(found.gradient, plain.gradient, **allowed)
    assert_allclose(found.curvature, plain.curvature, **allowed)
    assert_allclose(found.reach, plain.reach, **allowed)


@every_rule
@pytest.mark.parametrize("kind", ["gaussian", "gaussian missing"])
def test_a_shift_of_a_million_changes_nothing_beyond_rounding(rule, kind):
    """As sums of λ(y − μ)², not of λy² − 2λyμ + λμ², which would leave three digits."""
    evidence, v = gaussian_kind(kind), V["above one"] / 1.7
    # Rounding of the inputs themselves: 1e6 has 1e-10 to its last place.
    exact = moved(evidence, shift=1e6)
    mean = exact.parameters[..., 0] - 1e6
    here = replace(
        evidence,
        parameters=np.stack([mean, evidence.parameters[..., 1]], axis=-1),
        outcomes=Outcomes(values=exact.outcomes.values - 1e6),
    )
    plain, found = total(rule, v, here), total(rule, v, exact)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient, **close(400))
    assert_allclose(found.curvature, plain.curvature, **close(400))


@pytest.mark.parametrize("family", ["gaussian", "variance"])
def test_no_weight_at_all_is_an_infinite_loss_without_warnings(family):
    evidence = make_gaussian_evidence(1, family=family)
    problem = PooledLoss(LOG, evidence)
    assert problem.value(np.zeros(3)) == np.inf
    now = problem.evaluate(np.zeros(3))
    assert now.value == np.inf
    assert not np.isnan(now.gradient).any()
    assert not np.isnan(now.curvature).any()


@pytest.mark.parametrize("v", [np.zeros(3), np.array([0.5, 0.2, 0.3])])
def test_a_row_of_weight_zero_costs_nothing_even_where_the_loss_is_infinite(v):
    """0·inf was NaN, in the loss and in the outcomes' entropy."""
    evidence = make_gaussian_evidence(1)
    weight = np.where(np.arange(40) % 3, 1.0, 0.0)
    problem = PooledLoss(LOG, replace(evidence, weight=weight))
    expected = PooledLoss(LOG, evidence.take(weight > 0)).value(v)
    assert problem.value(v) == pytest.approx(expected, rel=1e-13)
    assert problem.evaluate(v).value == pytest.approx(expected, rel=1e-13)
    assert problem.entropy == -np.inf


def test_the_excess_of_no_weight_at_all_is_infinite():
    """It used to be 0: a certificate of an infinitely bad point."""
    problem = PooledLoss(LOG, make_gaussian_evidence(1))
    assert problem.evaluate(np.zeros(3)).excess == np.inf


def test_one_model_far_surer_than_another():
    """Precisions 1e300 apart share a row; the loss is that of the surer one."""
    parameters = np.array([[[0.0, 1e-200]], [[5.0, 1e100]]])
    y = Outcomes(values=np.array([1e-100]))
    evidence = Evidence(parameters, y, np.ones(1), family=GAUSSIAN)
    found = total(LOG, np.array([0.5, 0.5]), evidence)
    expected = 0.25 - 0.5 * np.log(0.5) - 100 * np.log(10) + 0.5 * np.log(2 * np.pi)
    assert found.value == pytest.approx(expected, rel=ulps(F8, 16))
    assert np.isfinite(found.gradient).all()
    assert np.isfinite(found.curvature).all()


positive = st.lists(st.floats(0.0, 3.0), min_size=3, max_size=3)


@every_rule
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    a=positive,
    b=positive,
    t=st.floats(0.0, 1.0),
    family=st.sampled_from(["gaussian", "variance"]),
)
def test_the_loss_is_convex(rule, seed, a, b, t, family):
    evidence = make_gaussian_evidence(seed, n=10, family=family)
    a, b = np.array(a) + 1e-3, np.array(b) + 1e-3
    block = rule.prepare(evidence)
    ends = [rule.value(v, block) for v in (a, b)]
    middle = rule.value((1 - t) * a + t * b, block)
    slack = ulps(F8, 256) * (10 + max(map(abs, ends)))
    assert middle <= (1 - t) * ends[0] + t * ends[1] + slack
    slope = rule.evaluate(a, block).gradient
    assert ends[1] >= ends[0] + slope @ (b - a) - slack - ulps(F8, 64) * np.abs(slope).sum() * 10


def test_the_same_evidence_as_many_gaussians_or_as_residual_models():
    """A residual model is a Gaussian of mean 0."""
    evidence = make_gaussian_evidence(3, family="variance", weighted=True)
    for rule in RULES.values():
        a, b = (total(rule, V["above one"], replace(evidence, family=f))
                for f in (GAUSSIAN, evidence.family))  # fmt: skip
        assert a.value == b.value
        assert_allclose(a.gradient, b.gradient, rtol=0, atol=0)
