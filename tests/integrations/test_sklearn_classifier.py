"""OpinionPoolClassifier: held-out rows, weights, and the habits of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn_members import Fixed, cancer, iris
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import OpinionPoolWarning, Status
from opinionpool.integrations.sklearn import OpinionPoolClassifier

X, Y = iris()
BX, BY = cancer()


def members():
    return [
        ("lr", LogisticRegression()),
        ("nb", GaussianNB()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ]


def held_out(cv, estimators=None, rows=X, labels=Y):
    return {
        name: cross_val_predict(e, rows, labels, cv=cv, method="predict_proba")
        for name, e in estimators or members()
    }


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("weighting", ["optimal", "greedy", "uniform", [3, 2, 1]], ids=str)
def test_it_is_the_library_on_out_of_fold_predictions(rule, weighting):
    cv = StratifiedKFold(4)
    pool = OpinionPoolClassifier(members(), rule=rule, weighting=weighting, cv=cv).fit(X, Y)
    expected = op.fit(held_out(cv), Y, rule=rule, weighting=weighting, floor=1e-6)
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-9)
    assert pool.pool_.temperature == pytest.approx(expected.temperature, rel=1e-12)
    fitted = {name: e.fit(X, Y).predict_proba(X) for name, e in members()}
    np.testing.assert_allclose(
        pool.predict_proba(X), expected.apply(fitted), **tolerance(float, 1 << 12)
    )
    assert weighting != "optimal" or pool.pool_.status is Status.CONVERGED


def test_log_probabilities_do_not_pass_through_probabilities():
    far = np.array([[400.0, 0.0], [-400.0, 0.0]])
    pool = OpinionPoolClassifier(
        [("lr", LogisticRegression(C=1e4))], weighting="uniform", temperature=0.01, floor=1e-9
    ).fit(far.repeat(4, axis=0), [0, 0, 0, 0, 1, 1, 1, 1])
    log_p = pool.predict_log_proba(far)
    assert np.isfinite(log_p).all()
    assert log_p.min() < -1000
    np.testing.assert_array_equal(np.exp(log_p), pool.predict_proba(far))


def test_prefit_members_are_used_as_they_are():
    half, rest = slice(0, None, 2), slice(1, None, 2)
    fitted = [(name, e.fit(X[half], Y[half])) for name, e in members()]
    pool = OpinionPoolClassifier(fitted, cv="prefit").fit(X[rest], Y[rest])
    assert all(a is b for a, (_, b) in zip(pool.estimators_, fitted, strict=True))
    said = {name: e.predict_proba(X[rest]) for name, e in fitted}
    expected = op.fit(said, Y[rest], floor=1e-6)
    np.testing.assert_array_equal(pool.weights_, expected.weights)
    np.testing.assert_allclose(
        pool.predict_proba(X),
        expected.apply({name: e.predict_proba(X) for name, e in fitted}),
        **tolerance(float, 64),
    )


def test_frozen_members_are_not_refitted_and_survive_a_clone():
    half, rest = slice(0, None, 2), slice(1, None, 2)
    frozen = [(name, FrozenEstimator(e.fit(X[half], Y[half]))) for name, e in members()]
    prefit = OpinionPoolClassifier(frozen, cv="prefit").fit(X[rest], Y[rest])
    folded = clone(OpinionPoolClassifier(frozen, cv=StratifiedKFold(3))).fit(X[rest], Y[rest])
    np.testing.assert_allclose(folded.weights_, prefit.weights_, rtol=0, atol=1e-9)
    assert folded.estimators_[0].estimator is frozen[0][1].estimator


def test_groups_stay_together():
    groups = np.repeat(np.arange(30), 5)
    pool = OpinionPoolClassifier(members(), cv=GroupKFold(3)).fit(X, Y, groups=groups)
    splits = list(GroupKFold(3).split(X, Y, groups))
    expected = op.fit(held_out(splits), Y, floor=1e-6)
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        OpinionPoolClassifier(members(), cv=GroupKFold(3)).fit(X, Y)


def test_rows_that_no_fold_tests_do_not_count():
    order = np.random.default_rng(0).permutation(len(Y))
    rows, labels = X[order], Y[order]
    cv = TimeSeriesSplit(4)
    pool = OpinionPoolClassifier(members(), cv=cv).fit(rows, labels)
    said = {
        name: np.concatenate(
            [clone(e).fit(rows[a], labels[a]).predict_proba(rows[b]) for a, b in cv.split(rows)]
        )
        for name, e in members()
    }
    tested = np.concatenate([b for _, b in cv.split(rows)])
    expected = op.fit(said, labels[tested], floor=1e-6)
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-9)
    assert pool.pool_.rows["fitted"] == len(tested) < len(Y)


def test_rows_tested_twice_are_shrunk_as_once():
    once = OpinionPoolClassifier(members(), cv=KFold(3, shuffle=True, random_state=0)).fit(X, Y)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    twice = OpinionPoolClassifier(members(), cv=splits * 2).fit(X, Y)
    np.testing.assert_allclose(twice.weights_, once.weights_, rtol=0, atol=1e-9)
    assert twice.pool_.temperature == pytest.approx(once.pool_.temperature, rel=1e-7)
    assert twice.pool_.rows["fitted"] == 2 * len(Y)


def test_compare_chooses_on_the_same_rows():
    cv = StratifiedKFold(3)
    pool = OpinionPoolClassifier(members(), weighting="compare", cv=cv, random_state=3).fit(X, Y)
    expected = op.compare(held_out(cv), Y, floor=1e-6, seed=3)
    assert [row["candidate"] for row in pool.comparison_] == [
        row["candidate"] for row in expected.table
    ]
    chosen = next(row for row in pool.comparison_ if row["recommended"])
    assert chosen["candidate"] == expected.recommended
    assert pool.pool_.weighting == expected.pool.weighting
    assert not hasattr(pool.set_params(weighting="optimal").fit(X, Y), "comparison_")


def out_of_fold(splits, rows, labels):
    """Predictions of all test rows, ordered by row, and which fold and row each is."""
    row = np.concatenate([b for _, b in splits])
    fold = np.repeat(np.arange(len(splits)), [len(b) for _, b in splits])
    order = np.argsort(row, kind="stable")
    said = {
        name: np.concatenate(
            [clone(e).fit(rows[a], labels[a]).predict_proba(rows[b]) for a, b in splits]
        )[order]
        for name, e in members()
    }
    return said, row[order], fold[order]


def assert_same_table(found, expected):
    for mine, theirs in zip(found, expected.table, strict=True):
        assert mine["candidate"] == theirs["candidate"]
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-9)


def test_compare_goes_forward_where_the_splits_do():
    splits = list(TimeSeriesSplit(6).split(BX))
    pool = OpinionPoolClassifier(members(), weighting="compare", cv=splits).fit(BX, BY)
    said, row, fold = out_of_fold(splits, BX, BY)
    assert_same_table(pool.comparison_, op.compare(said, BY[row], time=fold, floor=1e-6))


def test_compare_keeps_rows_that_were_tested_twice_together():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    pool = OpinionPoolClassifier(members(), weighting="compare", cv=cv).fit(BX, BY)
    said, row, _ = out_of_fold(list(cv.split(BX, BY)), BX, BY)
    assert_same_table(
        pool.comparison_, op.compare(said, BY[row], groups=row, floor=1e-6, penalty=2.0)
    )


def test_sample_weights_count_for_members_and_weights():
    weight = np.random.default_rng(0).integers(1, 4, len(Y)).astype(float)
    pool = OpinionPoolClassifier(members()[:2], cv=KFold(3, shuffle=True, random_state=0))
    pool.fit(X, Y, sample_weight=weight)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    said = {name: np.empty((len(Y), 3)) for name, _ in members()[:2]}
    for name, e in members()[:2]:
        for a, b in splits:
            said[name][b] = clone(e).fit(X[a], Y[a], sample_weight=weight[a]).predict_proba(X[b])
    expected = op.fit(said, Y, sample_weight=weight, floor=1e-6)
    np.testing.assert_allclose(pool.weights_, expected.weights, rtol=0, atol=1e-9)


def test_members_without_sample_weights_are_named():
    pool = OpinionPoolClassifier([("lr", LogisticRegression()), ("prior", Fixed())])
    with pytest.warns(OpinionPoolWarning, match="these members take none.*: prior"):
        pool.fit(X, Y, sample_weight=np.ones(len(Y)))


def test_metadata_are_routed_where_they_are_asked_for():
    seen = []

    class Listening(LogisticRegression):
        def fit(self, X, y, sample_weight=None, note=None):
            seen.append((len(y), None if note is None else len(note), sample_weight is None))
            return super().fit(X, y, sample_weight)

    n = len(Y)
    with sklearn.config_context(enable_metadata_routing=True):
        listening = Listening().set_fit_request(sample_weight=True, note=True)
        deaf = GaussianNB().set_fit_request(sample_weight=False)
        pool = OpinionPoolClassifier([("a", listening), ("b", deaf)], cv=GroupKFold(3))
        groups = np.repeat(np.arange(15), 10)
        pool.fit(X, Y, sample_weight=np.ones(n), groups=groups, note=np.arange(n))
    assert seen == [(n, n, False)] + [(100, 100, False)] * 3
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
        pool.fit(X, Y, note=np.arange(n))


def test_decision_functions_are_logits_with_a_temperature_of_their_own():
    svc = SVC(kernel="linear", C=0.01)
    pool = OpinionPoolClassifier([("svc", svc), ("nb", GaussianNB())], rule="linear", cv=5)
    pool.fit(BX, BY)
    d = cross_val_predict(svc, BX, BY, cv=StratifiedKFold(5), method="decision_function")
    alone = op.fit({"svc": d}, BY, kind="logits", floor=1e-6)
    assert pool.temperatures_ == {"svc": pytest.approx(alone.temperature, rel=1e-9)}
    nb = cross_val_predict(GaussianNB(), BX, BY, cv=StratifiedKFold(5), method="predict_proba")
    scaled = np.stack([np.zeros(len(d)), d / alone.temperature], axis=1)
    both = op.fit({"svc": scaled, "nb": nb}, BY, rule="linear", floor=1e-6)
    np.testing.assert_allclose(pool.weights_, both.weights, rtol=0, atol=1e-9)
    said = pool.predict_members(BX)["svc"]
    np.testing.assert_allclose(
        said[:, 1] - said[:, 0],
        svc.fit(BX, BY).decision_function(BX) / alone.temperature,
        **tolerance(float, 64),
    )
    # Better than taking the distance from the plane for a log-odds.
    raw, own = (op.combine({"svc": d[:, None] / t}) for t in (1.0, alone.temperature))
    assert log_loss(BY, own) < log_loss(BY, raw)


def test_decision_functions_of_many_classes():
    pool = OpinionPoolClassifier([("ridge", RidgeClassifier()), ("lr", LogisticRegression())])
    assert pool.fit(X, Y).score(X, Y) > 0.95
    given = clone(pool).set_params(weighting=[1, 1], temperature=1.0).fit(X, Y)
    assert given.temperatures_["ridge"] == pytest.approx(pool.temperatures_["ridge"])
    assert given.predict_members(X)["ridge"].shape == (150, 3)


def test_classes_that_a_fold_never_saw():
    labels = Y.astype(object)
    labels[:] = np.array(["b", "c", "d"], dtype=object)[Y]
    labels[149] = "a"  # the first class: the others' columns have to move
    with pytest.warns(UserWarning, match="class") as said:
        pool = OpinionPoolClassifier(members(), cv=StratifiedKFold(5)).fit(X, labels)
    own = [str(w.message) for w in said if issubclass(w.category, OpinionPoolWarning)]
    assert any(
        "1 row(s) are of a class that the training rows of their fold lack" in w for w in own
    )
    assert pool.classes_.tolist() == ["a", "b", "c", "d"]
    assert pool.predict_proba(X).shape == (150, 4)
    assert pool.pool_.rows["fitted"] == 149
    assert pool.pool_.loss < 0.2  # the row that nobody could know costs nothing


def test_members_that_fail_in_a_fold_are_dropped_with_a_warning_or_not():
    unique = X.copy()
    unique[0, 0] = 77.0
    pool = OpinionPoolClassifier(
        [("lr", LogisticRegression()), ("picky", Fixed(fails_without=77.0)), ("nb", GaussianNB())]
    )
    with pytest.warns(OpinionPoolWarning, match="'picky' failed .* RuntimeError in fold 1"):
        pool.fit(unique, Y)
    assert pool.pool_.models == ("lr", "nb")
    assert pool.named_estimators_["picky"] == "drop"
    assert "the row that I need" in pool.failures_["picky"]
    rest = OpinionPoolClassifier([("lr", LogisticRegression()), ("nb", GaussianNB())])
    np.testing.assert_array_equal(pool.predict_proba(X), rest.fit(unique, Y).predict_proba(X))
    with pytest.raises(RuntimeError, match="the row that I need") as error:
        pool.set_params(on_failure="raise").fit(unique, Y)
    assert "member 'picky'" in "".join(error.value.__notes__)


def test_given_weights_of_a_member_that_failed_are_spread():
    broken = [("a", LogisticRegression()), ("b", Fixed(fails_without=-99.0)), ("c", GaussianNB())]
    pool = OpinionPoolClassifier(broken, rule="linear", weighting=[1, 2, 3], temperature=1.0)
    with pytest.warns(OpinionPoolWarning, match="'b' failed"):
        pool.fit(X, Y)
    np.testing.assert_array_equal(pool.weights_, [0.25, 0.75])


def test_it_can_be_cloned_pickled_and_fitted_again():
    pool = OpinionPoolClassifier(members(), random_state=np.random.RandomState(0)).fit(X, Y)
    again = pickle.loads(pickle.dumps(pool))
    np.testing.assert_array_equal(again.predict_proba(X), pool.predict_proba(X))
    fresh = clone(pool)
    assert not hasattr(fresh, "pool_")
    np.testing.assert_array_equal(fresh.fit(X, Y).predict_proba(X), pool.predict_proba(X))


def test_the_pool_can_be_saved_and_applied_elsewhere(tmp_path):
    for pool in (
        OpinionPoolClassifier(members()),
        OpinionPoolClassifier(members(), weighting="uniform", temperature=2.0),
    ):
        pool.fit(X, np.array(["x", "y", "z"])[Y])
        pool.pool_.save(tmp_path / "pool.json")
        p = op.load(tmp_path / "pool.json").apply(pool.predict_members(X))
        np.testing.assert_allclose(p, pool.predict_proba(X), **tolerance(float, 8))
        assert pool.pool_.classes == ("x", "y", "z")


def test_frames_reach_the_members_as_they_are():
    frame = pd.DataFrame(BX[:, :3], columns=["a", "b", "c"])
    frame["kind"] = np.where(BX[:, 3] > 0, "big", "small")
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    pool = OpinionPoolClassifier(
        [("lr", make_pipeline(encoder, LogisticRegression())), ("prior", Fixed())]
    )
    labels = pd.Series(BY, index=frame.index)
    pool.fit(frame, labels)
    assert pool.feature_names_in_.tolist() == ["a", "b", "c", "kind"]
    assert pool.score(frame, labels) > 0.8
    with pytest.raises(ValueError, match="feature names"):
        pool.predict(frame[["b", "a", "c", "kind"]])


def test_texts_have_no_features_to_count():
    from sklearn.feature_extraction.text import CountVectorizer

    texts = ["good film", "bad film", "good", "bad", "so good", "so bad"] * 3
    pool = OpinionPoolClassifier(
        [(f"lr{c}", make_pipeline(CountVectorizer(), LogisticRegression(C=c))) for c in (0.1, 1)]
    ).fit(texts, [1, 0] * 9)
    assert pool.predict(["good good film", "bad"]).tolist() == [1, 0]


def test_notebooks_show_the_weights():
    pool = OpinionPoolClassifier(members())
    assert "0." not in pool._sk_visual_block_().names[0]
    pool.fit(X, Y)
    html = pool._repr_html_()
    for (name, _), w in zip(members(), pool.weights_, strict=True):
        assert f"{name}: {w:.3f}" in html


def test_members_without_weight_are_not_asked():
    pool = OpinionPoolClassifier(
        [("lr", LogisticRegression()), ("broken", Fixed())], weighting=[1, 0], temperature=1.0
    ).fit(X, Y)
    pool.estimators_[1].fails_to_predict = True
    lr = LogisticRegression().fit(X, Y)
    np.testing.assert_allclose(pool.predict_proba(X), lr.predict_proba(X), rtol=0, atol=1e-5)
    assert list(pool.predict_members(X)) == ["lr"]


def test_it_fits_inside_a_tuned_threshold():
    tuned = TunedThresholdClassifierCV(
        OpinionPoolClassifier(members(), cv=3), scoring="balanced_accuracy", cv=3
    ).fit(BX, BY)
    assert 0 < tuned.best_threshold_ < 1
    assert tuned.score(BX, BY) > 0.9


def test_further_options_of_fit():
    pool = OpinionPoolClassifier(members(), pool_options={"resample": 5, "scaling": "vector"})
    pool.fit(X, Y)
    assert pool.pool_.settings.resample == 5
    assert pool.pool_.vector.shape == (2, 3)
    learned = OpinionPoolClassifier(members(), floor="learned").fit(X, Y)
    assert learned.pool_.status is Status.STATIONARY


def test_labels_whose_texts_coincide():
    labels = np.array(["1", "1.0", " 1"])[Y]
    pool = OpinionPoolClassifier(members()).fit(X, labels)
    assert pool.pool_.classes == (0, 1, 2)
    assert pool.score(X, labels) > 0.9


@pytest.mark.parametrize(("on_failure", "any_is_enough"), [("drop", True), ("raise", False)])
def test_it_takes_gaps_and_sparse_rows_where_members_that_are_left_do(on_failure, any_is_enough):
    pool = OpinionPoolClassifier(
        [("nb", GaussianNB()), ("tree", DecisionTreeClassifier())], on_failure=on_failure
    )
    tags = get_tags(pool).input_tags
    assert tags.allow_nan is tags.sparse is any_is_enough
