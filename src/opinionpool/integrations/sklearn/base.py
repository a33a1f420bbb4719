"""What the pools of different estimators share: parameters, members, routing, display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MetaEstimatorMixin
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import has_fit_parameter, validate_data

from ...compare import Comparison
from ...errors import InputError, warn
from .display import visual_block
from .held_out import ON_FAILURE, HeldOut, Split, held_out, prefit, splits_of
from .members import Say, said_of_all, whole_rows

Array = NDArray[np.float64]


class PoolOfEstimators(MetaEstimatorMixin, _BaseComposition):  # type: ignore[misc]
    """Base of the pools of named estimators; not to be used directly."""

    estimators: list[tuple[str, Any]]
    cv: Any
    on_failure: str
    n_jobs: int | None
    random_state: Any
    verbose: int

    @property
    def named_estimators(self) -> Any:
        """The estimators by name, as given."""
        return Bunch(**dict(self.estimators))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters, those of the estimators included: ``name``, ``name__parameter``."""
        found: dict[str, Any] = self._get_params("estimators", deep=deep)
        return found

    def set_params(self, **params: Any) -> PoolOfEstimators:
        """Set parameters, those of the estimators included; ``name="drop"`` leaves one out."""
        self._set_params("estimators", **params)
        return self

    def chosen(self, is_kind: Any, expected: str) -> dict[str, Any]:
        """Return the estimators that are not dropped, by name; check that there are some."""
        listed = self.estimators
        pairs = isinstance(listed, list | tuple) and all(
            isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str)
            for item in listed
        )
        if not pairs or not listed:
            raise InputError(
                "Invalid 'estimators' attribute, 'estimators' should be a non-empty list of "
                "(string, estimator) tuples."
            )
        self._validate_names([name for name, _ in listed])
        if any(name == "splitter" for name, _ in listed):
            raise InputError("estimators: the name 'splitter' is taken by cv in metadata routing")
        found = {name: e for name, e in listed if not (isinstance(e, str) and e == "drop")}
        if not found:
            raise InputError(
                "All estimators are dropped. At least one is required to be an estimator."
            )
        for estimator in found.values():
            if not is_kind(estimator):
                raise InputError(
                    f"The estimator {type(estimator).__name__} should be a {expected}."
                )
        if self.on_failure not in ON_FAILURE:
            raise InputError(
                f"on_failure: found {self.on_failure!r}, expected one of {', '.join(ON_FAILURE)}"
            )
        return found

    def fit_members(
        self,
        estimators: Mapping[str, Any],
        X: Any,
        y: NDArray[Any],
        say: Say,
        *,
        sample_weight: Array | None,
        params: Mapping[str, Any],
        learning: bool,
        stratified: bool,
    ) -> HeldOut:
        """Fit the members, out of fold first where anything is to be learned from that."""
        from sklearn.model_selection import check_cv

        if isinstance(self.cv, str) and self.cv == "prefit":
            return prefit(estimators, X, say, self.on_failure)
        routed = self._routed(estimators, sample_weight, params)
        splits: list[Split] = []
        if learning:
            cv = check_cv(self.cv, y, classifier=stratified)
            splits = splits_of(cv, X, y, routed["splitter"]["split"])
        return held_out(
            estimators,
            X,
            y,
            splits,
            say,
            fit_params={name: routed[name]["fit"] for name in estimators},
            on_failure=self.on_failure,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )

    def _routed(
        self, estimators: Mapping[str, Any], sample_weight: Array | None, params: Mapping[str, Any]
    ) -> Any:
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        if _routing_enabled():
            return process_routing(self, "fit", **params, **weight)
        _raise_for_params({k: v for k, v in params.items() if k != "groups"}, self, "fit")
        routed: dict[str, Any] = {"splitter": {"split": dict(params)}}
        deaf = []
        for name, estimator in estimators.items():
            takes = has_fit_parameter(estimator, "sample_weight")
            routed[name] = {"fit": weight if takes else {}}
            deaf += [] if takes or not weight else [name]
        if deaf:
            warn(
                f"sample_weight: these members take none and are fitted without: "
                f"{', '.join(deaf)}; the pool's weights are still chosen with it"
            )
        return routed

    def get_metadata_routing(self) -> Any:
        """Return how metadata of ``fit`` reach the members and the splitter of ``cv``."""
        router = MetadataRouter(owner=self)
        for name, estimator in self.estimators:
            if not isinstance(estimator, str):
                mapping = MethodMapping().add(caller="fit", callee="fit")
                router.add(**{name: estimator}, method_mapping=mapping)
        mapping = MethodMapping().add(caller="fit", callee="split")
        splitter = self.cv if hasattr(self.cv, "split") else None
        if splitter is None:
            from sklearn.model_selection import KFold

            splitter = KFold()
        router.add(splitter=splitter, method_mapping=mapping)
        return router

    def check_rows(self, X: Any, *, reset: bool) -> None:
        """Check or remember number and names of features; X itself goes to the members as it is."""
        # A list of texts, or a series of them, has no features to count, and is for the members.
        counted = not reset and hasattr(self, "n_features_in_")
        ndim = np.ndim(X) if isinstance(X, list | tuple) else len(getattr(X, "shape", (0, 0)))
        if counted and ndim == 1:
            raise InputError(
                "X: Expected 2D array, got 1D array instead. Reshape your data: (1, n_features) "
                "for one row"
            )
        validate_data(self, X, skip_check_array=True, reset=reset)

    def keep(self, found: HeldOut) -> None:
        """Remember the fitted members."""
        self.estimators_ = list(found.members.values())
        self.named_estimators_ = Bunch(
            **{name: found.members.get(name, "drop") for name, _ in self.estimators}
        )
        self.failures_ = dict(found.failures)

    def remember(self, comparison: Comparison | None) -> None:
        """Keep the table of a comparison, or none of an earlier fit."""
        if hasattr(self, "comparison_"):
            del self.comparison_
        if comparison is not None:
            self.comparison_: list[dict[str, Any]] = comparison.table

    def said(self, X: Any, say: Say, width: int) -> dict[str, NDArray[Any]]:
        """Return what every member with weight says of new rows, (n, width) by name.

        Rows that a member refuses because of gaps are missing outputs; where that leaves a row
        to nobody and ``fallback="error"``, the error says what the members raised.
        """
        outputs: dict[str, NDArray[Any]] = {}
        refusals: dict[str, ValueError] = {}
        everyone = self.pool_.settings.closure
        for name, weight in zip(self.pool_.models, self.pool_.weights, strict=True):
            if weight > 0 or everyone:
                try:
                    outputs[name] = said_of_all(say, self.named_estimators_[name], X)
                except ValueError as error:
                    whole = whole_rows(X)
                    if whole is None or whole.any():
                        raise
                    refusals[name] = error
                    outputs[name] = np.full((len(whole), width), np.nan)
        silent = np.all([np.isnan(rows).all(axis=1) for rows in outputs.values()], axis=0)
        if silent.any() and self.pool_.settings.fallback == "error":
            reasons = [f"{name}: {error}" for name, error in refusals.items()]
            raise InputError(
                f"X: no member answers {int(silent.sum())} row(s), the first being row "
                f"{int(silent.argmax())}: they hold NaN or infinity, which members refuse; fill "
                "them, add a member that accepts them, or choose a fallback. " + "; ".join(reasons)
            )
        return outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = [get_tags(e).input_tags for _, e in _pairs(self.estimators)]
        # Who refuses is left out of the pool, unless that is an error.
        enough = all if self.on_failure == "raise" else any
        tags.input_tags.allow_nan = enough(t.allow_nan for t in inner)
        tags.input_tags.sparse = enough(t.sparse for t in inner)
        return tags

    def _sk_visual_block_(self) -> Any:
        weights: Mapping[str, float] = {}
        if hasattr(self, "pool_"):
            weights = dict(zip(self.pool_.models, self.pool_.weights, strict=True))
        return visual_block(_pairs(self.estimators), weights)


def _pairs(estimators: Any) -> list[tuple[str, Any]]:
    try:
        return [(name, e) for name, e in estimators if not isinstance(e, str)]
    except (TypeError, ValueError):  # not what the parameter should be: fit will say so
        return []
