"""OpinionPool: the pool as a layer, over logits of shape (M, …, K)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...options import checked_temperature, is_word, named_rule
from ...weightings.given import normalised_weights
from . import pooling
from .treatment import Treatment

if TYPE_CHECKING:
    from ...pool import Pool


class OpinionPool(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Pool of several models' logits, with weights that are learned or given.

    Parameters
    ----------
    n_models
        M.
    rule
        ``"log"``, the weighted mean of log-probabilities through a softmax, or ``"linear"``.
    temperature
        ``"fit"``, a parameter that starts at T = 1, or a given T > 0.
    weights
        Where the weights start, M numbers ≥ 0, normalised; None is equal. A weight that starts
        at exactly 0 stays there.
    parametrisation
        ``"softmax"``: ``w = softmax(a)``, ``T = exp(t)``. ``"softplus"``: ``w/T = softplus(a)``,
        one number per model for both; with a given temperature, or under the linear rule,
        ``w = softplus(a)/Σ softplus(a)``.
    dtype
        Of the parameters; None is PyTorch's default.

    Attributes
    ----------
    weights
        (M,) tensor, ≥ 0, sum one; gradients flow through it.
    temperature
        () tensor, T.

    Raises
    ------
    InputError
        For a rule, temperature, weights or shapes that cannot be.

    Examples
    --------
    >>> import pytest; torch = pytest.importorskip("torch")
    >>> from opinionpool.integrations.torch import OpinionPool
    >>> pool = OpinionPool(3, temperature=1.0, weights=[.4, .35, .25])
    >>> z = torch.tensor([[[2, 1, .5]], [[1.5, 2.5, 0]], [[.8, 1.2, 2]]])
    >>> [round(p, 4) for p in pool.probabilities(z)[0].tolist()]
    [0.4017, 0.4223, 0.176]

    References
    ----------
    Heskes, "Selecting weighting factors in logarithmic opinion pools", NIPS 1997.
    """

    def __init__(
        self,
        n_models: int,
        rule: str = "log",
        temperature: float | Literal["fit"] = "fit",
        *,
        weights: Sequence[float] | None = None,
        parametrisation: Literal["softmax", "softplus"] = "softmax",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if isinstance(n_models, bool) or not isinstance(n_models, int) or n_models < 1:
            raise InputError(f"n_models: found {n_models!r}, expected a whole number ≥ 1")
        if parametrisation not in ("softmax", "softplus"):
            raise InputError(
                f"parametrisation: found {parametrisation!r}, expected 'softmax' or 'softplus'"
            )
        self.rule, self.n_models = named_rule(rule).name, n_models
        self.parametrisation = parametrisation
        w = normalised_weights(weights, tuple(f"m{i}" for i in range(n_models)))
        with np.errstate(divide="ignore"):
            free = np.log(w) if parametrisation == "softmax" else np.log(np.expm1(w))
        self.free = nn.Parameter(torch.tensor(free, dtype=dtype))
        fitted = is_word(temperature, "fit")
        T = 1.0 if fitted else checked_temperature(temperature, fitted=True)
        #: Whether Σ softplus(a) is 1/T itself.
        self.joint = fitted and rule == "log" and parametrisation == "softplus"
        log_temperature = torch.tensor(math.log(T), dtype=dtype)
        if fitted and not self.joint:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer("log_temperature", None if self.joint else log_temperature)
        self.treatment = Treatment()
        self.source: Pool | None = None

    @property
    def weights(self) -> Tensor:
        """The weights (M,)."""
        return self._weights(self.free)[0]

    @property
    def temperature(self) -> Tensor:
        """The temperature T, ()."""
        return 1 / self._weights(self.free)[1]

    def forward(
        self, z: Tensor, present: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """Pool logits, or log-probabilities, into log-probabilities.

        Parameters
        ----------
        z
            (M, …, K), K ≥ 2; −inf is an exact zero. Probabilities p come in as ``log p``.
        present
            (M, …) booleans, which models answered which rows; None if all did. What absent
            models hold is never looked at; without it a NaN is a NaN.
        confidence
            (M, …) scores in [0, 1], for a module made from a pool that was fitted with some.

        Returns
        -------
        (…, K) log-probabilities
            In float32, for float64 input in float64. A row that :meth:`Pool.apply` would refuse
            (every class ruled out, an absent output where the policy is ``"error"``) is NaN.
        """
        if z.ndim < 2 or z.shape[0] != self.n_models:
            raise InputError(
                f"z: found shape {tuple(z.shape)}, expected ({self.n_models}, …, K): one array of "
                "logits per model"
            )
        if z.shape[-1] < 2:
            raise InputError(
                f"z: found {z.shape[-1]} outcome(s) in the last axis, whose softmax is constant; "
                "expected at least two: torch.stack([torch.zeros_like(h), h], -1) for one logit h"
            )
        if present is not None:
            if tuple(present.shape) != tuple(z.shape[:-1]):
                raise InputError(
                    f"present: found shape {tuple(present.shape)}, expected {tuple(z.shape[:-1])}"
                )
            present = present.bool()
            z = torch.where(present[..., None], z, 0.0)  # no zeros there, so no vetoes either
        log_p = pooling.log_softmax(pooling.wide(z))
        log_p, here = self.treatment.before(log_p, present)
        w, beta = self._weights(self.free.to(log_p.dtype))
        m = self.treatment.shares(log_p, here, confidence)
        w, alive = pooling.answering(w, m, log_p.ndim - 2)
        if self.rule == "log":
            vetoing = torch.ones_like(w, dtype=torch.bool) if self.treatment.closure else w > 0
            pooled = pooling.log_pool(log_p, w, vetoing)
        else:
            pooled = pooling.linear_pool(log_p, w)
        return self.treatment.after(pooling.tempered(pooled, beta), alive, present)

    def probabilities(
        self, z: Tensor, present: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """Return the pooled probabilities (…, K); arguments as for calling the module."""
        return torch.exp(self(z, present, confidence))

    @classmethod
    def from_pool(cls, pool: Pool, *, dtype: torch.dtype | None = None) -> OpinionPool:
        """Return the module of a fitted pool of classes; see :func:`.convert.from_pool`."""
        from .convert import from_pool

        return from_pool(cls, pool, dtype)

    def to_pool(
        self, models: Sequence[str] | None = None, classes: Sequence[Any] | None = None
    ) -> Pool:
        """Return a pool with the weights as they are now; see :func:`.convert.to_pool`."""
        from .convert import to_pool

        return to_pool(self, models, classes)

    def extra_repr(self) -> str:
        """Say what ``print`` shows."""
        return f"{self.n_models}, rule={self.rule!r}, parametrisation={self.parametrisation!r}"

    def _weights(self, free: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights (M,) and 1/T, ()."""
        if self.parametrisation == "softmax":
            w = torch.softmax(free, dim=0)
        else:
            v = nn.functional.softplus(free)
            s = v.sum()
            if self.joint:
                return v / s, s
            w = v / s
        return w, torch.exp(-self.log_temperature.to(free.dtype))
