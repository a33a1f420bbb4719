"""How a pool shows itself in a notebook: its members side by side, with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def visual_block(members: Sequence[tuple[str, Any]], weights: Mapping[str, float]) -> Any:
    """Return scikit-learn's diagram of members in parallel; a fitted pool's have their weight."""
    try:
        from sklearn.utils._repr_html.estimator import _VisualBlock
    except ImportError:  # scikit-learn < 1.7
        from sklearn.utils._estimator_html_repr import _VisualBlock

    names = [f"{name}: {weights[name]:.3f}" if name in weights else name for name, _ in members]
    return _VisualBlock("parallel", [estimator for _, estimator in members], names=names)
