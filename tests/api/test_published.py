"""Published predictions by path: figures that others printed, and those of data/README.md."""

import numpy as np
import pytest
from door_inputs import published
from numpy.testing import assert_allclose

import opinionpool as op

pytestmark = pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")


def test_the_published_average_of_the_flu_models():
    """28 models, some missing for weeks: the plain mean over who answered."""
    path = published("flusight_2016-2017_unweighted_average_check.npz")
    with np.load(path, allow_pickle=False) as z:
        p = z["probs"].reshape(28, -1, 131)
        expected = z["published_unweighted_average"].reshape(-1, 131)
    found, details = op.combine(p, rule="linear", renormalise=True, details=True)
    assert np.isnan(p[:, :, 0]).any()
    assert details["rows_with_missing"] > 0
    assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_digits_by_path():
    path = published("assembled_digits.npz")
    with pytest.warns(op.OpinionPoolWarning, match="24880 cells are exactly 0"):
        pool = op.fit(str(path))
    assert pool.models == ("RF_10", "RF_100", "RF_200", "GB_10", "GB_100")
    assert pool.classes == tuple("0123456789")
    assert pool.status is op.Status.CONVERGED
    assert op.score(path, pool=pool)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)
    assert pool.apply(path).shape == (1797, 10)
    assert pool.apply(path).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "rule", "figure"),
    [
        ("assembled_digits.npz", "linear", 0.25576),
        ("assembled_digits.npz", "log", 0.09644),
        ("assembled_breast_cancer.npz", "linear", 0.12880),
        ("assembled_breast_cancer.npz", "log", 0.09457),
        ("fivethirtyeight_midterms_2018.npz", "linear", 0.10461),
        ("fivethirtyeight_midterms_2018.npz", "log", 0.10181),
    ],
)
def test_uniform_pools(name, rule, figure):
    pool = op.fit(published(name), rule=rule, weighting="uniform", temperature=1, floor=1e-6)
    assert pool.loss == pytest.approx(figure, abs=0.6e-5)


@pytest.mark.parametrize(
    ("rule", "temperature", "figure"),
    [("linear", 1, 0.43630), ("log", 1, 0.42766), ("log", "fit", 0.42745)],
)
def test_optimal_pools_of_titanic(rule, temperature, figure):
    pool = op.fit(
        published("mljar_titanic.npz"), rule=rule, temperature=temperature, floor=1e-7, penalty=0
    )
    assert pool.loss == pytest.approx(figure, abs=0.6e-5)


def test_published_ensemble_of_titanic():
    path = published("mljar_titanic.npz")
    with np.load(path, allow_pickle=False) as z:
        w, y = z["published_weights"], z["labels"]
        p, figure = z["published_ensemble_probs"], float(z["published_ensemble_logloss"])
    assert_allclose(op.combine(path, w, rule="linear"), p, rtol=0, atol=1e-6)
    assert figure == pytest.approx(0.436319, abs=1e-6)
    assert op.score({"published": p}, y, floor=1e-7)["models"]["published"]["nll"] == pytest.approx(
        figure, abs=1e-6
    )
    greedy = op.fit(path, rule="linear", weighting="greedy", temperature=1)
    assert_allclose(greedy.weights, w, rtol=0, atol=1e-12)
