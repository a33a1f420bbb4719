"""Between fitted pools and modules: nothing of a pool is lost on the way, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import InputError, Status
from ...pool import Pool
from ...pool_file import ROWS
from ...predictions.classes import plain
from ...predictions.rows import distinct_names
from ...settings import Settings
from .treatment import Treatment

if TYPE_CHECKING:
    from .module import OpinionPool


def from_pool(cls: type[OpinionPool], pool: Pool, dtype: torch.dtype | None = None) -> OpinionPool:
    """Return a module that pools as ``pool.apply`` does, ready to be trained further.

    Parameters
    ----------
    cls
        The module's class.
    pool
        A fitted pool of classes. Its models' logits come in as they are, probabilities as their
        logarithms, in the order of ``pool.models`` and ``pool.classes``.
    dtype
        Of parameters and constants; None is PyTorch's default.

    Returns
    -------
    OpinionPool
        With the pool's weights and temperature as parameters, and everything else it does
        (floors, missing outputs, fallback, confidence, own temperatures, vector scaling) fixed.

    Raises
    ------
    InputError
        For a pool of means and variances.
    """
    if pool.family != "categorical":
        raise InputError(
            f"from_pool: found a pool of the family {pool.family!r}; the module pools logits of "
            "classes"
        )
    if pool.rule not in ("log", "linear"):
        raise InputError(f"from_pool: found rule={pool.rule!r}, expected 'log' or 'linear'")
    module = cls(len(pool.models), pool.rule, weights=pool.weights.tolist(), dtype=dtype)
    dtype = module.log_temperature.dtype
    # T may be inf, whose logarithm is one: the uniform.
    module.log_temperature.data = torch.tensor(np.log(pool.temperature), dtype=dtype)
    module.treatment = Treatment(pool, dtype)
    module.source = pool
    return module


def to_pool(
    module: OpinionPool, models: Sequence[str] | None, classes: Sequence[Any] | None
) -> Pool:
    """Return a pool with a module's weights and temperature, to apply, save and load.

    Parameters
    ----------
    module
        The module.
    models, classes
        Names; for a module that was made from a pool None keeps that pool's. Otherwise models
        are called m0, m1, … and ``classes`` must be given.

    Returns
    -------
    Pool
        Of weighting ``"gradient"`` and status ``fixed``. No rows were seen, so loss and gap are
        NaN: ``op.score`` says how good it is, and ``op.fit`` with ``weighting=pool.weights`` how
        far that is from the optimum.

    Raises
    ------
    InputError
        For names that are not one per model, twice the same, or classes that are missing.
    """
    with torch.no_grad():
        w, beta = module._weights(module.free.double())
    weights = (w / w.sum()).cpu().numpy()
    with np.errstate(divide="ignore"):
        temperature = float(1 / beta.cpu().numpy())
    known = module.source
    names = _names(models, len(weights), known)
    if classes is None and known is None:
        raise InputError("classes: found none, expected the classes' names in the logits' order")
    labels = known.classes if classes is None and known else tuple(plain(c) for c in classes or ())
    if known is not None and len(labels) != len(known.classes):
        raise InputError(f"classes: found {len(labels)}, expected {len(known.classes)}")
    blank = np.full(len(weights), np.nan)
    if known is not None:
        base = replace(known, models=names, classes=labels)
    else:
        base = Pool(
            models=names,
            classes=labels,
            kinds=("logits",) * len(names),
            rule=module.rule,
            weighting="gradient",
            weights=weights,
            temperature=temperature,
            floors=np.zeros(len(names)),
            settings=Settings(floor="veto"),
            loss=np.nan,
            losses=blank,
            gap=np.nan,
            status=Status.FIXED,
            evaluations=0,
            rows=dict.fromkeys(ROWS, 0),
        )
    return replace(
        base,
        weighting="gradient",
        weights=weights,
        temperature=temperature,
        loss=np.nan,
        losses=blank,
        gap=np.nan,
        status=Status.FIXED,
        evaluations=0,
        rows=dict.fromkeys(ROWS, 0),
        decomposition={},
        fingerprint="",
    )


def _names(models: Sequence[str] | None, size: int, known: Pool | None) -> tuple[str, ...]:
    if models is None:
        return known.models if known is not None else tuple(f"m{i}" for i in range(size))
    names = tuple(models)
    if len(names) != size or not all(isinstance(name, str) for name in names):
        raise InputError(f"models: found {models!r}, expected {size} names")
    distinct_names(names)
    return names
