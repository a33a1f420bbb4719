"""From a fitted pool to an ONNX model: M inputs, one output."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ...atomic import write_bytes
from ...families import FAMILIES
from ...pool import Pool
from ...predictions.classes import class_text
from . import pooling
from .asked import CONFIDENCE, LABEL, MOMENTS, PRESENT, PROBABILITIES, Asked, checked
from .graph import OPSET, Graph
from .reading import Read, read_classes, read_moments

#: Of ONNX files that hold operators of set 17.
_IR_VERSION = 8


def to_onnx(
    pool: Pool,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: str = "float32",
    precision: str = "float64",
    present: bool = False,
    single_column: Collection[str] = (),
    kind: Mapping[str, str] | None = None,
    label: bool = False,
    opset: int = OPSET,
) -> Any:
    """Export a fitted pool as an ONNX model that pools as ``pool.apply`` does.

    Parameters
    ----------
    pool
        Of any rule, family and policy.
    path
        Where to write the model, whole or not at all; None writes nothing.
    dtype
        Of inputs and outputs, ``"float32"`` or ``"float64"``.
    precision
        What the graph computes in. ``"float32"`` is for runtimes without float64, and agrees
        with ``apply`` to about 1e-5 instead of 1e-6.
    present
        Whether there is an input ``present``, (N, M) booleans, that says who answered. Rows of
        NaN are missing outputs with and without it.
    single_column
        Names of models whose input is one column, P of the pool's positive class or its logit.
    kind
        By model, what its numbers are, where the pool does not know because the model had
        answered no row.
    label
        Whether there is a second output ``label``, (N,), the most probable class.
    opset
        Version of the operators, at least 17.

    Returns
    -------
    onnx.ModelProto
        One input per model, by its name, (N, K) in the order of ``pool.classes``, for Gaussians
        (N, 2) and variances (N, 1); for a pool fitted with confidence scores an input
        ``confidence`` (N, M). The output is ``probabilities`` (N, K), or ``moments``. A graph
        cannot raise errors: a row that ``apply`` refuses is NaN.

    Raises
    ------
    InputError
        For options that cannot be, models whose kind is not known, and rules that have no graph.
    MissingExtraError
        Without the extra ``onnx``.

    Examples
    --------
    >>> import pytest; _ = pytest.importorskip("onnx")
    >>> import numpy as np, opinionpool as op
    >>> from opinionpool.integrations.onnx import to_onnx
    >>> a, b = np.array([[2.0, 1, 0], [0, 1, 2]]), np.array([[1.0, 2, 0], [0, 2, 1]])
    >>> model = to_onnx(op.fit({"a": a, "b": b}, [0, 2]))
    >>> [i.name for i in model.graph.input], [o.name for o in model.graph.output]
    (['a', 'b'], ['probabilities'])
    """
    asked = checked(pool, dtype, precision, present, single_column, kind, label, opset)
    g = Graph(precision, opset)
    reads = [_read(g, asked, i) for i in range(len(pool.models))]
    outputs = _outputs(g, asked, reads)
    helper, onnx = g.onnx.helper, g.onnx
    made = helper.make_model(
        helper.make_graph(g.nodes, "opinionpool", _inputs(g, asked), outputs, g.constants.values()),
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="opinionpool",
        ir_version=_IR_VERSION
        if opset == OPSET
        else onnx.helper.find_min_ir_version_for([helper.make_opsetid("", opset)]),
    )
    helper.set_model_props(
        made,
        {
            "models": json.dumps(pool.models),
            "classes": json.dumps(pool.classes),
            "rule": pool.rule,
            "fingerprint": pool.fingerprint,
        },
    )
    onnx.checker.check_model(made, full_check=True)
    if path is not None:
        write_bytes(path, made.SerializeToString())
    return made


def _read(g: Graph, asked: Asked, i: int) -> Read:
    pool, name = asked.pool, asked.pool.models[i]
    mask = g("Gather", PRESENT, g.integers([i]), axis=1) if asked.present else None
    if not pool.classes:
        return read_moments(g, name, asked.kinds[name], asked.width(name), mask)
    positive = pool.settings.positive
    turned = positive is not None and class_text(positive) == class_text(pool.classes[0])
    return read_classes(
        g,
        name,
        asked.kinds[name],
        asked.width(name),
        renormalise=pool.settings.renormalise,
        mask=mask,
        turned=turned,
    )


def _outputs(g: Graph, asked: Asked, reads: list[Read]) -> list[Any]:
    """Write everything after reading, and return the outputs' declarations."""
    pool = asked.pool
    parameters, present = (g.stack([getattr(r, what) for r in reads]) for what in _STACKED)
    refused = g("Not", g.every([r.right for r in reads]))
    if pool.settings.missing == "error":
        refused = g("Or", refused, g("Not", g.every([r.present for r in reads])))
    if pool.classes:
        parameters = pooling.prepared(g, pool, parameters)
    confidence = None
    if asked.scored:
        scores = g("Transpose", g.cast(CONFIDENCE), perm=[1, 0])
        confidence = g("Unsqueeze", scores, g.integers([2]))
    parameters, rows = pooling.shared(g, pool, parameters, present, confidence)
    alive = g("Squeeze", rows.alive, g.integers([0]))
    shown = (
        _classes(g, pool, parameters, rows) if pool.classes else _moments(g, pool, parameters, rows)
    )
    shown = g("Squeeze", shown, g.integers([0]))
    shown = g.where(alive, shown, g.number(_fallback(pool)))
    shown = g.where(refused, g.number(np.nan), shown)
    out = PROBABILITIES if pool.classes else MOMENTS
    kind = g.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(asked.dtype))
    g.nodes.append(g.onnx.helper.make_node("Cast", [shown], [out], to=kind))
    size = len(pool.classes) or len(FAMILIES[pool.family].columns)
    declared = [g.onnx.helper.make_tensor_value_info(out, kind, ["N", size])]
    return [*declared, *([_label(g, pool, shown)] if asked.label else [])]


_STACKED = ("values", "present")


def _classes(g: Graph, pool: Pool, log_p: str, rows: pooling.Shared) -> str:
    """Return pooled probabilities (1, N, K); NaN in rows whose every class is vetoed."""
    log = pool.rule == "log"
    z = pooling.log_pool(g, pool, log_p, rows) if log else pooling.linear_pool(g, log_p, rows)
    possible = g.any(g("Not", g.is_zero(z)), 2)
    z = g.where(possible, z, g.number(0.0))
    z = pooling.tempered(g, z, g.number(pool.inverse_temperature))
    p = g("Exp", pooling.scaled(g, pool, z))
    return g.where(possible, p, g.number(np.nan))


def _moments(g: Graph, pool: Pool, parameters: str, rows: pooling.Shared) -> str:
    if pool.rule == "log":
        mean, variance = pooling.gaussian_log_pool(g, pool, parameters, rows)
    else:
        mean, variance = pooling.gaussian_mixture(g, parameters, rows)
    return variance if pool.family == "variance" else g("Concat", mean, variance, axis=2)


def _fallback(pool: Pool) -> Any:
    """Return what a row gets that nobody answered, NaN where that is an error."""
    size = len(pool.classes) or len(FAMILIES[pool.family].columns)
    if pool.settings.fallback == "uniform":
        return np.full(size, 1 / size)
    return np.full(size, np.nan) if pool.settings.fallback == "error" else pool.prior


def _label(g: Graph, pool: Pool, shown: str) -> Any:
    """Add the most probable class; of equally probable ones the first."""
    best = g("ArgMax", shown, axis=1, keepdims=0)
    numbers = all(isinstance(c, int) and not isinstance(c, bool) for c in pool.classes)
    classes = (
        np.array(pool.classes, dtype=np.int64)
        if numbers
        else np.array([class_text(c) for c in pool.classes])
    )
    g.nodes.append(g.onnx.helper.make_node("Gather", [g.constant(classes), best], [LABEL], axis=0))
    tensor = g.onnx.TensorProto
    kind = tensor.INT64 if numbers else tensor.STRING
    return g.onnx.helper.make_tensor_value_info(LABEL, kind, ["N"])


def _inputs(g: Graph, asked: Asked) -> list[Any]:
    helper, m = g.onnx.helper, len(asked.pool.models)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(asked.dtype))
    declared = [
        helper.make_tensor_value_info(name, kind, ["N", asked.width(name)])
        for name in asked.pool.models
    ]
    if asked.present:
        declared.append(helper.make_tensor_value_info(PRESENT, g.onnx.TensorProto.BOOL, ["N", m]))
    if asked.scored:
        declared.append(helper.make_tensor_value_info(CONFIDENCE, kind, ["N", m]))
    return declared
