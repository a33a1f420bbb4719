"""Calibration from sums over blocks of rows: what :mod:`.calibrated` says of rows in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.class_scores import ClassScores
from ..diagnostics.density_scores import density_scores
from ..diagnostics.reliability import BARS, histogram, pit_of_classes
from ..diagnostics.sketch import Curve, digits_for
from ..families.mixture import Mixture
from ..predictions import Predictions
from ..rules.evidence import Outcomes
from .case import Case
from .sums import OfOne, Sums

Array = NDArray[np.float64]

#: Bytes that the cells of all curves may take together; of all classes' against the rest too.
CURVE_BYTES, CLASS_BYTES = 1 << 26, 1 << 27


class Calibration:
    """Scores, reliability and histograms of every model and of the pool."""

    def __init__(self, known: Predictions, z: float, *, ordered: bool) -> None:
        curves, size = known.n_models + 1, known.n_parameters
        self.names, self.z = known.names, z
        self.digits = digits_for(curves * (1 + (size == 2)), 5, CURVE_BYTES)
        self.class_digits = digits_for(curves * size, 3, CLASS_BYTES)
        self._columns = bool(known.family.columns)
        self._classes = [
            _Classes(size, self.digits, self.class_digits, ordered, known.large)
            for _ in range(0 if self._columns else curves)
        ]
        self._densities = [_Densities() for _ in range(curves)]
        # (M + 1,) total weight of the rows that each predictor has, and its loss there.
        self.weights, self.losses = np.zeros(curves), np.zeros(curves)
        self.rows = np.zeros(curves, dtype=np.int64)

    @property
    def parts(self) -> tuple[Sums, ...]:
        """The predictors, one by one: no two of them share a sum."""
        return tuple(OfOne(self, i) for i in range(len(self.names) + 1))

    def add_one(self, i: int, block: Case) -> None:
        """Add a block of rows to the sums of a model, or the last of them, the pool."""
        if i == len(self.names):
            everywhere, pooled = np.ones(len(block.weight), dtype=bool), block.pooled
            if pooled.distribution is not None:
                self._density(i, block, pooled.distribution, everywhere)
            else:
                self._class(i, block, pooled.parameters, everywhere)
            return
        own, here = block.evidence.parameters[i], block.answered[i]
        if self._columns:
            mean, variance = own[here].T[:, None]
            self._density(i, block, Mixture(np.ones_like(mean), mean, variance), here)
        else:
            self._class(i, block, own if here.all() else own[here], here)

    def _class(self, i: int, block: Case, log_p: Array, here: NDArray[np.bool_]) -> None:
        outcomes, weight = block.targets.outcomes.take(here), block.weight[here]
        if len(weight):
            self._classes[i].add(log_p, outcomes, weight)
            self._count(i, -outcomes.expectation(log_p), weight)

    def _density(self, i: int, block: Case, mixture: Mixture, here: NDArray[np.bool_]) -> None:
        y, weight = block.targets.outcomes.take(here).values, block.weight[here]
        assert y is not None
        if len(weight):
            self._densities[i].add(mixture, y, weight)
            self._count(i, -mixture.log_density(y), weight)

    def _count(self, i: int, losses: Array, weight: Array) -> None:
        self.weights[i] += weight.sum()
        self.losses[i] += weight @ losses
        self.rows[i] += len(weight)

    def found(
        self, classes: tuple[Any, ...], temperatures: list[dict[str, float] | None]
    ) -> dict[str, Any]:
        """Return the section of the dict."""
        finite = np.isfinite(self.losses)
        figures = [
            self._figures(i, own if finite[i] else None) for i, own in enumerate(temperatures)
        ]
        return {
            "classes": list(classes),
            "models": dict(zip(self.names, figures, strict=False)),
            "pool": figures[-1],
        }

    def _figures(self, i: int, temperature: dict[str, float] | None) -> dict[str, Any]:
        if not self.rows[i]:
            return {"rows": 0, "reason": "it answered no labelled row"}
        common = {"rows": int(self.rows[i]), "reason": None, "temperature": temperature}
        nll = float(self.losses[i] / self.weights[i])
        if self._columns:
            return {**common, "nll": nll, **self._densities[i].found()}
        return {**common, "nll": nll, **self._classes[i].drawn(self.z)}


class _Classes(ClassScores):
    """Sums of one predictor of classes: its scores, and what is drawn of it."""

    def __init__(
        self, size: int, digits: int, class_digits: int, ordered: bool, large: bool
    ) -> None:
        cells = {"digits": digits, "class_digits": class_digits}
        super().__init__(size, ordered=ordered, large=large, **cells)
        self._second = Curve(digits) if size == 2 else None
        self._confidence, self._pit = np.zeros((2, BARS))

    def _add(self, log_p: Array, p: Array, outcomes: Outcomes, weight: Array) -> Array:
        sure, u = super()._add(log_p, p, outcomes, weight), weight.sum()
        self._confidence += u * np.array(histogram(sure, weight))
        if self._second is not None:
            second = np.ones(len(p), dtype=np.int64)
            self._second.add(p[:, 1], outcomes.of(second), weight)
        if self.ordered:
            q = outcomes.probabilities(self.classes)
            self._pit += u * np.array(pit_of_classes(log_p, q, weight))
        return sure

    def drawn(self, z: float) -> dict[str, Any]:
        """Return the scores, and points of curves and histograms."""
        u, scores = self.weight, self.found()
        found: dict[str, Any] = {
            "brier": scores["brier"],
            "accuracy": scores["accuracy"],
            "ece": scores["ece"],
            "auc": self.each.auc(),
            "brier_split": scores["brier_split"],
            "reliability": self.top.points(z),
            "confidence": (self._confidence / u).tolist(),
        }
        if self._second is not None:
            found["reliability_of_second"] = self._second.points(z)
        if self.ordered:
            found["rps"] = scores["rps"]
            found["pit"] = (self._pit / u).tolist()
        return found


class _Densities:
    """Sums of one predictor of densities."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._pit = np.zeros(BARS)
        self._total = 0.0

    def add(self, mixture: Mixture, y: Array, weight: Array) -> None:
        u = float(weight.sum())
        for name, mean in density_scores(mixture, y, weight).items():
            value = mean**2 if name == "rmse" else mean
            self._sums[name] = self._sums.get(name, 0.0) + u * value
        self._pit += u * np.array(histogram(np.clip(mixture.cdf(y), 0.0, 1.0), weight))
        self._total += u

    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: s / self._total for name, s in self._sums.items()}
        found["rmse"] = float(np.sqrt(found["rmse"]))
        return {**found, "pit": (self._pit / self._total).tolist()}
