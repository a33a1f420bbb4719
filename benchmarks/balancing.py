"""Between bagging and bumping: weights of bootstrap replicates chosen out of bag.

    python benchmarks/balancing.py [--seeds 10]

Per data set and seed: a random half trains 25 members on bootstrap replicates, trees or small
networks, the other half tests. Every weighting has the same members, and a temperature that is
fitted out of bag and extrapolated to the whole bag. Shown are the test loss of bagging (equal
weights) in nats per row, and the mean paired differences of the others to it, with standard errors
over the seeds; below 0 is better. For regression the mean squared error, relative to bagging's, is
shown as well. "T used, best" are bagging's temperature and the one that the test rows would have
wanted.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_friedman1,
)
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from opinionpool.errors import OpinionPoolWarning
from opinionpool.integrations.sklearn import PooledBaggingClassifier, PooledBaggingRegressor

WEIGHTINGS = ("uniform", "single", "balancing", "balancing-resampled", "optimal")
TITLES = ("bagging", "bumping", "programme", "programme, resampled", "exact")
MEMBERS = 25
FLOOR = 1e-6


def classifiers(X: Any, y: Any, seed: int, rule: str) -> dict[str, float]:
    """Return the test loss of every weighting for one split."""
    parts = train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y)
    X_train, X_test, y_train, y_test = parts
    tree = DecisionTreeClassifier(min_samples_leaf=3)
    found = {}
    bag = PooledBaggingClassifier(tree, MEMBERS, weighting="uniform", rule=rule, random_state=seed)
    bag.fit(X_train, y_train)

    def score(p: Any) -> float:
        p = np.maximum(p, FLOOR)
        log_p = np.log(p / p.sum(axis=1, keepdims=True))
        return -float(log_p[np.arange(len(p)), y_test].mean())

    for weighting in WEIGHTINGS:
        if rule == "linear" and weighting.startswith("balancing"):
            continue
        bag.set_params(weighting=weighting).refit_pool(X_train, y_train)
        found[weighting] = score(bag.predict_proba(X_test))
        if weighting == "uniform":
            log_p = bag.predict_log_proba(X_test)
            found["T"] = bag.pool_.temperature
            found["best T"] = bag.pool_.temperature * best_temperature(log_p, y_test)
    plain = BaggingClassifier(tree, MEMBERS, random_state=seed).fit(X_train, y_train)
    found["scikit-learn's"] = score(plain.predict_proba(X_test))
    return found


def best_temperature(log_p: Any, y: Any) -> float:
    """Return the temperature that the test rows would have wanted, relative to the one used."""
    import opinionpool as op

    return op.fit({"bag": log_p}, y, kind="log-probabilities", penalty=0).temperature


def regressors(X: Any, y: Any, seed: int, member: Any) -> dict[str, float]:
    """Return test loss and mean squared error of every weighting for one split."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=seed)
    bag = PooledBaggingRegressor(member, MEMBERS, weighting="uniform", random_state=seed)
    bag.fit(X_train, y_train)
    found = {}
    for weighting in WEIGHTINGS:
        bag.set_params(weighting=weighting).refit_pool(X_train, y_train)
        predicted = bag.predict_distribution(X_test)
        found[weighting] = -float(predicted.log_density(y_test).mean())
        found[f"{weighting} mse"] = float(np.mean((y_test - predicted.mean) ** 2))
        if weighting == "uniform":
            found["T"] = bag.pool_.temperature
            variance = found["uniform mse"] / bag.spread_**2
            found["best T"] = variance
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", OpinionPoolWarning)
    warnings.simplefilter("ignore", ConvergenceWarning)
    start = time.perf_counter()
    digits = load_digits(return_X_y=True)
    some = np.random.default_rng(0).permutation(len(digits[1]))[:800]
    sets: dict[str, Any] = {
        "iris": load_iris(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "breast cancer": load_breast_cancer(return_X_y=True),
        "digits, 800 rows": (digits[0][some], digits[1][some]),
    }
    rows = []
    for rule in ("log", "linear"):
        for name, (X, y) in sets.items():
            if rule == "linear" and name.startswith("digits"):
                continue  # the slowest, and it says what the others say
            runs = [classifiers(X, y, seed, rule) for seed in range(seeds)]
            rows.append((f"{name}, {rule} pool", runs))
    tree = DecisionTreeRegressor(min_samples_leaf=3)
    network = TransformedTargetRegressor(
        make_pipeline(
            StandardScaler(),
            MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=200),
        ),
        transformer=StandardScaler(),
    )
    real: dict[str, Any] = {
        "diabetes": load_diabetes(return_X_y=True),
        "Friedman 1": make_friedman1(400, random_state=0),
    }
    for kind, member in (("trees", tree), ("networks", network)):
        for name, (X, y) in real.items():
            runs = [regressors(X, y, seed, member) for seed in range(seeds)]
            rows.append((f"{name}, {kind}", runs))
    print("| data | " + " | ".join(TITLES) + " | scikit-learn's bagging | T used, best |")
    print("|---" * (len(TITLES) + 3) + "|")
    for name, runs in rows:
        cells = [shown(runs, w) for w in (*WEIGHTINGS, "scikit-learn's")]
        used, best = (np.mean([r[t] for r in runs]) for t in ("T", "best T"))
        print(f"| {name} | " + " | ".join(cells) + f" | {used:.2f}, {best:.2f} |")
    print("\n| mean squared error / bagging's | " + " | ".join(TITLES[1:]) + " |")
    print("|---" * len(TITLES) + "|")
    for name, runs in rows:
        if "uniform mse" in runs[0]:
            cells = []
            for w in WEIGHTINGS[1:]:
                ratio = np.array([r[f"{w} mse"] / r["uniform mse"] for r in runs])
                cells.append(f"{ratio.mean():.3f} ({ratio.std(ddof=1) / np.sqrt(len(ratio)):.3f})")
            print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\n{time.perf_counter() - start:.0f} s")


def shown(runs: list[dict[str, float]], weighting: str) -> str:
    """Return a cell: the loss of bagging, or the paired difference to it."""
    if weighting not in runs[0]:
        return ""
    if weighting == "uniform":
        return f"{np.mean([r['uniform'] for r in runs]):.4f}"
    d = np.array([r[weighting] - r["uniform"] for r in runs])
    return f"{d.mean():+.4f} ({d.std(ddof=1) / np.sqrt(len(d)):.4f})"


if __name__ == "__main__":
    main()
