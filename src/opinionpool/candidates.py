"""The candidates of a comparison, from simple to elaborate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .families import Family
from .rules import RULES
from .weightings import WEIGHTINGS, Weighting
from .weightings.resampled import ResampledOptimal

Temperature = float | Literal["fit"]
#: Row bootstraps of the candidate that averages over them.
RESAMPLES = 20


@dataclass(frozen=True)
class Candidate:
    """One way to make a pool.

    Attributes
    ----------
    weighting, rule, temperature
        As for :func:`opinionpool.fit`.
    resample
        As for :func:`opinionpool.fit`.
    learned
        Whether every model's floor is fitted with the weights.
    """

    weighting: str
    rule: str
    temperature: Temperature
    resample: int = 0
    learned: bool = False

    @property
    def name(self) -> str:
        """How tables call it: ``"optimal log, T fitted"``."""
        if self.weighting == "single":
            return "best single model"
        how = f"{self.weighting}{' resampled' if self.resample else ''} {self.rule}"
        floors = ", floors learned" if self.learned else ""
        return f"{how}, T {'fitted' if self.temperature == 'fit' else '= 1'}{floors}"

    @property
    def chooser(self) -> Weighting:
        """The weighting itself."""
        return ResampledOptimal(self.resample) if self.resample else WEIGHTINGS[self.weighting]


def candidates(family: Family, *, thorough: bool = False) -> tuple[Candidate, ...]:
    """Return what is compared for a family, in order of simplicity.

    Nothing fitted, one number fitted, then as many as there are models, or more.
    """
    found = [Candidate("single", "log", 1.0)]
    found += _grid("uniform")
    if thorough:
        found += [*_grid("score"), *_grid("pseudo-bma+")]
    found += _grid("greedy")
    if thorough:
        found += [Candidate(w, "log", t) for w in _PROGRAMMES for t in _TEMPERATURES]
    found += _grid("optimal")
    if thorough:
        found += _grid("optimal", resample=RESAMPLES)
        if family.confident:
            found += _grid("confidence")
        if family.rules_out:
            found += _grid("optimal", learned=True)
    return tuple(c for c in found if c.temperature == 1.0 or RULES[c.rule].has_temperature(family))


_PROGRAMMES = ("heskes", "heskes-resampled")
_TEMPERATURES: tuple[Temperature, ...] = (1.0, "fit")


def _grid(weighting: str, *, resample: int = 0, learned: bool = False) -> list[Candidate]:
    """Return a weighting with and without a temperature, under either rule."""
    return [
        Candidate(weighting, rule, temperature, resample, learned)
        for temperature in _TEMPERATURES
        for rule in ("linear", "log")
    ]
