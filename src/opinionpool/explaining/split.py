"""Where a pool's gain comes from: error minus ambiguity, by model and by pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.ambiguity import pair_figures, pair_shares, shares
from ..diagnostics.decomposition import decomposition
from ..diagnostics.duplicates import clustered_order
from ..families import CATEGORICAL
from ..kernels.reference import gram
from ..losses import mean_loss
from ..pool import Pool
from ..rules import LOG, RULES
from .case import Case

Array = NDArray[np.float64]


class Split:
    """The decomposition on the rows that a model with weight answered.

    ``average_error − ambiguity = loss_untempered``, ``− temperature_gain − scaling_gain =
    loss``; the models' parts sum to the first two, the pairs' to ``approximation``.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool, m = pool, len(pool.models)
        self._rows, self._total, self._loss, self._asymmetry = 0, 0.0, 0.0, 0.0
        self._whole: dict[str, float] = {}
        self._shares = np.zeros((2, m))
        self._pairs = np.zeros((m, m))

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        pool, served = self.pool, block.served
        if not served.any():
            return
        evidence = block.evidence if served.all() else block.evidence.take(served)
        if evidence.present is not None and evidence.present.all():
            evidence = replace(evidence, present=None)
        rule, w, s = RULES[pool.rule], pool.weights, pool.inverse_temperature
        u = evidence.total_weight
        if pool.vector is None and evidence.family is CATEGORICAL:
            counts = evidence.weight > 0  # not 0·inf
            tempered = float(evidence.weight[counts] @ block.losses[served][counts] / u)
        else:
            tempered = mean_loss(rule, w, s, evidence, closure=pool.policy.closure)
        rows = block.split[0][served], block.split[1][served]
        # Means of the block, made sums again.
        for name, mean in decomposition(rule, w, evidence, tempered, rows).items():
            self._whole[name] = self._whole.get(name, 0.0) + u * mean
        with np.errstate(invalid="ignore"):
            *found, odd = shares(rule, w, evidence)
            self._shares += u * np.array(found)
            if rule is LOG:
                apart = block.divergences if block.evidence.present is None else None
                self._pairs += u * pair_shares(w, evidence, apart)
                self._asymmetry += u * odd
        self._rows += int(served.sum())
        self._total += u
        self._loss += float(evidence.weight @ block.losses[served])

    def found(self, model_losses: Array) -> dict[str, Any]:
        """Return the section of the dict; ``model_losses`` (M,) are the models' own."""
        if not self._rows:
            return {"reason": "no model with weight answered any row", "rows": 0}
        whole = {name: value / self._total for name, value in self._whole.items()}
        error, spread = self._shares / self._total
        loss, tempered = self._loss / self._total, whole["loss"]
        return {
            "reason": None,
            "rows": self._rows,
            **whole,
            "scaling_gain": tempered - loss if self.pool.vector is not None else 0.0,
            "loss": loss,
            "models": [
                {
                    "model": name,
                    "weight": float(self.pool.weights[i]),
                    "loss": float(model_losses[i]),
                    "weighted_loss": float(error[i]),
                    "ambiguity": float(spread[i]),
                }
                for i, name in enumerate(self.pool.models)
            ],
            "pairs": pair_figures(
                RULES[self.pool.rule],
                self._pairs / self._total,
                self._asymmetry / self._total,
                whole["ambiguity"],
            ),
        }


class Divergences:
    """Mean symmetric divergences J of all pairs of models, over the rows both answered."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._sum, self._weight = np.zeros((2, len(names), len(names)))

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        e = block.evidence
        if e.present is None:
            both = np.full_like(self._weight, e.total_weight)
        else:
            here = e.present.astype(float)
            both = gram(here * e.weight, here)
        with np.errstate(invalid="ignore"):
            self._sum += np.where(both > 0, both * block.divergences, 0.0)
        self._weight += both

    @property
    def matrix(self) -> Array:
        """(M, M)."""
        found = self._sum / np.where(self._weight > 0, self._weight, 1.0)
        found = np.where(np.isnan(found), np.inf, found)
        np.fill_diagonal(found, 0.0)
        return found

    def found(self) -> dict[str, Any]:
        """Return the section of the dict, in an order that puts like by like."""
        matrix = self.matrix
        order = clustered_order(matrix)
        return {
            "models": [self.names[i] for i in order],
            "divergence": matrix[np.ix_(order, order)],
        }
