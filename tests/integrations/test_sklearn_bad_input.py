"""What estimators refuse, and what they do where members refuse."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn_members import Constant, Fixed, Hard, cancer, diabetes, iris

from opinionpool.errors import AlignmentError, InputError, LabelError, OpinionPoolWarning
from opinionpool.integrations.sklearn import (
    OpinionPoolClassifier,
    OpinionPoolRegressor,
    PooledBaggingClassifier,
    PooledBaggingRegressor,
)

X, Y = iris()
BX, BY = cancer()
TWO = [("lr", LogisticRegression()), ("nb", GaussianNB())]


@pytest.mark.parametrize("on_failure", ["drop", "raise"])
def test_a_classifier_without_probabilities_is_named_before_anything_is_fitted(on_failure):
    pool = OpinionPoolClassifier([*TWO, ("hard", Hard())], on_failure=on_failure)
    with pytest.raises(InputError, match=r"'hard' \(Hard\) has neither predict_proba nor"):
        pool.fit(X, Y)
    assert not hasattr(pool, "estimators_")
    with pytest.raises(InputError, match=r"'estimator' .Hard. has neither"):
        PooledBaggingClassifier(Hard()).fit(X, Y)


def test_one_column_per_pair_of_classes_is_refused():
    pool = OpinionPoolClassifier([("svc", SVC(decision_function_shape="ovo"))])
    with pytest.raises(InputError, match="a number per pair of classes"):
        pool.fit(X, Y)


@pytest.mark.parametrize(
    "estimator",
    [OpinionPoolClassifier(TWO), PooledBaggingClassifier()],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("labels", [np.zeros(150), np.full(150, "only")])
def test_one_class_is_refused(estimator, labels):
    with pytest.raises(LabelError, match=r"found one class .*expected at least two"):
        estimator.fit(X, labels)


def test_fractions_are_no_classes_and_the_sigmoid_is_named():
    y = np.linspace(0, 1, 150)
    with pytest.raises(LabelError, match=r"continuous.*ProbabilityRegressor"):
        OpinionPoolClassifier(TWO).fit(X, y)
    with pytest.raises(LabelError, match=r"continuous values$"):
        OpinionPoolClassifier(TWO).fit(X, 3 * y)
    with pytest.raises(LabelError, match="softmax of one class is identically 1"):
        OpinionPoolClassifier(TWO).fit(X, np.ones(150))


def test_members_fitted_on_different_classes():
    few = LogisticRegression().fit(X[Y < 2], Y[Y < 2])
    all_ = GaussianNB().fit(X, Y)
    with pytest.raises(AlignmentError, match=r"'few' and 'all' were fitted on different classes"):
        OpinionPoolClassifier([("few", few), ("all", all_)], cv="prefit").fit(X, Y)
    with pytest.raises(AlignmentError, match=r"class.es. .2., which no member knows"):
        OpinionPoolClassifier([("few", few)], cv="prefit").fit(X, Y)
    frozen = FrozenEstimator(LogisticRegression().fit(X, Y + 5))
    with pytest.raises(AlignmentError, match="a member knows the class"):
        OpinionPoolClassifier([("frozen", frozen), *TWO]).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "cubic"}, "rule: found 'cubic'"),
        ({"weighting": "best"}, "weighting: found 'best'"),
        ({"weighting": {"lr": 1, "other": 2}}, "there is no estimator 'other'"),
        ({"temperature": -1.0}, "temperature: found -1"),
        ({"weighting": "uniform", "temperature": 0.0}, "temperature: found 0"),
        ({"floor": 0.9}, "floor: found 0.9"),
        ({"penalty": -1}, "penalty: found -1"),
        ({"fallback": "guess"}, "fallback: found 'guess'"),
        ({"on_failure": "ignore"}, "on_failure: found 'ignore', expected one of drop, raise"),
        ({"pool_options": {"rules": 1}}, "rules"),
    ],
    ids=str,
)
def test_options_that_cannot_be(options, message):
    expected = TypeError if "pool_options" in options else InputError
    with pytest.raises(expected, match=message):
        OpinionPoolClassifier(TWO, **options).fit(X, Y)


def test_a_classifier_is_no_regressor():
    with pytest.raises(InputError, match="LinearRegression should be a classifier"):
        OpinionPoolClassifier([("a", LinearRegression())]).fit(X, Y)
    with pytest.raises(InputError, match="GaussianNB should be a regressor"):
        OpinionPoolRegressor([("a", GaussianNB())]).fit(X, Y)


def test_folds_must_not_test_what_they_trained_on():
    rows = np.arange(150)
    with pytest.raises(InputError, match=r"fold 1 trains and tests on the same 50 row"):
        OpinionPoolClassifier(TWO, cv=[(rows, rows[:50])]).fit(X, Y)


def test_sorted_labels_in_plain_folds_teach_nothing():
    with (
        pytest.raises(InputError, match="no fold tests a class that it was trained on"),
        pytest.warns(OpinionPoolWarning, match=r"150 row.s. are of a class"),
    ):
        OpinionPoolClassifier(TWO, cv=KFold(3)).fit(X, Y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(150), "every weight is zero"),
        (np.ones(149), r"found shape \(149,\), expected \(150,\)"),
        (-np.ones(150), "row 0: found -1.0"),
        (np.full(150, np.nan), "row 0: found nan"),
        (["a"] * 150, "expected one number per row"),
    ],
)
def test_sample_weights_that_cannot_be(weight, message):
    for estimator in (OpinionPoolClassifier(TWO), PooledBaggingClassifier()):
        with pytest.raises(InputError, match=message):
            estimator.fit(X, Y, sample_weight=weight)


def test_where_every_member_fails_the_first_error_is_raised_with_all_of_them_noted():
    broken = [("a", Fixed(fails_without=-99.0)), ("b", Fixed(fails_to_predict=True))]
    with pytest.raises(RuntimeError, match="the row that I need") as error:
        OpinionPoolClassifier(broken).fit(X, Y)
    (note,) = error.value.__notes__
    assert "every member failed: a: RuntimeError on all rows" in note
    assert "no prediction today" in note


class TestGaps:
    """NaN in X, where some members take them and others do not."""

    members = (
        ("lr", LogisticRegression()),
        ("boost", HistGradientBoostingClassifier(max_iter=5, random_state=0)),
    )

    def gaps(self):
        rows = BX.copy()
        rows[::7, 0] = np.nan
        return rows

    def test_in_training_who_refuses_is_dropped(self):
        pool = OpinionPoolClassifier(list(self.members))
        with pytest.warns(OpinionPoolWarning, match=r"'lr' failed.*Input X contains NaN"):
            pool.fit(self.gaps(), BY)
        assert pool.pool_.models == ("boost",)

    def test_when_all_refuse_it_is_their_error(self):
        pool = OpinionPoolClassifier(TWO)
        with pytest.raises(ValueError, match="Input X contains NaN") as error:
            pool.fit(self.gaps(), BY)
        assert "every member failed" in error.value.__notes__[0]

    @pytest.mark.parametrize("rule", ["log", "linear"])
    def test_in_new_rows_who_refuses_is_missing_in_those(self, rule):
        pool = OpinionPoolClassifier(list(self.members), rule=rule, weighting=[1, 1]).fit(BX, BY)
        p, whole = pool.predict_proba(self.gaps()), pool.predict_proba(BX)
        touched = np.arange(len(BX)) % 7 == 0
        np.testing.assert_allclose(p[~touched], whole[~touched], rtol=0, atol=1e-14)
        alone = pool.pool_.apply({"boost": pool.estimators_[1].predict_proba(self.gaps())})
        np.testing.assert_allclose(p[touched], alone[touched], rtol=0, atol=1e-14)
        assert np.isnan(pool.predict_members(self.gaps())["lr"][touched]).all()

    def test_a_row_that_all_refuse_is_an_error_or_the_fallback(self):
        pool = OpinionPoolClassifier(TWO).fit(BX, BY)
        with pytest.raises(InputError, match=r"no member answers 29 row.s., the first being row 0"):
            pool.predict(self.gaps())
        with pytest.raises(InputError, match="lr: Input X contains NaN"):
            pool.predict_proba(np.full((1, BX.shape[1]), np.nan))
        uniform = OpinionPoolClassifier(TWO, fallback="uniform").fit(BX, BY)
        with pytest.warns(OpinionPoolWarning, match=r"29 of 200 row.s. have no output"):
            p = uniform.predict_proba(self.gaps())
        assert (p[::7] == 0.5).all()
        prior = OpinionPoolClassifier(TWO, fallback="prior").fit(BX, BY)
        with pytest.warns(OpinionPoolWarning, match="got the fallback"):
            p = prior.predict_proba(self.gaps())
        counts = np.bincount(BY) + 1  # no class has prior 0
        np.testing.assert_allclose(p[0], counts / counts.sum(), rtol=1e-12)

    def test_other_errors_of_members_are_not_hidden(self):
        pool = OpinionPoolClassifier(TWO).fit(BX, BY)
        with pytest.raises(ValueError, match="features"):
            pool.predict(BX[:, :5])


class TestRegression:
    """Targets and members of regressors."""

    X, y = diabetes()

    @pytest.mark.parametrize(
        "estimator",
        [OpinionPoolRegressor([("a", LinearRegression())]), PooledBaggingRegressor()],
        ids=lambda e: type(e).__name__,
    )
    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (np.full(442, np.nan), "Input y contains NaN"),
            (np.array(["a"] * 442), "no real numbers"),
            (np.zeros((442, 2)), "1d array"),
        ],
        ids=["nan", "text", "two columns"],
    )
    def test_targets_that_are_none(self, estimator, y, message):
        with pytest.raises(ValueError, match=message):
            estimator.fit(self.X, y)

    def test_two_outputs_of_a_member(self):
        class Two(Constant):
            def predict(self, X):
                return np.zeros((len(X), 2))

        with pytest.raises(InputError, match=r"predicted shape \(89, 2\)"):
            OpinionPoolRegressor([("two", Two())]).fit(self.X, self.y)

    def test_without_rows_out_of_the_bag(self):
        with pytest.raises(InputError, match="no row is out of any member's bag"):
            PooledBaggingRegressor(bootstrap=False).fit(self.X, self.y)


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn'] = None; import opinionpool.integrations.sklearn"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert 'scikit-learn, which is not installed: pip install "opinionpool[sklearn]"' in run.stderr
