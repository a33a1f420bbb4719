"""A whole fitted classifier in one graph: scikit-learn's members, converted, and their pool."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...atomic import write_bytes
from ...errors import AlignmentError, InputError, MissingExtraError
from ...pool import Pool
from ...predictions.classes import class_text
from .export import to_onnx
from .graph import OPSET, host

#: Of the operators for trees and linear models; what goes with set 17.
_ML_OPSET = 3
#: The features' name, as converters of scikit-learn models use it.
FEATURES = "X"


def estimators_to_onnx(
    pool: Pool,
    estimators: Mapping[str, Any],
    n_features: int,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: str = "float32",
    **options: Any,
) -> Any:
    """Export fitted classifiers and their pool as one ONNX model: features in, probabilities out.

    Parameters
    ----------
    pool
        Fitted on the estimators' probabilities, by the estimators' names.
    estimators
        By the pool's model names, fitted classifiers that skl2onnx converts.
    n_features
        Columns of the input ``X`` (N, n_features).
    path
        Where to write the model; None writes nothing.
    dtype
        Of features and outputs. Trees compare float32 features with float32 thresholds, so that
        a row on the edge of a split may take the other branch than in scikit-learn.
    **options
        As for :func:`to_onnx`: ``precision``, ``label``.

    Returns
    -------
    onnx.ModelProto
        Input ``X``, output ``probabilities`` (N, K) in the order of ``pool.classes``, and with
        ``label=True`` the output ``label``.

    Raises
    ------
    InputError
        For a pool of other numbers than probabilities, estimators that are not its models, or
        classes that a member lacks; and where skl2onnx has no converter.
    MissingExtraError
        Without skl2onnx.
    """
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    except ModuleNotFoundError as error:
        raise MissingExtraError("exporting estimators", "skl2onnx", "onnx") from error
    onnx = host()
    _check(pool, estimators)
    if not set(options) <= {"precision", "label"}:
        raise InputError(f"estimators_to_onnx: found {sorted(options)}, expected precision, label")
    made = to_onnx(pool, dtype=dtype, **options)
    kind = FloatTensorType if dtype == "float32" else DoubleTensorType
    nodes, constants = [], []
    opset = {"": OPSET, "ai.onnx.ml": _ML_OPSET}
    for i, name in enumerate(pool.models):
        member = estimators[name]
        try:
            part = convert_sklearn(
                member,
                initial_types=[(FEATURES, kind([None, n_features]))],
                options={id(member): {"zipmap": False}},
                target_opset=opset,
            )
        except (RuntimeError, NotImplementedError, NameError) as error:
            raise InputError(f"model {name!r}: skl2onnx cannot convert it ({error})") from error
        outputs = [o.name for o in part.graph.output]
        part = onnx.compose.add_prefix(part, f"member{i}/", rename_inputs=False)
        nodes += part.graph.node
        constants += part.graph.initializer
        order = np.array(_order(name, member, pool), dtype=np.int64)
        index = onnx.numpy_helper.from_array(order, f"member{i}/order")
        constants.append(index)
        source = f"member{i}/{outputs[-1]}"
        nodes.append(onnx.helper.make_node("Gather", [source, index.name], [name], axis=1))
    x = kind([None, n_features])
    whole = onnx.helper.make_model(
        onnx.helper.make_graph(
            [*nodes, *made.graph.node],
            "opinionpool",
            [
                onnx.helper.make_tensor_value_info(
                    FEATURES, x.to_onnx_type().tensor_type.elem_type, ["N", n_features]
                )
            ],
            made.graph.output,
            [*constants, *made.graph.initializer],
        ),
        opset_imports=[onnx.helper.make_opsetid(d, v) for d, v in opset.items()],
        producer_name="opinionpool",
        ir_version=made.ir_version,
    )
    whole.metadata_props.extend(made.metadata_props)
    onnx.checker.check_model(whole)
    if path is not None:
        write_bytes(path, whole.SerializeToString())
    return whole


def classifier_to_onnx(
    classifier: Any, path: str | os.PathLike[str] | None = None, **options: Any
) -> Any:
    """Export a fitted ``OpinionPoolClassifier`` with its members as one ONNX model.

    Parameters
    ----------
    classifier
        Fitted, of members with probabilities.
    path
        Where to write the model; None writes nothing.
    **options
        As for :func:`estimators_to_onnx`.

    Returns
    -------
    onnx.ModelProto
        Input ``X``, output ``probabilities`` with the columns of ``classes_``.

    Raises
    ------
    InputError
        For a classifier that is not fitted, and as for :func:`estimators_to_onnx`.
    """
    pool = getattr(classifier, "pool_", None)
    if not isinstance(pool, Pool):
        raise InputError(
            f"classifier_to_onnx: found {type(classifier).__name__}, expected a fitted "
            "OpinionPoolClassifier"
        )
    members = {name: classifier.named_estimators_[name] for name in pool.models}
    return estimators_to_onnx(pool, members, classifier.n_features_in_, path, **options)


def _check(pool: Pool, estimators: Mapping[str, Any]) -> None:
    if set(estimators) != set(pool.models):
        raise InputError(
            f"estimators: found {', '.join(map(str, estimators))}, expected the pool's models "
            f"{', '.join(pool.models)}"
        )
    for name, kind in zip(pool.models, pool.kinds, strict=True):
        if kind != "probabilities":
            raise InputError(
                f"model {name!r}: the pool was fitted on {kind}, and the converted estimator gives "
                "probabilities; fit the pool on those"
            )


def _order(name: str, member: Any, pool: Pool) -> Sequence[int]:
    """Return where each of the pool's classes is among a member's."""
    own = [class_text(c) for c in np.asarray(member.classes_).tolist()]
    lacking = [c for c in map(class_text, pool.classes) if c not in own]
    if lacking or len(own) != len(pool.classes):
        raise AlignmentError(
            f"model {name!r}: its classes are {', '.join(own)}, those of the pool "
            f"{', '.join(map(class_text, pool.classes))}"
        )
    return [own.index(class_text(c)) for c in pool.classes]
