"""Pool: the fitted artefact. It pools new predictions, and is saved as plain JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from . import pool_file
from .bound import BoundPool
from .destination import checked_out
from .distributions import variance_of
from .errors import AlignmentError, InputError, MissingOutputError, Status
from .families import FAMILIES
from .families.mixture import Mixture
from .one_pass import pooled_at_once
from .policies import Policy, resolve_floor
from .pool_card import pool_card
from .pool_pieces import all_pieces
from .pooling import Pooled, pool_predictions, warn_of_fallback
from .predictions import Predictions, Reading, gather
from .predictions.classes import Label
from .predictions.confidence import GIVEN_SCORES, Scores
from .predictions.gather import Opened, opened, predictions_of
from .predictions.piecewise import Piecewise
from .resources import Memory, checked_threads, memory_budget
from .rules import RULES
from .settings import Settings

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Weights, temperature and everything needed to pool new predictions the same way.

    Attributes
    ----------
    models, classes
        Names, in the order of ``weights`` and of the columns of a result; no classes where the
        family has none.
    kinds
        What each model's numbers are (``"logits"``, …, for Gaussians ``"variance"`` or
        ``"std"``); None where it answered no row.
    rule, weighting
        ``"log"`` or ``"linear"``; how the weights were chosen.
    weights
        (M,) float64, ≥ 0, sum one.
    temperature
        T of the pool; 1.0 is none, inf the uniform.
    floors
        (M,) ε below which a model's probabilities were raised, 0 for none.
    loss, losses
        Negative log-likelihood in nats per row of the pool and of every model on the rows it
        answered, on the fitting rows and without any penalty; losses may be inf.
    gap
        Certificate: the penalised objective is at most this far above its minimum, nats per
        row. NaN where the problem is not convex.
    status
        How the fit ended; ``status.sentence`` says it in words.
    evaluations
        Evaluations of the objective on all rows that were needed.
    passes
        How often all rows were read for all of it: these, and where predictions are left in place
        the survey before and the summary after them. None for pools saved before it was counted.
    rows
        Counts: ``fitted``, ``unlabelled``, ``unpredicted``, ``with_missing``, ``fallback``.
    decomposition
        ``average_error``, ``ambiguity``, ``temperature_gain``: where the gain comes from.
    prior
        (K,) class frequencies, or mean and variance of the labels, where a policy needs them.
    fingerprint
        SHA-256 of names, classes, predictions, labels and weights that were fitted.
    family
        ``"categorical"``, ``"gaussian"`` or ``"variance"``.
    gamma
        Power of the models' confidence in each row's weights, None where it plays no part.
    model_temperatures
        (M,) temperatures of the models themselves, applied before pooling; None for none.
    vector
        (2, K) factors and offsets of the pooled log-probabilities, applied last; None for none.
    """

    models: tuple[str, ...]
    classes: tuple[Label, ...]
    kinds: tuple[str | None, ...]
    rule: str
    weighting: str
    weights: Array
    temperature: float
    floors: Array
    settings: Settings
    loss: float
    losses: Array
    gap: float
    status: Status
    evaluations: int
    rows: Mapping[str, int]
    decomposition: Mapping[str, float] = field(default_factory=dict)
    prior: Array | None = None
    fingerprint: str = ""
    family: str = "categorical"
    gamma: float | None = None
    model_temperatures: Array | None = None
    vector: Array | None = None
    passes: int | None = None

    @overload
    def apply(
        self,
        predictions: object,
        *,
        details: Literal[False] = False,
        confidence: Scores | None = None,
        out: NDArray[Any] | None = None,
        memory: Memory | None = None,
        threads: int | None = None,
    ) -> Any: ...
    @overload
    def apply(
        self,
        predictions: object,
        *,
        details: Literal[True],
        confidence: Scores | None = None,
        out: NDArray[Any] | None = None,
        memory: Memory | None = None,
        threads: int | None = None,
    ) -> tuple[Any, dict[str, Any]]: ...

    def apply(
        self,
        predictions: object,
        *,
        details: bool = False,
        confidence: Scores | None = None,
        out: NDArray[Any] | None = None,
        memory: Memory | None = None,
        threads: int | None = None,
    ) -> Any:
        """Pool new predictions of the same models.

        Parameters
        ----------
        predictions
            As for :func:`opinionpool.fit`: a mapping from model name to array, frame or path.
            A model may be left out unless ``missing="error"``: it then counts as missing.
        details
            Also return how many rows were touched: ``rows``, ``rows_with_missing``,
            ``rows_fallback``; and for Gaussians which ``variance`` the result has.
        confidence
            Scores of these rows, where the pool was fitted with some that were no column.
        out
            (N, K) array of float32 or float64 to write the result to, which is then returned
            whatever the inputs are: memory that was written to before is twice as quick as
            new. A mapped file will do. After an error it may hold anything.
        memory
            Bytes that predictions may take, a number or a text such as ``"1GB"``; files are
            then read block by block. The result is in memory all the same:
            :func:`opinionpool.write_pooled` writes it to a file instead.
        threads
            How many threads compiled kernels may use; None for as many as there are cores.

        Returns
        -------
        (N, K) probabilities
            Rows sum to one, columns in the order of ``classes``; in the array library or
            frame type of the first model's input, float32 if all inputs are. For Gaussians
            (N, 2) means and variances, for variances (N, 1): of the pooled Gaussian under the
            log rule, of the mixture under the linear rule (:meth:`distribution` has its
            quantiles). The two differ: where the models' means disagree, the mixture's
            variance grows and the log pool's does not.

        Raises
        ------
        InputError
            For models the pool does not know, other classes, numbers that are not of the
            kind that was fitted; one of its subclasses says which.

        Examples
        --------
        >>> import numpy as np, opinionpool as op
        >>> a, b = np.array([[2.0, 1, 0], [0, 1, 2]]), np.array([[1.0, 2, 0], [0, 2, 1]])
        >>> pool = op.fit({"a": a, "b": b}, [0, 2], temperature=1.0, weighting="uniform")
        >>> pool.apply({"a": a, "b": b}).round(3)
        array([[0.45, 0.45, 0.1 ],
               [0.1 , 0.45, 0.45]])
        """
        cores = checked_threads(threads)
        budget = memory_budget(memory)
        given: Opened | Piecewise
        if budget is None:
            given = opened(predictions, self.reading(confidence), row=self._rows)
            out = checked_out(out, (given.n_rows, len(given.columns)), given.values())
            pooled = self._whole(given, out, cores)
        else:
            given = self.piecewise(predictions, budget, confidence, threads=cores)
            out = checked_out(out, (given.n_rows, len(given.columns)), given.values())
            pooled = all_pieces(self, given, out=out, threads=cores)
        result = pooled.delivered(given, out)
        warn_of_fallback(pooled, self.policy)
        if not details:
            return result
        variance = variance_of(RULES[self.rule], FAMILIES[self.family])
        return result, {**pooled.touched, **({"variance": variance} if variance else {})}

    def distribution(self, predictions: object, *, confidence: Scores | None = None) -> Mixture:
        """Pool new Gaussian predictions into distributions.

        Parameters
        ----------
        predictions, confidence
            As for :meth:`apply`.

        Returns
        -------
        Mixture
            Of one Gaussian per row under the log rule, of the models under the linear rule;
            with ``mean``, ``variance``, ``density``, ``cdf``, ``quantile`` and ``crps``.

        Raises
        ------
        InputError
            For a pool of classes, and as for :meth:`apply`.

        Examples
        --------
        >>> import numpy as np, opinionpool as op
        >>> a, b = np.array([[-1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 4.0]])
        >>> pool = op.fit({"a": a, "b": b}, [0.0, 1.0], family="gaussian", rule="linear",
        ...               weighting="uniform")
        >>> pool.distribution({"a": a, "b": b}).quantile(0.975).round(3)
        array([2.646, 3.299])
        """
        if not FAMILIES[self.family].columns:
            raise InputError(
                "distribution: a pool of classes is given by its probabilities: use apply"
            )
        gathered = gather(predictions, self.reading(confidence), row=self._rows)
        pooled = self.pool(gathered.predictions)
        warn_of_fallback(pooled, self.policy)
        assert pooled.distribution is not None
        return pooled.distribution

    @property
    def _rows(self) -> bool:
        """Whether a vector is one row: with two classes it is a column."""
        return len(self.classes) > 2 or len(FAMILIES[self.family].columns) > 1

    def piecewise(
        self,
        predictions: object,
        memory: int,
        confidence: Scores | None = None,
        *,
        threads: int = 1,
    ) -> Piecewise:
        """Open new predictions of the same models, to be pooled block by block."""
        reading = self.reading(confidence)
        return Piecewise(predictions, reading, memory=memory, row=self._rows, threads=threads)

    def bind(self) -> BoundPool:
        """Return a callable that pools trusted outputs with next to no overhead.

        Returns
        -------
        BoundPool
            ``bound([z_a, z_b])`` for outputs of the kinds and in the order of the pool.
        """
        return BoundPool(self)

    def _whole(self, given: Opened, out: NDArray[Any] | None, threads: int) -> Pooled:
        """Pool predictions that were opened: in the pass that checks them, where that will do."""
        weights = dict(zip(self.models, self.weights.tolist(), strict=True))
        recipe = RULES[self.rule], weights, self.inverse_temperature, self.policy
        pooled = pooled_at_once(given, *recipe, out=out, threads=threads)
        if pooled is not None:
            return pooled
        known, _ = predictions_of(given, lazily=True, threads=threads)
        return self.pool(known, shown=given.dtype, out=out, threads=threads)

    def pool(
        self,
        predictions: Predictions,
        *,
        shown: np.dtype[Any] | None = None,
        out: NDArray[Any] | None = None,
        threads: int = 1,
        first_row: int = 0,
    ) -> Pooled:
        """Pool aligned predictions into log-probabilities, with the counts of touched rows.

        With ``shown`` only what callers see may be computed, in that dtype, and may be written
        to ``out``.
        """
        known = self.prepared(predictions)
        return self.pool_known(known, shown=shown, out=out, threads=threads, first_row=first_row)

    def prepared(self, predictions: Predictions) -> Predictions:
        """Return predictions in the pool's order; zeros first seen now are floored (``"auto"``).

        Only their rows are, so that what a row becomes does not depend on the others.
        """
        known = self.known(predictions)
        if self.settings.floor != "auto" or self.floors.any():
            return known
        epsilon = resolve_floor("auto", RULES[self.rule], known)
        return known.with_zeros_raised(epsilon) if epsilon else known

    def pool_known(
        self,
        known: Predictions,
        *,
        shown: np.dtype[Any] | None = None,
        out: NDArray[Any] | None = None,
        threads: int = 1,
        first_row: int = 0,
    ) -> Pooled:
        """Pool predictions that :meth:`prepared` returned, or some of their rows."""
        return pool_predictions(
            known,
            RULES[self.rule],
            self.weights,
            self.inverse_temperature,
            self.policy,
            shown=shown,
            out=out,
            threads=threads,
            first_row=first_row,
        )

    @property
    def inverse_temperature(self) -> float:
        """1/T, 0 at infinite temperature."""
        return 0.0 if math.isinf(self.temperature) else 1.0 / self.temperature

    def known(self, predictions: Predictions) -> Predictions:
        """Return predictions in the pool's order of models, absent ones missing everywhere."""
        unknown = [name for name in predictions.names if name not in self.models]
        if unknown:
            raise AlignmentError(
                f"the pool does not know the model(s) {', '.join(unknown)}; it was fitted on "
                f"{', '.join(self.models)}"
            )
        absent = [name for name in self.models if name not in predictions.names]
        if absent and self.settings.missing == "error":
            raise MissingOutputError(
                f"missing='error', and the model(s) {', '.join(absent)} are not given"
            )
        place = {name: i for i, name in enumerate(predictions.names)}
        return predictions.models([place.get(name) for name in self.models], self.models)

    def reading(self, confidence: Scores | None = None) -> Reading:
        """Return how this pool's inputs are to be read: as they were when it was fitted."""
        column = self.settings.confidence
        if column is None and confidence is not None:
            raise InputError("confidence: the pool was fitted without scores")
        if column == GIVEN_SCORES and confidence is None:
            raise InputError(
                "confidence: the pool was fitted with scores of its rows: pass those of these rows"
            )
        return Reading(
            kind=dict(zip(self.models, self.kinds, strict=True)),
            classes=self.classes or None,
            positive=self.settings.positive,
            renormalise=self.settings.renormalise,
            family=FAMILIES[self.family],
            confidence=column if confidence is None else confidence,
        )

    @property
    def policy(self) -> Policy:
        """What happens to zeros and absences."""
        s = self.settings
        mixed = s.floor == "learned"
        with np.errstate(divide="ignore"):
            betas = None if self.model_temperatures is None else 1 / self.model_temperatures
        return Policy(
            self.floors,
            s.missing,
            s.fallback,
            self.prior,
            s.closure,
            mixed,
            self.gamma,
            betas,
            self.vector,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pool as JSON, whole or not at all. Raises OutputError."""
        pool_file.save(self, path)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={w:.4g}" for name, w in zip(self.models, self.weights, strict=True)
        )
        return (
            f"<Pool {self.rule}/{self.weighting}: {shown}; T={self.temperature:.4g}, "
            f"loss={self.loss:.5g}, gap={self.gap:.2g}, {self.status.value}>"
        )

    def _repr_html_(self) -> str:
        facts = (("T", self.temperature), ("loss", self.loss), ("gap", self.gap))
        title = f"{self.rule} pool, {self.weighting} weights, {self.status.value}"
        return pool_card(title, self.models, self.weights.tolist(), self.losses.tolist(), facts)


def load(path: str | os.PathLike[str]) -> Pool:
    """Read a pool that :meth:`Pool.save` wrote, and check every field.

    Parameters
    ----------
    path
        The JSON file.

    Returns
    -------
    Pool
        Equal to the one that was saved.

    Raises
    ------
    PoolFileError
        Naming the field that is missing or impossible; for a file that is no JSON too.

    Examples
    --------
    >>> import opinionpool as op
    >>> op.load("no-such-pool.json")
    Traceback (most recent call last):
    ...
    opinionpool.errors.PoolFileError: no-such-pool.json: there is no such file
    """
    fields = pool_file.read(path)
    return Pool(**{**fields, "settings": Settings(**fields["settings"])})
