"""The fields of a saved pool, version 1, as msgspec checks them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Special = Literal["inf", "-inf", "nan"]
Number = float | Special
Count = Annotated[int, msgspec.Meta(ge=0)]


class SettingsDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What was asked for; see :class:`opinionpool.pool.Settings`."""

    floor: float | Literal["auto", "veto", "learned"]
    missing: Literal["renormalise", "prior", "error"]
    fallback: Literal["uniform", "prior", "error"]
    penalty: float | Literal["auto"]
    renormalise: bool
    positive: str | int | float | bool | None
    closure: bool
    resample: Count
    metric: str | None
    calibrate: Literal["temperature"] | None = None
    scaling: Literal["vector"] | None = None
    confidence: str | None = None
    temperature: Literal["fit", "given"] | None = None


class PoolDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A saved pool; see :class:`opinionpool.pool.Pool`."""

    format: str
    version: int
    rule: str
    weighting: str
    models: list[str]
    weights: list[float]
    temperature: Number
    classes: list[str | int | float | bool]
    kinds: list[str | None]
    floors: list[float]
    settings: SettingsDocument
    prior: list[float] | None
    loss: Number
    losses: list[Number]
    gap: Number
    status: Literal["converged", "separable", "stationary", "not-converged", "fixed"]
    evaluations: Count
    rows: dict[str, Count]
    decomposition: dict[str, Number]
    fingerprint: str
    family: Literal["categorical", "gaussian", "variance"] = "categorical"
    gamma: float | None = None
    model_temperatures: list[Number] | None = None
    vector: list[list[float]] | None = None
    passes: Count | None = None
