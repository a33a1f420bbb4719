"""Heskes' quadratic programme: weights from pairwise divergences (Heskes 1998, eq. 5).

The loss of a log pool is approximately ``Σ w_α K_α − ¼ Σ w_α w_β J_αβ`` with K the models' own
losses and J their symmetric divergences, exact for Gaussians of common variance. With estimated K
and J the programme is indefinite in general. It is repaired around the uniform weights, whose
value and slope are kept: ``w = u + t``, ``G = −½ C J C`` with C the centring matrix, replaced by
its positive semi-definite part (maths.md §5). The programme can lose to the uniform; the exact
objective (``"optimal"``) cannot, on the same rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, warn
from ..families.lazy import Lazy, logits_in
from ..kernels.fused import survey
from ..rules.evidence import Evidence
from ..rules.fused import FusedLogBlock
from ..solvers.feasible import FeasibleSet
from ..solvers.quadratic import newton_step
from .base import Choice, Task, Weighting, fixed

Array = NDArray[np.float64]

#: Draws of the estimated losses (Heskes' resampling; maths.md §5).
DRAWS = 20
#: Tangent eigenvalues this far below 0, relative to the largest, are more than rounding.
_INDEFINITE = 1e-9


class Heskes(Weighting):
    """The programme with the estimates as they are."""

    name = "heskes"
    rules = frozenset({"log"})
    needs_positive = True
    by_blocks = True

    def choose(self, task: Task) -> Choice:
        """Solve the programme once; the temperature is fitted afterwards."""
        losses, _ = estimated_losses(task.evidence)
        return fixed(Programme.of(self.name, task).weights(losses), 1)


class HeskesResampled(Weighting):
    """The programme averaged over what the losses may be, given how few rows estimate them."""

    name = "heskes-resampled"
    rules = frozenset({"log"})
    needs_positive = True
    by_blocks = True
    stochastic = True

    def choose(self, task: Task) -> Choice:
        """Solve for draws of the losses with the joint covariance of their estimates."""
        losses, errors = estimated_losses(task.evidence)
        programme = Programme.of(self.name, task)
        rng = np.random.default_rng(task.seed)
        # One normal number per row: the draws then have the joint covariance of the estimates,
        # whatever the order of the models.
        draws = losses + rng.standard_normal((DRAWS, errors.shape[1])) @ errors.T
        weights = np.mean([programme.weights(draw) for draw in draws], axis=0)
        return fixed(weights, DRAWS)


class Programme:
    """``min (K − ½ J u)·t + ½ tᵀG₊t`` over ``u + t`` in the simplex."""

    def __init__(self, divergences: Array) -> None:
        m = len(divergences)
        centring = np.eye(m) - 1 / m
        spectrum, vectors = np.linalg.eigh(-0.5 * centring @ divergences @ centring)
        #: The most negative tangent curvature that had to be removed, 0 if none.
        self.removed = min(0.0, float(spectrum.min()))
        if self.removed > -_INDEFINITE * max(spectrum.max(), 1e-300):
            self.removed = 0.0
        self.curvature = (vectors * np.maximum(spectrum, 0.0)) @ vectors.T
        self.slope = -0.5 * divergences.mean(axis=1)

    @classmethod
    def of(cls, name: str, task: Task) -> Programme:
        """Build the programme from evidence, and say so where it had to be repaired."""
        evidence = task.evidence
        if _has_zeros(evidence):
            raise InputError(
                f"weighting={name!r}: exact zeros make divergences infinite; use a floor"
            )
        apart = _strangers(task.evidence)
        if apart is not None:
            raise InputError(
                f"weighting={name!r}: models {apart[0]} and {apart[1]} (counted from 0) never "
                "answered the same row, so their divergence is unknown"
            )
        programme = cls(divergences(evidence))
        if programme.removed:
            warn(
                f"weighting={name!r}: the programme is not convex (tangent eigenvalue "
                f"{programme.removed:.3g}) and was repaired around equal weights"
            )
        return programme

    def weights(self, losses: Array) -> Array:
        """Solve for given losses K."""
        m = len(losses)
        simplex = FeasibleSet(m)
        u = simplex.start()
        return simplex.tidy(u + newton_step(u, losses + self.slope, self.curvature, simplex))


def divergences(evidence: Evidence) -> Array:
    """Return the mean symmetric divergence J of each pair of models, (M, M).

    Of rows that are read by blocks, from the slopes of the log rule's loss L where one model e_α
    has all the weight: J is the symmetric Bregman divergence of E log Z, which L is up to a linear
    term, ``J_αβ = ⟨∇L(e_α) − ∇L(e_β), e_α − e_β⟩``; each ``∂_α L(e_α) − ∂_β L(e_α)`` over the rows
    that both answered, since absent models follow the pool.
    """
    present, weight = evidence.present, evidence.weight
    block = FusedLogBlock.of(evidence) if isinstance(evidence.parameters, Lazy) else None
    if block is None:
        return evidence.family.mean_divergences(evidence.parameters, weight, present)
    slopes = block.slopes(np.eye(evidence.n_models))
    steeper = np.diag(slopes)[:, None] - slopes
    here = np.ones((evidence.n_models, evidence.n_rows)) if present is None else present
    rows = (here * weight) @ np.asarray(here, dtype=np.float64).T
    return np.maximum((steeper + steeper.T) / np.where(rows > 0, rows, 1.0), 0.0)


def estimated_losses(evidence: Evidence) -> tuple[Array, Array]:
    """Return each model's mean loss on its rows, (M,), and each row's part in its error, (M, N).

    The estimates' covariance is ``errors @ errors.T``, that is
    ``Cov(K̂)_αβ = Σ_n u²_n m_nα m_nβ e_nα e_nβ / (n_α n_β)`` with e the centred losses.
    """
    nll = -evidence.log_likelihood()
    u = np.broadcast_to(evidence.weight, nll.shape)
    if evidence.present is not None:
        u = u * evidence.present
    n = u.sum(axis=1)
    mean = (u * nll).sum(axis=1) / n
    return mean, u * (nll - mean[:, None]) / n[:, None]


def _has_zeros(evidence: Evidence) -> bool:
    """Whether a model that answered ruled anything out; densities never do."""
    lazy = evidence.parameters
    if isinstance(lazy, Lazy):
        if lazy.zeros is not None:
            return lazy.zeros > 0
        asked = {"rows": False, "normalisers": False, "checksum": False}
        return any(
            survey(x, threads=evidence.threads, **asked).zeros > 0
            for _, arrays in logits_in(evidence.parameters, evidence.threads)
            for x in arrays
        )
    zeros = np.isneginf(evidence.parameters).any(axis=2)
    # What an absent output holds means nothing.
    return bool((zeros if evidence.present is None else zeros & evidence.present).any())


def _strangers(evidence: Evidence) -> tuple[int, int] | None:
    """Return two models that answered no common row, None if there are none such."""
    if evidence.present is None:
        return None
    here = evidence.present.astype(np.float64)
    apart = np.argwhere(here @ here.T == 0)
    return None if not len(apart) else (int(apart[0, 0]), int(apart[0, 1]))
