"""Cross-validation of candidates: everything is fitted inside the training part of a fold."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidate
from .choosing import weigh_checked
from .errors import LabelError, OpinionPoolError, Status
from .fit import needed_prior
from .folds import Split
from .losses import row_losses
from .policies import Policy
from .pooling import evidence_of
from .predictions import Predictions, Targets
from .rules import RULES
from .rules.evidence import Evidence
from .settings import Settings
from .weightings.base import Choice, Task
from .weightings.choose import complete
from .weightings.learned_floors import floored_evidence, learn_floors
from .weightings.temperature import own_temperatures

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]


def fold_evidence(
    predictions: Predictions,
    targets: Targets,
    settings: Settings,
    epsilon: float,
    split: Split,
    *,
    scale: float = 1.0,
    confident: bool = False,
    threads: int = 1,
) -> tuple[Evidence, Evidence]:
    """Return a fold's training and test evidence.

    What the labels say (a prior, the models' own temperatures) comes from the training rows.
    ``confident`` brings along how sure the models are; compiled kernels may use so many
    ``threads``.
    """
    train, test = (targets.take(rows) for rows in split)
    policy = Policy(
        np.full(predictions.n_models, epsilon),
        settings.missing,
        settings.fallback,
        needed_prior(settings, train, predictions),
        gamma=0.0 if confident else None,
    )
    fitting = evidence_of(predictions, train, policy, fitting=True, threads=threads)
    if settings.calibrate:
        policy = replace(policy, betas=own_temperatures(fitting, scale))
        fitting = evidence_of(predictions, train, policy, threads=threads)
    return fitting, evidence_of(predictions, test, policy, threads=threads)


class Run:
    """Fits every candidate in every fold, until the time is up."""

    def __init__(
        self,
        candidates: tuple[Candidate, ...],
        parts: list[tuple[Evidence, Evidence]],
        unfloored: list[tuple[Evidence, Evidence]] | None,
        rows: list[NDArray[np.int64]],
        names: tuple[str, ...],
        scale: float,
        seed: int,
        time_limit: float | None,
        progress: Progress | None,
    ) -> None:
        self.candidates, self.names, self.scale, self.seed = candidates, names, scale, seed
        self.parts = parts
        self.unfloored = unfloored or parts  # what floors are learned on
        self.rows = rows  # the training rows' numbers, for messages
        self.deadline = math.inf if time_limit is None else clock.monotonic() + time_limit
        self.time_limit = time_limit
        self.progress = progress or (lambda what, share: None)
        self.remarks: dict[str, str] = {}
        self.notes: list[str] = []
        self._weights: dict[tuple[object, ...], Choice] = {}

    def all_losses(self) -> dict[Candidate, Array]:
        """Return each candidate's test losses, fold after fold."""
        done: dict[Candidate, Array] = {}
        for number, candidate in enumerate(self.candidates):
            if clock.monotonic() > self.deadline and done:
                left = [c.name for c in self.candidates[number:]]
                self.notes.append(
                    f"the time limit of {self.time_limit:g} s was reached; not compared: "
                    + "; ".join(left)
                )
                break
            rows = self._losses(candidate, number / len(self.candidates))
            if rows is not None:
                done[candidate] = rows
        if not done:
            raise LabelError(
                "no candidate could be fitted: " + "; ".join(dict.fromkeys(self.remarks.values()))
            )
        return done

    def _losses(self, candidate: Candidate, share: float) -> Array | None:
        found = []
        parts = self.unfloored if candidate.learned else self.parts
        for fold, (train, test) in enumerate(parts):
            self.progress(
                f"{candidate.name}, fold {fold + 1}",
                share + fold / len(self.parts) / len(self.candidates),
            )
            rule = RULES[candidate.rule]
            task = Task(rule, train, candidate.temperature, self.scale, self.seed)
            try:
                if candidate.learned:
                    floors, choice = learn_floors(task, candidate.chooser)
                    # A temperature that is still open belongs to the floored pool.
                    task = replace(task, evidence=floored_evidence(train, floors))
                    choice = complete(task, candidate.chooser, choice, certified=False)
                    test = floored_evidence(test, floors)
                else:
                    choice = self._choice(task, candidate, fold)
            except OpinionPoolError as error:
                self.remarks[candidate.name] = str(error)
                return None
            if choice.status in (Status.NOT_CONVERGED, Status.SEPARABLE):
                self.remarks[candidate.name] = f"{choice.status.value} in fold {fold + 1}"
            s = choice.inverse_temperature
            assert s is not None
            if choice.gamma is not None:
                test = replace(test, gamma=choice.gamma)
            closure = candidate.chooser.closure and not candidate.learned
            found.append(row_losses(rule, choice.weights, s, test, closure=closure))
        return np.concatenate(found)

    def _choice(self, task: Task, candidate: Candidate, fold: int) -> Choice:
        """Choose weights once per fold for all temperatures that do not change them."""
        weighting = candidate.chooser
        depends = weighting.joint and task.rule.joint_temperature
        temperature = task.temperature if depends else None
        key = (weighting.name, candidate.resample, candidate.rule, temperature, fold)
        if key not in self._weights:
            self._weights[key] = weigh_checked(task, weighting, self.names, self.rows[fold])
        return complete(task, weighting, self._weights[key], certified=False)
