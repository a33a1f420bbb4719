"""Charts of an explanation for notebooks, by matplotlib.

Every function takes what :func:`opinionpool.explain` returned and, if given, the matplotlib axes
to draw into; it returns the axes. ``pip install "opinionpool[report]"`` brings matplotlib.

Examples
--------
>>> import numpy as np, opinionpool as op
>>> rng = np.random.default_rng(0)
>>> y = rng.integers(0, 3, 200)
>>> models = {name: np.eye(3)[y] + rng.normal(size=(200, 3)) for name in "ab"}
>>> found = op.explain(op.fit(models, y), models, y, draws=0)
>>> op.plot.weights(found).get_xlabel()  # doctest: +SKIP
'weight'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InputError, MissingExtraError
from .explain import FORMAT
from .report import charts
from .report.figures_of import MOST

__all__ = ["decomposition", "disagreement", "left_out", "pareto", "reliability", "weights"]

#: Inches, for a chart with a row per model: width, height of nothing, and of each row.
_WIDTH, _FRAME, _ROW = 6.4, 0.8, 0.26


def weights(explanation: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw every model's weight with its interval; return the axes.

    Raises InputError for what is no explanation, MissingExtraError without matplotlib.
    """
    return _drawn(charts.weights, explanation, ax, rows=_models(explanation))


def left_out(explanation: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw the rise in loss without each model; return the axes. Raises as :func:`weights`."""
    return _drawn(charts.left_out, explanation, ax, rows=_models(explanation))


def decomposition(explanation: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw error minus disagreement as a waterfall; return the axes. Raises as :func:`weights`."""
    return _drawn(charts.decomposition, explanation, ax, rows=7)


def reliability(explanation: Mapping[str, Any], model: str | None = None, *, ax: Any = None) -> Any:
    """Draw the reliability curve of the pool or of a model; return the axes.

    Raises as :func:`weights`, and InputError for a model that the pool does not have.
    """
    _check(explanation)
    found = explanation["calibration"]
    if model is not None and model not in found["models"]:
        raise InputError(f"model: found {model!r}, expected one of {', '.join(found['models'])}")
    own = found["pool"] if model is None else found["models"][model]
    if own["reason"] is not None:
        raise InputError(f"model {model!r} has no reliability: {own['reason']}")

    def chart(axes: Any, e: Mapping[str, Any], label: charts.Label) -> None:
        charts.reliability_of(axes, own, charts.reach_of([own]))
        axes.set_title("the pool" if model is None else label(model), parse_math=False)

    return _drawn(chart, explanation, ax, rows=16)


def disagreement(explanation: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw the matrix of divergences between models; return the axes. Raises as :func:`weights`."""
    return _drawn(charts.disagreement, explanation, ax, rows=max(10, _models(explanation)))


def pareto(explanation: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw the least loss for each number of models or cost; return the axes.

    Raises as :func:`weights`.
    """
    return _drawn(charts.pareto, explanation, ax, rows=11)


def _models(explanation: Mapping[str, Any]) -> int:
    _check(explanation)
    return min(MOST, len(explanation["pool"]["models"]))


def _check(explanation: object) -> None:
    if not isinstance(explanation, Mapping) or explanation.get("format") != FORMAT:
        raise InputError("explanation: expected what op.explain returned")


def _drawn(chart: charts.Chart, explanation: Mapping[str, Any], ax: Any, *, rows: int) -> Any:
    _check(explanation)
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise MissingExtraError("op.plot", "matplotlib", "report") from None
        _, ax = pyplot.subplots(figsize=(_WIDTH, _FRAME + _ROW * rows), layout="constrained")
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.grid(color=charts.COLOURS["grid"], linewidth=0.6)
        ax.set_axisbelow(True)
    chart(ax, explanation, charts.short_label)
    return ax
