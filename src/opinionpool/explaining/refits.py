"""The same pool once more, on some of its models or some of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.pareto import Fitted, Models
from ..errors import InputError, OpinionPoolError
from ..fit import fit_gathered
from ..options import Temperature, penalty_scale
from ..policies import resolve_floor
from ..pool import Pool
from ..predictions import Gathered, Predictions, Targets
from ..weightings import WEIGHTINGS, Weighting
from ..weightings.given import Given
from ..weightings.resampled import ResampledOptimal
from ..weightings.scored import DENSITY_METRICS, METRICS, Score
from .case import Case, losses_of

Array = NDArray[np.float64]


class Refits:
    """Fits with a pool's own rule, weighting, temperature, penalty and policies.

    Parameters
    ----------
    case
        The pool and its rows. Zeros are floored with one ε for every refit, the one of all
        models: losses under different floors are not comparable.
    temperature
        ``"fit"`` or the temperature that the pool was given.
    seed
        As it was for :func:`opinionpool.fit`.
    share
        Which share of all rows, by weight, these are: the penalty per row is that of all.
    """

    def __init__(self, case: Case, temperature: Temperature, seed: int, share: float = 1.0) -> None:
        pool = case.pool
        self.case, self.temperature, self.seed = case, temperature, seed
        self.scale = share * penalty_scale(pool.settings.penalty)
        floor = pool.settings.floor
        if floor == "auto" and pool.floors.any():
            floor = float(pool.floors.max())
        elif floor == "auto":
            floor = resolve_floor("auto", case.rule, case.known) or "veto"
        if not case.known.family.rules_out:
            floor = "auto"
        self.settings = replace(pool.settings, floor=floor)
        self.reasons: dict[Models, str] = {}
        self.pools: dict[Models, Pool] = {}
        self._done: dict[Models, Fitted | None] = {}

    @property
    def everyone(self) -> Models:
        """All models."""
        return tuple(range(len(self.case.names)))

    def adopt(self, pool: Pool) -> None:
        """Take a pool of all models for their refit."""
        rows = self.losses(pool, self.everyone, self.case.targets)
        self.pools[self.everyone] = pool
        self._done[self.everyone] = Fitted(
            self.everyone, pool.weights, pool.temperature, rows, self.case.mean(rows)
        )

    def some(self, models: Models) -> Fitted | None:
        """Return the pool of some models on all rows; None where there is none, with a reason."""
        if models not in self._done:
            self._done[models] = self._fitted(models)
        return self._done[models]

    def done(self) -> list[Fitted]:
        """Return all that were fitted so far."""
        return [f for f in self._done.values() if f is not None]

    def gain(self, other: Fitted, own: Fitted) -> dict[str, Any]:
        """Return how much lower the losses of ``own`` are, with error and interval."""
        assert other.rows is not None
        assert own.rows is not None
        return self.case.gain(other.rows, own.rows)

    def fit(self, models: Models, targets: Targets | None = None) -> Pool:
        """Fit the pool of some models. Raises OpinionPoolError."""
        case = self.case
        known = self.known(models)
        gathered = Gathered(known, case.targets if targets is None else targets, _never)
        return fit_gathered(
            gathered,
            case.rule,
            weighting_of(case.pool, models),
            self.temperature,
            self.scale,
            self.settings,
            self.seed,
            case.threads,
            traced=False,  # nobody asks on which rows it was
        )

    def known(self, models: Models) -> Predictions:
        """Return the predictions of some models."""
        names = tuple(self.case.names[i] for i in models)
        return self.case.known.models(list(models), names)

    def losses(self, pool: Pool, models: Models, targets: Targets) -> Array:
        """Return a refitted pool's losses on labelled rows."""
        rows = self.known(models).take(targets.rows)
        return losses_of(pool.pool_known(rows, threads=self.case.threads), targets)

    def _fitted(self, models: Models) -> Fitted | None:
        try:
            pool = self.fit(models)
            rows = self.losses(pool, models, self.case.targets)
        except OpinionPoolError as error:
            self.reasons[models] = str(error)
            return None
        self.pools[models] = pool
        return Fitted(models, pool.weights, pool.temperature, rows, self.case.mean(rows))


def weighting_of(pool: Pool, models: Models) -> Weighting:
    """Return how a pool's weights were chosen, for some of its models."""
    name, settings = pool.weighting, pool.settings
    if name == "given":
        own = pool.weights[list(models)]
        if own.sum() == 0:
            raise InputError("the given weights of these models are all 0")
        return Given(own / own.sum())
    if name == "optimal" and settings.resample:
        return ResampledOptimal(settings.resample)
    if name == "score" and settings.metric is not None:
        if settings.metric not in {*METRICS, *DENSITY_METRICS}:
            raise InputError(f"a pool does not remember the function behind {settings.metric!r}")
        return Score(settings.metric)
    if name not in WEIGHTINGS:
        raise InputError(f"a pool does not remember the weighting behind {name!r}")
    return WEIGHTINGS[name]


def _never(*args: object) -> object:
    raise AssertionError("a refit gives nothing back")
