"""The JSON form of a pool: versioned, checked field by field, nothing executable in it."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from .atomic import write_bytes
from .errors import PoolFileError, Status
from .families import FAMILIES
from .predictions.classes import class_text
from .predictions.gaussians import KINDS as SPREADS
from .predictions.kinds import KINDS
from .rules import RULES

FORMAT = "opinionpool.pool"
VERSION = 1
ROWS = ("fitted", "unlabelled", "unpredicted", "with_missing", "fallback")
_SUM_SLACK = 1e-9
#: JSON has no numbers for these.
_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def save(pool: Any, path: str | os.PathLike[str]) -> None:
    """Write a pool as JSON, whole or not at all."""
    import msgspec

    encoded = msgspec.json.encode(document(pool))
    write_bytes(path, msgspec.json.format(encoded, indent=2) + b"\n")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a saved pool: what :class:`~opinionpool.pool.Pool` is made of."""
    import msgspec

    where = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            raw = stream.read()
    except FileNotFoundError:
        raise PoolFileError(f"{where}: there is no such file") from None
    except OSError as error:
        raise PoolFileError(f"{where}: cannot be read ({error.strerror})") from None
    try:
        return fields(msgspec.json.decode(raw), where)
    except msgspec.DecodeError as error:
        raise PoolFileError(f"{where}: this is no JSON ({error})") from None
    except RecursionError:
        raise PoolFileError(f"{where}: this is no saved pool (nested too deeply)") from None


def document(pool: Any) -> dict[str, Any]:
    """Return a :class:`~opinionpool.pool.Pool` as what JSON can hold."""
    s = pool.settings
    return {
        "format": FORMAT,
        "version": VERSION,
        "family": pool.family,
        "rule": pool.rule,
        "weighting": pool.weighting,
        "models": list(pool.models),
        "weights": pool.weights.tolist(),
        "temperature": _number(pool.temperature),
        "classes": list(pool.classes),
        "kinds": list(pool.kinds),
        "floors": pool.floors.tolist(),
        "settings": {
            "floor": s.floor if isinstance(s.floor, str) else float(s.floor),
            "missing": s.missing,
            "fallback": s.fallback,
            "penalty": s.penalty if isinstance(s.penalty, str) else float(s.penalty),
            "renormalise": s.renormalise,
            "positive": s.positive,
            "closure": s.closure,
            "resample": s.resample,
            "metric": s.metric,
            "calibrate": s.calibrate,
            "scaling": s.scaling,
            "confidence": s.confidence,
            "temperature": s.temperature,
        },
        "prior": None if pool.prior is None else pool.prior.tolist(),
        "loss": _number(pool.loss),
        "losses": [_number(loss) for loss in pool.losses],
        "gap": _number(pool.gap),
        "status": pool.status.value,
        "evaluations": pool.evaluations,
        "passes": pool.passes,
        "rows": dict(pool.rows),
        "decomposition": {name: _number(x) for name, x in pool.decomposition.items()},
        "fingerprint": pool.fingerprint,
        "gamma": pool.gamma,
        "model_temperatures": None
        if pool.model_temperatures is None
        else [_number(t) for t in pool.model_temperatures],
        "vector": None if pool.vector is None else pool.vector.tolist(),
    }


def fields(content: Any, where: str) -> dict[str, Any]:
    """Return the fields of a pool from decoded JSON, or name the one that is wrong."""
    import msgspec

    from .pool_schema import PoolDocument

    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PoolFileError(f"{where}: field 'format' is not {FORMAT!r}: this is no saved pool")
    if content.get("version") != VERSION:
        raise PoolFileError(
            f"{where}: field 'version' is {content.get('version')!r}; this release of opinionpool "
            f"reads version {VERSION}"
        )
    try:
        d = msgspec.convert(content, PoolDocument)
    except msgspec.ValidationError as error:
        raise PoolFileError(f"{where}: {error}") from None
    _check(d, where)
    return {
        "models": tuple(d.models),
        "classes": tuple(d.classes),
        "kinds": tuple(d.kinds),
        "family": d.family,
        "rule": d.rule,
        "weighting": d.weighting,
        "weights": np.array(d.weights),
        "temperature": _value(d.temperature),
        "floors": np.array(d.floors),
        "settings": msgspec.structs.asdict(d.settings),
        "loss": _value(d.loss),
        "losses": np.array([_value(x) for x in d.losses]),
        "gap": _value(d.gap),
        "status": Status(d.status),
        "evaluations": d.evaluations,
        "passes": d.passes,
        "rows": d.rows,
        "decomposition": {name: _value(x) for name, x in d.decomposition.items()},
        "prior": None if d.prior is None else np.array(d.prior),
        "fingerprint": d.fingerprint,
        "gamma": d.gamma,
        "model_temperatures": None
        if d.model_temperatures is None
        else np.array([_value(t) for t in d.model_temperatures]),
        "vector": None if d.vector is None else np.array(d.vector),
    }


def _check(d: Any, where: str) -> None:
    """Check what types alone cannot say."""
    m, k = len(d.models), len(d.classes)
    family = FAMILIES[d.family]

    def wrong(name: str, found: object, expected: str) -> PoolFileError:
        return PoolFileError(f"{where}: field {name!r} is {found}, expected {expected}")

    if m == 0 or len(set(d.models)) != m:
        raise wrong("models", d.models, "at least one model, each name once")
    if family.columns and (d.classes or any(d.floors)):
        raise wrong("classes", d.classes, f"none, and no floors, for a {d.family} pool")
    if not family.columns and (k < 2 or len({class_text(c) for c in d.classes}) != k):
        raise wrong("classes", d.classes, "at least two classes, each once")
    k = k or len(family.columns)
    for name, size in (("weights", m), ("kinds", m), ("floors", m), ("losses", m)):
        if len(getattr(d, name)) != size:
            raise wrong(name, f"of length {len(getattr(d, name))}", f"one entry per model ({m})")
    if min(d.weights) < 0 or abs(sum(d.weights) - 1) > _SUM_SLACK:
        raise wrong("weights", d.weights, "numbers ≥ 0 that sum to one")
    if not _value(d.temperature) > 0:
        raise wrong("temperature", d.temperature, "a number above 0")
    most = 1.0 if d.settings.floor == "learned" else 1 / k
    if not all(0 <= e < most for e in d.floors):
        raise wrong("floors", d.floors, f"numbers from 0 to below {most:g}")
    if d.rule not in RULES:
        raise wrong("rule", repr(d.rule), f"one of {', '.join(RULES)}")
    if not d.weighting:
        raise wrong("weighting", repr(d.weighting), "a name")
    for name, x in (("loss", d.loss), ("gap", d.gap), *(("losses", x) for x in d.losses)):
        if _value(x) < 0 and not (family.columns and name != "gap"):  # densities exceed 1
            raise wrong(name, x, "a number ≥ 0")
    absent = [name for name in ROWS if name not in d.rows]
    if absent:
        raise wrong("rows", dict(d.rows), f"counts of {', '.join(ROWS)}")
    floor, penalty, positive = d.settings.floor, d.settings.penalty, d.settings.positive
    if not isinstance(floor, str) and not 0 < floor < 1 / k:
        raise wrong("settings.floor", floor, f"a number above 0 and below 1/K = {1 / k:g}")
    if not isinstance(penalty, str) and not 0 <= penalty < math.inf:
        raise wrong("settings.penalty", penalty, "a finite number ≥ 0")
    if (
        positive is not None
        and not family.columns
        and class_text(positive) not in {class_text(c) for c in d.classes}
    ):
        raise wrong("settings.positive", repr(positive), "one of the classes")
    kinds = SPREADS if family.columns else KINDS
    if d.gamma is not None and not 0 <= d.gamma < math.inf:
        raise wrong("gamma", d.gamma, "a finite number ≥ 0")
    if d.model_temperatures is not None and (
        len(d.model_temperatures) != m or not all(_value(t) > 0 for t in d.model_temperatures)
    ):
        raise wrong("model_temperatures", d.model_temperatures, f"{m} numbers above 0")
    if d.vector is not None and (
        [len(row) for row in d.vector] != [k, k] or family.columns or min(d.vector[0]) <= 0
    ):
        raise wrong("vector", d.vector, f"{k} factors above 0 and {k} offsets")
    for kind in d.kinds:
        if kind is not None and kind not in kinds:
            raise wrong("kinds", repr(kind), f"one of {', '.join(kinds)}")
    needs_prior = "prior" in (d.settings.missing, d.settings.fallback)
    if needs_prior and d.prior is None:
        raise wrong("prior", "null", f"{k} numbers, which a policy 'prior' needs")
    if d.prior is not None and family.columns:
        if len(d.prior) != k or not d.prior[-1] > 0:
            raise wrong("prior", d.prior, f"{' and '.join(family.columns)}")
    elif d.prior is not None and (
        len(d.prior) != k or min(d.prior) <= 0 or abs(sum(d.prior) - 1) > 1e-6
    ):
        raise wrong("prior", d.prior, f"{k} positive probabilities that sum to one")


def _number(x: float) -> float | str:
    return float(x) if math.isfinite(x) else str(float(x))


def _value(x: float | str) -> float:
    return _SPECIAL[x] if isinstance(x, str) else float(x)
