"""Missing outputs: rows, models, everybody; and that every door pools them the same way."""

import numpy as np
import pytest
from door_inputs import chances, naive_pool, nll, normalised, with_gaps
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, MissingOutputError, ProbabilityError

quiet = pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
RULES = ["log", "linear"]


@st.composite
def pools(draw):
    m, n, k = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    z = rng.normal(scale=draw(st.sampled_from([0.1, 1.0, 5.0])), size=(m, n, k))
    mask = np.array(draw(st.lists(st.booleans(), min_size=m * n, max_size=m * n))).reshape(m, n)
    w = np.array(draw(st.lists(st.integers(0, 4), min_size=m, max_size=m)), dtype=float)
    if not w.any():
        w[:] = 1
    kinds = draw(
        st.lists(st.sampled_from(["logits", "probs", "log_probs"]), min_size=m, max_size=m)
    )
    return z, ~mask, w, kinds


@quiet
@given(pools(), st.sampled_from(RULES), st.sampled_from([1.0, 0.3, 2.0]))
@settings(max_examples=150, deadline=None)
def test_against_a_naive_pool_with_any_gaps_and_kinds(drawn, rule, temperature):
    z, present, w, kinds = drawn
    p = normalised(z)
    given_cells = []
    for own, chance, kind in zip(z, p, kinds, strict=True):
        logits = own - own.max(axis=1, keepdims=True) + 5  # never mistaken for another kind
        given_cells.append({"logits": logits, "probs": chance, "log_probs": np.log(chance)}[kind])
    for cells in (p, given_cells):
        for own, here in zip(cells, present, strict=True):
            own[~here] = np.nan
    found, details = op.combine(
        list(given_cells), w, rule=rule, temperature=temperature, details=True
    )
    expected = naive_pool(p, w, rule, temperature)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-300)
    heard = present[w > 0].any(axis=0)
    assert details["rows_fallback"] == (~heard).sum()
    assert details["rows_with_missing"] == (present.any(axis=0) & ~present.all(axis=0)).sum()


def test_a_row_of_nan_renormalises_the_weights():
    models, _ = chances(n=6)
    models["b"][2] = np.nan
    found = op.combine(models, [0.5, 0.3, 0.2])
    alone = op.combine({name: models[name] for name in "ac"}, [0.5, 0.2])
    assert_allclose(found[2], alone[2], **tolerance(float, 8))
    everybody = op.combine(
        {name: p[[0, 1, 3, 4, 5]] for name, p in models.items()}, [0.5, 0.3, 0.2]
    )
    assert_allclose(found[[0, 1, 3, 4, 5]], everybody, **tolerance(float, 8))


@pytest.mark.parametrize("rule", RULES)
def test_all_but_one_missing_gives_that_one(rule):
    models, _ = chances(n=6)
    for name in "bc":
        models[name][:] = np.nan
    found, details = op.combine(models, rule=rule, details=True)
    assert_allclose(found, models["a"], **tolerance(float, 16))
    assert details == {"rows": 6, "rows_with_missing": 6, "rows_fallback": 0}


def test_a_row_that_is_partly_nan_is_an_error():
    models, y = chances(n=6)
    models["b"][2, 1] = np.nan
    for door in (op.combine, lambda m: op.fit(m, y), lambda m: op.score(m, y)):
        with pytest.raises(
            ProbabilityError, match=r"model 'b', row 2: 1 of 3 cells are NaN \(1 such row\(s\)\)"
        ):
            door(models)


def test_missing_error_names_the_models():
    models, y = with_gaps(n=20)
    lacking = int(np.isnan(models["b"][:, 0]).sum())
    for door in (op.combine, lambda m, **o: op.fit(m, y, **o)):
        with pytest.raises(MissingOutputError, match=rf"a \(3 rows\), b \({lacking} rows\)"):
            door(models, missing="error")
    with pytest.raises(MissingOutputError, match=r"a \(\d rows\), b \(\d rows\)"):
        op.compare(models, y, missing="error")


@quiet
def test_fallbacks_of_rows_that_nobody_answers():
    models, y = with_gaps(n=20)
    assert_array_equal(op.combine(models)[[4, 11]], np.full((2, 3), 1 / 3))
    with pytest.raises(MissingOutputError, match=r"2 row\(s\).*first is row 4"):
        op.combine(models, fallback="error")
    pool = op.fit(models, y, fallback="prior")
    counts = np.bincount(y, minlength=3)
    assert_allclose(pool.prior, (counts + 1) / 23, **tolerance(float))
    assert_allclose(pool.apply(models)[[4, 11]], [pool.prior] * 2, **tolerance(float, 8))
    with pytest.raises(MissingOutputError, match="fallback='error'"):
        op.fit(models, y, fallback="error")


@pytest.mark.parametrize("policy", ["missing", "fallback"])
def test_a_prior_needs_labels(policy):
    with pytest.raises(InputError, match=f"{policy}='prior' needs labels"):
        op.combine(chances(n=4)[0], **{policy: "prior"})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weighting", ["optimal", "uniform", "greedy"])
def test_fallback_error_is_no_error_where_every_row_has_an_answer(rule, weighting):
    models, y = chances(n=20)
    models["b"][3] = np.nan
    pool = op.fit(models, y, fallback="error", rule=rule, weighting=weighting)
    other = op.fit(models, y, rule=rule, weighting=weighting)
    assert_array_equal(pool.weights, other.weights)
    gone = {name: p[:1] * np.nan for name, p in models.items()}
    with pytest.raises(MissingOutputError, match=r"1 row\(s\)"):
        pool.apply(gone)


@quiet
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("missing", ["renormalise", "prior"])
@pytest.mark.parametrize("fallback", ["uniform", "prior"])
@pytest.mark.parametrize(
    "weighting", ["optimal", "uniform", "greedy", "single", [1, 0, 2]], ids=str
)
def test_fit_score_and_apply_agree(rule, missing, fallback, weighting):
    models, y = with_gaps(n=30)
    weight = np.random.default_rng(1).random(30) + 0.5
    options = {"rule": rule, "missing": missing, "fallback": fallback, "weighting": weighting}
    pool = op.fit(models, y, sample_weight=weight, **options)
    p = pool.apply(models)
    found = op.score(models, y, pool=pool, sample_weight=weight)
    assert found["pool"]["nll"] == pytest.approx(nll(p, y, weight), rel=1e-12)
    assert pool.loss == pytest.approx(nll(p, y, weight), rel=1e-12)
    prior = pool.prior if fallback == "prior" else None
    stack = np.stack(list(models.values()))
    if missing == "prior":
        stack = np.where(np.isnan(stack), pool.prior, stack)
    expected = naive_pool(stack, pool.weights, rule, pool.temperature, fallback=prior)
    assert_allclose(p, expected, rtol=1e-12)
    for i, name in enumerate(models):
        here = ~np.isnan(models[name][:, 0])
        own = nll(models[name][here], y[here], weight[here])
        assert found["models"][name]["nll"] == pytest.approx(own, rel=1e-12)
        assert found["models"][name]["rows"] == here.sum()
        if missing == "renormalise":
            assert pool.losses[i] == pytest.approx(own, rel=1e-12)
    if missing == "renormalise" and fallback == "uniform":
        same = op.combine(models, pool.weights, rule=rule, temperature=pool.temperature)
        assert_allclose(same, p, **tolerance(float, 64))
        assert pool.rows["fallback"] == found["rows"]["rows_fallback"] >= 2
    if missing == "renormalise" and weighting == "optimal":
        assert pool.status is op.Status.STATIONARY
        assert np.isnan(pool.gap)


@quiet
@pytest.mark.parametrize("rule", RULES)
def test_fitting_with_gaps_is_not_worse_than_simple_weights(rule):
    models, y = with_gaps(n=60)
    best = op.fit(models, y, rule=rule, penalty=0, temperature=1.0).loss
    for weighting in ("uniform", "greedy", "single", [0.6, 0.3, 0.1]):
        other = op.fit(models, y, rule=rule, penalty=0, temperature=1.0, weighting=weighting)
        assert best <= other.loss + 1e-9


@quiet
def test_missing_prior_is_convex_with_a_gap():
    models, y = with_gaps(n=30)
    for rule in RULES:
        pool = op.fit(models, y, rule=rule, missing="prior")
        assert pool.status is op.Status.CONVERGED
        assert 0 <= pool.gap < 1e-8
        filled = {name: np.where(np.isnan(p), pool.prior, p) for name, p in models.items()}
        same = op.fit(filled, y, rule=rule)
        assert_allclose(pool.weights, same.weights, rtol=1e-8, atol=1e-10)
        assert pool.loss == pytest.approx(same.loss, rel=1e-12)


def test_a_model_without_any_output_gets_no_weight_and_is_named():
    models, y = chances(n=20)
    silent = models | {"b": np.full((20, 3), np.nan)}
    with pytest.warns(op.OpinionPoolWarning, match="weight 0: b"):
        pool = op.fit(silent, y)
    assert pool.weights[1] == 0
    assert pool.kinds == ("probabilities", None, "probabilities")
    assert np.isnan(pool.losses[1])
    less = op.fit({name: models[name] for name in "ac"}, y)
    assert_allclose(pool.weights[[0, 2]], less.weights, rtol=1e-8)
    # When it answers after all, it is read, but has no weight.
    assert_allclose(pool.apply(models), pool.apply(silent), **tolerance(float, 16))


@quiet
def test_counts_of_a_fit():
    models, y = with_gaps(n=30)
    y = y.astype(object)
    y[[0, 4]] = None
    pool = op.fit(models, y)
    labelled = np.array([v is not None for v in y])
    stack = np.isnan(np.stack(list(models.values()))[:, labelled, 0])
    assert pool.rows == {
        "fitted": 28,
        "unlabelled": 2,
        "unpredicted": 0,
        "with_missing": (stack.any(axis=0) & ~stack.all(axis=0)).sum(),
        "fallback": stack.all(axis=0).sum(),
    }


@quiet
def test_nobody_ever_answered():
    models, y = chances(n=10)
    silent = {name: np.full((10, 3), np.nan) for name in models}
    assert_array_equal(op.combine(silent), np.full((10, 3), 1 / 3))
    scored = op.score(silent, y, pool=op.fit(models, y))
    assert scored["pool"]["nll"] == pytest.approx(np.log(3))
    for weighting in ("optimal", "uniform"):
        with pytest.raises(MissingOutputError):
            op.fit(silent, y, weighting=weighting)


@quiet
def test_a_model_that_rules_out_everything_when_alone():
    """A fallback that would be needed at weight 0 alone is not charged elsewhere."""
    models, y = with_gaps(n=30)
    pool = op.fit(models, y, weighting=[1, 0, 0])
    stack = np.isnan(models["a"][:, 0])
    assert pool.rows["fallback"] == stack.sum() == 3
