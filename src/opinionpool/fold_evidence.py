"""What candidates are fitted on and tested on, fold by fold.

Predictions that are read in place are put in the order of the folds once. The rows that a fold
tests are then a stretch of them, and those it trains on are all of them, the others weighing
nothing: no fold has a copy of its own, and what happened is looked up once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidate
from .errors import MissingOutputError
from .families.lazy import Lazy, as_array
from .fit import needed_prior
from .folds import Rows, Split
from .policies import Policy
from .pooling import NOTHING_TO_FIT, evidence_of
from .predictions import Predictions, Targets
from .rules import RULES
from .rules.evidence import Evidence
from .rules.stretches import Stretch
from .settings import Settings
from .weightings.temperature import own_temperatures

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """One fold's training and test evidence, and the numbers of the former's rows for messages."""

    train: Evidence
    test: Evidence
    rows: Rows


@dataclass(frozen=True)
class FoldEvidence:
    """The folds of a comparison, made when they are asked for.

    What the labels say (a prior, the models' own temperatures) comes from the training rows.

    Attributes
    ----------
    predictions, targets, settings, epsilon
        What is compared, and the floor of all candidates that learn none.
    cut
        Training and test rows of every fold, as numbers of the labelled rows.
    scale
        Of the penalty, for the models' own temperatures.
    confident
        Whether any candidate asks how sure the models are.
    threads
        How many threads compiled kernels may use.
    """

    predictions: Predictions
    targets: Targets
    settings: Settings
    epsilon: float
    cut: list[Split]
    scale: float = 1.0
    confident: bool = False
    threads: int = 1

    @staticmethod
    def row_bytes(
        predictions: Predictions,
        targets: Targets,
        settings: Settings,
        tried: Sequence[Candidate],
        folds: int,
    ) -> int:
        """Return about how many bytes a row takes, with all that is computed of it."""
        m, k = predictions.n_models, predictions.n_parameters
        # Normalised float64, once and in every fold, and half as much for what is computed of it.
        copied, cell = 8 * (1.5 + folds), 0.0
        if isinstance(predictions.parameters, Lazy):
            # Read and put in order, treated for all folds or for each, and a pool.
            apart = settings.calibrate or "prior" in (settings.missing, settings.fallback)
            cell = int(predictions.dtype.itemsize) * (3.0 + (folds if apart else 1))
            if all(_in_place(candidate, targets) for candidate in tried):
                copied = 0.0
        # Likelihoods, plain and scaled; places, what happened and what each candidate lost.
        cells = int(m * k * (cell + copied))
        return cells + 48 * m + 8 * (len(tried) + 8)

    def of(self, candidate: Candidate) -> list[Fold]:
        """Return the folds as a candidate wants them."""
        if candidate.learned:
            return self.unfloored
        return self.in_place if _in_place(candidate, self.targets) else self.in_memory

    @cached_property
    def in_place(self) -> list[Fold]:
        """Folds of predictions that are read in place, if they are; else in memory."""
        if not isinstance(self.predictions.parameters, Lazy):
            return self.in_memory
        settings, order = self.settings, self._order()
        targets, some = self.targets.take(order), self.predictions.take(self.targets.rows[order])
        lazy = some.parameters
        assert isinstance(lazy, Lazy)
        arranged = replace(some, parameters=as_array(lazy.kept(self.threads)))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        numbered = replace(targets, rows=np.arange(len(order)))
        tests = [slice(int(place[test[0]]), int(place[test[-1]]) + 1) for _, test in self.cut]
        found, shared, stretches = [], None, []
        for (train, _), test in zip(self.cut, tests, strict=True):
            trains = np.zeros(len(order), dtype=bool)
            trains[place[train]] = True
            if arranged.present is not None and not arranged.present[:, trains].any():
                raise MissingOutputError(NOTHING_TO_FIT)
            whole, policy = shared or self._whole(arranged, numbered, trains)
            if not (shared or settings.calibrate or policy.prior is not None):
                shared = whole, policy
                never = slice(0, tests[0].start)
                stretches = [(rows, Stretch(whole.take(rows))) for rows in (never, *tests)]
            trained = _trained(whole, trains)
            if shared:
                some = [own for rows, own in stretches if trains[rows].any()]
                trained = trained.in_stretches(some)
            found.append(Fold(trained, whole.take(test), targets.rows))
        return found

    @cached_property
    def in_memory(self) -> list[Fold]:
        """Folds of log-probabilities in memory, for who does not work by blocks."""
        return self._copied(self.settings, self.epsilon, self.confident)

    @cached_property
    def unfloored(self) -> list[Fold]:
        """Folds to learn floors on: what these see to is not done before."""
        if not self.epsilon:
            return self.in_memory
        return self._copied(replace(self.settings, calibrate=None), 0.0, False)

    def _order(self) -> Rows:
        """Return the labelled rows: those that no fold tests, then those of every test."""
        tested = np.concatenate([test for _, test in self.cut])
        never = np.ones(len(self.targets.rows), dtype=bool)
        never[tested] = False
        return np.concatenate([np.flatnonzero(never), tested])

    def _whole(
        self, arranged: Predictions, targets: Targets, trains: NDArray[np.bool_]
    ) -> tuple[Evidence, Policy]:
        """Return all rows, treated as the training rows of a fold say."""
        threads, settings = self.threads, self.settings
        policy = self._policy(targets.take(trains), settings, self.epsilon, confident=False)
        if settings.calibrate:
            whole = evidence_of(arranged, targets, policy, keep=True, threads=threads)
            betas = own_temperatures(_trained(whole, trains), self.scale)
            policy = replace(policy, betas=betas)
        whole = evidence_of(arranged, targets, policy, keep=True, threads=threads)
        return whole.looked_up(), policy

    def _policy(
        self, train: Targets, settings: Settings, epsilon: float, confident: bool
    ) -> Policy:
        return Policy(
            np.full(self.predictions.n_models, epsilon),
            settings.missing,
            settings.fallback,
            needed_prior(settings, train, self.predictions),
            gamma=0.0 if confident else None,
        )

    def _copied(self, settings: Settings, epsilon: float, confident: bool) -> list[Fold]:
        known = self.predictions.whole()
        found = []
        for split in self.cut:
            train, test = (self.targets.take(rows) for rows in split)
            policy = self._policy(train, settings, epsilon, confident)
            fitting = evidence_of(known, train, policy, fitting=True, threads=self.threads)
            if settings.calibrate:
                policy = replace(policy, betas=own_temperatures(fitting, self.scale))
                fitting = evidence_of(known, train, policy, threads=self.threads)
            tested = evidence_of(known, test, policy, threads=self.threads)
            found.append(Fold(fitting, tested, train.rows))
        return found


def _in_place(candidate: Candidate, targets: Targets) -> bool:
    """Whether a candidate works by blocks of rows, or with likelihoods of what happened."""
    # A linear pool of soft outcomes looks at all that may have happened, again and again.
    everything = RULES[candidate.rule].mixes and targets.outcomes.soft is not None
    chooser = candidate.chooser
    # How sure models are is not known here, and draws are of rows in the order they came in.
    apart = candidate.learned or everything or chooser.confident or chooser.stochastic
    return chooser.by_blocks and not apart


def _trained(whole: Evidence, trains: NDArray[np.bool_]) -> Evidence:
    """Return all rows, those of them that are not for training weighing nothing."""
    present = whole.present
    if present is not None and present[:, trains].all():
        present = None
    return whole.reweighted(np.where(trains, whole.weight, 0.0), present)
