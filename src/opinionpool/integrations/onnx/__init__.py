"""A fitted pool as an ONNX graph: the same numbers wherever there is a runtime."""

from __future__ import annotations

from .estimators import classifier_to_onnx, estimators_to_onnx
from .export import to_onnx

__all__ = ["classifier_to_onnx", "estimators_to_onnx", "to_onnx"]
