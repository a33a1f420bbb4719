"""The candidates of a comparison, from simple to elaborate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Candidate:
    """One way to make a pool; ``CANDIDATES`` lists them from simple to elaborate."""

    weighting: str
    rule: str
    temperature: float | Literal["fit"]

    @property
    def name(self) -> str:
        """How tables call it: ``"optimal log, T fitted"``."""
        if self.weighting == "single":
            return "best single model"
        return f"{self.weighting} {self.rule}, T {'fitted' if self.temperature == 'fit' else '= 1'}"


#: In order of simplicity: nothing fitted, one number fitted, then as many as there are models.
CANDIDATES = (
    Candidate("single", "log", 1.0),
    *(
        Candidate(weighting, rule, temperature)
        for weighting in ("uniform", "greedy", "optimal")
        for temperature in (1.0, "fit")
        for rule in ("linear", "log")
    ),
)
