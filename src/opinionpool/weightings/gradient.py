"""Weights learned by mini-batch gradients with any optimiser of PyTorch.

What the field does when weights are trained with everything else: ``w = softmax(a)``,
``T = exp(t)``, small steps on batches of rows. The loss and its gradient in v = w/T are the rule's
own, so every family, soft labels, row weights and missing outputs come along; PyTorch carries the
gradient on to (a, t) and takes the steps. The optimum is certified elsewhere: see ``Optimal``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingExtraError
from ..rules.objective import PooledLoss
from ..solvers.feasible import SHARPEST
from .base import Choice, Task, Weighting, fixed

Array = NDArray[np.float64]
#: Takes the list of parameters, returns a ``torch.optim.Optimizer``.
Optimiser = Callable[[list[Any]], Any]

RATE = 0.1  # of Adam, where nobody brings an optimiser
#: An epoch that gains less than this, in nats per row, gained nothing.
GAIN = 1e-6
#: Few rows are gone over until so many steps were taken, before the loss is looked at.
STEPS = 5
#: Times that the rate is divided by CUT when nothing was gained, before stopping.
CUTS, CUT = 6, 3.0


class Gradient(Weighting):
    """Mini-batch gradient descent, stopped early; the certificate says how far it came.

    Parameters
    ----------
    optimiser
        Makes an optimiser of PyTorch from a list of parameters; None is Adam at rate 0.1. Its
        rates are divided by three whenever ``patience`` epochs gained nothing.
    batch
        Rows of a step.
    epochs
        At most; an epoch goes over all rows once, or where they are few until five steps are done.
    patience
        Epochs without a gain of 1e-6 nats per row that are waited before the rate is cut, and
        after the sixth cut, before stopping. The best end of an epoch is kept, and of its lightest
        models those that help.

    Examples
    --------
    >>> import pytest; torch = pytest.importorskip("torch")
    >>> import numpy as np, opinionpool as op
    >>> from opinionpool.weightings.gradient import Gradient
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 200)
    >>> a, b = (np.eye(3)[y] * 2 + rng.normal(size=(200, 3)) for _ in range(2))
    >>> pool = op.fit({"a": a, "b": b}, y, weighting=Gradient())
    >>> pool.weights.round(2), pool.gap < 1e-4
    (array([0.53, 0.47]), True)
    """

    name = "gradient"
    closure = True
    joint = True
    stochastic = True  # batches: a row of weight 2 is drawn as one row

    def __init__(
        self,
        optimiser: Optimiser | None = None,
        *,
        batch: int = 256,
        epochs: int = 1000,
        patience: int = 10,
    ) -> None:
        for name, value in (("batch", batch), ("epochs", epochs), ("patience", patience)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}: found {value!r}, expected a whole number ≥ 1")
        if optimiser is not None and not callable(optimiser):
            raise InputError(
                f"optimiser: found {optimiser!r}, expected a function from a list of parameters to "
                "an optimiser, such as lambda p: torch.optim.SGD(p, lr=0.1)"
            )
        self.optimiser, self.batch = optimiser, batch
        self.epochs, self.patience = epochs, patience

    def choose(self, task: Task) -> Choice:
        """Train from equal weights and T = 1."""
        descent = _Descent(task, self.optimiser)
        rng = np.random.default_rng(task.seed)
        stopping = _EarlyStopping(self.patience)
        best, value = descent.v, descent.loss()
        for _ in range(self.epochs):
            for rows in _epoch(rng, descent.problem.evidence.n_rows, self.batch):
                descent.step(rows)
            found = descent.loss()
            if found < value:
                best, value = descent.v, found
            if stopping.gained(found):
                continue
            if stopping.over:
                break
            descent.slower()
        best = descent.without_traces(best, value)
        s = float(best.sum())
        choice = fixed(best / s, descent.n_evaluations)
        return replace(choice, inverse_temperature=s) if task.joint else choice


class _Descent:
    """Parameters (a, t), the optimiser that moves them, and the rule's gradient for it."""

    def __init__(self, task: Task, optimiser: Optimiser | None) -> None:
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtraError("weighting='gradient'", "torch", "torch") from error
        self.torch, self.task = torch, task
        self.problem = PooledLoss(task.rule, task.evidence, task.penalty)
        self.a = torch.zeros(task.evidence.n_models, dtype=torch.float64, requires_grad=True)
        start = math.log(1.0 if task.joint else task.feasible(1).total)
        self.t = torch.tensor(start, dtype=torch.float64, requires_grad=task.joint)
        parameters = [self.a, self.t] if task.joint else [self.a]
        make = optimiser or (lambda p: torch.optim.Adam(p, lr=RATE))
        self.optimiser = make(parameters)
        self.n_evaluations = 0

    @property
    def v(self) -> Array:
        """Weights over temperature, (M,)."""
        with self.torch.no_grad():
            v: Array = self._v().numpy()
        return v

    def loss(self, v: Array | None = None) -> float:
        """Return the penalised loss of all rows."""
        self.n_evaluations += 1
        return self.problem.value(self.v if v is None else v)

    def without_traces(self, v: Array, value: float) -> Array:
        """Drop the lightest models, as many as is best: a softmax never gives exactly 0."""
        best, order = v, np.argsort(v, kind="stable")
        for dropped in range(1, len(v)):
            kept = v.copy()
            kept[order[:dropped]] = 0.0
            kept *= v.sum() / kept.sum()
            found = self.loss(kept)
            if found < value:
                best, value = kept, found
        return best

    def step(self, rows: NDArray[np.int64]) -> None:
        """Take one step on some rows."""
        task, evidence = self.task, self.problem.evidence.take(rows)
        u = evidence.total_weight
        if u == 0:
            return

        def closure() -> float:
            self.optimiser.zero_grad()
            v = self._v()
            here = v.detach().numpy()
            sums = task.rule.evaluate(here, task.rule.prepare(evidence))
            value, slope, _ = self.problem.penalty.evaluate(here)
            gradient = sums.gradient / u + slope
            v.backward(gradient=self.torch.from_numpy(gradient))
            self.n_evaluations += 1
            return float(sums.value / u + value)

        self.optimiser.step(closure)

    def slower(self) -> None:
        """Divide the optimiser's rates."""
        for group in self.optimiser.param_groups:
            group["lr"] /= CUT

    def _v(self) -> Any:
        # Beyond the cap of maths.md §5 the temperature has no slope.
        s = self.torch.clamp(self.torch.exp(self.t), max=SHARPEST)
        return self.torch.softmax(self.a, dim=0) * s


class _EarlyStopping:
    """Counts epochs without a gain."""

    def __init__(self, patience: int) -> None:
        self.patience, self.waited, self.cuts = patience, 0, 0
        self.best = math.inf

    @property
    def over(self) -> bool:
        """Whether the rate was cut often enough."""
        return self.cuts > CUTS

    def gained(self, value: float) -> bool:
        """Whether to go on as before."""
        if value < self.best - GAIN:
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        if self.waited < self.patience:
            return True
        self.waited, self.cuts = 0, self.cuts + 1
        return False


def _epoch(rng: np.random.Generator, n: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows in a new order, in parts of nearly one size; several times if few."""
    parts = max(1, round(n / size))
    for _ in range(math.ceil(STEPS / parts)):
        yield from np.array_split(rng.permutation(n), parts)
