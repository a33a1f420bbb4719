"""Treatment: what a fitted pool does to its inputs before pooling, and to its result after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...vetoes import auto_floor
from . import pooling

if TYPE_CHECKING:
    from ...pool import Pool


class Treatment(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Floors, own temperatures, missing outputs, confidence, vector scaling.

    Made from a pool, or without one: then exact zeros veto, absent models are left out and a
    row that nobody answered is uniform.
    """

    def __init__(self, pool: Pool | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        s = None if pool is None else pool.settings
        self.missing = "renormalise" if s is None else s.missing
        self.fallback = "uniform" if s is None else s.fallback
        self.closure = False if s is None else s.closure
        self.mixed = s is not None and s.floor == "learned"
        self.gamma = (None if pool is None else pool.gamma) or 0.0
        self.scored = s is not None and s.confidence is not None
        # floor="auto" and no zeros when it was fitted: rows with the first ones are floored.
        self.watch = pool is not None and pool.rule == "log" and s is not None and s.floor == "auto"
        self.watch = self.watch and pool is not None and not pool.floors.any()
        policy = None if pool is None else pool.policy
        found = {
            "floors": None if pool is None or not pool.floors.any() else pool.floors,
            "betas": None if policy is None else policy.betas,
            "prior": None if pool is None else pool.prior,
            "vector": None if pool is None else pool.vector,
        }
        for name, values in found.items():
            buffer = None if values is None else torch.tensor(values, dtype=dtype)
            self.register_buffer(name, buffer, persistent=False)

    def before(self, log_p: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Floor, temper and fill in (M, …, K) log-probabilities."""
        shape = (-1, *(1,) * (log_p.ndim - 1))
        if self.watch:
            rows = torch.isneginf(log_p).any(dim=-1).any(dim=0)[..., None]
            epsilon = torch.tensor(auto_floor(log_p.shape[-1]), device=log_p.device)
            log_p = torch.where(rows, pooling.floored(log_p, epsilon.to(log_p.dtype)), log_p)
        if self.floors is not None:
            floors = self.floors.to(log_p.dtype).reshape(shape)
            log_p = (pooling.mixed if self.mixed else pooling.floored)(log_p, floors)
        if self.betas is not None:
            log_p = pooling.tempered(log_p, self.betas.to(log_p.dtype).reshape(shape))
        if present is not None and self.missing == "prior":
            return torch.where(present[..., None], log_p, self.log_prior(log_p)), None
        return log_p, present

    def shares(
        self, log_p: Tensor, present: Tensor | None, confidence: Tensor | None
    ) -> Tensor | None:
        """Return the share of its weight that each model has in each row, None for all of it."""
        if self.scored and confidence is None:
            raise InputError("confidence: this pool follows scores of its rows: pass them, (M, …)")
        if confidence is not None and not self.scored:
            raise InputError("confidence: this pool was made without scores")
        if self.gamma == 0:
            return None if present is None else present.to(log_p.dtype)
        c = pooling.certainty(log_p) if confidence is None else confidence.to(log_p.dtype)
        return pooling.attendance(c, self.gamma, present)

    def after(self, log_p: Tensor, alive: Tensor | None, present: Tensor | None) -> Tensor:
        """Scale classes, and answer for rows that nobody answered; refused rows are NaN."""
        if self.vector is not None:
            a, b = self.vector.to(log_p.dtype)
            log_p = pooling.log_softmax(a * log_p + b)
        if alive is not None:
            if self.fallback == "uniform":
                fallback = pooling.log_softmax(torch.zeros_like(log_p))
            elif self.fallback == "prior":
                fallback = self.log_prior(log_p).expand_as(log_p)
            else:
                fallback = torch.full_like(log_p, torch.nan)
            log_p = torch.where(alive[..., None], log_p, fallback)
        if present is not None and self.missing == "error":
            log_p = torch.where(present.all(dim=0)[..., None], log_p, torch.nan)
        return log_p

    def log_prior(self, like: Tensor) -> Tensor:
        """Return the classes' log-frequencies (K,)."""
        return torch.log(self.prior).to(like.dtype)
