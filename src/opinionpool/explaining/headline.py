"""The first line: what the pool gains, from the best single model and from the plain average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..diagnostics.paired import Clusters, Paired
from ..losses import row_losses
from ..rules import RULES
from ..rules.evidence import Evidence
from .case import Case, interval


class Headline:
    """Losses of pool, models and plain average, and the pool's gains, paired, in nats per row.

    A single model is compared on the rows it answered; of those that answered fewest are
    missed. The average is that of the probabilities (densities), equally.
    """

    def __init__(self, names: tuple[str, ...], clusters: Clusters, z: float) -> None:
        self.names, self.z, m = names, z, len(names)
        self._gains = Paired(m + 1, clusters)
        self._rows = np.zeros(m, dtype=np.int64)
        self._losses = np.zeros(m + 2)  # of the models, the average and the pool
        self._total = 0.0

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        e, u, ours = block.evidence, block.weight, block.losses
        here = np.ones((e.n_models, e.n_rows), bool) if e.present is None else e.present
        plain: Evidence = replace(e, gamma=0.0, confidence=None)
        equal = np.full(e.n_models, 1 / e.n_models)
        average = row_losses(RULES["linear"], equal, 1.0, plain, closure=False)
        others = np.concatenate([block.own_losses, average[None]])
        weights = np.concatenate([np.where(here, u, 0.0), u[None]])
        with np.errstate(invalid="ignore"):
            self._gains.add(others - ours, weights, block.cluster)
        self._rows += here.sum(axis=1)
        self._losses[:-1] += np.where(weights > 0, weights * others, 0.0).sum(axis=1)
        self._losses[-1] += u @ ours
        self._total += float(u.sum())

    @property
    def loss(self) -> float:
        """The pool's mean loss."""
        return float(self._losses[-1] / self._total)

    @property
    def model_losses(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Each model's mean loss on the rows it answered, NaN where it answered none: (M,)."""
        answered = self._gains.total[:-1]
        some = np.where(answered > 0, answered, 1.0)
        return np.where(answered > 0, self._losses[:-2] / some, np.nan)

    def found(self) -> dict[str, Any]:
        """Return the section of the dict."""
        return {"loss": self.loss, "best_single": self._single(), "average": self._average()}

    def _single(self) -> dict[str, Any]:
        losses, answered = self.model_losses, self._gains.total[:-1]
        # A model that answered hardly any row is no alternative to the pool.
        able = np.isfinite(losses) & (answered >= 0.5 * answered.max())
        if not able.any():
            return {"reason": "every model's loss is infinite", "model": None, "gain": None}
        best = int(np.where(able, losses, np.inf).argmin())
        return {
            "reason": None,
            "model": self.names[best],
            "loss": float(losses[best]),
            "rows": int(self._rows[best]),
            **interval(*self._gains.found(best), self.z),
        }

    def _average(self) -> dict[str, Any]:
        loss = float(self._losses[-2] / self._total)
        if not np.isfinite(loss):
            return {"reason": "its loss is infinite", "loss": loss, "gain": None}
        return {"reason": None, "loss": loss, **interval(*self._gains.found(-1), self.z)}
