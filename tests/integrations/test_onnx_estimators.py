"""A whole fitted classifier in one graph, with scikit-learn's members converted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import opinionpool as op
from opinionpool.errors import AlignmentError, InputError
from opinionpool.integrations.onnx import classifier_to_onnx, estimators_to_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def fitted():
    """Members on half of the wine, a pool on the rest, labels as text."""
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_wine(return_X_y=True)
    X, y = X.astype(np.float32), np.array(["low", "mid", "top"])[y]
    members = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        "bayes": make_pipeline(StandardScaler(), GaussianNB()),
        "forest": RandomForestClassifier(20, max_depth=3, random_state=0),
    }
    for member in members.values():
        member.fit(X[::2], y[::2])
    models = {name: m.predict_proba(X[1::2]) for name, m in members.items()}
    pool = op.fit(models, y[1::2], floor=1e-4, classes=["low", "mid", "top"])
    return X, members, pool


def run(model, X):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})


def test_features_in_probabilities_out(fitted, tmp_path):
    X, members, pool = fitted
    path = tmp_path / "whole.onnx"
    model = estimators_to_onnx(pool, members, X.shape[1], path, label=True)
    found, label = run(model, X)
    right = pool.apply({name: m.predict_proba(X) for name, m in members.items()})
    # The converted members compute in float32.
    assert_allclose(found, right, rtol=0, atol=2e-5)
    assert label.tolist() == [pool.classes[k] for k in right.argmax(axis=1)]
    assert [i.name for i in model.graph.input] == ["X"]
    assert onnx.load(path) == model


def test_classes_in_another_order(fitted):
    X, members, _ = fitted
    y = np.array(["low", "mid", "top"])[np.arange(40) % 3]
    order = ["top", "low", "mid"]
    models = {name: m.predict_proba(X[:40])[:, [2, 0, 1]] for name, m in members.items()}
    pool = op.fit(models, y, floor=1e-4, classes=order)
    found = run(estimators_to_onnx(pool, members, X.shape[1]), X)[0]
    right = pool.apply({n: m.predict_proba(X)[:, [2, 0, 1]] for n, m in members.items()})
    assert_allclose(found, right, rtol=0, atol=2e-5)


def test_what_cannot_be_is_refused(fitted):
    X, members, pool = fitted
    few = {name: members[name] for name in ("linear", "bayes")}
    with pytest.raises(InputError, match=r"found linear, bayes, expected the pool's models"):
        estimators_to_onnx(pool, few, X.shape[1])
    models = {name: np.log(m.predict_proba(X) + 1e-3) + 5 for name, m in members.items()}
    logits = op.fit(models, np.array(["low", "mid", "top"])[np.arange(len(X)) % 3], kind="logits")
    with pytest.raises(InputError, match="fitted on logits"):
        estimators_to_onnx(logits, members, X.shape[1])
    with pytest.raises(InputError, match="expected precision, label"):
        estimators_to_onnx(pool, members, X.shape[1], present=True)


def test_other_classes_are_refused(fitted):
    from sklearn.linear_model import LogisticRegression

    X, members, pool = fitted
    two = LogisticRegression().fit(X[:60], np.arange(60) % 2)
    with pytest.raises(AlignmentError, match=r"model 'linear': its classes are 0, 1"):
        estimators_to_onnx(pool, members | {"linear": two}, X.shape[1])


def test_estimators_without_a_converter_are_refused(fitted):
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Own(ClassifierMixin, BaseEstimator):
        classes_ = np.array(["low", "mid", "top"])

        def fit(self, X, y):
            return self

    X, members, pool = fitted
    with pytest.raises(InputError, match="model 'bayes': skl2onnx cannot convert it"):
        estimators_to_onnx(pool, members | {"bayes": Own()}, X.shape[1])


def test_the_classifier_of_scikit_learn(fitted):
    home = pytest.importorskip("opinionpool.integrations.sklearn")
    from sklearn.base import clone
    from sklearn.datasets import load_wine

    X, members, _ = fitted
    y = np.array(["low", "mid", "top"])[load_wine().target]
    pool = home.OpinionPoolClassifier([(n, clone(m)) for n, m in members.items()], cv=3)
    pool.fit(X, y)
    found, label = run(classifier_to_onnx(pool, label=True), X)
    assert_allclose(found, pool.predict_proba(X), rtol=0, atol=2e-5)
    assert label.tolist() == pool.predict(X).tolist()


def test_what_is_no_fitted_classifier_is_refused(fitted):
    _, members, _ = fitted
    with pytest.raises(InputError, match="found Pipeline, expected a fitted OpinionPoolClassifier"):
        classifier_to_onnx(members["linear"])
