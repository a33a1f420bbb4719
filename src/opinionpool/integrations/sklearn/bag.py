"""What bags of classifiers and of regressors share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from .members import Say

Array = NDArray[np.float64]


class PooledBag:
    """What both kinds of bags share; to be mixed into scikit-learn's."""

    estimators_: list[Any]
    estimators_features_: list[NDArray[Any]]
    estimators_samples_: list[NDArray[Any]]
    n_jobs: int | None

    def checked_rows(self, X: Any) -> Any:
        """Return X as the members were given it."""
        return validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=None,
            ensure_all_finite=False,
            reset=False,
        )

    def out_of_bag(self, X: Any, say: Say, width: int) -> dict[str, NDArray[Any]]:
        """Return what each member says of the rows outside its bag, NaN inside: (n, width)."""
        n = X.shape[0]

        def said(i: int, samples: NDArray[Any]) -> NDArray[Any]:
            outside = np.ones(n, dtype=bool)
            outside[samples] = False
            full = np.full((n, width), np.nan)
            if outside.any():
                member, features = self.estimators_[i], self.estimators_features_[i]
                full[outside] = say(member, X[np.flatnonzero(outside)][:, features])
            return full

        bags = self.estimators_samples_
        return self._named([said(i, samples) for i, samples in enumerate(bags)])

    def said_of(self, X: Any, say: Say, weights: Array) -> dict[str, NDArray[Any]]:
        """Return what each member with weight says of new rows."""
        X = self.checked_rows(X)
        chosen = np.flatnonzero(weights > 0)
        outputs = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(say)(self.estimators_[i], X[:, self.estimators_features_[i]]) for i in chosen
        )
        names = self.member_names()
        return {names[i]: said for i, said in zip(chosen, outputs, strict=True)}

    def member_names(self) -> list[str]:
        """Return what the pool calls the members, m0, m1 and so on."""
        return [f"m{i}" for i in range(len(self.estimators_))]

    def _named(self, outputs: list[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return dict(zip(self.member_names(), outputs, strict=True))
