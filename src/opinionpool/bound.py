"""A pool made ready for one row at a time: decoding loops, services.

``Pool.apply`` reads, checks and aligns whatever it is given. Where the outputs are known to be
right (they come from the same code every time) that is most of the work; here it is left out.

So is what ``floor="auto"`` does to zeros that the fit had not met: who masks a class with −inf in a
decoding loop means it. Floors that the pool was fitted with are applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, MissingOutputError
from .families.floors import floored, mixed
from .families.logits import tempered_logits
from .maths.plain_numpy import xp
from .maths.softmax import log_sigmoid, log_softmax
from .weightings.vector_scaling import apply_vector

Array = NDArray[np.float64]
Outputs = Sequence[Any] | NDArray[Any]


class BoundPool:
    """Pools outputs that are trusted: ``bound([z_a, z_b, z_c])``.

    Parameters
    ----------
    pool
        A fitted :class:`~opinionpool.pool.Pool` of classes.

    Raises
    ------
    InputError
        For pools whose weights follow confidence, and for pools that are not of classes.

    Examples
    --------
    >>> import numpy as np, opinionpool as op
    >>> a = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]])
    >>> pool = op.fit({"a": a, "b": a[:, ::-1]}, [0, 2], weighting=[0.75, 0.25], temperature=1.0)
    >>> pool.bind()([a[0], a[0, ::-1]]).round(3)
    array([0.506, 0.307, 0.186])
    """

    def __init__(self, pool: Any) -> None:
        if pool.family != "categorical":
            raise InputError(f"bind: for pools of classes, found family={pool.family!r}: use apply")
        if pool.gamma:
            raise InputError("bind: the weights of this pool follow confidence: use apply")
        self.models, self.n_classes = pool.models, len(pool.classes)
        self._log = pool.rule == "log"
        policy = pool.policy
        betas = np.ones(len(pool.models)) if policy.betas is None else policy.betas
        # Under the log rule what normalises a model cancels, so its temperature is a factor.
        self._factors = pool.weights * betas if self._log else pool.weights
        self._betas = np.ones_like(betas) if self._log else betas
        self._weights, self._beta = pool.weights, pool.inverse_temperature
        self._missing, self._policy = pool.settings.missing, policy
        self._plain = self._log and not policy.floors.any()
        counting = (pool.weights > 0) | (policy.closure and self._log)
        self._counting: list[int] = np.flatnonzero(counting).tolist()
        self._logits = [
            _converter(pool.kinds[i], float(policy.floors[i]), policy.mixed, self._log)
            for i in range(len(pool.models))
        ]
        first = set(pool.kinds)
        self._straight = (
            self._plain
            and first <= {"logits"}
            and not policy.closure
            and policy.vector is None
            and len(self._counting) == len(pool.models)
        )
        self._v = np.ascontiguousarray(self._factors * self._beta)

    def __call__(self, outputs: Outputs, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Pool the outputs of all models.

        Parameters
        ----------
        outputs
            One array (..., K) per model, in the order of ``pool.models`` and of
            ``pool.classes``, of the kind the pool was fitted on; or all in one (M, ..., K) array.
            None for a model that has no output: where the pool renormalises over missing ones.
            A class with −inf, or probability 0, in a model that counts has none in the result of
            the log rule, unless the pool was fitted with a floor: ``apply`` raises zeros that it
            meets first, for ``floor="auto"``.
        out
            Where to put the result, (..., K).

        Returns
        -------
        (..., K) probabilities
        """
        if len(outputs) != len(self.models):
            raise InputError(f"bind: found {len(outputs)} outputs for {len(self.models)} models")
        if self._straight and isinstance(outputs, np.ndarray) and outputs.ndim == 2:
            z = self._v @ outputs
        else:
            z = self._log_pool(outputs)
        z -= z.max(axis=-1, keepdims=True)
        p = np.exp(z, out=z)
        p /= p.sum(axis=-1, keepdims=True)
        if out is None:
            return np.asarray(p)
        out[...] = p
        return out

    def _log_pool(self, outputs: Outputs) -> Array:
        """Return pooled log-probabilities, not normalised."""
        share = 1.0
        if any(outputs[i] is None for i in range(len(self.models))):
            share = self._share(outputs)
        terms = ((i, self._logits[i](outputs[i])) for i in self._counting if outputs[i] is not None)
        z = self._of_logs(terms, share) if self._log else self._of_shares(terms, share)
        if self._policy.vector is not None:
            z = apply_vector(np.asarray(log_softmax(z, xp=xp)), self._policy.vector)
        return z

    def _of_logs(self, terms: Any, share: float) -> Array:
        z: Array | None = None
        impossible: NDArray[np.bool_] | None = None
        for i, log_p in terms:
            factor = self._factors[i] * share * self._beta
            zero = np.isneginf(log_p)
            if zero.any():
                log_p = np.where(zero, 0.0, log_p)
                impossible = zero if impossible is None else impossible | zero
            z = factor * log_p if z is None else z + factor * log_p
        assert z is not None
        return z if impossible is None else np.where(impossible, -np.inf, z)

    def _of_shares(self, terms: Any, share: float) -> Array:
        p: Array | None = None
        for i, log_p in terms:
            if self._betas[i] != 1:
                log_p = np.asarray(log_softmax(log_p, beta=float(self._betas[i]), xp=xp))
            own = self._factors[i] * share * np.exp(log_p)
            p = own if p is None else p + own
        assert p is not None
        with np.errstate(divide="ignore"):
            return np.log(p) if self._beta == 1 else tempered_logits(np.log(p), self._beta)

    def _share(self, outputs: Outputs) -> float:
        """Return what the weights of those who answered are to be multiplied with."""
        if self._missing != "renormalise":
            raise MissingOutputError(
                f"bind: a model has no output, and the pool was fitted with missing="
                f"{self._missing!r}: use apply"
            )
        mass = math.fsum(w for w, z in zip(self._weights, outputs, strict=True) if z is not None)
        if mass == 0:
            raise MissingOutputError("bind: no model with weight has an output: use apply")
        return 1 / mass


def _converter(kind: str | None, floor: float, mix: bool, plain: bool) -> Callable[[Any], Array]:
    """Return what turns a model's outputs (..., K) into log-probabilities.

    Where the rule does not care (``plain``) and nothing is floored, logits stay logits.
    """

    def converted(values: Any) -> Array:
        z = np.asarray(values, dtype=np.float64)
        if z.ndim and z.shape[-1] == 1:
            z = _two(z, kind)
        elif kind == "probabilities":
            with np.errstate(divide="ignore"):
                z = np.log(z)
        if kind == "logits" and not (plain and floor == 0):
            z = np.asarray(log_softmax(z, xp=xp))
        if floor:
            z = mixed(z, floor) if mix else floored(z, floor)
        return z

    return converted


def _two(column: Array, kind: str | None) -> Array:
    """Return log-probabilities of two classes from those of the second."""
    with np.errstate(divide="ignore"):
        if kind == "probabilities":
            return np.concatenate([np.log1p(-column), np.log(column)], axis=-1)
        if kind == "log-probabilities":
            return np.concatenate([np.log(-np.expm1(column)), column], axis=-1)
    return np.asarray(log_sigmoid(np.concatenate([-column, column], axis=-1), xp=xp))
