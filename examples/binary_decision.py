"""From a raw table to a decision with costs: pool classifiers, then choose the threshold.

    python examples/binary_decision.py

A table with gaps and a column of text; three classifiers, one of which takes the gaps as they are;
a pool with weights chosen out of fold; and the threshold above which a row is sent to a doctor when
a missed case costs ten times a false alarm. Needs scikit-learn and pandas.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from opinionpool.integrations.sklearn import OpinionPoolClassifier

MISSED, ALARM = 10.0, 1.0


def raw_table() -> tuple[pd.DataFrame, pd.Series]:
    """Return a table as it comes, with gaps and text, and labels: 1 is malignant."""
    data = load_breast_cancer(as_frame=True)
    table = data.data.iloc[:, :12].copy()
    rng = np.random.default_rng(0)
    table = table.mask(rng.random(table.shape) < 0.05)
    size = pd.cut(data.data["worst area"], 3, labels=["small", "medium", "large"])
    table["size"] = size.astype(object)
    return table, 1 - data.target


def members() -> list[tuple[str, object]]:
    """Return classifiers, each with the preparation it needs."""
    numbers = make_column_selector(dtype_include="number")
    text = make_column_selector(dtype_exclude="number")
    encoded = OneHotEncoder(handle_unknown="ignore", sparse_output=False)

    def prepared(*steps: object) -> object:
        return make_column_transformer((make_pipeline(*steps), numbers), (encoded, text))

    filled = SimpleImputer(strategy="median")
    logistic = LogisticRegression(max_iter=1000)
    boosting = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    return [
        ("logistic", make_pipeline(prepared(filled, StandardScaler()), logistic)),
        ("forest", make_pipeline(prepared(filled), RandomForestClassifier(50, random_state=0))),
        ("boosting", make_pipeline(prepared("passthrough"), boosting)),
    ]


def cost(y: np.ndarray, decided: np.ndarray) -> float:
    """Return the mean cost of a row."""
    (_, alarms), (missed, _) = confusion_matrix(y, decided, labels=[0, 1])
    return float((ALARM * alarms + MISSED * missed) / len(y))


def main() -> dict[str, float]:
    """Fit, choose, print; return the mean costs on the test rows."""
    X, y = raw_table()
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.4, random_state=0, stratify=y
    )
    pool = OpinionPoolClassifier(members()).fit(X_train, y_train)
    print(f"pool: {pool.pool_!r}\n")
    print("test log-loss")
    for name, member in zip(pool.pool_.models, pool.estimators_, strict=True):
        print(f"  {name:<9} {log_loss(y_test, member.predict_proba(X_test)):.4f}")
    print(f"  {'pool':<9} {log_loss(y_test, pool.predict_proba(X_test)):.4f}\n")

    # Where probabilities are calibrated, the threshold follows from the costs alone
    # (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001).
    theory = FixedThresholdClassifier(
        FrozenEstimator(pool), threshold=ALARM / (ALARM + MISSED)
    ).fit(X_train, y_train)
    scorer = make_scorer(cost, greater_is_better=False)
    tuned = TunedThresholdClassifierCV(pool, scoring=scorer, cv=3).fit(X_train, y_train)
    costs = {
        "0.5": cost(y_test, pool.predict(X_test)),
        f"from the costs, {theory.threshold:.3f}": cost(y_test, theory.predict(X_test)),
        f"tuned, {tuned.best_threshold_:.3f}": cost(y_test, tuned.predict(X_test)),
    }
    print("mean cost of a test row, by threshold")
    for name, value in costs.items():
        print(f"  {name:<24} {value:.4f}")
    return costs


if __name__ == "__main__":
    main()
