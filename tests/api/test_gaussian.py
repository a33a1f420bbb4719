"""Means and variances through every door: what goes in, what comes out."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from gaussian_inputs import GAPS, MODELS, N, Y, forecasts, in_std, naive_pool
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from tolerance import ulps

import opinionpool as op
from opinionpool import io
from opinionpool.errors import InputError, MissingOutputError, OpinionPoolWarning, Status

F8 = np.float64


W = {"a": 0.5, "b": 0.2, "c": 0.3}
GAUSSIAN = {"family": "gaussian"}
rules = pytest.mark.parametrize("rule", ["log", "linear"])
ANSWERED = np.setdiff1d(np.arange(N), [4, 11])


# ------------------------------------------------------------------------- combining


@rules
@pytest.mark.parametrize("weights", [None, W])
def test_combine(rule, weights):
    w = np.full(3, 1 / 3) if weights is None else list(weights.values())
    found, details = op.combine(MODELS, weights, rule=rule, details=True, **GAUSSIAN)
    assert_allclose(found, naive_pool(MODELS, w, rule), rtol=1e-13)
    assert details["rows"] == N
    expected = {"log": "of the pooled Gaussian", "linear": "of the mixture"}[rule]
    assert details["variance"].startswith(expected)


def test_the_two_variances_differ_where_the_means_do():
    """Two models of variance 1, two apart: the log pool keeps 1, the mixture has 2."""
    a, b = np.array([[-1.0, 1.0]]), np.array([[1.0, 1.0]])
    assert_allclose(op.combine([a, b], **GAUSSIAN), [[0.0, 1.0]], rtol=1e-15)
    assert_allclose(op.combine([a, b], rule="linear", **GAUSSIAN), [[0.0, 2.0]], rtol=1e-15)
    assert_allclose(op.combine([a, b], temperature=0.5, **GAUSSIAN), [[0.0, 0.5]], rtol=1e-15)


def shapes():
    """The same three models in every form that is understood, by what it is."""
    std = in_std(MODELS)
    listed = list(MODELS.values())

    def frames(make, spread="variance", models=MODELS):
        return {n: make({"mean": p[:, 0], spread: p[:, 1]}) for n, p in models.items()}

    yield "arrays", MODELS, {}
    yield "array", np.stack(listed), {}
    yield "list", listed, {}
    yield "variance said", MODELS, {"kind": "variance"}
    yield "std", std, {"kind": "std"}
    yield "pairs", {n: (p[:, 0], p[:, 1]) for n, p in MODELS.items()}, {}
    yield "pairs of std", [(p[:, 0], p[:, 1]) for p in std.values()], {"kind": "std"}
    mixed = {**MODELS, "b": std["b"]}
    yield "by model", mixed, {"kind": {"b": "std"}}
    yield "pandas", frames(pd.DataFrame), {}
    yield "polars", frames(pl.DataFrame), {}
    yield "pandas std", frames(pd.DataFrame, "std", std), {}
    # A named column says what it is, whatever kind says of the unnamed.
    yield "named", frames(pd.DataFrame, "std", std), {"kind": "variance"}
    turned = {n: f[["variance", "mean"]] for n, f in frames(pd.DataFrame).items()}
    yield "turned", turned, {}
    yield "upper case", {n: f.rename(columns=str.title) for n, f in turned.items()}, {}


@pytest.mark.parametrize(
    ("inputs", "more"), [s[1:] for s in shapes()], ids=[s[0] for s in shapes()]
)
def test_every_shape_is_understood(inputs, more):
    found = op.combine(inputs, [0.5, 0.2, 0.3], **more, **GAUSSIAN)
    expected = op.combine(MODELS, W, **GAUSSIAN)
    assert_allclose(np.asarray(found), expected, rtol=ulps(F8, 16))
    if not isinstance(found, np.ndarray):
        assert list(found.columns) == ["mean", "variance"]
    pool = op.fit(inputs, Y, weighting=[0.5, 0.2, 0.3], temperature=1.0, **more, **GAUSSIAN)
    assert_allclose(np.asarray(pool.apply(inputs)), expected, rtol=ulps(F8, 16))


def test_vectors_are_one_row():
    assert_allclose(op.combine([[-1.0, 1.0], [1.0, 1.0]], **GAUSSIAN), [0.0, 1.0])
    assert_allclose(op.combine([(-1.0, 1.0), (1.0, 1.0)], **GAUSSIAN), [0.0, 1.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@rules
def test_the_dtype_is_kept(rule, dtype):
    models, _ = forecasts(dtype=dtype)
    found = op.combine(models, rule=rule, **GAUSSIAN)
    assert found.dtype == dtype
    assert op.combine({**models, "b": MODELS["b"]}, rule=rule, **GAUSSIAN).dtype == np.float64
    pool = op.fit(models, Y, rule=rule, **GAUSSIAN)
    assert pool.apply(models).dtype == dtype


@pytest.mark.parametrize("std", [1e-25, 1e25])
def test_a_variance_that_float32_cannot_hold_stays_float64(std):
    """A standard deviation of 1e-25 used to come back as a variance of 0, one of 1e25 as inf."""
    narrow = np.full((4, 2), std, dtype=np.float32)
    found = op.combine([narrow, narrow], kind="std", **GAUSSIAN)
    assert_allclose(found[:, 1], std**2, rtol=1e-6)
    assert_allclose(found[:, 0], std, rtol=1e-6)
    fitted = op.fit([narrow, narrow], narrow[:, 0], kind="std", temperature=1.0, **GAUSSIAN)
    assert_allclose(fitted.apply([narrow, narrow]), found, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy", ".npz"])
@pytest.mark.parametrize("spread", ["variance", "std"])
def test_files(tmp_path, suffix, spread):
    models = MODELS if spread == "variance" else in_std(MODELS)
    paths = {}
    for name, p in models.items():
        paths[name] = tmp_path / f"{name}{suffix}"
        if suffix == ".npy":
            np.save(paths[name], p)
        else:
            io.write(paths[name], {"mean": p[:, 0], spread: p[:, 1]})
    kind = spread if suffix == ".npy" else "auto"
    found = op.combine(paths, W, kind=kind, **GAUSSIAN)
    assert_allclose(np.asarray(found), op.combine(MODELS, W, **GAUSSIAN), rtol=ulps(F8, 16))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_are_matched_on_their_ids_and_bring_labels(make):
    ids = np.arange(100, 100 + N)
    order = np.random.default_rng(3).permutation(N)

    def frame(p, rows, **more):
        return make({"id": ids[rows], "mean": p[rows, 0], "std": np.sqrt(p[rows, 1]), **more})

    rows = np.arange(N)
    inputs = {
        "a": frame(MODELS["a"], rows, label=Y),
        "b": frame(MODELS["b"], order),
        "c": frame(MODELS["c"], rows[:-5]),
    }
    pool = op.fit(inputs, **GAUSSIAN)
    assert pool.kinds == ("std", "std", "std")
    assert pool.rows["with_missing"] == 5
    plain = {**MODELS, "c": MODELS["c"].copy()}
    plain["c"][-5:] = np.nan
    same = op.fit(plain, Y, **GAUSSIAN)
    assert_allclose(pool.weights, same.weights, rtol=1e-9, atol=1e-12)
    found = pool.apply(inputs)
    assert isinstance(found, make)
    assert list(found.columns) == ["id", "mean", "variance"]
    assert_array_equal(np.asarray(found["id"]), ids)
    assert_allclose(np.asarray(found)[:, 1:], same.apply(plain), rtol=1e-9)


# ------------------------------------------------------------------------- fitting


@rules
def test_what_a_fit_says(rule):
    pool = op.fit(MODELS, Y, rule=rule, **GAUSSIAN)
    assert (pool.family, pool.classes, pool.kinds) == ("gaussian", (), ("variance",) * 3)
    assert pool.status is Status.CONVERGED
    assert 0 <= pool.gap <= 1e-9
    assert pool.weights.sum() == pytest.approx(1, rel=1e-12)
    assert (pool.temperature == 1) == (rule == "linear")
    own = [-norm.logpdf(Y, p[:, 0], np.sqrt(p[:, 1])).mean() for p in MODELS.values()]
    assert_allclose(pool.losses, own, rtol=1e-12)
    if rule == "log":
        mean, variance = naive_pool(MODELS, pool.weights, rule, pool.temperature).T
        loss = -norm.logpdf(Y, mean, np.sqrt(variance)).mean()
    else:
        density = sum(
            w * norm.pdf(Y, p[:, 0], np.sqrt(p[:, 1]))
            for w, p in zip(pool.weights, MODELS.values(), strict=True)
        )
        loss = -np.log(density).mean()
    assert pool.loss == pytest.approx(loss, rel=1e-12)
    assert pool.loss <= min(own) + 1e-12
    split = pool.decomposition
    assert split["average_error"] == pytest.approx(pool.weights @ own, rel=1e-12)
    gained = split["ambiguity"] + split["temperature_gain"]
    assert pool.loss == pytest.approx(split["average_error"] - gained, rel=1e-12)


@rules
def test_saved_and_loaded_it_pools_the_same(rule, tmp_path):
    pool = op.fit(in_std(MODELS), Y, rule=rule, kind="std", **GAUSSIAN)
    pool.save(tmp_path / "pool.json")
    again = op.load(tmp_path / "pool.json")
    assert json.loads((tmp_path / "pool.json").read_text())["family"] == "gaussian"
    assert again.kinds == ("std",) * 3  # unnamed columns are read as they were
    assert_array_equal(again.apply(in_std(MODELS)), pool.apply(in_std(MODELS)))
    assert again.loss == pool.loss
    a, b = (p.distribution(in_std(MODELS)).quantile(0.1) for p in (pool, again))
    assert_array_equal(a, b)


def test_a_negative_loss_is_saved_too(tmp_path):
    """Densities exceed one: a loss in nats may be below zero."""
    tiny = {name: p * [1e-3, 1e-6] for name, p in MODELS.items()}
    pool = op.fit(tiny, Y * 1e-3, **GAUSSIAN)
    assert pool.loss < 0
    pool.save(tmp_path / "pool.json")
    assert op.load(tmp_path / "pool.json").loss == pool.loss


def test_units_change_the_loss_by_their_logarithm():
    plain = op.fit(MODELS, Y, **GAUSSIAN)
    for c in (1e-150, 1e-3, 1e3, 1e150):
        scaled = {name: p * [c, 1.0] * [1.0, c] * [1.0, c] for name, p in MODELS.items()}
        pool = op.fit(scaled, Y * c, **GAUSSIAN)
        assert_allclose(pool.weights, plain.weights, rtol=0, atol=1e-6)
        assert pool.temperature == pytest.approx(plain.temperature, rel=1e-6)
        assert pool.loss == pytest.approx(plain.loss + np.log(c), rel=1e-9)
        assert_allclose(
            pool.apply(scaled) / [c, 1.0] / [1.0, c] / [1.0, c], plain.apply(MODELS), rtol=1e-5
        )


def test_labels_need_not_be_floats():
    whole = np.round(Y).astype(int)
    pool = op.fit(MODELS, whole, **GAUSSIAN)
    for y in (whole.tolist(), whole.astype(float), pd.Series(whole), pl.Series(whole)):
        assert op.fit(MODELS, y, **GAUSSIAN).loss == pool.loss


def test_labels_between_zero_and_one_are_no_probabilities():
    share = 1 / (1 + np.exp(-Y))
    pool = op.fit(MODELS, share, weighting="uniform", temperature=1.0, **GAUSSIAN)
    mean, variance = op.combine(MODELS, **GAUSSIAN).T
    assert pool.loss == pytest.approx(-norm.logpdf(share, mean, np.sqrt(variance)).mean())


def test_rows_without_a_label_are_ignored_and_counted():
    y = Y.copy()
    y[:7] = np.nan
    pool = op.fit(MODELS, y, **GAUSSIAN)
    assert (pool.rows["fitted"], pool.rows["unlabelled"]) == (N - 7, 7)
    same = op.fit({name: p[7:] for name, p in MODELS.items()}, Y[7:], **GAUSSIAN)
    assert pool.loss == pytest.approx(same.loss, rel=1e-12)


@pytest.mark.parametrize(
    "weighting", ["optimal", "greedy", "heskes", "heskes-resampled", "pseudo-bma", "pseudo-bma+",
                  "score", "single", "uniform"],
)  # fmt: skip
def test_weightings(weighting):
    pool = op.fit(MODELS, Y, weighting=weighting, **GAUSSIAN)
    assert pool.weights.sum() == pytest.approx(1, rel=1e-12)
    best = op.fit(MODELS, Y, penalty=0, **GAUSSIAN)
    assert pool.loss >= best.loss - 1e-9
    assert pool.gap >= 0


@pytest.mark.parametrize("metric", ["accuracy", "auc", "brier", "log-loss"])
def test_scores_of_classes_are_none_of_densities(metric):
    """The weighting used to end in an AssertionError."""
    with pytest.raises(InputError, match=f"metric: found '{metric}'.*for gaussian predictions"):
        op.fit(MODELS, Y, weighting="score", metric=metric, **GAUSSIAN)


def test_variances_of_another_unit_leave_a_pool_of_finite_loss():
    """1/T of 1e-14 was taken for 0: the pool's variance and its loss were infinite."""
    narrow = {name: p * [1.0, 1e-14] for name, p in MODELS.items()}
    pool = op.fit(narrow, Y, **GAUSSIAN)
    assert 1e12 < pool.temperature < 1e16
    assert pool.loss < 3
    assert np.isfinite(pool.apply(narrow)).all()


# --------------------------------------------------------------------- missing rows


@rules
def test_a_row_pools_who_answered_and_one_without_anybody_gets_the_labels_moments(rule):
    pool = op.fit(GAPS, Y, rule=rule, weighting=[0.5, 0.2, 0.3], temperature=1.0, **GAUSSIAN)
    assert pool.rows["fallback"] == 2
    assert_allclose(pool.prior, [Y.mean(), Y.var()], rtol=1e-12)
    assert pool.settings.fallback == "prior"
    with pytest.warns(OpinionPoolWarning, match=r"2 of 60 row\(s\).*fallback \('prior'\)"):
        found, details = pool.apply(GAPS, details=True)
    assert details["rows_fallback"] == 2
    assert details["rows_with_missing"] == pool.rows["with_missing"]
    answered = {name: p[ANSWERED] for name, p in GAPS.items()}
    assert_allclose(found[ANSWERED], naive_pool(answered, [0.5, 0.2, 0.3], rule), rtol=1e-12)
    assert_allclose(found[[4, 11]], [pool.prior] * 2, rtol=1e-15)
    with pytest.warns(OpinionPoolWarning, match="fallback"):
        p = pool.distribution(GAPS)
    assert_allclose(p.mean, found[:, 0], rtol=1e-12)
    assert_allclose(p.variance, found[:, 1], rtol=1e-12)


@rules
def test_a_fit_with_gaps_is_stationary(rule):
    pool = op.fit(GAPS, Y, rule=rule, **GAUSSIAN)
    assert pool.status is Status.STATIONARY
    assert np.isnan(pool.gap)
    assert np.isfinite(pool.loss)


@rules
def test_an_absent_model_may_say_what_the_labels_do(rule):
    pool = op.fit(GAPS, Y, rule=rule, missing="prior", **GAUSSIAN)
    assert pool.status is Status.CONVERGED
    filled = {n: np.where(np.isnan(p), [Y.mean(), Y.var()], p) for n, p in GAPS.items()}
    same = op.fit(filled, Y, rule=rule, **GAUSSIAN)
    assert_allclose(pool.weights, same.weights, rtol=0, atol=1e-6)
    assert_allclose(pool.apply(GAPS), same.apply(filled), rtol=1e-5)


def test_combine_has_no_fallback_for_a_row_nobody_answered():
    with pytest.raises(MissingOutputError, match=r"2 row.*no output of any model"):
        op.combine(GAPS, **GAUSSIAN)
    with pytest.raises(InputError, match="missing='prior' needs labels"):
        op.combine(GAPS, missing="prior", **GAUSSIAN)
    with pytest.raises(MissingOutputError, match=r"a \(3 rows\), b \("):
        op.combine(GAPS, missing="error", **GAUSSIAN)


def test_a_fallback_may_be_an_error():
    with pytest.raises(MissingOutputError, match="2 labelled row"):
        op.fit(GAPS, Y, fallback="error", **GAUSSIAN)


def test_a_model_may_be_left_out_of_apply():
    pool = op.fit(MODELS, Y, weighting=[0.5, 0.2, 0.3], temperature=1.0, **GAUSSIAN)
    some = {name: MODELS[name] for name in "ca"}
    assert_allclose(pool.apply(some), op.combine(some, [0.3, 0.5], **GAUSSIAN), rtol=1e-13)


# ------------------------------------------------------------------- distributions


@rules
def test_the_distribution_is_what_was_fitted(rule):
    pool = op.fit(MODELS, Y, rule=rule, **GAUSSIAN)
    p = pool.distribution(MODELS)
    assert isinstance(p, op.Mixture)
    assert -p.log_density(Y).mean() == pytest.approx(pool.loss, rel=1e-12)
    assert_allclose(np.stack([p.mean, p.variance], axis=1), pool.apply(MODELS), rtol=1e-13)
    assert len(p.weights) == {"log": 1, "linear": 3}[rule]
    for q in (0.05, 0.5, 0.95):
        assert_allclose(p.cdf(p.quantile(q)), q, rtol=1e-12)


def test_classes_have_no_distribution():
    pool = op.fit([[[2.0, 1.0], [1.0, 2.0]]], [0, 1])
    with pytest.raises(InputError, match=r"pool of classes.*use apply"):
        pool.distribution([[[2.0, 1.0]]])


# ------------------------------------------------------------------ residual models


def residual_forms():
    variance = {name: p[:, 1] for name, p in MODELS.items()}
    yield "(N,)", variance, {}
    yield "(N, 1)", {n: v[:, None] for n, v in variance.items()}, {}
    yield "std", {n: np.sqrt(v) for n, v in variance.items()}, {"kind": "std"}
    yield "frames", {n: pd.DataFrame({"variance": v}) for n, v in variance.items()}, {}
    yield "std frames", {n: pl.DataFrame({"std": np.sqrt(v)}) for n, v in variance.items()}, {}


@pytest.mark.parametrize(
    ("inputs", "more"), [f[1:] for f in residual_forms()], ids=[f[0] for f in residual_forms()]
)
@rules
def test_residual_models(inputs, more, rule):
    pool = op.fit(inputs, Y, rule=rule, family="variance", **more)
    flat = {name: p * [0, 1] for name, p in MODELS.items()}
    same = op.fit(flat, Y, rule=rule, **GAUSSIAN)
    assert_allclose(pool.weights, same.weights, rtol=0, atol=1e-7)
    assert pool.loss == pytest.approx(same.loss, rel=1e-12)
    found = pool.apply(inputs)
    assert_allclose(np.asarray(found)[:, 0], same.apply(flat)[:, 1], rtol=1e-6)
    if not isinstance(found, np.ndarray):
        assert list(found.columns) == ["variance"]
    combined = op.combine(inputs, rule=rule, family="variance", **more)
    assert np.asarray(combined).shape == (N, 1)


def test_residual_models_fall_back_to_the_labels_second_moment(tmp_path):
    gaps = {name: p[:, 1].copy() for name, p in MODELS.items()}
    for v in gaps.values():
        v[3] = np.nan
    pool = op.fit(gaps, Y + 5.0, family="variance")
    assert_allclose(pool.prior, [((Y + 5) ** 2).mean()], rtol=1e-12)
    with pytest.warns(OpinionPoolWarning, match="1 of 60"):
        assert_array_equal(pool.apply(gaps)[3], pool.prior)
    pool.save(tmp_path / "pool.json")
    assert_array_equal(op.load(tmp_path / "pool.json").prior, pool.prior)


def test_nothing_warns_on_plain_input():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pool = op.fit(MODELS, Y, **GAUSSIAN)
        pool.apply(MODELS)
        op.score(MODELS, Y, pool=pool)
    assert [str(warning.message) for warning in caught] == []


def test_inputs_are_not_written_to():
    models = {name: p.copy() for name, p in GAPS.items()}
    for array in (*models.values(), Y):
        array.flags.writeable = False
    try:
        pool = op.fit(models, Y, **GAUSSIAN)
        with pytest.warns(OpinionPoolWarning):
            pool.apply(models)
    finally:
        Y.flags.writeable = True
    for name, p in models.items():
        assert_array_equal(p, GAPS[name])
