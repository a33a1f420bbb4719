"""Graph: ONNX nodes written as function calls; names and constants are its own business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import MissingExtraError

#: Operators of this set are in every runtime since 2022.
OPSET = 17
#: From this one on the axes of every reduction are an input.
_AXES_ARE_INPUTS = 18
#: Names of tensors inside the graph start with this, so that no model's name can clash.
INSIDE = "pool/"


def host() -> Any:
    """Import onnx, or say which extra brings it."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("ONNX export", "onnx", "onnx") from error
    return onnx


class Graph:
    """Nodes and constants of a graph that computes in one floating type."""

    def __init__(self, precision: str, opset: int = OPSET) -> None:
        self.onnx = host()
        self.precision, self.opset = np.dtype(precision), opset
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._n = 0

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return its name."""
        self._n += 1
        out = f"{INSIDE}{op}_{self._n}"
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def number(self, value: Any) -> str:
        """Return a constant in the graph's precision."""
        return self._constant(np.asarray(value, dtype=self.precision))

    def integers(self, value: Sequence[int]) -> str:
        """Return a constant of axes or indices."""
        return self._constant(np.asarray(value, dtype=np.int64))

    def constant(self, value: Any) -> str:
        """Return a constant of any type, text included."""
        return self._constant(np.asarray(value))

    def cast(self, x: str, dtype: Any = None) -> str:
        """Return x in another type, the graph's precision unless said."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.precision))
        return self("Cast", x, to=kind)

    def sum(self, x: str, axis: int) -> str:
        """Return the sum over an axis, which stays with length one."""
        return self("ReduceSum", x, self.integers([axis]), keepdims=1)

    def max(self, x: str, axis: int) -> str:
        """Return the maximum over an axis, which stays with length one."""
        if self.opset >= _AXES_ARE_INPUTS:
            return self("ReduceMax", x, self.integers([axis]), keepdims=1)
        return self("ReduceMax", x, axes=[axis], keepdims=1)

    def count(self, some: str, axis: int) -> str:
        """Return how many booleans are true along an axis."""
        return self.sum(self.cast(some), axis)

    def any(self, some: str, axis: int) -> str:
        """Return whether a boolean is true along an axis."""
        return self("Greater", self.count(some, axis), self.number(0.0))

    def every(self, conditions: Sequence[str]) -> str:
        """Return whether all conditions hold."""
        found = conditions[0]
        for one in conditions[1:]:
            found = self("And", found, one)
        return found

    def where(self, condition: str, x: str, y: str) -> str:
        """Return x where the condition holds, y elsewhere."""
        return self("Where", condition, x, y)

    def is_zero(self, log_p: str) -> str:
        """Return whether cells are −inf, exact zeros as logarithms."""
        return self("IsInf", log_p, detect_positive=0)

    def without_zeros(self, log_p: str) -> str:
        """Return 0 in place of −inf, so that nothing becomes 0·∞."""
        return self.where(self.is_zero(log_p), self.number(0.0), log_p)

    def log_softmax(self, z: str) -> str:
        """Return normalised log-probabilities along the last axis."""
        return self("LogSoftmax", z, axis=-1)

    def stack(self, parts: Sequence[str]) -> str:
        """Stack (N, …) tensors into (M, N, …)."""
        axes = self.integers([0])
        return self("Concat", *(self("Unsqueeze", x, axes) for x in parts), axis=0)

    def _constant(self, value: Any) -> str:
        name = f"{INSIDE}constant_{len(self.constants)}"
        tensor = self.onnx.numpy_helper.from_array(value, name)
        if value.dtype.kind in "US":
            kind = self.onnx.TensorProto.STRING
            cells = [text.encode() for text in value.ravel().tolist()]
            tensor = self.onnx.helper.make_tensor(name, kind, value.shape, cells)
        self.constants[name] = tensor
        return name
