"""The survey of probabilities by their logits finds what that of their log-probabilities finds."""

import numpy as np
import pytest

from opinionpool.families.outcomes import Outcomes
from opinionpool.predictions.cells import Source
from opinionpool.predictions.side_by_side import Beside
from opinionpool.predictions.survey import survey
from opinionpool.predictions.survey_converted import survey_log_probabilities, survey_logits
from opinionpool.predictions.table import Table

N, K = 300, 6


def probabilities(dtype=np.float64, *, k=K):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(k), N).astype(dtype)
    p[4] = np.nan
    cells = rng.random(p.shape) < 0.05
    cells[:, 0] = False
    p[cells] = 0
    return p / p.sum(axis=1, keepdims=True)


def outcomes(kind, k=K):
    rng = np.random.default_rng(2)
    if kind == "hard":
        y = rng.integers(0, k, N)
        y[::7] = -1
        return Outcomes(classes=y)
    q = rng.dirichlet(np.ones(k), N)
    q[::7] = 0
    return Outcomes(soft=q)


def weight():
    w = np.random.default_rng(3).uniform(0.5, 2.0, N)
    w[::7] = 0
    w[5] = 0
    return w


def both(values, kind, happened, *, renormalise=False):
    source = Source(Table(values, "m"), kind, renormalise=renormalise)
    given = (source, happened, None if happened is None else weight(), 2, Beside())
    return survey_logits(*given), survey_log_probabilities(*given)


def assert_same(found, expected, dtype):
    assert found.present.tolist() == expected.present.tolist()
    assert found.zeros == expected.zeros
    near = 1e-12 if dtype == np.float64 else 1e-6
    # Who has no labels does not fit, and need not know how far logits are apart.
    assert found.spread == np.inf or found.spread == pytest.approx(expected.spread, rel=near)
    assert found.counted == pytest.approx(expected.counted, rel=1e-14)
    if np.isfinite(expected.lost):
        assert found.lost == pytest.approx(expected.lost, rel=near)
    else:
        assert found.lost == expected.lost


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", ["hard", "soft", None])
def test_of_probabilities(dtype, labels):
    happened = None if labels is None else outcomes(labels)
    assert_same(*both(probabilities(dtype), "probabilities", happened), dtype)


@pytest.mark.parametrize("labels", ["hard", "soft", None])
def test_of_counts(labels):
    happened = None if labels is None else outcomes(labels)
    counts = np.round(100 * probabilities())
    assert_same(*both(counts, "probabilities", happened, renormalise=True), np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["probabilities", "log-probabilities", "logits"])
@pytest.mark.parametrize("labels", ["hard", "soft", None])
def test_of_one_column(dtype, kind, labels):
    p = probabilities(dtype, k=2)[:, 1:]
    p[9:12] = [[0.0], [1.0], [0.25]]
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
        given = {"probabilities": p, "log-probabilities": log_p, "logits": log_p - np.log1p(-p)}
    cells = given[kind]
    cells[np.isposinf(cells)] = 30
    happened = None if labels is None else outcomes(labels, 2)
    assert_same(*both(cells, kind, happened), dtype)


def test_rows_that_do_not_sum_to_one_are_in_doubt():
    p = probabilities()
    p[17] *= 1.002
    source = Source(Table(p, "m"), "probabilities")
    assert survey_logits(source, None, None, 1, Beside()) is None
    renormalised = Source(Table(p, "m"), "probabilities", renormalise=True)
    assert survey_logits(renormalised, None, None, 1, Beside()) is not None
    happened = outcomes("hard")
    assert survey_logits(source, happened, weight(), 1, Beside()) is None
    assert survey_logits(renormalised, happened, weight(), 1, Beside()).spread < np.inf


def test_a_row_of_zeros_is_in_doubt_even_if_rows_are_renormalised():
    p = probabilities()
    p[17] = 0
    source = Source(Table(p, "m"), "probabilities", renormalise=True)
    assert survey_logits(source, None, None, 1, Beside()) is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (-1e-3, "row 17, column 2: found -0.001, expected a probability"),
        (1.5, "row 17, column 2: found 1.5, expected a probability"),
        (np.nan, "row 17: 1 of 6 cells are NaN"),
        (-np.inf, "row 17, column 2: found -inf, expected a probability"),
    ],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_wrong_is_said_all_the_same(cell, said, labelled):
    p = probabilities()
    p[17, 2] = cell
    happened = outcomes("hard") if labelled else None
    with pytest.raises(ValueError, match=said):
        survey(Source(Table(p, "m"), None), "probabilities", happened, weight())


def test_roundings_negative_probabilities_are_zeros():
    p = probabilities()
    p[17, 2] = -1e-9
    p[17] /= p[17].sum()
    found, expected = both(p, "probabilities", outcomes("hard"))
    assert_same(found, expected, np.float64)
    assert survey(Source(Table(p, "m"), None), "auto", None).zeros == expected.zeros
