"""Between bagging and bumping: give the trees of a bag weights, chosen on out-of-bag rows.

    python examples/balancing.py

Every weighting has the same trees and the same temperature treatment, so only the weights differ.
Ten seeds; paired differences to bagging with their standard errors. A longer run, on more data, is
benchmarks/balancing.py. Needs scikit-learn.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

from opinionpool.errors import OpinionPoolWarning
from opinionpool.integrations.sklearn import PooledBaggingRegressor

WEIGHTINGS = {
    "uniform": "bagging: equal weights",
    "single": "bumping: the best tree",
    "balancing": "the quadratic programme",
    "balancing-resampled": "the programme, resampled",
    "optimal": "the exact objective",
}


def main(seeds: int = 10, members: int = 25) -> dict[str, np.ndarray]:
    """Print the table; return the mean squared errors over the seeds."""
    X, y = load_diabetes(return_X_y=True)
    errors: dict[str, list[float]] = {weighting: [] for weighting in WEIGHTINGS}
    for seed in range(seeds):
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
        tree = DecisionTreeRegressor(min_samples_leaf=3)
        bag = PooledBaggingRegressor(tree, members, weighting="uniform", random_state=seed)
        bag.fit(X_train, y_train)
        for weighting, found in errors.items():
            with warnings.catch_warnings():
                # That the programme had to be made convex is no news here.
                warnings.simplefilter("ignore", OpinionPoolWarning)
                bag.set_params(weighting=weighting).refit_pool(X_train, y_train)
            found.append(float(np.mean((y_test - bag.predict(X_test)) ** 2)))
    results = {weighting: np.array(found) for weighting, found in errors.items()}
    print(f"{'':<26} test MSE  difference  std. error")
    for weighting, title in WEIGHTINGS.items():
        d = results[weighting] - results["uniform"]
        error = d.std(ddof=1) / np.sqrt(seeds)
        print(f"{title:<26} {results[weighting].mean():8.1f}  {d.mean():+10.1f}  {error:10.1f}")
    return results


if __name__ == "__main__":
    main()
