"""The log rule's loss of models mixed with the uniform, in the weights and the floors at once.

With ``θ = ln ε/(1 − ε)`` and ``a_α = ln p_α − ln 1/K − θ_α``, what is pooled is ``ln(1 + e^a_α)``
and a number per model (families/floors.py). Its derivative in θ is ``q_α = 1/(1 + e^a_α)``, the
floor's part of the cell, less such a number: so value, gradient and Fisher's information of
``x = (v, θ)`` are those of a log pool of 2M members, ``ln(1 + e^a_α)`` with weights v and
``v_α q_α`` with none (maths.md §2). The Hessian has besides what is 0 on average where the pool is
calibrated: ``E_p̄ h − h(y)`` of ``h = q, q(1 − q)``.

Where outputs are missing, members are replaced row by row as rules/log.py says.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.base import Sums
from ..families.floors import above_floor, one_and_more, rectified
from ..families.lazy import Lazy, logits_in
from ..families.logits import Logits, in_parts
from ..kernels import fused
from ..rules.base import answering
from ..rules.objective import FEWEST, SAMPLED, PooledLoss
from ..solvers.evaluation import ROUNDING, Evaluation

Array = NDArray[np.float64]

#: A sample's ridge is worth one row in which a floor is some e-folds from a thousandth: beyond it
#: an ε is next to nothing, and so is its slope, which would have to lead back on all rows.
RIDGE, CENTRE = 0.1, -6.9
#: Cells of a sample of as many rows as that many samples have: floors are for what happens rarely.
SHORT = 1 << 23


class FlooredLoss:
    """Penalised loss of lazily read evidence at ``x = (v, θ)``, 2M numbers.

    Parameters
    ----------
    problem
        The problem of the weights, of models that are not floored yet.
    ridge
        Times ``½ |min(θ − CENTRE, 0)|²``, which keeps floors where they are felt.
    """

    def __init__(self, problem: PooledLoss, ridge: float = 0.0) -> None:
        self.problem, self.ridge = problem, ridge
        self.evidence = problem.evidence
        self.attendance = self.evidence.attendance

    def sample(self, seed: int, times: int = 1) -> FlooredLoss:
        """Return the loss on some of the rows, in memory, with a ridge: they say little of tails.

        On so many times as many rows as is usual, but on some thousand if they are short.
        """
        m, _, k = self.evidence.parameters.shape
        some = self.problem.sample(seed, 1 / times, min(FEWEST, SHORT // (m * k)))
        return FlooredLoss(some, RIDGE / some.n)

    def affords(self, times: int) -> bool:
        """Whether there is memory for such a sample."""
        lazy, (m, _, k) = self.evidence.parameters, self.evidence.parameters.shape
        return not isinstance(lazy, Lazy) or lazy.affords(8 * m * k * times // SAMPLED)

    def evaluate(self, x: Array) -> Evaluation:
        """Return value, gradient and Fisher's information."""
        m = self.evidence.n_models
        mean = self._sums(x).per_row(self.problem.n)
        value, slope, bend = self.problem.penalty.evaluate(x[:m])
        by = np.concatenate([np.ones(m), x[:m]])  # members v_α q_α: as many numbers as models
        gradient, curvature = by * mean.gradient, by[:, None] * mean.curvature * by
        gradient[:m] += slope
        curvature[:m, :m] += bend
        away = np.minimum(x[m:] - CENTRE, 0.0)
        gradient[m:] += self.ridge * away
        curvature[range(m, 2 * m), range(m, 2 * m)] += self.ridge * (away < 0)
        return Evaluation(
            mean.value + value + 0.5 * self.ridge * float(away @ away),
            gradient,
            curvature,
            untempered=mean.untempered,
            rounding=max(ROUNDING, mean.rounding),
        )

    def _sums(self, x: Array) -> Sums:
        """Sum over all rows, a few of them at a time by each thread."""
        e, v = self.evidence, x[: self.evidence.n_models]
        weights = np.concatenate([v, np.zeros(len(v))])
        found: dict[int, Sums] = {}
        for rows, arrays in logits_in(e.parameters, e.threads):

            def make(
                some: slice, into: Logits | None, arrays: Logits = arrays, first: int = rows.start
            ) -> Logits:
                there = slice(first + some.start, first + some.stop)
                return self._members(x, [z[some] for z in arrays], there, into)

            def work(some: slice, members: Logits, first: int = rows.start) -> None:
                there = slice(first + some.start, first + some.stop)
                found[there.start] = self._of(members, weights, there)

            in_parts(make, rows.stop - rows.start, work, e.threads)
        return reduce(add, (found[first] for first in sorted(found)))

    def _of(self, members: Logits, weights: Array, rows: slice) -> Sums:
        """Sum over the rows of 2M members, and the loss at T = 1."""
        outcomes, u = self.evidence.outcomes.take(rows), self.evidence.weight[rows]
        s = float(weights.sum())
        by = 0.0 if s <= 0 or s == 1 else 1 / s
        found = fused.log_sums(members, weights, outcomes.classes, u, soft=outcomes.soft, by=by)
        assert found.gradient is not None
        assert found.reach is not None
        assert found.curvature is not None
        derivatives = found.gradient, found.curvature, found.reach
        untempered = found.rescaled if by > 0 else np.nan
        return Sums(found.value, *derivatives, untempered, found.rounding)

    def _members(self, x: Array, arrays: Logits, rows: slice, into: Logits | None) -> Logits:
        """Return ``ln(1 + e^a)`` of every model, then every q."""
        m = len(arrays)
        room: list[Any] = [None] * (2 * m) if into is None else into
        made = [above_floor(z, θ, own) for z, θ, own in zip(arrays, x[m:], room, strict=False)]
        more = [one_and_more(a, own) for a, own in zip(made, room[m:], strict=True)]
        for a, own in zip(made, more, strict=True):
            rectified(a, own)
            np.reciprocal(own, out=own)
        self._share(x[:m], made, more, rows)
        return [*made, *more]

    def _share(self, v: Array, made: Logits, more: Logits, rows: slice) -> None:
        """Replace members in rows that not all models answered: ``ℓ' = ℓ̄ + (s m/S)(ℓ − ℓ̄)``."""
        if self.attendance is None:
            return
        here = self.attendance[:, rows]
        some = np.flatnonzero(~here.all(axis=0))
        if not len(some):
            return
        w, share, _ = answering(v, here[:, some], len(some))
        share *= v.sum()

        def of_some(member: NDArray[Any], answered: NDArray[np.bool_]) -> Array:
            return np.where(answered[some, None], member[some], 0.0).astype(np.float64)

        mean = sum(
            own[:, None] * of_some(member, answered)
            for own, member, answered in zip(w, made, here, strict=True)
        )
        for member, q, scale, answered in zip(made, more, share, here, strict=True):
            apart = of_some(member, answered) - mean
            member[some] = mean + scale[:, None] * apart
            q[some] = scale[:, None] * of_some(q, answered)
