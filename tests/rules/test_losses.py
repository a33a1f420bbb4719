"""What a weight costs: loss, gradient and curvature of every rule."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import (
    DIFFERENCES,
    KINDS,
    NAIVE,
    derivative,
    evidence_kind,
    log_softmax,
    naive_loss,
    repeated,
    total,
)
from tolerance import tolerance, ulps

from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss

F8 = np.float64
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
every_kind = pytest.mark.parametrize("kind", KINDS)
#: Not uniform; neither sums to one.
V = {"above one": np.array([0.9, 0.3, 0.5]), "below one": np.array([0.1, 0.35, 0.2])}
every_v = pytest.mark.parametrize("v", V.values(), ids=V)


def close(n_rows: int) -> dict[str, float]:
    """Rounding of a sum over so many rows."""
    return {"rtol": ulps(F8, 64), "atol": ulps(F8, 8) * n_rows}


# import mpmath as mp; mp.mp.dps = 30; P as in test_pools.py
# L = [[mp.log(t) for t in p] for p in P]
# v = [mp.mpf(1)/2, mp.mpf(1)/5, mp.mpf(2)/5]; y = 1; R = range(3)
# log:    p = soft([sum(v[a]*L[a][k] for a in R) for k in R]); -mp.log(p[y])
#         E = [sum(p[k]*L[a][k] for k in R) for a in R]; [E[a]-L[a][y] for a in R]
#         [[sum(p[k]*(L[a][k]-E[a])*(L[b][k]-E[b]) for k in R) for b in R] for a in R]
# linear: m = sum(v[a]*P[a][y] for a in R); -mp.log(m); r = [P[a][y]/m for a in R]; -r; r rᵀ
R_LINEAR = np.array([0.64910522931091553102, 1.9360877583022837422, 0.7205745842102137151])
REFERENCE = {
    "log": (
        1.0298989829492012023,
        [0.29456737021156881638, -0.99134657742641336101, 0.021528893358341382376],
        [
            [0.38199223642192051286, 0.17164578587288029407, -0.26352449902772836653],
            [0.17164578587288029407, 0.87955254986990526097, -0.27889798149770922864],
            [-0.26352449902772836653, -0.27889798149770922864, 0.21389429571617886565],
        ],
    ),
    "linear": (1.0322083493813011321, -R_LINEAR, np.outer(R_LINEAR, R_LINEAR)),
}


@every_rule
def test_reference_values(rule):
    if rule.name not in REFERENCE:
        pytest.fail(f"work out reference values for the rule {rule.name!r}")
    log_p = log_softmax(np.array([[[2, 1, 0.5]], [[1.5, 2.5, 0]], [[0.8, 1.2, 2]]]))
    evidence = Evidence(log_p, Outcomes(classes=np.array([1])), np.ones(1))
    found = total(rule, np.array([0.5, 0.2, 0.4]), evidence)
    value, gradient, curvature = REFERENCE[rule.name]
    assert_allclose(found.value, value, **tolerance(F8, 8))
    assert_allclose(found.gradient, gradient, **tolerance(F8, 64))
    assert_allclose(found.curvature, curvature, **tolerance(F8, 64))


@every_rule
@every_kind
@every_v
def test_the_loss_is_what_plain_loops_say(rule, kind, v):
    if rule.name not in NAIVE:
        pytest.fail(f"write the plain loop of the rule {rule.name!r} in problems.py")
    if not rule.joint_temperature:
        v = v / v.sum()
    evidence = evidence_kind(kind)
    found = total(rule, v, evidence).value
    assert found == pytest.approx(naive_loss(rule.name, v, evidence), rel=ulps(F8, 256))


@every_rule
@every_kind
@every_v
def test_the_value_alone_is_the_same(rule, kind, v):
    evidence = evidence_kind(kind)
    block = rule.prepare(evidence)
    assert rule.value(v, block) == pytest.approx(rule.evaluate(v, block).value, rel=ulps(F8, 8))


@every_rule
@every_kind
@every_v
def test_the_gradient_is_the_slope(rule, kind, v):
    evidence = evidence_kind(kind)
    block = rule.prepare(evidence)
    off = rule.evaluate(v, block).gradient - derivative(lambda t: rule.value(t, block), v)
    if evidence.present is not None and not rule.joint_temperature:
        off -= off.mean()  # with the total given, only differences between models count
    # A light weight's share of a row bends on the scale of the weight itself.
    allowed = DIFFERENCES if evidence.present is None else 1e-7
    assert np.abs(off).max() <= evidence.n_rows * allowed


@every_rule
@pytest.mark.parametrize("kind", [k for k in KINDS if "missing" not in KINDS[k]])
@every_v
def test_the_curvature_is_the_slope_of_the_gradient(rule, kind, v):
    evidence = evidence_kind(kind)
    block = rule.prepare(evidence)
    bend = derivative(lambda t: rule.evaluate(t, block).gradient, v)
    off = np.abs(rule.evaluate(v, block).curvature - bend).max()
    assert off <= evidence.n_rows * 20 * DIFFERENCES  # one order of derivatives more


@every_rule
@every_kind
@every_v
def test_the_curvature_is_positive_semidefinite(rule, kind, v):
    curvature = total(rule, v, evidence_kind(kind)).curvature
    assert_allclose(curvature, curvature.T, **tolerance(F8, 16))
    assert np.linalg.eigvalsh(curvature).min() >= -ulps(F8, 16) * np.trace(curvature)


def test_the_log_rules_curvature_with_missing_outputs_is_the_part_maths_md_names():
    """D H̃ Dᵀ s²/S² with D = diag(m) − m w̃ᵀ, plus what a change of s adds (maths.md §6)."""
    evidence = evidence_kind("missing")
    v = V["above one"]
    s, expected = v.sum(), np.zeros((3, 3))
    for n in range(evidence.n_rows):
        m = evidence.present[:, n].astype(float)
        w = v * m / (v @ m)
        l = np.where(evidence.present[:, n, None], evidence.parameters[:, n], 0.0)
        p = np.exp(log_softmax(s * (w @ l)))
        centred = l - (l @ p)[:, None]
        H = (centred * p) @ centred.T
        D = np.diag(m) - np.outer(m, w)
        # ∂(s w̃_β)/∂v_α = s D_αβ/S + w̃_β
        J = s * D / (v @ m) + w
        expected += J @ H @ J.T
    assert_allclose(total(RULES["log"], v, evidence).curvature, expected, **close(40))


@every_rule
@every_kind
def test_the_order_of_models_does_not_matter(rule, kind):
    evidence, order, v = evidence_kind(kind), np.array([2, 0, 1]), V["above one"]
    found = total(rule, v[order], evidence.models(order))
    plain = total(rule, v, evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient[order], **close(40))
    assert_allclose(found.curvature, plain.curvature[np.ix_(order, order)], **close(40))


@every_rule
@every_kind
def test_the_order_of_classes_does_not_matter(rule, kind):
    evidence, order, v = evidence_kind(kind), np.array([3, 1, 0, 2]), V["above one"]
    said = evidence.outcomes
    moved = (
        Outcomes(soft=said.soft[:, order])
        if said.soft is not None
        else Outcomes(classes=np.argsort(order)[said.classes])
    )
    found = total(
        rule, v, replace(evidence, parameters=evidence.parameters[:, :, order], outcomes=moved)
    )
    plain = total(rule, v, evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient, **close(40))
    assert_allclose(found.curvature, plain.curvature, **close(40))


@every_kind
@every_v
def test_the_log_rule_needs_no_normalised_input(kind, v):
    """A constant per model and row changes nothing, whoever is missing (maths.md §2)."""
    evidence = evidence_kind(kind)
    shift = np.random.default_rng(0).normal(scale=30, size=(3, evidence.n_rows, 1))
    found = total(RULES["log"], v, replace(evidence, parameters=evidence.parameters + shift))
    plain = total(RULES["log"], v, evidence)
    lost = 40 * 100 * ulps(F8, 64)  # digits that a shift of up to 100 takes from each row
    assert_allclose(found.value, plain.value, rtol=0, atol=lost)
    assert_allclose(found.gradient, plain.gradient, rtol=0, atol=lost)
    assert_allclose(found.curvature, plain.curvature, rtol=0, atol=lost)


@every_rule
@every_kind
def test_a_model_split_in_two_costs_the_same(rule, kind):
    evidence = evidence_kind(kind)
    found = total(rule, np.array([0.9, 0.1, 0.2, 0.5]), evidence.models([0, 1, 1, 2]))
    plain = total(rule, V["above one"], evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient[[0, 1, 1, 2]], **close(40))
    where = np.ix_([0, 1, 1, 2], [0, 1, 1, 2])
    assert_allclose(found.curvature, plain.curvature[where], **close(40))


@every_rule
@every_kind
def test_a_weight_is_that_many_rows(rule, kind):
    counts = np.random.default_rng(5).integers(0, 4, 40)
    evidence = replace(evidence_kind(kind), weight=counts.astype(float))
    weighted, rows = (
        total(rule, V["above one"], e) for e in (evidence, repeated(evidence, counts))
    )
    assert weighted.value == pytest.approx(rows.value, rel=ulps(F8, 64))
    assert_allclose(weighted.gradient, rows.gradient, **close(80))
    assert_allclose(weighted.curvature, rows.curvature, **close(80))
    assert_allclose(weighted.reach, rows.reach, **close(80))


@every_rule
@every_kind
@pytest.mark.parametrize("rows", [1, 7])
def test_many_blocks_are_one(rule, kind, rows, monkeypatch):
    evidence = evidence_kind(kind)
    assert len(list(evidence.blocks())) == 1
    whole = PooledLoss(rule, evidence).evaluate(V["above one"])
    monkeypatch.setattr("opinionpool.rules.evidence.BLOCK_CELLS", rows * 12 + 5)
    assert [len(b.weight) for b in evidence.blocks()][:-1] == [rows] * (-(-40 // rows) - 1)
    problem = PooledLoss(rule, evidence)
    parts = problem.evaluate(V["above one"])
    assert parts.value == pytest.approx(whole.value, rel=ulps(F8, 64))
    assert problem.value(V["above one"]) == pytest.approx(whole.value, rel=ulps(F8, 64))
    assert_allclose(parts.gradient, whole.gradient, **close(1))
    assert_allclose(parts.curvature, whole.curvature, **close(1))
    assert parts.excess == pytest.approx(whole.excess, rel=ulps(F8, 256), abs=ulps(F8, 64))


@every_rule
def test_a_mask_without_absences_changes_nothing(rule):
    evidence = evidence_kind("vetoes")
    full = replace(
        evidence,
        present=np.ones((3, 40), dtype=bool),
        fallback=np.full(4, -np.log(4.0)),
    )
    v = V["above one"] if rule.joint_temperature else V["above one"] / 1.7
    found, plain = total(rule, v, full), total(rule, v, evidence)
    assert found.value == pytest.approx(plain.value, rel=ulps(F8, 64))
    assert_allclose(found.gradient, plain.gradient, **close(40))
    assert_allclose(found.curvature, plain.curvature, **close(40))
