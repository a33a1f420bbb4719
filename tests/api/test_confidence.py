"""weighting="confidence" from the doors: entropy, a column of scores, scores given apart."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from tolerance import tolerance, ulps

import opinionpool as op
from opinionpool.errors import InputError, PoolFileError


def problem(seed=0, n=300, k=3):
    """Models that are right where their scores say so."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    models, scores = {}, {}
    for name in "abc":
        scores[name] = rng.uniform(0, 1, n)
        z = rng.normal(size=(n, k))
        z[np.arange(n), y] += 4 * scores[name] - 1
        models[name] = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return models, y, scores


MODELS, Y, SCORES = problem()


def naive(pool, models, c):
    """The pool row by row: w c^γ renormalised, log-probabilities averaged, tempered."""
    m = pool.weights[:, None] * np.maximum(c, 1e-9) ** pool.gamma
    m = m / m.sum(axis=0) / pool.temperature
    z = (m[:, :, None] * np.log(np.stack(list(models.values())))).sum(axis=0)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def entropies(models):
    p = np.stack(list(models.values()))
    return 1 + (p * np.log(p)).sum(axis=-1) / np.log(p.shape[-1])


def test_apply_is_the_naive_pool_and_a_saved_one_too(tmp_path):
    pool = op.fit(MODELS, Y, weighting="confidence")
    assert pool.gamma > 0
    expected = naive(pool, MODELS, entropies(MODELS))
    assert_allclose(pool.apply(MODELS), expected, **tolerance(float, 256))
    assert pool.loss == pytest.approx(-np.log(expected[np.arange(len(Y)), Y]).mean(), rel=1e-12)
    pool.save(tmp_path / "pool.json")
    again = op.load(tmp_path / "pool.json")
    assert again.gamma == pool.gamma
    np.testing.assert_array_equal(again.apply(MODELS), pool.apply(MODELS))
    assert op.score(MODELS, Y, pool=again)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("form", ["mapping", "array"])
def test_scores_given_apart(form, rule):
    given = SCORES if form == "mapping" else np.stack(list(SCORES.values()))
    pool = op.fit(MODELS, Y, rule=rule, weighting="confidence", confidence=given)
    static = op.fit(MODELS, Y, rule=rule)
    assert pool.gamma > 0.1
    assert pool.loss < static.loss - 0.01  # the scores say where each model is right
    with pytest.raises(InputError, match="pass those of these rows"):
        pool.apply(MODELS)
    found = pool.apply(MODELS, confidence=given)
    assert -np.log(found[np.arange(len(Y)), Y]).mean() == pytest.approx(pool.loss, rel=1e-9)


def test_scores_in_a_column_of_every_table(tmp_path):
    frames = {}
    for name, p in MODELS.items():
        frames[name] = pd.DataFrame(p, columns=["x", "y", "z"]).assign(
            sure=SCORES[name], id=np.arange(len(p))
        )
        frames[name].to_csv(tmp_path / f"{name}.csv", index=False)
    labels = pd.DataFrame({"id": np.arange(len(Y)), "label": np.array(list("xyz"))[Y]})
    pool = op.fit(frames, labels, weighting="confidence", confidence="sure")
    apart = op.fit(MODELS, Y, weighting="confidence", confidence=SCORES)
    assert pool.classes == ("x", "y", "z")
    assert pool.gamma == pytest.approx(apart.gamma, rel=ulps(float, 2**24))
    # Rows are matched by id, and so are their scores.
    shuffled = {
        name: frame.sample(frac=1, random_state=i).reset_index(drop=True)
        for i, (name, frame) in enumerate(frames.items())
    }
    found = pool.apply(shuffled).set_index("id").sort_index().to_numpy()
    assert_allclose(found, pool.apply(frames)[["x", "y", "z"]].to_numpy(), rtol=1e-12)
    files = {name: tmp_path / f"{name}.csv" for name in MODELS}
    assert_allclose(pool.apply(files), found, rtol=1e-12)


def test_missing_outputs_and_their_scores():
    models = {name: p.copy() for name, p in MODELS.items()}
    models["a"][:50] = np.nan
    scores = {name: s.copy() for name, s in SCORES.items()}
    scores["a"][:50] = np.nan
    pool = op.fit(models, Y, weighting="confidence", confidence=scores)
    found = pool.apply(models, confidence=scores)
    only = pool.apply(
        {name: models[name][:50] for name in "bc"},
        confidence={name: scores[name][:50] for name in "bc"},
    )
    assert_allclose(found[:50], only, rtol=1e-12)


def test_a_row_in_which_nobody_is_sure_still_has_a_pool():
    uniform = np.full((1, 3), 1 / 3)
    models = {name: np.concatenate([p, uniform]) for name, p in MODELS.items()}
    pool = op.fit(models, np.append(Y, 0), weighting="confidence", fallback="error")
    assert_allclose(pool.apply(models)[-1], uniform[0], rtol=1e-12)


@pytest.mark.parametrize("bad", [1.5, -0.1, np.nan, np.inf])
def test_scores_outside_zero_to_one(bad):
    scores = {name: s.copy() for name, s in SCORES.items()}
    scores["b"][7] = bad
    with pytest.raises(InputError, match=r"model 'b', row 7: found the confidence .*\[0, 1\]"):
        op.fit(MODELS, Y, weighting="confidence", confidence=scores)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confidence": SCORES}, "belongs to weighting='confidence'"),
        ({"weighting": "confidence", "confidence": "sure"}, "no column 'sure'"),
        ({"weighting": "confidence", "confidence": {"a": SCORES["a"]}}, "absent: b, c"),
        ({"weighting": "confidence", "confidence": {**SCORES, "d": SCORES["a"]}}, "unknown: d"),
        ({"weighting": "confidence", "confidence": [SCORES["a"]]}, "scores of 1 models"),
        ({"weighting": "confidence", "confidence": {key: [0.5] for key in "abc"}}, r"\(300,\)"),
        ({"weighting": "confidence", "confidence": dict.fromkeys("abc", "much")}, "numbers"),
        ({"weighting": "confidence", "family": "variance"}, "no entropy"),
    ],
)
def test_options_that_do_not_fit(options, said):
    models, y = MODELS, Y
    if "family" in options:
        models, y = {name: p[:, :1] for name, p in MODELS.items()}, np.linspace(-1, 1, len(Y))
    with pytest.raises(InputError, match=said):
        op.fit(models, y, **options)


def test_scores_for_a_pool_that_has_none():
    with pytest.raises(InputError, match="fitted without scores"):
        op.fit(MODELS, Y).apply(MODELS, confidence=SCORES)


def test_gaussians_with_scores():
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    models, scores = {}, {}
    for name in "ab":
        scores[name] = rng.uniform(0.05, 1, 400)
        mean = y + rng.normal(size=400) * (1.2 - scores[name])
        models[name] = np.stack([mean, np.full(400, 0.5)], axis=1)
    options = {"family": "gaussian", "weighting": "confidence"}
    pool = op.fit(models, y, confidence=scores, **options)
    static = op.fit(models, y, family="gaussian")
    assert pool.gamma > 0
    assert pool.loss < static.loss
    assert pool.distribution(models, confidence=scores).mean.shape == (400,)


def test_a_saved_pool_with_an_impossible_gamma(tmp_path):
    path = tmp_path / "pool.json"
    op.fit(MODELS, Y, weighting="confidence").save(path)
    text = path.read_text()
    at = text.index('"gamma": ')
    end = text.index(",", at)
    path.write_text(text[:at] + '"gamma": -1.0' + text[end:])
    with pytest.raises(PoolFileError, match="'gamma'"):
        op.load(path)
