"""Models' losses with the difficulty of their rows removed, and the programme on them.

Models that answered different rows, as out-of-bag predictions do, cannot be compared by their mean
losses: one of them had the harder rows. So losses are fitted two-way, ``L_nα = a_n + b_α``, by
weighted least squares over the outputs that are present; the rows' effects drop out (maths.md §5,
*Bias*):

    Q = Σ_n u_n [diag(m_n) − m_n m_nᵀ/|m_n|],   b = Q⁺ Σ_n u_n m_n ⊙ (L_n − mean_n),

with the covariance ``Cov b = Q⁺ (Σ u_n² e_n e_nᵀ) Q⁺``, e the residuals (White 1980: no assumption
on their variances). Effects are known up to a constant, which weights that sum to one do not feel,
if and only if the graph of rows and models is connected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..rules.evidence import Evidence
from .base import Choice, Task, Weighting, fixed
from .heskes import DRAWS, Programme

Array = NDArray[np.float64]

#: Eigenvalues of Q below this share of the largest are zero: one for each connected part.
_SINGULAR = 1e-10


class Balancing(Weighting):
    """Heskes' quadratic programme on two-way effects: for models that answered different rows.

    With every output present it is the programme on mean losses, ``"heskes"``.

    Parameters
    ----------
    warns
        Whether to say where the programme had to be repaired, as nearly always where pairs of
        models meet in few rows.
    """

    name = "balancing"
    rules = frozenset({"log"})
    needs_positive = True

    def __init__(self, *, warns: bool = True) -> None:
        self.warns = warns

    def choose(self, task: Task) -> Choice:
        """Solve the programme once; the temperature is fitted afterwards."""
        effects, _ = two_way_effects(task.evidence)
        return fixed(self.programme(task).weights(effects), 1)

    def programme(self, task: Task) -> Programme:
        """Return the programme of these rows."""
        if self.warns:
            return Programme.of(self.name, task)
        e = task.evidence
        return Programme(e.family.mean_divergences(e.parameters, e.weight, e.present))


class BalancingResampled(Balancing):
    """The programme averaged over what the effects may be, given their covariance."""

    name = "balancing-resampled"
    stochastic = True

    def choose(self, task: Task) -> Choice:
        """Solve for draws of the effects."""
        effects, errors = two_way_effects(task.evidence)
        programme = self.programme(task)
        rng = np.random.default_rng(task.seed)
        draws = effects + rng.standard_normal((DRAWS, errors.shape[1])) @ errors.T
        return fixed(np.mean([programme.weights(draw) for draw in draws], axis=0), DRAWS)


class Bumping(Weighting):
    """All weight on the model of least effect (Tibshirani & Knight 1999), the first on ties.

    With every output present it is the best single model, ``"single"``.
    """

    name = "single"

    def choose(self, task: Task) -> Choice:
        """Return a one-hot weight."""
        effects, _ = two_way_effects(task.evidence)
        weights = np.zeros(len(effects))
        weights[np.argmin(effects)] = 1.0
        return fixed(weights, 1)


def two_way_effects(evidence: Evidence) -> tuple[Array, Array]:
    """Return each model's effect on the loss, (M,), and each row's part in its error, (M, N).

    Effects sum to 0; their covariance is ``errors @ errors.T``.

    Raises
    ------
    InputError
        Where models cannot be compared: no chain of rows answered in common connects them.
    """
    nll = -evidence.log_likelihood()
    m = np.ones_like(nll) if evidence.present is None else evidence.present.astype(np.float64)
    u, count = evidence.weight, m.sum(axis=0)
    share = m * (u / np.maximum(count, 1.0))
    Q = np.diag(m @ u) - share @ m.T
    centred = _centred(nll, m, count)
    spectrum, vectors = np.linalg.eigh(Q)
    kept = spectrum > _SINGULAR * max(float(spectrum.max()), 1e-300)
    if (~kept).sum() > 1:
        raise InputError(
            f"two-way effects: the {len(m)} models fall into {int((~kept).sum())} groups without "
            "a row that two of them answered; such models cannot be compared"
        )
    inverse = (vectors[:, kept] / spectrum[kept]) @ vectors[:, kept].T
    effects = inverse @ (centred @ u)
    residual = centred - _centred(np.broadcast_to(effects[:, None], m.shape), m, count)
    return effects, inverse @ (u * residual)


def _centred(values: Array, m: Array, count: Array) -> Array:
    """Return values less their row's mean over the models present, 0 where absent."""
    mean = (m * values).sum(axis=0) / np.maximum(count, 1.0)
    return np.asarray(m * (values - mean))
