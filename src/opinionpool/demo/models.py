"""Models of different families, trained on scikit-learn's digits, and their predictions."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from ..io import write

FOLDS = 5
SEED = 0
TEST_SHARE = 0.4

Progress = Callable[[str, float], None]


def need_packages() -> None:
    """Raise ``MissingExtraError`` where scikit-learn or pyarrow is absent."""
    for package, module in (("scikit-learn", "sklearn"), ("pyarrow", "pyarrow")):
        try:
            __import__(module)
        except ImportError as error:
            raise MissingExtraError("opinionpool demo", package, "demo") from error


def classifiers() -> dict[str, Any]:
    """Return untrained models: linear, generative, neighbours, trees, kernels, a network."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    return {
        "logistic": LogisticRegression(max_iter=100),
        "discriminant": LinearDiscriminantAnalysis(),
        "naive-bayes": GaussianNB(var_smoothing=1e-2),
        "neighbours": KNeighborsClassifier(5),
        "random-forest": RandomForestClassifier(100, random_state=SEED),
        "extra-trees": ExtraTreesClassifier(100, random_state=SEED),
        "kernel-svm": CalibratedClassifierCV(SVC(C=10), ensemble=False, cv=3),
        "network": MLPClassifier((64,), max_iter=120, random_state=SEED),
        "boosting": HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, random_state=SEED
        ),
    }


def write_predictions(folder: Path, progress: Progress) -> dict[str, Any]:
    """Train every model; write what it says of rows that it has not seen.

    ``train/`` gets out-of-fold predictions of the training rows, made by models that did not
    see them; ``test/`` predictions of the test rows by models trained on all training rows;
    the labels lie beside these folders, so that ``train/*`` are the models and nothing else.

    Returns
    -------
    dict
        ``train`` and ``test``: for each the model files by name and the file of labels;
        ``rows`` and ``seconds``.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
    from threadpoolctl import threadpool_limits

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(
        x / 16, y, np.arange(len(y)), test_size=TEST_SHARE, random_state=SEED, stratify=y
    )
    x_train, x_test, y_train, y_test, id_train, id_test = parts
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    names = [str(label) for label in np.unique(y)]
    files: dict[str, Any] = {
        part: {"models": {}, "labels": folder / f"{part}-labels.parquet"}
        for part in ("train", "test")
    }
    for part, ids, labels in (("train", id_train, y_train), ("test", id_test, y_test)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        write(files[part]["labels"], {"id": ids, "label": labels})
    seconds = {}
    models = classifiers()
    for number, (name, model) in enumerate(models.items()):
        progress(f"training {name}", number / len(models))
        start = time.perf_counter()
        # One thread: these models are small, and threads that wait for each other on a busy
        # machine make boosting fifty times slower.
        with threadpool_limits(1), warnings.catch_warnings():
            # That a network stopped before it converged is no matter here.
            warnings.simplefilter("ignore")
            held_out = cross_val_predict(model, x_train, y_train, cv=folds, method="predict_proba")
            unseen = model.fit(x_train, y_train).predict_proba(x_test)
        seconds[name] = time.perf_counter() - start
        for part, ids, p in (("train", id_train, held_out), ("test", id_test, unseen)):
            path = folder / part / f"{name}.parquet"
            write(path, _columns(ids, p, names))
            files[part]["models"][name] = path
    return {**files, "rows": {"train": len(y_train), "test": len(y_test)}, "seconds": seconds}


def _columns(ids: NDArray[Any], p: NDArray[Any], names: list[str]) -> dict[str, NDArray[Any]]:
    return {"id": ids, **{name: p[:, k] for k, name in enumerate(names)}}
