"""The optimum over densities and its certificate, held to SciPy (maths.md §5)."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import gaussian_kind, make_gaussian_evidence
from scipy.optimize import minimize

from opinionpool.errors import Status
from opinionpool.families import GAUSSIAN, VARIANCE
from opinionpool.rules import LINEAR, LOG
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss
from opinionpool.solvers.feasible import SHARPEST, FeasibleSet
from opinionpool.solvers.newton import certified_gap, minimise
from opinionpool.weightings import WEIGHTINGS
from opinionpool.weightings.base import Task
from opinionpool.weightings.choose import choose

NAMES = tuple("abcdefgh")


def varied(seed):
    """Evidence of varied shape, family and difficulty."""
    rng = np.random.default_rng(500 + seed)
    return make_gaussian_evidence(
        seed,
        m=int(rng.integers(2, 7)),
        n=int(rng.integers(20, 150)),
        family=["gaussian", "variance"][seed % 3 == 1],
        weighted=seed % 2 == 1,
        common=seed % 5 == 2,
        spread=float(rng.choice([0.3, 1.0])),
    )


class Independent:
    """The penalised objective once more, by other formulas, and its optimum by L-BFGS-B."""

    def __init__(self, rule, evidence, penalty):
        self.rule, self.penalty, self.n = rule, penalty, evidence.weight.sum()
        self.u = evidence.weight / self.n
        mean, variance = np.moveaxis(evidence.parameters, -1, 0)
        self.λ, self.r = 1 / variance, evidence.outcomes.values - mean
        self.p = np.sqrt(self.λ / (2 * np.pi)) * np.exp(-0.5 * self.λ * self.r**2)
        self.m = len(mean)

    def loss(self, v):
        """−log of the pooled density: ½a²/Λ − ½ ln(Λ/2π) with a = Σ v λ r."""
        if self.rule is LINEAR:
            mixture = v @ self.p
            return -self.u @ np.log(mixture), -(self.p / mixture) @ self.u
        Λ, a = v @ self.λ, v @ (self.λ * self.r)
        value = 0.5 * a**2 / Λ - 0.5 * np.log(Λ / (2 * np.pi))
        slope = self.λ * (a * self.r / Λ - 0.5 * a**2 / Λ**2 - 0.5 / Λ)
        return self.u @ value, slope @ self.u

    def penalised(self, v):
        value, slope = self.loss(v)
        s, c = v.sum(), self.penalty / self.n
        spread = v - s / self.m
        value += c * (3 * (s - 1 - np.log(s)) + 0.15 * self.m * (spread @ spread))
        slope = slope + c * (3 * (1 - 1 / s) + 0.3 * self.m * spread)
        return value, slope

    def on_the_simplex(self, v):
        """The objective at v/Σv, which is smooth, and a term that keeps the total at one."""
        s = v.sum()
        value, slope = self.penalised(v / s)
        return value + (s - 1) ** 2, (slope - slope @ v / s) / s + 2 * (s - 1)

    def best(self, *, fitted):
        objective = self.penalised if fitted else self.on_the_simplex
        v = np.full(self.m, 1 / self.m)
        for _ in range(5):  # restarts forget a bad Hessian
            found = minimize(
                objective, v, jac=True, method="L-BFGS-B", bounds=[(1e-14, None)] * self.m,
                options={"ftol": 1e-17, "gtol": 1e-13, "maxiter": 5000, "maxls": 60},
            )  # fmt: skip
            v = found.x
        v = v if fitted else v / v.sum()
        return self.penalised(v)[0], v


CASES = [
    (LOG, "fit", 0.0), (LOG, "fit", 1.0), (LOG, 1.0, 0.0), (LOG, 1.0, 1.0), (LINEAR, 1.0, 0.0),
    (LINEAR, 1.0, 1.0),
]  # fmt: skip
every_case = pytest.mark.parametrize(
    ("rule", "temperature", "penalty"), CASES, ids=lambda x: getattr(x, "name", str(x))
)


@every_case
@pytest.mark.parametrize("seed", range(30))
def test_scipy_finds_the_same_optimum(rule, temperature, penalty, seed):
    evidence = varied(seed)
    task = Task(rule, evidence, temperature, penalty)
    choice = choose(task, WEIGHTINGS["optimal"], NAMES[: evidence.n_models])
    assert choice.status is Status.CONVERGED
    assert 0 <= choice.gap <= 1e-9
    independent = Independent(rule, evidence, penalty)
    least, v = independent.best(fitted=temperature == "fit")
    ours = choice.weights * choice.inverse_temperature
    value = PooledLoss(rule, evidence, penalty).value(ours)
    assert value == pytest.approx(independent.penalised(ours)[0], rel=1e-13, abs=1e-13)
    assert abs(value - least) <= 1e-9
    # A loss within 1e-9 leaves a direction of curvature 1e-1 room for 1e-5 or so.
    assert_allclose(ours, v, rtol=0, atol=1e-5 * max(1.0, v.sum()))


def points(m, rng, *, fitted):
    """Random points of the feasible set, its faces and corners included."""
    for _ in range(6):
        w = rng.dirichlet(np.full(m, rng.choice([0.3, 1.0, 5.0])))
        w[rng.random(m) < 0.2] = 0.0
        w = w / w.sum() if w.any() else np.full(m, 1 / m)
        yield w * (np.exp(rng.normal()) if fitted else 1.0)


@every_case
@pytest.mark.parametrize("seed", range(30))
def test_the_certificate_is_never_below_the_truth(rule, temperature, penalty, seed):
    evidence, rng = varied(seed), np.random.default_rng(seed)
    m, fitted = evidence.n_models, temperature == "fit"
    problem = PooledLoss(rule, evidence, penalty)
    least, best = Independent(rule, evidence, penalty).best(fitted=fitted)
    finite = 0
    near = [best + 1e-4 * rng.random(m), best + 1e-2 * rng.random(m)]
    near = near if fitted else [v / v.sum() for v in near]
    for v in [*points(m, rng, fitted=fitted), *near]:
        now = problem.evaluate(v)
        frank_wolfe = FeasibleSet(m, SHARPEST if fitted else 1.0, capped=fitted).gap(
            v, now.gradient
        )
        for bound in (now.excess, frank_wolfe):
            assert bound >= now.value - least - 1e-12
        finite += np.isfinite(now.excess)
    assert finite > 1 or (rule is LINEAR and penalty > 0)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_certificate_is_tight_where_frank_wolfe_pays_for_the_whole_cap(seed, penalty):
    evidence = varied(seed)
    problem = PooledLoss(LOG, evidence, penalty)
    cone = FeasibleSet(evidence.n_models, SHARPEST, capped=True)
    best = minimise(problem, cone)
    near = 0.999 * best.v
    now = problem.evaluate(near)
    true = now.value - best.evaluation.value
    assert true > 1e-12
    assert now.excess < 0.5 * cone.gap(near, now.gradient)


@pytest.mark.parametrize("kind", ["gaussian", "gaussian weighted", "variance"])
@pytest.mark.parametrize("c", [1e-150, 1e-12, 1e12, 1e150])
@pytest.mark.parametrize("rule", [LOG, LINEAR], ids=lambda r: r.name)
def test_weights_do_not_depend_on_the_unit(rule, kind, c):
    evidence = gaussian_kind(kind)
    mean, variance = np.moveaxis(evidence.parameters, -1, 0)
    scaled = replace(
        evidence,
        parameters=np.stack([c * mean, c * variance * c], axis=-1),
        outcomes=Outcomes(values=c * evidence.outcomes.values),
    )
    a, b = (
        choose(Task(rule, e, "fit", 0.0), WEIGHTINGS["optimal"], NAMES[:3])
        for e in (evidence, scaled)
    )
    assert_allclose(b.weights, a.weights, rtol=0, atol=1e-6)
    assert b.inverse_temperature == pytest.approx(a.inverse_temperature, rel=1e-6)


def test_weights_do_not_depend_on_the_origin():
    """Years and prices: a million is far from 0, and its differences are what counts."""
    evidence = make_gaussian_evidence(2, n=80)
    shift = np.array([2.0**20, 0.0])
    # An outcome of 20 bits, so that adding 2²⁰ is exact.
    rounded = np.round(evidence.parameters * 2**10) / 2**10 + np.array([0.0, 2.0**-10])
    y = np.round(evidence.outcomes.values * 2**10) / 2**10
    here = replace(evidence, parameters=rounded, outcomes=Outcomes(values=y))
    there = replace(evidence, parameters=rounded + shift, outcomes=Outcomes(values=y + shift[0]))
    for rule in (LOG, LINEAR):
        a, b = (
            choose(Task(rule, e, "fit", 0.0), WEIGHTINGS["optimal"], NAMES[:3])
            for e in (here, there)
        )
        assert_allclose(b.weights, a.weights, rtol=0, atol=1e-9)
        assert PooledLoss(rule, here).value(a.weights) == pytest.approx(
            PooledLoss(rule, there).value(a.weights), rel=1e-13
        )


@pytest.mark.parametrize("rule", [LOG, LINEAR], ids=lambda r: r.name)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_identical_models_share_their_weight(rule, penalty):
    evidence = make_gaussian_evidence(4, m=2, n=80)
    names = NAMES[:3]
    twice = choose(
        Task(rule, evidence.models([0, 1, 0]), "fit", penalty), WEIGHTINGS["optimal"], names
    )
    assert twice.weights[0] == twice.weights[2]
    if penalty == 0:
        once = choose(Task(rule, evidence, "fit", penalty), WEIGHTINGS["optimal"], names[:2])
        assert_allclose(twice.weights[[0, 1]] * [2, 1], once.weights, rtol=0, atol=1e-9)


@pytest.mark.parametrize("power", [-14, -7, 0, 1])
def test_variances_of_any_unit_are_mended_by_the_temperature(power):
    """A fitted 1/T of 1e-14 used to be taken for 0, and the pool's loss was infinite."""
    evidence = make_gaussian_evidence(6, n=60)
    c = 10.0**power
    wrong = replace(evidence, parameters=evidence.parameters * [1.0, c])
    a, b = (
        choose(Task(LOG, e, "fit", 0.0), WEIGHTINGS["optimal"], NAMES[:3])
        for e in (evidence, wrong)
    )
    assert_allclose(b.weights, a.weights, rtol=0, atol=1e-4)
    assert b.inverse_temperature == pytest.approx(a.inverse_temperature * c, rel=1e-4)
    uniform = choose(Task(LOG, wrong, "fit", 0.0), WEIGHTINGS["uniform"], NAMES[:3])
    assert uniform.inverse_temperature > 0
    assert np.isfinite(uniform.gap)


# ----------------------------------------------------------- forecasts of known truth


def test_the_certificate_bounds_what_the_population_optimum_gains():
    """Three unbiased instruments of known errors: the best pool weighs precisions by one.

    With y flat and y_α = y + ε_α, ε_α ~ N(0, σ_α²) independent, the posterior of y is the log
    pool with v = (1, 1, 1): T = 1/3, equal weights.
    """
    rng = np.random.default_rng(0)
    n, σ = 20_000, np.array([0.5, 1.0, 2.0])
    y = rng.uniform(-1e3, 1e3, n)
    mean = y + σ[:, None] * rng.normal(size=(3, n))
    parameters = np.stack([mean, np.broadcast_to(σ[:, None] ** 2, (3, n))], axis=-1)
    evidence = Evidence(parameters, Outcomes(values=y), np.ones(n), family=GAUSSIAN)
    problem, truth = PooledLoss(LOG, evidence), np.ones(3)
    cone = FeasibleSet(3, SHARPEST, capped=True)
    best = minimise(problem, cone)
    assert best.gap <= 1e-9
    assert_allclose(best.v, truth, rtol=0, atol=0.1)
    here = problem.evaluate(truth)
    gained = here.value - best.evaluation.value
    # M parameters gain about M/2N nats per row over the truth.
    assert 0 < gained < 10 * 3 / (2 * n)
    assert gained <= certified_gap(here, truth, cone) < 0.1
    expected = 0.5 * (1 + np.log(2 * np.pi / (1 / σ**2).sum()))  # the posterior's entropy
    assert here.value == pytest.approx(expected, abs=5 / np.sqrt(2 * n))
    for size in (0.01, 0.1, 1.0):
        v = truth * np.exp(size * np.array([1.0, -1.0, 0.5]))
        now = problem.evaluate(v)
        bound = certified_gap(now, v, cone)
        assert now.value - best.evaluation.value <= bound < np.inf
        assert now.value > here.value or size < 0.05


def test_the_truth_among_residual_models_gets_the_weight():
    rng = np.random.default_rng(1)
    n = 20_000
    variance = np.exp(rng.normal(size=n))
    said = np.stack([variance, np.full(n, variance.mean()), np.exp(rng.normal(size=n))])
    parameters = np.stack([np.zeros((3, n)), said], axis=-1)
    y = np.sqrt(variance) * rng.normal(size=n)
    evidence = Evidence(parameters, Outcomes(values=y), np.ones(n), family=VARIANCE)
    for rule in (LOG, LINEAR):
        choice = choose(Task(rule, evidence, "fit", 0.0), WEIGHTINGS["optimal"], NAMES[:3])
        assert choice.weights[0] > 0.97
        assert choice.inverse_temperature == pytest.approx(1, abs=0.03)
