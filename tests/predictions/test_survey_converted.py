"""The survey of probabilities as they are finds what that of their log-probabilities finds."""

from dataclasses import replace

import numpy as np
import pytest

from opinionpool.families.outcomes import Outcomes
from opinionpool.predictions.cells import Source
from opinionpool.predictions.side_by_side import Beside
from opinionpool.predictions.survey import survey
from opinionpool.predictions.survey_converted import survey_log_probabilities
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
    """What the survey notes, and what that of log-probabilities says it should."""
    source = Source(Table(values, "m"), kind, renormalise=renormalise)
    u = None if happened is None else weight()
    found = survey(replace(source, kind=None), kind, happened, u, 2)
    return found, survey_log_probabilities(source, happened, u, 2, Beside())


def assert_same(found, expected, dtype):
    assert found.present.tolist() == expected.present.tolist()
    assert found.zeros == expected.zeros
    near = 1e-12 if dtype == np.float64 else 1e-6
    assert found.spread == pytest.approx(expected.spread, rel=near)
    lost = expected.lost / expected.counted if expected.counted else np.nan
    assert found.loss == pytest.approx(lost, rel=near, nan_ok=True)


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


@pytest.mark.parametrize("kind", ["probabilities", "auto"])
@pytest.mark.parametrize("happened", [None, outcomes("hard"), outcomes("soft")])
def test_rows_that_do_not_sum_to_one_are_an_error_unless_that_is_asked_for(kind, happened):
    p = probabilities()
    p[17] *= 1.002
    given = (kind, happened, None if happened is None else weight())
    with pytest.raises(ValueError, match=r"1 row\(s\) do not sum to one: .* row 17 sum to 1\.002;"):
        survey(Source(Table(p, "m"), None), *given)
    assert survey(Source(Table(p, "m"), None, renormalise=True), *given).kind == "probabilities"


def test_a_row_of_zeros_is_an_error_even_if_rows_are_renormalised():
    p = probabilities()
    p[17] = 0
    with pytest.raises(ValueError, match="a row without any probability cannot be renormalised"):
        survey(Source(Table(p, "m"), None, renormalise=True), "auto", None)


def test_logits_that_look_like_probabilities_at_first_are_logits():
    """Only some cells are looked at before the survey."""
    rng = np.random.default_rng(0)
    z = rng.uniform(0, 1, (1000, 300)).astype(np.float32)
    z[13, 7] = 2.5
    found = survey(Source(Table(z, "m"), None), "auto", None)
    assert (found.kind, found.zeros, found.spread) == ("logits", 0, 2.5 - z[13].min())


def test_probabilities_that_are_absent_wherever_one_looks_first():
    """Of a model that answered few rows."""
    p = np.full((6400, 5), np.nan)
    p[7] = 0.2
    found = survey(Source(Table(p, "m"), None), "auto", None)
    assert (found.kind, found.spread) == ("probabilities", 0)
    assert np.flatnonzero(found.present).tolist() == [7]


def test_vetoes_among_cells_that_are_probabilities_otherwise_are_vetoes():
    z = np.full((10, 3), 0.5)
    z[3, 1] = -np.inf
    with pytest.raises(ValueError, match="probability"):
        survey(Source(Table(z, "m"), None), "probabilities", None)


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
