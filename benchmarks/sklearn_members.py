"""OpinionPoolClassifier against soft voting, stacking and the best single member.

    python benchmarks/sklearn_members.py [--repeats 5]

Test log-loss (nats per row) on three data sets of scikit-learn, six members of different families,
5 × 2 repeated splits: halves, each trained on once. Every method trains the same members on the
same rows. Probabilities are floored at 1e-6 before they are scored, whoever made them, because one
zero would cost its maker infinity. Ranks are among the four methods of the comparison.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from opinionpool.integrations.sklearn import OpinionPoolClassifier

FLOOR = 1e-6
SETS: dict[str, Callable[..., Any]] = {
    "digits": load_digits,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
}
#: The pool by default, and its three rivals; the others are shown beside them.
RANKED = ("pool", "voting", "stacking", "best single")


def members() -> list[tuple[str, Any]]:
    """Return six classifiers of different families."""
    return [
        ("logistic", make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))),
        ("naive-bayes", GaussianNB(var_smoothing=1e-2)),
        ("neighbours", make_pipeline(StandardScaler(), KNeighborsClassifier(5))),
        ("forest", RandomForestClassifier(50, random_state=0)),
        ("tree", DecisionTreeClassifier(min_samples_leaf=3, random_state=0)),
        (
            "network",
            make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=60, random_state=0)),
        ),
    ]


def losses(X: Any, y: Any, train: Any, test: Any) -> dict[str, float]:
    """Return the test log-loss of every method on one split."""
    found = {}

    def score(name: str, p: Any) -> None:
        p = np.maximum(p, FLOOR)
        found[name] = -float(
            np.mean(np.log(p / p.sum(axis=1, keepdims=True))[np.arange(len(p)), y[test]])
        )

    pool = OpinionPoolClassifier(members()).fit(X[train], y[train])
    score("pool", pool.predict_proba(X[test]))
    best = pool.estimators_[int(np.argmin(pool.pool_.losses))]
    score("best single", best.predict_proba(X[test]))
    chosen = OpinionPoolClassifier(members(), weighting="compare").fit(X[train], y[train])
    score("pool, compared", chosen.predict_proba(X[test]))
    voting = VotingClassifier(members(), voting="soft").fit(X[train], y[train])
    score("voting", voting.predict_proba(X[test]))
    stacking = StackingClassifier(members(), LogisticRegression(max_iter=2000))
    score("stacking", stacking.fit(X[train], y[train]).predict_proba(X[test]))
    alone = [e.predict_proba(X[test]) for e in pool.estimators_]
    own = []
    for p in alone:
        score("hindsight", p)
        own.append(found.pop("hindsight"))
    found["best single in hindsight"] = min(own)
    return found


def main() -> None:
    """Print one Markdown row per data set, and the mean ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore", ConvergenceWarning)
    table, ranks = {}, []
    start = time.perf_counter()
    for name, load in SETS.items():
        X, y = load(return_X_y=True)
        splits = RepeatedStratifiedKFold(n_splits=2, n_repeats=repeats, random_state=0)
        rows = [losses(X, y, a, b) for a, b in splits.split(X, y)]
        table[name] = rows
        ranks += [np.argsort(np.argsort([r[m] for m in RANKED])) + 1 for r in rows]
    methods = [*RANKED, "pool, compared", "best single in hindsight"]
    print("| data | " + " | ".join(methods) + " | pool − best rival (s.e.) |")
    print("|---" * (len(methods) + 2) + "|")
    for name, rows in table.items():
        mean = {m: np.mean([r[m] for r in rows]) for m in methods}
        rival = min(RANKED[1:], key=mean.__getitem__)
        d = np.array([r["pool"] - r[rival] for r in rows])
        best = min(mean[m] for m in RANKED)
        cells = [f"**{mean[m]:.4f}**" if mean[m] == best else f"{mean[m]:.4f}" for m in methods]
        error = d.std(ddof=1) / np.sqrt(len(d))
        print(f"| {name} | " + " | ".join(cells) + f" | {d.mean():+.4f} ({error:.4f}), {rival} |")
    mean_rank = np.mean(ranks, axis=0)
    print("| mean rank | " + " | ".join(f"{r:.2f}" for r in mean_rank) + " | | | |")
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
