"""From members' held-out outputs to a pool: fitted, compared, or with everything given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ...compare import Comparison, compare
from ...errors import InputError, Status
from ...fit import fit
from ...options import checked_temperature, named_rule, named_weighting
from ...pool import Pool
from ...pooling import warn_of_fallback
from ...predictions import gather
from ...predictions.classes import Label, class_text, plain
from ...settings import Settings
from ...vetoes import auto_floor
from .held_out import HeldOut

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wish:
    """How a pool is to be chosen: the parameters of an estimator that say so.

    Attributes
    ----------
    rule, weighting, temperature, penalty, fallback
        As for :func:`opinionpool.fit`; ``weighting`` may also be ``"compare"``.
    floor
        ε, ``"veto"``, ``"learned"``, or None for families without zeros.
    options
        Further keyword arguments of :func:`opinionpool.fit`.
    seed
        For whatever is random.
    members_learn
        Whether members themselves have something to be learned: a temperature, a variance.
    """

    rule: str
    weighting: Any
    temperature: Any
    penalty: Any
    fallback: str
    floor: Any
    options: Mapping[str, Any]
    seed: int
    members_learn: bool = False

    def floored(self, floor: Any) -> Wish:
        """Return the same wish with another floor."""
        return replace(self, floor=floor)

    @property
    def learning(self) -> bool:
        """Whether anything is to be learned from held-out predictions."""
        if isinstance(self.weighting, str):
            given = self.weighting == "uniform"
        else:
            given = hasattr(self.weighting, "__len__")
        tempered = isinstance(self.temperature, str)
        learned = isinstance(self.floor, str) and self.floor == "learned"
        return not given or tempered or bool(self.options) or learned or self.members_learn


def resolved_floor(floor: Any, n_classes: int, *, needed: bool) -> Any:
    """Return ε for ``"auto"``: always the same, so that no fold and no new row changes it.

    Members' zeros are rounding, or a class that few of their training rows had; a pool that is
    to be learned, or that multiplies, cannot do with them. ``needed`` says so.
    """
    if isinstance(floor, str) and floor == "auto":
        return auto_floor(n_classes) if needed else "veto"
    return floor


def class_names(classes: NDArray[Any]) -> list[Label]:
    """Return the classes as a pool names them: plain values, or numbers where texts coincide."""
    names = [plain(label) for label in classes]
    distinct = len({class_text(name) for name in names}) == len(names)
    return names if distinct else list(range(len(names)))


def learned_pool(
    wish: Wish,
    found: HeldOut,
    y: Any,
    sample_weight: Array | None,
    groups: Any,
    names: list[str],
    **reading: Any,
) -> tuple[Pool, Comparison | None]:
    """Choose the pool on held-out rows; ``y`` and ``sample_weight`` are theirs.

    Rows that were tested r times count r times, so the penalty does too.
    """
    kept = list(found.members)
    penalty = wish.penalty
    if found.repeats > 1:
        penalty = found.repeats * (1.0 if isinstance(penalty, str) else penalty)
    common = {"penalty": penalty, "fallback": wish.fallback, "sample_weight": sample_weight}
    common |= {"seed": wish.seed, **reading}
    if wish.floor is not None:
        common["floor"] = wish.floor
    if isinstance(wish.weighting, str) and wish.weighting == "compare":
        if groups is None and found.repeats > 1:
            groups = found.rows
        in_time = found.forward and groups is None
        comparison = compare(
            found.outputs,
            y,
            groups=groups,
            time=found.folds if in_time else None,
            folds=min(5, len(np.unique(found.folds)) - 1) if in_time else 5,
            time_limit=None,
            **{**common, **wish.options},
        )
        return comparison.pool, comparison
    weighting = given_weights(wish.weighting, names, kept)
    options = {"rule": wish.rule, "temperature": wish.temperature, **common, **wish.options}
    return fit(found.outputs, y, weighting=weighting, **options), None


def given_pool(
    wish: Wish,
    kept: list[str],
    names: list[str],
    kinds: Mapping[str, str],
    classes: list[Label],
) -> Pool:
    """Return the pool of given or equal weights at a given temperature: no row is looked at."""
    rule = named_rule(wish.rule)
    weighting = named_weighting(given_weights(wish.weighting, names, kept), tuple(kept))
    temperature = checked_temperature(wish.temperature)
    m = len(kept)
    # Neither looks at evidence: the weights are given, or equal.
    weights = getattr(weighting, "weights", np.full(m, 1 / m))
    epsilon = wish.floor if isinstance(wish.floor, float) else 0.0
    if wish.fallback == "prior":
        raise InputError("fallback='prior' needs weights or a temperature that are learned")
    return Pool(
        models=tuple(kept),
        classes=tuple(classes),
        kinds=tuple(kinds[name] for name in kept),
        rule=rule.name,
        weighting=weighting.name,
        weights=weights,
        temperature=temperature,
        floors=np.full(m, epsilon),
        settings=Settings(floor=wish.floor, fallback=wish.fallback),
        loss=math.nan,
        losses=np.full(m, np.nan),
        gap=math.nan,
        status=Status.FIXED,
        evaluations=0,
        rows=dict.fromkeys(("fitted", "unlabelled", "unpredicted", "with_missing", "fallback"), 0),
    )


def pooled_log_probabilities(pool: Pool, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return ``log pool.apply(outputs)``, (n, K), never by way of probabilities."""
    known = gather(outputs, pool.reading()).predictions
    pooled = pool.pool(known)
    warn_of_fallback(pooled, pool.policy)
    return pooled.parameters.astype(known.dtype)


def given_weights(weighting: Any, names: list[str], kept: list[str]) -> Any:
    """Return numbers for the members that are left, by name; names of weightings as they are.

    Numbers in order belong to all estimators that were listed, dropped ones included.
    """
    if isinstance(weighting, str) or not hasattr(weighting, "__len__"):
        return weighting
    if isinstance(weighting, Mapping):
        by_name = dict(weighting)
    elif len(weighting) == len(names):
        by_name = dict(zip(names, weighting, strict=True))
    else:
        raise InputError(
            "Number of `estimators` and weights must be equal; got "
            f"{len(weighting)} weights, {len(names)} estimators"
        )
    unknown = [name for name in by_name if name not in names]
    if unknown:
        raise InputError(
            f"weighting: there is no estimator {unknown[0]!r}; found: {', '.join(names)}"
        )
    return {name: w for name, w in by_name.items() if name in kept}


def seed_of(random_state: Any) -> int:
    """Return a seed: 0 for None, so that a pool is the same whenever it is fitted."""
    if random_state is None:
        return 0
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
