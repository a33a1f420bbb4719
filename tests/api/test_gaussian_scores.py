"""Scores and comparisons of means and variances."""

import numpy as np
import pytest
from gaussian_inputs import GAPS, MODELS, N, Y
from scipy.stats import norm

import opinionpool as op
from opinionpool import folds
from opinionpool.errors import OpinionPoolWarning

GAUSSIAN = {"family": "gaussian"}


def naive_scores(mean, variance, y, u):
    σ = np.sqrt(variance)
    z = (y - mean) / σ
    crps = σ * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    return {
        "nll": np.average(-norm.logpdf(y, mean, σ), weights=u),
        "crps": np.average(crps, weights=u),
        "rmse": np.sqrt(np.average((mean - y) ** 2, weights=u)),
        "bias": np.average(mean - y, weights=u),
        "coverage_50": np.average(np.abs(z) <= norm.ppf(0.75), weights=u),
        "coverage_90": np.average(np.abs(z) <= norm.ppf(0.95), weights=u),
    }


@pytest.mark.parametrize("weight", [None, np.random.default_rng(2).uniform(0.2, 3, N)])
def test_scores(weight):
    pool = op.fit(MODELS, Y, sample_weight=weight, **GAUSSIAN)
    found = op.score(MODELS, Y, pool=pool, sample_weight=weight)
    for name, p in MODELS.items():
        own = found["models"][name]
        assert own.pop("rows") == N
        assert own == pytest.approx(naive_scores(*p.T, Y, weight), rel=1e-11)
    pooled = {k: found["pool"][k] for k in own}
    assert pooled == pytest.approx(naive_scores(*pool.apply(MODELS).T, Y, weight), rel=1e-11)
    assert found["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)
    assert found["pool"]["decomposition"]["loss"] == pytest.approx(pool.loss, rel=1e-12)
    assert (
        op.score(MODELS, Y, sample_weight=weight, **GAUSSIAN)["models"]["a"]["nll"]
        == (found["models"]["a"]["nll"])
    )


def test_scores_of_a_mixture_are_not_those_of_its_moments():
    pool = op.fit(MODELS, Y, rule="linear", weighting="uniform", **GAUSSIAN)
    found, p = op.score(MODELS, Y, pool=pool)["pool"], pool.distribution(MODELS)
    assert found["nll"] == pytest.approx(-p.log_density(Y).mean(), rel=1e-12)
    assert found["crps"] == pytest.approx(p.crps(Y).mean(), rel=1e-12)
    inside = (p.quantile(0.05) <= Y) & (p.quantile(0.95) >= Y)
    assert found["coverage_90"] == inside.mean()
    of_moments = naive_scores(*pool.apply(MODELS).T, Y, None)
    assert found["nll"] != pytest.approx(of_moments["nll"], rel=1e-6)


def test_coverage_is_exact_on_either_side_of_the_interval():
    """Outcomes a hair inside and outside the central intervals of N(0, 1), in both tails."""
    edge = {q: norm.ppf(0.5 + q / 2) for q in (0.5, 0.9)}
    y = np.array([s * edge[q] * (1 + h) for q in edge for s in (-1, 1) for h in (-1e-9, 1e-9)])
    found = op.score([np.tile([0.0, 1.0], (8, 1))], y, **GAUSSIAN)["models"]["m0"]
    assert (found["coverage_50"], found["coverage_90"]) == (2 / 8, 6 / 8)
    # and far out, where 1 − F is rounding
    far = op.score([np.tile([0.0, 1.0], (2, 1))], [-30.0, 30.0], **GAUSSIAN)["models"]["m0"]
    assert far["coverage_90"] == 0


def test_scores_with_gaps():
    pool = op.fit(GAPS, Y, **GAUSSIAN)
    with pytest.warns(OpinionPoolWarning, match="fallback"):
        found = op.score(GAPS, Y, pool=pool)
    here = ~np.isnan(GAPS["b"][:, 0])
    own = found["models"]["b"]
    assert own.pop("rows") == here.sum()
    assert own == pytest.approx(naive_scores(*GAPS["b"][here].T, Y[here], None), rel=1e-11)
    assert found["rows"]["rows_fallback"] == 2
    assert found["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-10)


def test_a_model_that_answered_nothing_has_no_scores():
    silent = {**MODELS, "b": np.full((N, 2), np.nan)}
    assert op.score(silent, Y, **GAUSSIAN)["models"]["b"] == {"rows": 0}
    with pytest.warns(OpinionPoolWarning, match="hence weight 0: b"):
        pool = op.fit(silent, Y, **GAUSSIAN)
    assert pool.kinds[1] is None
    assert pool.weights[1] == 0


# ------------------------------------------------------------------------ comparison


@pytest.mark.parametrize("thorough", [False, True])
def test_compare(thorough):
    found = op.compare(MODELS, Y, thorough=thorough, **GAUSSIAN)
    names = {row["candidate"] for row in found.table}
    expected = {"best single model"}
    weightings = ["uniform", "greedy", "optimal"]
    programmes = []
    if thorough:
        weightings += ["score", "pseudo-bma+", "optimal resampled"]
        programmes = ["heskes", "heskes-resampled"]
    for name in weightings:
        expected |= {f"{name} linear, T = 1", f"{name} log, T = 1", f"{name} log, T fitted"}
    for name in programmes:
        expected |= {f"{name} log, T = 1", f"{name} log, T fitted"}
    assert names == expected  # no learned floors, no tempered mixture
    assert all(row["note"] == "" for row in found.table)
    assert found.pool.family == "gaussian"
    assert found.pool.rows["fitted"] == N


def test_compare_recomputed_through_fit_and_the_distribution():
    found = op.compare(MODELS, Y, **GAUSSIAN)
    cut = folds.by_row(N, 5, 0)
    for row in found.table:
        single = row["candidate"] == "best single model"
        losses = []
        for train, test in cut:
            pool = op.fit(
                {name: p[train] for name, p in MODELS.items()}, Y[train], rule=row["rule"],
                weighting="single" if single else row["weighting"],
                temperature=row["temperature"], **GAUSSIAN,
            )  # fmt: skip
            p = pool.distribution({name: p[test] for name, p in MODELS.items()})
            losses.append(-p.log_density(Y[test]))
        assert row["loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-8)


def test_compare_takes_the_prior_from_the_training_rows_of_a_fold():
    found = op.compare(GAPS, Y, folds=3, missing="prior", **GAUSSIAN)
    assert all(np.isfinite(row["loss"]) for row in found.table)


def test_residual_models_are_compared():
    found = op.compare({n: p[:, 1] for n, p in MODELS.items()}, Y, family="variance")
    assert len(found.table) == 10
    assert found.pool.family == "variance"
