"""A season ahead: choose and fit on influenza forecasts of 2016/17, score 2017/18.

    python benchmarks/forward.py DATA_FOLDER

Only models that took part in both seasons, under the floor e⁻¹⁰ of the forecasting challenge.
Nothing of the second season is looked at before the score; the published ensembles of that
season, which could use all its models and (FluSightNetwork) seven earlier seasons, stand beside.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

import opinionpool as op

FLOOR = float(np.exp(-10))


def season(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return one season's archive as a dictionary."""
    with np.load(folder / f"flusight_{name}_wkahead.npz", allow_pickle=False) as archive:
        return dict(archive)


def in_season(week: np.ndarray) -> np.ndarray:
    """Return weeks in a season's order: 43 … 52 come before 1 … 18 of the next year."""
    return np.where(week < 40, week + 52, week)


def main() -> None:
    """Print what was chosen, what it scored, and what the published ensembles scored."""
    folder = Path(sys.argv[1])
    before, after = season(folder, "2016-2017"), season(folder, "2017-2018")
    common = [m for m in before["models"].tolist() if m in after["models"].tolist()]
    past, future = (
        {m: s["probs"][s["models"].tolist().index(m)] for m in common} for s in (before, after)
    )
    warnings.simplefilter("ignore", op.OpinionPoolWarning)
    settings = {"floor": FLOOR, "renormalise": True}
    c = op.compare(past, before["labels"], time=in_season(before["week"]), **settings)
    print(f"{len(common)} models in both seasons: {', '.join(common)}\n")
    print(c)
    print(f"\nchosen on 2016/17: {c.recommended}\n{c.pool}\n")
    for name, pool in {
        f"chosen by compare: {c.recommended}": c.pool,
        "optimal log, T fitted": op.fit(past, before["labels"], **settings),
        "optimal linear, T = 1": op.fit(
            past, before["labels"], rule="linear", temperature=1.0, **settings
        ),
        "uniform log, T fitted": op.fit(past, before["labels"], weighting="uniform", **settings),
        "uniform linear, T = 1": op.fit(
            past, before["labels"], rule="linear", weighting="uniform", temperature=1.0, **settings
        ),
    }.items():
        found = op.score(future, after["labels"], pool=pool)["pool"]
        print(f"{name:45} 2017/18 NLL {found['nll']:.4f}")
    for name in ("UnwghtAvg", "FluSightNetwork"):
        own = op.score({name: after[f"ref_{name}"]}, after["labels"], floor=FLOOR, renormalise=True)
        print(f"{'published ' + name:45} 2017/18 NLL {own['models'][name]['nll']:.4f}")


if __name__ == "__main__":
    main()
