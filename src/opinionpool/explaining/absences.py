"""What missing outputs cost, and which zeros and floors were in play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.paired import Clusters, Paired
from ..diagnostics.patterns import Pattern, Patterns
from ..pool import Pool
from ..predictions import Targets
from .case import Case, losses_of

Array = NDArray[np.float64]

#: Patterns that are shown, the most frequent ones.
MOST = 10


class Absences:
    """Who answered what, together with whom."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.rows, self.complete = names, 0, 0
        self._answered = np.zeros(len(names), dtype=np.int64)
        self._patterns = Patterns(len(names))

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        answered = block.answered
        self.rows += answered.shape[1]
        self.complete += int(answered.all(axis=0).sum())
        self._answered += answered.sum(axis=1)
        self._patterns.add(answered, block.weight, block.weight * block.losses)

    @property
    def short(self) -> int:
        """How many rows a pattern's count may be short by, 0 where all were counted."""
        return self._patterns.short

    def patterns(self) -> list[Pattern]:
        """Return all patterns, the most frequent first."""
        return self._patterns.frequent()

    def found(self, pool: Pool, model_losses: Array, costs: Costs) -> dict[str, Any]:
        """Return the section of the dict."""
        patterns = self.patterns()
        return {
            "policy": pool.settings.missing,
            "fallback": pool.settings.fallback,
            "models": [
                {
                    "model": name,
                    "rows": int(answered),
                    "missing": int(self.rows - answered),
                    "loss": float(loss),
                }
                for name, answered, loss in zip(
                    self.names, self._answered, model_losses, strict=True
                )
            ],
            "complete_rows": self.complete,
            "n_patterns": len(patterns),
            "patterns": [costs.found(pattern, self.complete) for pattern in patterns[:MOST]],
        }


class Costs:
    """What the most frequent patterns of absences cost.

    Measured on complete rows: the rise of the pool's loss there when the absent models are
    taken away.
    """

    def __init__(self, pool: Pool, patterns: list[Pattern], clusters: Clusters) -> None:
        self.pool = pool
        self._asked = [p for p in patterns[:MOST] if self._reason(p) is None]
        self._rises = Paired(len(self._asked), clusters)

    @property
    def needed(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self._asked)

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        complete = np.flatnonzero(block.answered.all(axis=0))
        if not len(complete) or not self._asked:
            return
        targets = block.targets.take(complete)
        known = block.known.take(targets.rows)
        lost = [self._without(pattern, known, targets) for pattern in self._asked]
        rises = np.stack(lost) - block.losses[complete]
        self._rises.add(rises, targets.weight, block.cluster[complete])

    def _without(self, pattern: Pattern, known: Any, targets: Targets) -> Array:
        present = np.repeat(pattern.present[:, None], known.n_rows, axis=1)
        return losses_of(self.pool.pool_known(replace(known, present=present)), targets)

    def found(self, pattern: Pattern, complete: int) -> dict[str, Any]:
        """Return what is known about a pattern."""
        absent = [
            name for name, there in zip(self.pool.models, pattern.present, strict=True) if not there
        ]
        found: dict[str, Any] = {
            "absent": absent,
            "rows": pattern.rows,
            "loss": pattern.loss / pattern.weight if pattern.weight else None,
            "cost": 0.0 if not absent else None,
            "standard_error": None,
            "reason": self._reason(pattern),
        }
        if found["reason"] is None and not complete:
            found["reason"] = "there are no complete rows to take these models away from"
        elif found["reason"] is None:
            at = [np.array_equal(p.present, pattern.present) for p in self._asked].index(True)
            found["cost"], found["standard_error"] = self._rises.found(at)
        return found

    def _reason(self, pattern: Pattern) -> str | None:
        if pattern.present.all():
            return "nobody is absent"
        served = (self.pool.weights > 0)[pattern.present].any()
        if not served and self.pool.settings.fallback == "error":
            return "nobody with weight is left, and the fallback is an error"
        return None


class Zeros:
    """The exact zeros of every model before any floor, and the floors used."""

    def __init__(self, pool: Pool) -> None:
        self.pool, m = pool, len(pool.models)
        self._cells, self._happened = np.zeros((2, m), dtype=np.int64)
        self._reason: str | None = None

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        raw = block.rows
        if not raw.family.rules_out:
            self._reason = f"{raw.family.name} predictions have no zeros"
            return
        happened = raw.family.log_likelihood(raw.parameters, block.targets.outcomes)
        self._happened += np.isneginf(happened).sum(axis=1)
        for i, own in enumerate(raw.parameters):
            self._cells[i] += int(np.isneginf(own).sum())

    def found(self) -> dict[str, Any]:
        """Return the section of the dict."""
        if self._reason is not None:
            return {"reason": self._reason, "models": []}
        return {
            "reason": None,
            "policy": self.pool.settings.floor,
            "models": [
                {
                    "model": name,
                    "zeros": int(self._cells[i]),
                    "zeros_of_what_happened": int(self._happened[i]),
                    "floor": float(self.pool.floors[i]),
                }
                for i, name in enumerate(self.pool.models)
            ],
        }
