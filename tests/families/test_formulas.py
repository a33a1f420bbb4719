"""The formulas of maths.md §3 for densities, held to numerical integrals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import gaussian_kind, log_softmax, make_gaussian_evidence, total
from scipy.integrate import quad
from tolerance import tolerance, ulps

from opinionpool.families import CATEGORICAL, FAMILIES, GAUSSIAN, VARIANCE
from opinionpool.families.gaussian import symmetric_divergence
from opinionpool.rules import LOG
from opinionpool.rules.evidence import Evidence, Outcomes

F8 = np.float64
#: Adaptive Gauss–Kronrod over twelve standard deviations: what it promises, and what is left out.
QUADRATURE = {"rtol": 1e-9, "atol": 1e-9}

#: Means and variances of three models, by family; all different.
MODELS = {
    "gaussian": np.array([[0.3, 0.8], [-0.7, 2.5], [1.1, 0.4]]),
    "variance": np.array([[0.0, 0.8], [0.0, 2.5], [0.0, 0.4]]),
}
V = {"one": np.array([0.5, 0.2, 0.3]), "sharp": np.array([0.9, 0.0, 1.3]), "flat": np.full(3, 0.1)}
every_family = pytest.mark.parametrize("family", [GAUSSIAN, VARIANCE], ids=lambda f: f.name)
every_v = pytest.mark.parametrize("v", V.values(), ids=V)


def log_density(y, mean, variance):
    return -0.5 * ((y - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def integral(f, mean, variance):
    """∫ f over twelve standard deviations either side of a mean."""
    reach = 12 * np.sqrt(variance)
    value, _ = quad(f, mean - reach, mean + reach, limit=400, epsabs=1e-13, epsrel=1e-12)
    return value


class Numerical:
    """The log pool of the three models, normalised and averaged by quadrature."""

    def __init__(self, family, v):
        self.models, self.v = MODELS[family.name], v
        self.log_z = 0.0
        self.log_z = np.log(self.mean_of(lambda _: 1.0))

    def pool(self, y):
        own = [v * log_density(y, *p) for v, p in zip(self.v, self.models, strict=True)]
        return np.exp(np.sum(own, axis=0) - self.log_z)

    def mean_of(self, f):
        # Wide enough for every member, the flattest pool included.
        return integral(lambda y: self.pool(y) * f(y), 0.0, 12.0)

    def log_density_of(self, model):
        return lambda y: log_density(y, *self.models[model])


@every_family
@every_v
def test_the_log_pool_is_the_normalised_product(family, v):
    exact = Numerical(family, v)
    pooled = family.log_pool(v, MODELS[family.name][:, None])
    mean = exact.mean_of(lambda y: y)
    variance = exact.mean_of(lambda y: (y - mean) ** 2)
    assert_allclose(pooled, [[mean, variance]], **QUADRATURE)
    for y in (-1.0, 0.2, 3.0):
        at = family.log_likelihood(pooled, Outcomes(values=np.array([y])))
        assert_allclose(at, np.log(exact.pool(y)), **QUADRATURE)


def evidence_at(family, y):
    models = np.repeat(MODELS[family.name][:, None], len(y), axis=1)
    return Evidence(models, Outcomes(values=np.array(y)), np.ones(len(y)), family=family)


@every_family
@every_v
@pytest.mark.parametrize("y", [-2.0, 0.4, 5.0])
def test_loss_gradient_and_curvature_are_moments_of_the_pool(family, v, y):
    """L = log Z − Σ v ℓ(y), g = E ℓ − ℓ(y), H = Cov ℓ, and reach λ_α/Λ."""
    exact = Numerical(family, v)
    found = total(LOG, v, evidence_at(family, [y]))
    own = [exact.log_density_of(a) for a in range(3)]
    mean = np.array([exact.mean_of(f) for f in own])
    at = np.array([f(y) for f in own])
    covariance = [
        [exact.mean_of(lambda t, f=f, g=g, a=a, b=b: (f(t) - mean[a]) * (g(t) - mean[b]))
         for b, g in enumerate(own)]
        for a, f in enumerate(own)
    ]  # fmt: skip
    assert_allclose(found.value, exact.log_z - v @ at, **QUADRATURE)
    assert_allclose(found.gradient, mean - at, **QUADRATURE)
    assert_allclose(found.curvature, covariance, **QUADRATURE)
    precision = 1 / MODELS[family.name][:, 1]
    assert_allclose(found.reach, precision / (v @ precision), **tolerance(F8, 8))


def test_expectations_and_covariances_are_as_written_in_maths_md():
    """E_p̄ ℓ = −½λ(1/Λ + d²) + ½ ln(λ/2π), Cov = λλ'[1/(2Λ²) + dd'/Λ], and the loss."""
    evidence, v = make_gaussian_evidence(3), np.array([0.9, 0.3, 0.5])
    y, (mean, variance) = evidence.outcomes.values, np.moveaxis(evidence.parameters, -1, 0)
    precision = 1 / variance
    Λ = v @ precision
    pooled = (v[:, None] * precision * mean).sum(axis=0) / Λ
    d = pooled - mean
    expected = -0.5 * precision * (1 / Λ + d**2) + 0.5 * np.log(precision / (2 * np.pi))
    found = total(LOG, v, evidence)
    slope = (expected - log_density(y, mean, variance)).sum(axis=1)
    assert_allclose(found.gradient, slope, rtol=0, atol=40 * ulps(F8, 64))
    short = 0.5 * precision * ((y - mean) ** 2 - d**2 - 1 / Λ)
    assert_allclose(found.gradient, short.sum(axis=1), rtol=0, atol=40 * ulps(F8, 64))
    bend = np.einsum("an,bn,n->ab", precision, precision, 0.5 / Λ**2)
    bend += np.einsum("an,bn,n->ab", precision * d, precision * d, 1 / Λ)
    assert_allclose(found.curvature, bend, rtol=ulps(F8, 64), atol=40 * ulps(F8, 8))
    loss = 0.5 * Λ * (y - pooled) ** 2 - 0.5 * np.log(Λ / (2 * np.pi))
    assert found.value == pytest.approx(loss.sum(), rel=ulps(F8, 64))


# ------------------------------------------------------------------- divergences

PAIRS = [(0, 1), (1, 0), (0, 2), (2, 1)]


@every_family
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_divergences_are_integrals(family, a, b):
    p, q = MODELS[family.name][a], MODELS[family.name][b]
    exact = integral(
        lambda y: np.exp(log_density(y, *p)) * (log_density(y, *p) - log_density(y, *q)), *p
    )
    assert_allclose(family.divergence(p, q), exact, **QUADRATURE)
    both = family.divergence(p, q) + family.divergence(q, p)
    assert_allclose(symmetric_divergence(p, q), both, rtol=ulps(F8, 32))
    assert family.divergence(p, p) == 0


@every_family
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_symmetric_divergence_pairs_natural_with_mean_parameters(family, a, b):
    """⟨θ_α − θ_β, μ_α − μ_β⟩ with θ = (λμ, −½λ) and E(y, y²) = (μ, μ² + 1/λ)."""

    def natural(p):
        return np.array([p[0] / p[1], -0.5 / p[1]])

    def mean(p):
        return np.array([p[0], p[0] ** 2 + p[1]])

    p, q = MODELS[family.name][a], MODELS[family.name][b]
    expected = (natural(p) - natural(q)) @ (mean(p) - mean(q))
    assert_allclose(symmetric_divergence(p, q), expected, rtol=ulps(F8, 64))


@pytest.mark.parametrize("kind", ["gaussian", "gaussian missing", "variance", "variance missing"])
def test_mean_divergences_are_over_the_rows_that_both_answered(kind):
    evidence = gaussian_kind(kind)
    found = evidence.family.mean_divergences(evidence.parameters, evidence.weight, evidence.present)
    assert_array_equal(np.diag(found), 0)
    assert_array_equal(found, found.T)
    for a, b in PAIRS:
        both = ~np.isnan(evidence.parameters[[a, b], :, 1]).any(axis=0)
        p, q = evidence.parameters[a, both], evidence.parameters[b, both]
        each = evidence.family.divergence(p, q) + evidence.family.divergence(q, p)
        expected = np.average(each, weights=evidence.weight[both])
        assert found[a, b] == pytest.approx(expected, rel=ulps(F8, 256))


def test_mean_divergences_of_models_that_never_met_are_zero():
    present = np.array([[True, False], [False, True]])
    parameters = np.where(present[:, :, None], 1.0, np.nan)
    assert_array_equal(GAUSSIAN.mean_divergences(parameters, np.ones(2), present), np.zeros((2, 2)))


# ------------------------------------------------------------ Heskes' three examples


def test_heskes_regression_example():
    """Common σ: f̄ = Σ w f, the pool's variance is theirs, J = (f_α − f_β)²/σ²."""
    w, f, σ = V["one"], np.array([1.3, -0.4, 2.2]), 0.7
    models = np.stack([f, np.full(3, σ**2)], axis=-1)[:, None]
    assert_allclose(GAUSSIAN.log_pool(w, models), [[w @ f, σ**2]], **tolerance(F8, 4))
    for a in range(3):
        for b in range(3):
            J = symmetric_divergence(models[a], models[b])
            assert_allclose(J, (f[a] - f[b]) ** 2 / σ**2, rtol=ulps(F8, 8), atol=0)


def test_heskes_variance_example():
    """y ~ N(0, 1/z): z̄ = Σ w z, Cov = z_α z_β/(2 z̄²), J = (z_α − z_β)²/(2 z_α z_β)."""
    w, z = V["one"], np.array([1.3, 0.4, 2.2])
    models = np.stack([np.zeros(3), 1 / z], axis=-1)[:, None]
    assert_allclose(1 / VARIANCE.log_pool(w, models)[:, 1], w @ z, **tolerance(F8, 4))
    evidence = Evidence(models, Outcomes(values=np.array([0.9])), np.ones(1), family=VARIANCE)
    found = total(LOG, w, evidence)
    assert_allclose(found.curvature, np.outer(z, z) / (2 * (w @ z) ** 2), rtol=ulps(F8, 8))
    J = symmetric_divergence(models[:, None], models[None])[..., 0]
    expected = (z[:, None] - z) ** 2 / (2 * np.outer(z, z))
    assert_allclose(J, expected, rtol=ulps(F8, 16), atol=ulps(F8, 1))


def test_heskes_two_class_example():
    """h is half the logit: h̄ = Σ v h, Cov = hh'(1 − tanh² h̄), J = (tanh h − tanh h')(h − h')."""
    v, h = np.array([0.7, 0.4, 0.9]), np.array([0.6, -1.2, 2.0])
    log_p = log_softmax(np.stack([-h, h], axis=-1))[:, None]
    pooled = CATEGORICAL.log_pool(v, log_p)
    assert_allclose((pooled[:, 1] - pooled[:, 0]) / 2, v @ h, rtol=ulps(F8, 8))
    evidence = Evidence(log_p, Outcomes(classes=np.array([1])), np.ones(1))
    found = total(LOG, v, evidence)
    expected = np.outer(h, h) * (1 - np.tanh(v @ h) ** 2)
    assert_allclose(found.curvature, expected, rtol=ulps(F8, 64), atol=0)
    J = CATEGORICAL.mean_divergences(log_p, np.ones(1))
    pairs = (np.tanh(h)[:, None] - np.tanh(h)) * (h[:, None] - h)
    assert_allclose(J, pairs, rtol=ulps(F8, 64), atol=ulps(F8, 8))


# ----------------------------------------------------------- mixtures and the rest


@every_family
def test_the_mixtures_moments(family):
    w, models = V["one"], MODELS[family.name]
    density = lambda y: sum(a * np.exp(log_density(y, *p)) for a, p in zip(w, models, strict=True))  # noqa: E731
    mean = integral(lambda y: y * density(y), 0.0, 9.0)
    variance = integral(lambda y: (y - mean) ** 2 * density(y), 0.0, 9.0)
    found = family.mixture(w, models[:, None])
    assert_allclose(found, [[mean, variance]], **QUADRATURE)
    pooled = family.log_pool(w, models[:, None])
    if family is GAUSSIAN:
        assert found[0, 1] > pooled[0, 1]  # where means differ


@pytest.mark.parametrize("kind", ["gaussian missing", "variance missing"])
@pytest.mark.parametrize("rule", ["log_pool", "mixture"])
def test_a_row_pools_who_answered(kind, rule):
    evidence = gaussian_kind(kind)
    w = np.array([0.5, 0.2, 0.3])
    shares = w[:, None] * evidence.present
    shares /= shares.sum(axis=0)
    family = evidence.family
    found = getattr(family, rule)(shares, evidence.parameters, evidence.present)
    for n in range(evidence.n_rows):
        here = evidence.present[:, n]
        alone = getattr(family, rule)(shares[here, n], evidence.parameters[here][:, [n]])
        assert_allclose(found[n], alone[0], rtol=ulps(F8, 16), atol=ulps(F8, 16))


@every_family
def test_a_row_without_anybody_is_not_defined(family):
    models = np.repeat(MODELS[family.name][:, None], 2, axis=1)
    present = np.array([[True, False]] * 3)
    w = np.array([[0.5, 0.0], [0.2, 0.0], [0.3, 0.0]])
    for pooled in (family.log_pool(w, models, present), family.mixture(w, models, present)):
        assert_array_equal(family.defined(pooled), [True, False])
        assert np.isnan(pooled[1]).all()


@every_family
def test_a_power_of_a_gaussian_has_that_precision(family):
    models = MODELS[family.name]
    assert family.tempered(models, 1.0) is models
    for β in (0.25, 4.0):
        assert_array_equal(family.tempered(models, β), models / np.array([1.0, β]))
        # the log pool of one model of weight β is that
        alone = family.log_pool(np.array([β]), models[:1, None])
        assert_allclose(alone, family.tempered(models[:1], β), **tolerance(F8, 4))


def test_the_marginal_is_mean_and_variance_of_what_happened():
    y, u = np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, 1.0])
    found = GAUSSIAN.marginal(Outcomes(values=y), u, 2)
    assert_allclose(found, [2.75, 3.6875], **tolerance(F8, 8))
    found = VARIANCE.marginal(Outcomes(values=y), u, 2)
    assert_allclose(found, [0.0, 11.25], **tolerance(F8, 8))


@pytest.mark.parametrize("c", [1e-300, 1e-160, 1e-150, 1.0, 1e150, 1e300])
@every_family
def test_the_marginal_of_outcomes_of_any_size_is_a_distribution(family, c):
    """The variance of a constant 1e-160 used to be 0, that of 1e200 infinite, with warnings."""
    for y in (np.array([1.0, 2.0, 6.0]), np.full(3, 2.0), np.zeros(3)):
        mean, variance = family.marginal(Outcomes(values=c * y), np.ones(3), 2)
        assert np.isfinite(mean)
        assert 0 < 1 / variance < np.inf
        assert np.isfinite(variance)
    if 1e-150 <= c <= 1e150:
        one, scaled = (
            family.marginal(Outcomes(values=k * np.array([1.0, 2.0, 6.0])), np.ones(3), 2)
            for k in (1.0, c)
        )
        assert_allclose(scaled / np.array([c, 1]) / np.array([1, c]) / c ** np.array([0, 1]), one,
                        rtol=ulps(F8, 16))  # fmt: skip


def test_outcomes_that_do_not_vary_still_have_a_millionth_of_their_size_as_spread():
    found = GAUSSIAN.marginal(Outcomes(values=np.full(3, 2.0)), np.ones(3), 2)
    assert_allclose(found, [2.0, 4e-12], **tolerance(F8, 8))


def test_what_callers_see_of_a_residual_model_is_its_variance():
    parameters = MODELS["variance"][None]
    assert_array_equal(VARIANCE.shown(parameters), parameters[..., 1:])
    assert_array_equal(VARIANCE.from_shown(VARIANCE.shown(parameters)), parameters)
    assert GAUSSIAN.shown(MODELS["gaussian"]) is MODELS["gaussian"]
    assert GAUSSIAN.from_shown(MODELS["gaussian"]) is MODELS["gaussian"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_says_what_it_can(family):
    densities = family is not CATEGORICAL
    assert family.mixes != densities
    assert family.rules_out != densities
    assert bool(family.columns) == densities
    assert (family.uniform(3) is None) == densities


@every_family
def test_inputs_are_not_written_to(family):
    evidence = gaussian_kind(f"{family.name} missing")
    w = np.full((3, 40), 0.3) * evidence.present
    for array in (evidence.parameters, evidence.weight, evidence.outcomes.values, w):
        array.flags.writeable = False
    family.log_pool(w, evidence.parameters, evidence.present)
    family.mixture(w, evidence.parameters, evidence.present)
    family.mean_divergences(evidence.parameters, evidence.weight, evidence.present)
    family.marginal(evidence.outcomes, evidence.weight, 2)
    rows = family.log_rows(evidence.parameters, evidence.outcomes, evidence.present)
    sums = rows.evaluate(w, evidence.weight, w)
    assert np.isfinite(sums.value)
