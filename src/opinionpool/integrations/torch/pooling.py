"""Pools of tensors: log-probabilities (M, …, K) in, pooled scores (…, K) out (maths.md §2, §6).

Everything is a fixed sequence of tensor operations, without a look at values, so it compiles and
differentiates. ``torch.where`` takes exact zeros and absences out *before* the arithmetic: taken
out after it, their gradients would be 0·∞.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: As in rules/evidence.py: a row in which nobody is sure still has a pool.
LEAST_CONFIDENCE = 1e-9


def wide(z: Tensor) -> Tensor:
    """Return float32 for half precision, which has too few digits to add up in."""
    return z if z.dtype in (torch.float32, torch.float64) else z.float()


def log_softmax(z: Tensor) -> Tensor:
    """Return normalised log-probabilities; −inf stays."""
    return torch.log_softmax(z, dim=-1)


def answering(w: Tensor, m: Tensor | None, n_axes: int) -> tuple[Tensor, Tensor | None]:
    """Return weights renormalised over who answered, and which rows (…) somebody answers.

    ``w`` is (M,), ``m`` (M, …) the share of its weight each model has in a row (maths.md §6).
    """
    w = w.reshape(-1, *(1,) * n_axes)
    if m is None:
        return w, None
    mass = (w * m).sum(dim=0)
    alive = mass > 0
    return w * m / torch.where(alive, mass, 1.0), alive


def log_pool(log_p: Tensor, w: Tensor, vetoing: Tensor) -> Tensor:
    """Return ``Σ w_α ℓ_α``, −inf where one of the ``vetoing`` models (M, …) has probability 0."""
    zero = torch.isneginf(log_p)
    z = (w[..., None] * torch.where(zero, 0.0, log_p)).sum(dim=0)
    return torch.where((zero & vetoing[..., None]).any(dim=0), -math.inf, z)


def linear_pool(log_p: Tensor, w: Tensor) -> Tensor:
    """Return ``log Σ w_α p_α``, from the largest term that counts: nothing underflows."""
    some = w > 0
    log_w = torch.where(some, torch.log(torch.where(some, w, 1.0)), -math.inf)
    terms = log_w[..., None] + log_p
    top = terms.detach().amax(dim=0)
    top = torch.where(torch.isneginf(top), 0.0, top)
    total = torch.exp(terms - top).sum(dim=0)
    possible = total > 0
    return torch.where(possible, torch.log(torch.where(possible, total, 1.0)) + top, -math.inf)


def tempered(z: Tensor, beta: Tensor) -> Tensor:
    """Return ``log softmax(βz)``; −inf stays, also at β = 0."""
    zero = torch.isneginf(z)
    return log_softmax(torch.where(zero, -math.inf, beta * torch.where(zero, 0.0, z)))


def floored(log_p: Tensor, floors: Tensor) -> Tensor:
    """Raise cells below ε to ε and renormalise; ``floors`` broadcasts, 0 leaves cells alone."""
    some = floors > 0
    raised = torch.maximum(log_p, torch.log(torch.where(some, floors, 1.0)))
    return torch.where(some, log_softmax(raised), log_p)


def mixed(log_p: Tensor, floors: Tensor) -> Tensor:
    """Mix with the uniform, ``ln((1 − ε) p + ε/K)``."""
    some = floors > 0
    e = torch.where(some, floors, 0.5)
    return torch.where(
        some, torch.logaddexp(torch.log1p(-e) + log_p, torch.log(e / log_p.shape[-1])), log_p
    )


def certainty(log_p: Tensor) -> Tensor:
    """Return ``1 − H/ln K`` of each distribution: 1 for a certainty, 0 for the uniform."""
    finite = torch.where(torch.isneginf(log_p), 0.0, log_p)
    return 1 + (torch.exp(log_p) * finite).sum(dim=-1) / math.log(log_p.shape[-1])


def attendance(confidence: Tensor, gamma: float, present: Tensor | None) -> Tensor:
    """Return ``m c^γ``, what counts of each model's weight in each row."""
    c = torch.where(torch.isnan(confidence), 0.0, confidence)
    m = torch.clamp(c, min=LEAST_CONFIDENCE) ** gamma
    return m if present is None else torch.where(present, m, 0.0)
