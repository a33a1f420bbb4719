"""Data and unusual members for the tests of the scikit-learn estimators."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def cancer(n=200):
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:n]
    return StandardScaler().fit_transform(X)[rows], y[rows]


def diabetes():
    return load_diabetes(return_X_y=True)


class Fixed(ClassifierMixin, BaseEstimator):
    """Says the classes' frequencies; fails where it is told to."""

    def __init__(self, fails_without=None, fails_to_predict=False):
        self.fails_without = fails_without
        self.fails_to_predict = fails_to_predict

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        if self.fails_without is not None and not (X[:, 0] == self.fails_without).any():
            raise RuntimeError("the row that I need is not here")
        self.p_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        if self.fails_to_predict:
            raise RuntimeError("no prediction today")
        return np.tile(self.p_, (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Hard(ClassifierMixin, BaseEstimator):
    """A classifier without probabilities or decision function."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


class Constant(RegressorMixin, BaseEstimator):
    """Predicts one number for every row."""

    def __init__(self, value=0.0):
        self.value = value

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.full(len(X), self.value)
