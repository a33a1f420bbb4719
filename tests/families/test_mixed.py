"""Probabilities used as they are: the same as by way of their logits, wherever they are."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from opinionpool.families import CATEGORICAL
from opinionpool.families.lazy import cells_in, logits_in
from opinionpool.families.mixed import Mixed
from opinionpool.families.outcomes import Outcomes
from opinionpool.kernels import fused
from opinionpool.policies import Policy
from opinionpool.predictions.cells import Cells, Source
from opinionpool.predictions.lazy import LazyValues
from opinionpool.predictions.table import Table
from opinionpool.rules import LINEAR, LOG
from opinionpool.rules.evidence import Evidence
from opinionpool.treated import Treatment

M, N, K = 3, 3000, 7
RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.ones(K), (M, N))
P[:, RNG.random(N) < 0.1, 3] = 0
P /= P.sum(axis=2, keepdims=True)
ORDER = (3, 1, 2, 0, 6, 5, 4)


class InAFile(LazyValues):
    def __init__(self, values):
        super().__init__(values.shape, values.dtype, "a file")
        self.values = values

    def scan(self, step, first=0):
        for a in range(first, len(self), step):
            yield self.values[a : a + step].copy()


def sources(where):
    with np.errstate(divide="ignore"):
        given = [Source(Table(p, "m"), "probabilities") for p in P[:2]]
        given.append(Source(Table(np.log(P[2]), "m"), "log-probabilities"))
    if where == "a file":
        return [replace(s, table=Table(InAFile(s.table.values), "m")) for s in given]
    if where == "other columns":
        values = np.empty_like(P[0])
        values[:, list(ORDER)] = P[0]
        given[0] = Source(Table(values, "m"), "probabilities", ORDER)
    if where == "other rows":
        turned = np.arange(N)[::-1]
        given[0] = Source(Table(P[0][::-1].copy(), "m"), "probabilities", None, turned)
    return given


def cells(where):
    return Cells(sources(where), P.shape, 1 << 20 if where == "a file" else None)


WHERE = ["memory", "a file", "other columns", "other rows"]
everywhere = pytest.mark.parametrize("where", WHERE)


def whole(parts):
    """Arrays of all rows, of rows and arrays of some."""
    blocks = [list(block) for _, block, *_ in parts]
    return [np.concatenate(own) for own in zip(*blocks, strict=True)]


@everywhere
def test_probabilities_are_yielded_as_they_are(where):
    lazy = cells(where)
    assert next(shares for _, _, shares in cells_in(lazy)) == [True, True, False]
    found = whole(cells_in(lazy))
    assert_allclose(found[:2], P[:2], rtol=0, atol=0)
    with np.errstate(divide="ignore"):
        assert_allclose(whole(logits_in(lazy)), np.log(P), rtol=1e-15)
        kept = lazy.kept()
        if kept.in_place is not None:
            assert [shares for _, _, shares in cells_in(kept)] == [[False] * M]
            assert_allclose(whole(cells_in(kept)), np.log(P), rtol=1e-15)


@everywhere
@pytest.mark.parametrize("soft", [False, True])
def test_what_happened_is_looked_up(where, soft):
    y = RNG.integers(0, K, N)
    q = RNG.dirichlet(np.ones(K), N)
    outcomes = Outcomes(soft=q) if soft else Outcomes(classes=y)
    found = Evidence(cells(where), outcomes, np.ones(N)).log_likelihood()
    with np.errstate(divide="ignore"):
        expected = outcomes.expectation(np.log(P))
    assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


@everywhere
@pytest.mark.parametrize("rows", [slice(None), slice(5, None, 31), slice(7, 8)])
def test_mixtures_of_some_rows(where, rows):
    w = np.array([0.5, 0.2, 0.3])

    def mixture(block, _):
        return LINEAR.pooled(w, block)[None]

    def quick(arrays, _, into, shares):
        out = np.empty_like(arrays[0]) if into is None else into[0]
        fused.mix(arrays, w, out=out, log=True, shares=shares)
        return [out]

    mixed = Mixed(cells(where), mixture, 1, quick)
    with np.errstate(divide="ignore"):
        expected = np.log(np.einsum("m,mnk->nk", w, P))[rows]
    for taken in (mixed.take(rows), mixed.kept().take(rows)):
        assert_allclose(np.asarray(taken)[0], expected, rtol=1e-12, atol=1e-12)
        assert_allclose(whole(logits_in(taken))[0], expected, rtol=1e-12, atol=1e-12)


@everywhere
@pytest.mark.parametrize("betas", [None, np.array([0.5, 1.0, 2.0])])
@pytest.mark.parametrize("floor", [0.0, 1e-3])
def test_floors_and_temperatures_of_probabilities_are_those_of_their_logits(where, betas, floor):
    policy = Policy(np.array([floor, 1e-2, 0.0]), betas=betas)
    treated = Treatment(policy, CATEGORICAL, None).lazily(cells(where))
    log_p = np.asarray(treated)
    found = np.stack(whole(logits_in(treated)))
    with np.errstate(divide="ignore"):
        log_z = np.log(np.exp(found).sum(axis=2, keepdims=True))
    assert_allclose(found - log_z, log_p, rtol=1e-12, atol=1e-12)
    w, out = np.array([0.5, 0.2, 0.3]), np.empty((N, K))
    LOG.pool_logits(w, 1.0, list(found), out=out)
    assert_allclose(out, LOG.pooled(w, log_p), rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(not fused.compiled(), reason="no compiled kernels are used here")
def test_many_rows_are_tempered_by_the_kernels(monkeypatch):
    policy = Policy(np.zeros(M), betas=np.array([0.5, 0.0, 3.0]))
    with np.errstate(divide="ignore"):
        log_p = np.log(P)
    log_p[0, 5], log_p[2, 7] = np.nan, -np.inf  # absent, and impossible
    before = log_p.copy()
    expected = Treatment(policy, CATEGORICAL, None).parameters(log_p)
    used, apply = [], fused.apply
    noted = lambda *given, **options: (used.append(1), apply(*given, **options))[1]  # noqa: E731
    monkeypatch.setattr(fused, "apply", noted)
    found = Treatment(policy, CATEGORICAL, None, large=True).parameters(log_p)
    assert len(used) == 2
    assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(log_p, before)
