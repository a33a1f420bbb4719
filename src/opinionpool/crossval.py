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
from .fold_evidence import FoldEvidence
from .losses import row_losses
from .rules import RULES
from .solvers.newton import TOLERANCE
from .weightings.base import Choice, Task
from .weightings.choose import complete
from .weightings.learned_floors import floored_evidence, learn_floors

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]


class Run:
    """Fits every candidate in every fold, until the time is up."""

    def __init__(
        self,
        candidates: tuple[Candidate, ...],
        folds: FoldEvidence,
        names: tuple[str, ...],
        scale: float,
        seed: int,
        time_limit: float | None,
        progress: Progress | None,
    ) -> None:
        self.candidates, self.names, self.scale, self.seed = candidates, names, scale, seed
        self.folds = folds
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
        folds = self.folds.of(candidate)
        for number, fold in enumerate(folds):
            self.progress(
                f"{candidate.name}, fold {number + 1}",
                share + number / len(folds) / len(self.candidates),
            )
            rule, train, test = RULES[candidate.rule], fold.train, fold.test
            task = Task(rule, train, candidate.temperature, self.scale, self.seed, TOLERANCE)
            try:
                if candidate.learned:
                    floors, choice = learn_floors(task, candidate.chooser)
                    # A temperature that is still open belongs to the floored pool.
                    task = replace(task, evidence=floored_evidence(train, floors))
                    choice = complete(task, candidate.chooser, choice, certified=False)
                    test = floored_evidence(test, floors)
                else:
                    choice = self._choice(task, candidate, number, fold.rows)
            except OpinionPoolError as error:
                self.remarks[candidate.name] = str(error)
                return None
            if choice.status in (Status.NOT_CONVERGED, Status.SEPARABLE):
                self.remarks[candidate.name] = f"{choice.status.value} in fold {number + 1}"
            s = choice.inverse_temperature
            assert s is not None
            if choice.gamma is not None:
                test = replace(test, gamma=choice.gamma)
            closure = candidate.chooser.closure and not candidate.learned
            found.append(row_losses(rule, choice.weights, s, test, closure=closure))
        return np.concatenate(found)

    def _choice(
        self, task: Task, candidate: Candidate, fold: int, rows: NDArray[np.int64]
    ) -> Choice:
        """Choose weights once per fold for all temperatures that do not change them."""
        weighting = candidate.chooser
        depends = weighting.joint and task.rule.joint_temperature
        temperature = task.temperature if depends else None
        key = (weighting.name, candidate.resample, candidate.rule, temperature, fold)
        if key not in self._weights:
            self._weights[key] = weigh_checked(task, weighting, self.names, rows)
        return complete(task, weighting, self._weights[key], certified=False)
