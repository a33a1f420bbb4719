"""Feasible sets, and quadratic programmes over them against SciPy and their own duality gap."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import LinearConstraint, minimize
from tolerance import tolerance, ulps

from opinionpool.solvers import quadratic
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet

F8 = np.float64
SETS = {
    "simplex": FeasibleSet(4),
    "scaled simplex": FeasibleSet(4, 0.5),
    "above a bound": FeasibleSet(4, lower=1e-3),
    "cone": FeasibleSet(4, 3.0, capped=True),
    "cone above a bound": FeasibleSet(4, 3.0, capped=True, lower=1e-3),
}
every_set = pytest.mark.parametrize("feasible", SETS.values(), ids=SETS)


def vertices(feasible):
    corners = feasible.lower + (feasible.total - 4 * feasible.lower) * np.eye(4)
    return np.vstack([corners, np.full(4, feasible.lower)]) if feasible.capped else corners


def points(feasible, n, seed=0):
    """Points inside, on faces and at vertices."""
    rng = np.random.default_rng(seed)
    mix = rng.dirichlet(np.full(len(vertices(feasible)), 0.3), n)
    return np.vstack([mix @ vertices(feasible), vertices(feasible)])


def is_inside(feasible, v, slack=1e-12):
    total = v.sum()
    kept = total <= feasible.total + slack if feasible.capped else abs(total - feasible.total)
    return (v >= feasible.lower - slack).all() and (kept if feasible.capped else kept <= slack)


def test_the_cap_is_a_hundred():
    assert SHARPEST == 100


@every_set
def test_a_fit_starts_at_equal_weights(feasible):
    start = feasible.start()
    assert is_inside(feasible, start)
    assert_allclose(start, start[0], **tolerance(F8))
    if feasible.capped:
        assert start.sum() == pytest.approx(1)  # T = 1
    assert FeasibleSet(2, 0.5, capped=True).start().sum() == pytest.approx(0.5)


@every_set
def test_the_frank_wolfe_gap_is_the_best_vertex(feasible):
    rng = np.random.default_rng(1)
    for v in points(feasible, 20):
        for g in rng.normal(size=(5, 4)) + rng.normal():
            best = min(g @ t for t in vertices(feasible))
            assert feasible.gap(v, g) == pytest.approx(g @ v - best, abs=1e-12)


@every_set
def test_tidying_undoes_rounding_and_nothing_else(feasible):
    rng = np.random.default_rng(2)
    for v in points(feasible, 20):
        off = v + 1e-13 * rng.normal(size=4)
        tidied = feasible.tidy(off)
        assert is_inside(feasible, tidied, slack=ulps(F8, 8) * feasible.total + 1e-18)
        assert_allclose(tidied, v, rtol=0, atol=1e-11)
    wild = feasible.tidy(np.array([5.0, -1.0, 0.0, 2.0]))
    assert is_inside(feasible, wild, slack=2 * 4 * feasible.lower + 1e-12)


@every_set
def test_a_step_that_keeps_the_total_does_not_see_its_multiplier(feasible):
    """1e-16 of a total that moves by rounding, times a multiplier of 1e6, is not a slope."""
    v = np.full(4, feasible.total / 4)
    step = np.array([0.1, -0.1, 0.05, -0.05]) * feasible.total
    g = np.array([1.0, 2.0, 3.0, 4.0])
    for shift in (0.0, 1e6):
        slope = feasible.slope(v, g + shift, step * (1 + 1e-16))
        assert slope == pytest.approx(g @ step, rel=1e-9)
    if feasible.capped:
        inward = -0.1 * v
        assert feasible.slope(v, g, inward) == pytest.approx(g @ inward)


def test_only_a_cone_has_a_cap():
    assert FeasibleSet(2, 3.0, capped=True).at_cap(np.array([1.0, 2.0]))
    assert not FeasibleSet(2, 3.0, capped=True).at_cap(np.array([1.0, 1.9]))
    assert not FeasibleSet(2).at_cap(np.array([0.5, 0.5]))


# ------------------------------------------------------------ quadratic programmes


def programmes(rank, seed):
    """Gradient and positive semi-definite curvature of a rank, at very different scales."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, rank)) * 10.0 ** rng.uniform(-2, 2, size=(4, 1))
    H = root @ root.T
    if seed % 3 == 0 and rank:  # two equal models
        H[3], H[:, 3] = H[2], H[:, 2]
        H[3, 3] = H[2, 2]
    g = 10.0 ** rng.uniform(-6, 1) * rng.normal(size=4)
    return g, H


@every_set
@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_newton_steps_minimise_their_model(feasible, rank, seed):
    g, H = programmes(rank, seed)
    v = points(feasible, 6, seed)[seed]

    def model(t):
        return g @ t + 0.5 * t @ H @ t

    step = quadratic.newton_step(v, g, H, feasible)
    assert is_inside(feasible, v + step, slack=1e-9 * feasible.total)
    total = LinearConstraint(
        np.ones((1, 4)),
        -np.inf if feasible.capped else feasible.total - v.sum(),
        feasible.total - v.sum(),
    )
    found = minimize(
        model,
        np.zeros(4),
        jac=lambda t: g + H @ t,
        bounds=[(feasible.lower - x, None) for x in v],
        constraints=[total],
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    # what the ridge of 1e-11 and daqp's absolute tolerances may cost
    allowed = 1e-8 * np.abs(g).max() * feasible.total + 1e-10 * np.trace(H) * feasible.total**2
    assert model(step) <= found.fun + allowed
    # by itself, with no other solver: the programme's own duality gap
    assert feasible.gap(v + step, g + H @ step) <= allowed


@pytest.mark.parametrize(
    "feasible",
    [pytest.param(f, id=n) for n, f in SETS.items()],
)
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_without_curvature_a_step_stays_inside_and_goes_to_the_best_vertex(feasible, seed):
    """Experts at thousands of nats make a pool that is sure everywhere: its curvature is 0."""
    g, H = programmes(0, seed)
    v = points(feasible, 6, seed)[seed]
    step = quadratic.newton_step(v, g, H, feasible)
    assert is_inside(feasible, v + step, slack=1e-9 * feasible.total)
    assert feasible.gap(v + step, g) <= 1e-8 * np.abs(g).max() * feasible.total


@every_set
def test_a_programme_that_cannot_be_solved_steps_to_the_best_vertex(feasible, monkeypatch):
    monkeypatch.setattr(quadratic, "solve", lambda *_, **__: None)
    g = np.array([3.0, -1.0, 2.0, 0.5])
    for v in points(feasible, 5):
        step = quadratic.newton_step(v, g, np.eye(4), feasible)
        best = min(vertices(feasible), key=lambda t: g @ t)
        assert_allclose(v + step, best, rtol=0, atol=1e-12)
        uphill = quadratic.newton_step(v, np.abs(g), np.eye(4), feasible)
        best = min(vertices(feasible), key=lambda t: np.abs(g) @ t)
        assert_allclose(v + uphill, best, rtol=0, atol=1e-12)


def test_a_contradiction_is_not_solved():
    bounds = np.array([1.0, 1.0, 1.0])
    found = quadratic.solve(
        np.eye(2), np.ones(2), np.ones((1, 2)), bounds, np.array([0.0, 0.0, 5.0]), equality=False
    )
    assert found is None  # x ≤ 1 twice, yet a sum that ≥ 5 … ≤ 1


def test_a_programme_keeps_what_it_was_given():
    Q, f, A = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([-1.0, 0.3]), np.ones((1, 2))
    upper, lower = np.array([1.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0])
    before = [x.copy() for x in (Q, f, A, upper, lower)]
    x = quadratic.solve(Q, f, A, upper, lower, equality=True)
    for now, then in zip((Q, f, A, upper, lower), before, strict=True):
        assert_array_equal(now, then)
    # x = (a, 1 − a): a² + a(1 − a)/2 + (1 − a)²/2 − a + 0.3(1 − a) is least at 1.8/2 = 0.9
    assert_allclose(x, [0.9, 0.1], rtol=1e-9)
