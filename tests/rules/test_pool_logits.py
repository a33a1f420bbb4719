"""Pools of logits by the kernels are those of log-probabilities by the plain formulas."""

import numpy as np
import pytest
from tolerance import ulps

from opinionpool.kernels.status import IMPOSSIBLE
from opinionpool.rules import RULES
from opinionpool.rules.base import Rule

M, N, K = 3, 60, 7
W = np.array([0.5, 0.2, 0.3])

every_rule = pytest.mark.parametrize("rule", list(RULES.values()), ids=lambda r: r.name)


def logits(dtype, *, zeros=False):
    rng = np.random.default_rng(3)
    z = 2 * rng.normal(size=(M, N, K)) + 5 * rng.normal(size=(M, N, 1))
    if zeros:
        z[rng.random(z.shape) < 0.05] = -np.inf
    return list(z.astype(dtype))


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("s", [1.0, 0.6])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_kernels_pool_as_the_formulas_do(rule, dtype, log, s, missing, zeros):
    arrays, present = logits(dtype, zeros=zeros), None
    if missing:
        present = np.random.default_rng(4).random((M, N)) < 0.8
        for own, here in zip(arrays, present, strict=True):
            own[~here] = np.nan
    found, expected = np.empty((N, K), dtype), np.empty((N, K))
    status = rule.pool_logits(W, s, arrays, present, out=found, log=log)
    plain = Rule.pool_logits(rule, W, s, arrays, present, out=expected, log=log)
    good = status == 0
    np.testing.assert_array_equal(good, plain == 0)
    assert good.sum() > N // 2
    near = ulps(dtype, 64)
    np.testing.assert_allclose(found[good], expected[good], rtol=near, atol=near)


@every_rule
def test_a_row_without_any_class_is_said_to_be_impossible(rule):
    arrays = logits(np.float64)
    arrays[0][4, :4] = arrays[1][4, 4:] = -np.inf
    for pool in (rule.pool_logits, lambda *a, **k: Rule.pool_logits(rule, *a, **k)):
        out = np.empty((N, K))
        status = pool(W, 1.0, arrays, out=out)
        assert (status[4] == IMPOSSIBLE) == rule.vetoes
        assert not np.delete(status, 4).any()
