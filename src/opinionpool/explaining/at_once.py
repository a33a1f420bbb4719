"""Pools that differ in their weights and temperatures alone, as weights to be evaluated at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..diagnostics.many_pools import Candidates
from ..diagnostics.pareto import Models
from ..families import CATEGORICAL
from ..options import Temperature
from ..pool import Pool
from ..rules import RULES
from .refits import weighting_of


def at_once(pools: Mapping[Models, Pool], explained: Pool, *, same: bool) -> Candidates | None:
    """Return pools of some of an explained pool's models; None where they differ in more.

    ``same`` says that its prior is that of these rows.
    """
    s = explained.settings
    plain = (
        explained.family == CATEGORICAL.name
        and explained.model_temperatures is None
        and explained.vector is None
        and s.floor != "learned"
        and not any(pool.gamma for pool in (explained, *pools.values()))
        and (same or "prior" not in (s.missing, s.fallback))
    )
    if not plain or not pools:
        return None
    return candidates(pools, len(explained.models))


def candidates(pools: Mapping[Models, Pool], m: int) -> Candidates:
    """Return the weights of pools of some of M models."""
    w, beta = np.zeros((len(pools), m)), np.ones(len(pools))
    counting, members = np.zeros((2, len(pools), m), dtype=bool)
    for c, (models, pool) in enumerate(pools.items()):
        w[c, list(models)] = pool.weights
        beta[c] = pool.inverse_temperature
        members[c, list(models)] = True
        counting[c, list(models)] = pool.policy.closure | (pool.weights > 0)
    return Candidates(w, beta, counting, members)


def tempered_after(pool: Pool, temperature: Temperature) -> bool:
    """Whether refits choose their temperature when the weights are chosen."""
    if temperature != "fit":
        return False
    rule = RULES[pool.rule]
    everyone = tuple(range(len(pool.models)))
    return not (rule.joint_temperature and weighting_of(pool, everyone).joint)
