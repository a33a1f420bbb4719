"""What a pool does to its members before it pools them: floors, their own temperatures, the prior.

Of log-probabilities in plain NumPy, and of logits in few operations per cell: a floor of ε is
``max(z, log Σ exp z + log ε)`` there, which need not be normalised again (maths.md §2). A learned
one takes an exponential and a logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import CATEGORICAL, Family
from .families.floors import floored_logits, log_odds, mixed_logits, raise_floors
from .families.lazy import Lazy, Mapped
from .families.logits import Logits, tempered_logits
from .families.mixed import Mixed
from .kernels import fused
from .policies import Policy

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Treatment:
    """What is done to the members' distributions.

    Attributes
    ----------
    policy
        Floors, temperatures and the prior.
    family
        Of the distributions.
    present
        (M, N) whose absences the prior fills, None where it fills none.
    large
        As for :class:`~opinionpool.predictions.Predictions`.
    """

    policy: Policy
    family: Family
    present: NDArray[np.bool_] | None
    large: bool = False

    @property
    def needed(self) -> bool:
        """Whether anything is done at all."""
        return self.present is not None or self.policy.treats_members

    def parameters(self, block: Array, rows: Any = slice(None)) -> Array:
        """Return what becomes of parameters (M, n, P)."""
        policy = self.policy
        block = raise_floors(block, policy.floors, mix=policy.mixed)
        if policy.betas is not None:
            betas = policy.betas.tolist()
            block = np.stack([self._tempered(own, b) for own, b in zip(block, betas, strict=True)])
        if self.present is None:
            return block
        return np.where(self.present[:, rows, None], block, self.prior)

    def logits(
        self,
        arrays: Logits,
        rows: Any,
        into: Logits | None = None,
        shares: Sequence[bool] | None = None,
    ) -> Logits:
        """Return the logits that M arrays (n, K) become, NaN where absent.

        They are logits, or probabilities where ``shares`` says so.
        """
        room = [np.empty_like(x) for x in arrays] if into is None else into
        for a, (x, out) in enumerate(zip(arrays, room, strict=True)):
            self._write(out, a, x, rows, share=shares is not None and shares[a])
        return room

    def lazily(self, lazy: Lazy) -> Mapped:
        """Return what becomes of parameters that are read block by block."""
        floors, betas = self.policy.floors, self.policy.betas
        m, _, k = lazy.shape
        own = Mixed(lazy, self.parameters, m, self.logits)
        factors = np.ones(len(floors)) if betas is None else betas
        if self.present is None:  # else the prior's zeros and its spread count too
            floored = bool((floors > 0).all())
            own.zeros = 0 if lazy.zeros == 0 or floored else None
            own.spread = lazy.spread
            if floored:  # log-probabilities are 0 at most, and ln ε (mixed: ln ε/K) at least
                lowest = -np.log(floors / k if self.policy.mixed else floors)
                own.spread = lowest if lazy.spread is None else np.minimum(lazy.spread, lowest)
            own.spread = None if own.spread is None else own.spread * factors
        if lazy.checksums is not None:
            same = zip(lazy.checksums, floors.tolist(), factors.tolist(), strict=True)
            own.checksums = tuple(same)
        return own

    @property
    def prior(self) -> Array:
        """The parameters of who is absent, (P,)."""
        assert self.policy.prior is not None
        return self.family.from_shown(self.policy.prior)

    def _tempered(self, own: Array, beta: float) -> Array:
        """Return a model's parameters (n, P), tempered."""
        quick = self.large and self.family is CATEGORICAL and fused.compiled()
        if not quick or beta == 1 or beta <= 0:
            return self.family.tempered(own, beta)
        return fused.apply([own], np.array([beta]), log=True)[0]  # the pool of one model

    def _write(self, out: NDArray[Any], a: int, x: NDArray[Any], rows: Any, *, share: bool) -> None:
        """Write what becomes of a model's logits, or probabilities, which may be there already."""
        epsilon, betas = self.policy.floors[a], self.policy.betas
        if self.policy.mixed:
            x = fused.logarithms(x, out) if share else x
            x = mixed_logits(x, log_odds(epsilon), out)
        elif share:
            x = fused.logarithms(x, out, floor=epsilon)
        elif epsilon > 0:
            x = floored_logits(x, epsilon, out)
        if betas is not None:
            x = tempered_logits(x, x.dtype.type(betas[a]), out)
        if x is not out:
            out[:] = x
        if self.present is not None:
            np.copyto(out, self.prior, where=~self.present[a, rows, None], casting="same_kind")
