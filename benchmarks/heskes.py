"""Heskes' quadratic programme against the exact optimum: in-sample loss, per data set.

    python benchmarks/heskes.py DATA_FOLDER [--floor 1e-6]

DATA_FOLDER holds archives with ``probs`` (models, rows, classes) and ``labels``. Log rule, T = 1,
no penalty. The last columns say what is wrong with the programme: how far its estimate of the loss
is off at its own weights, and the tangent curvature that the repair had to remove.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import opinionpool as op
from opinionpool.families.categorical import mean_divergences
from opinionpool.families.floors import floored
from opinionpool.weightings.heskes import Programme

SHOWN = ("uniform", "heskes", "heskes-resampled", "optimal")


def main() -> None:
    """Print a Markdown table, one row per data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--floor", type=float, default=1e-6)
    options = parser.parse_args()
    print("| data | " + " | ".join(SHOWN) + " | eq. 5 − actual | removed |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for path in sorted(options.folder.glob("*.npz")):
        cells = compared(path, options.floor)
        if cells is not None:
            print(f"| {path.stem} | " + " | ".join(cells) + " |")


def compared(path: Path, floor: float) -> list[str] | None:
    """Fit one archive; None where it holds no labelled (M, N, K) predictions."""
    with np.load(path, allow_pickle=False) as archive:
        if "labels" not in archive or archive["probs"].ndim != 3:
            return None
        p = np.maximum(archive["probs"].astype(np.float64), 0.0)
        y = archive["labels"].astype(np.int64)
    with np.errstate(divide="ignore"):
        log_p = floored(np.log(p / p.sum(axis=-1, keepdims=True)), floor)
    classes = list(range(log_p.shape[-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)
        pools = {
            name: op.fit(
                {str(model): rows for model, rows in enumerate(log_p)},
                y,
                weighting=name,
                temperature=1,
                penalty=0,
                kind="log-probabilities",
                classes=classes,
            )
            for name in SHOWN
        }
    w = pools["heskes"].weights
    divergences = mean_divergences(log_p, np.ones(len(y)))
    losses = -log_p[:, np.arange(len(y)), y].mean(axis=1)
    predicted = float(w @ losses - w @ divergences @ w / 4)
    # The programme's curvature is −½CJC, the table shows −CJC.
    removed = 2 * Programme(divergences).removed
    return [
        *(f"{pools[name].loss:.4f}" for name in SHOWN),
        f"{predicted - pools['heskes'].loss:+.4f}",
        f"{removed:.2g}" if removed else "–",
    ]


if __name__ == "__main__":
    main()
