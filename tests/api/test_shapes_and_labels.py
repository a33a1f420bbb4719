"""Classes of unnamed columns, and two classes in one column."""

import numpy as np
import pandas as pd
import pytest
from door_inputs import chances, outputs
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import AlignmentError, InputError, LabelError

MODELS, Y = chances(n=20)
TWO, Y2 = chances(n=20, k=2)
ONE = {name: p[:, 1] for name, p in TWO.items()}  # P(second class)
LOGIT = {name: np.log(p) - np.log1p(-p) for name, p in ONE.items()}
LOOSE = tolerance(float, 64)


def test_unnamed_columns_are_the_sorted_labels():
    y = np.array(["cherry", "apple", "banana"])[Y]
    assert op.fit(MODELS, y).classes == ("apple", "banana", "cherry")
    assert op.fit(MODELS, 10 - Y).classes == (8, 9, 10)
    assert op.fit(MODELS, [10, 9, *[100] * 18]).classes == (9, 10, 100)  # as numbers, not as text


def test_unnamed_columns_are_counted_where_labels_are_such_numbers():
    for y in ([0, 2] * 10, [0.0, 2.0] * 10, ["0", "2"] * 10, [2, 1] * 10):
        assert op.fit(MODELS, y).classes == (0, 1, 2)


def test_unnamed_columns_that_nothing_names():
    for y in (["x", "y"] * 10, [1, 3] * 10, [-1, 1] * 10, [0.5, 2] * 10, list("wxyz") * 5):
        with pytest.raises(
            LabelError, match=r"3 unnamed columns and the labels \d classes.*classes="
        ):
            op.fit(MODELS, y)


def test_given_classes_name_unnamed_columns():
    y = np.array(["cherry", "apple", "banana"])[Y]
    order = ["cherry", "apple", "banana"]
    for classes in (order, tuple(order), np.array(order), pd.Index(order)):
        pool = op.fit(MODELS, y, classes=classes)
        assert pool.classes == tuple(order)
        assert pool.loss == op.fit(MODELS, Y).loss
    with pytest.raises(InputError, match="expected the classes in a list"):
        op.fit(MODELS, ["x", "y"] * 10, classes="xyz")
    assert op.combine(MODELS, classes=order).shape == (20, 3)
    with pytest.raises(AlignmentError, match=r"classes: found 2 .* 3 columns"):
        op.fit(MODELS, y, classes=["x", "y"])


def test_given_classes_order_named_columns():
    frames = {name: pd.DataFrame(p, columns=list("uvw")) for name, p in MODELS.items()}
    found = op.combine(frames, classes=["w", "u", "v"])
    assert found.columns.tolist() == ["w", "u", "v"]
    assert_allclose(found, op.combine(MODELS)[:, [2, 0, 1]], **tolerance(float, 8))
    with pytest.raises(AlignmentError, match="lacks class"):
        op.combine(frames, classes=["u", "v", "x"])


def test_unnamed_columns_take_the_names_of_the_named():
    frame = pd.DataFrame(MODELS["a"], columns=list("uvw"))
    pool = op.fit({"b": MODELS["b"], "a": frame[["w", "u", "v"]]}, np.array(list("wuv"))[Y])
    assert pool.classes == ("w", "u", "v")


@pytest.mark.parametrize("classes", [["x", "x", "y"], [1, "1", 2], [1, 1.0, 2]])
def test_given_classes_are_distinct(classes):
    for door in (op.combine, lambda *a, **k: op.fit(a[0], [2] * 10 + [1] * 10, **k)):
        with pytest.raises(InputError, match="classes"):
            door(MODELS, classes=classes)


def test_other_numbers_of_columns():
    with pytest.raises(AlignmentError, match="model 'b': found 2 columns for 3 classes"):
        op.fit({"a": MODELS["a"], "b": TWO["b"]}, Y)
    with pytest.raises(AlignmentError, match="one column, which is enough for two classes"):
        op.fit({"a": MODELS["a"], "b": ONE["b"]}, Y)


def test_booleans_of_one_kind_are_two_classes_in_two_columns_too():
    with pytest.warns(op.OpinionPoolWarning, match="of one class"):
        assert op.fit(ONE, [True] * 20).classes == (False, True)
    with pytest.warns(op.OpinionPoolWarning, match="of one class"):
        assert op.fit(TWO, [1] * 20).classes == (0, 1)


def test_true_alone_for_two_unnamed_columns():
    with pytest.warns(op.OpinionPoolWarning, match="of one class"):
        assert op.fit(TWO, [True] * 20).classes == (False, True)


@pytest.mark.parametrize("y", [Y2, Y2.astype(bool), np.array(["no", "yes"])[Y2], Y2 + 5.0])
@pytest.mark.parametrize(
    "models",
    [
        ONE,
        LOGIT,
        {name: p[:, None] for name, p in ONE.items()},
        {name: p.tolist() for name, p in ONE.items()},
        {"a": ONE["a"], "b": TWO["b"], "c": LOGIT["c"][:, None]},
        np.stack(list(ONE.values())),
    ],
    ids=["1-D", "logits", "(N, 1)", "lists", "mixed", "(M, N)"],
)
def test_one_column_is_the_second_sorted_class(models, y):
    both = op.fit(TWO, y)
    pool = op.fit(models, y)
    assert pool.classes == both.classes
    assert_allclose(pool.weights, both.weights, rtol=1e-8, atol=1e-10)
    assert pool.loss == pytest.approx(both.loss, rel=1e-12)
    found = pool.apply(models)
    assert found.shape == (20, 2)
    assert_allclose(found, both.apply(TWO), rtol=1e-8)


def test_positive_turns_one_column_over():
    y = np.array(["no", "yes"])[Y2]
    p_no = {name: 1 - p for name, p in ONE.items()}
    pool = op.fit(p_no, y, positive="no")
    assert pool.classes == ("no", "yes")
    assert pool.loss == pytest.approx(op.fit(ONE, y).loss, rel=1e-12)
    assert_allclose(pool.apply(p_no), op.fit(ONE, y).apply(ONE), rtol=1e-8)
    assert op.fit(LOGIT, y, positive="yes").loss == pytest.approx(pool.loss, rel=1e-12)
    assert op.score(p_no, y, positive="no")["models"]["a"]["nll"] == pytest.approx(
        op.score(ONE, y)["models"]["a"]["nll"], rel=1e-12
    )


def test_positive_in_combine():
    a, b = ONE["a"], ONE["b"]
    found = op.combine([a, b], positive=1)
    assert_allclose(found, op.combine([TWO["a"], TWO["b"]]), **LOOSE)
    assert_allclose(op.combine([a, b], positive=0), found[:, ::-1], **LOOSE)
    assert_allclose(op.combine([a[:, None], b[:, None]]), found, **LOOSE)


@pytest.mark.parametrize("positive", ["maybe", 2, ["no"]])
def test_a_positive_class_that_there_is_not(positive):
    with pytest.raises(InputError, match=r"positive: found .*classes are no, yes"):
        op.fit(ONE, np.array(["no", "yes"])[Y2], positive=positive)
    with pytest.raises(InputError, match=r"positive: found .* the two classes"):
        op.fit(MODELS, Y, positive=positive)


def test_a_named_column_says_itself_which_class_it_is():
    y = np.array(["no", "yes"])[Y2]
    expected = op.fit(TWO, y)
    for frame in (pd.DataFrame({"yes": ONE["a"]}), pd.DataFrame({"no": 1 - ONE["a"]})):
        pool = op.fit({"a": frame, "b": ONE["b"], "c": TWO["c"]}, y)
        assert pool.loss == pytest.approx(expected.loss, rel=1e-12)
        found = pool.apply({"a": frame, "b": ONE["b"], "c": TWO["c"]})
        assert isinstance(found, pd.DataFrame)
        assert found.columns.tolist() == ["no", "yes"]
    # A name that is no class is only a name.
    named = pd.DataFrame({"probability": ONE["a"]})
    assert op.fit({"a": named, "b": ONE["b"], "c": ONE["c"]}, y).loss == pytest.approx(
        expected.loss, rel=1e-12
    )


def test_a_named_column_without_labels():
    found = op.combine({"a": pd.DataFrame({"yes": ONE["a"]})})
    assert found.columns.tolist() == ["not yes", "yes"]
    assert_allclose(found["yes"], ONE["a"], **LOOSE)


def test_labels_of_more_than_two_classes_for_one_column():
    with pytest.raises(LabelError, match="enough for two classes, but the labels hold 3"):
        op.fit(ONE, [0, 1, 2, 0] * 5)
    with pytest.raises(LabelError, match=r"hold 1 \(yes\); pass classes="):
        op.fit(ONE, ["yes"] * 20)
    with pytest.warns(op.OpinionPoolWarning):
        assert op.fit(ONE, ["yes"] * 20, classes=["no", "yes"]).classes == ("no", "yes")


def test_apply_reads_one_column_as_fit_did():
    pool = op.fit(TWO, Y2)
    assert_allclose(pool.apply(ONE), pool.apply(TWO), rtol=1e-12)


def test_one_column_for_a_pool_of_three_classes():
    column = {name: p[:, None] for name, p in ONE.items()}
    with pytest.raises(AlignmentError, match="one column"):
        op.fit(MODELS, Y).apply(column)


def test_apply_reads_vectors_as_one_row_where_they_cannot_be_a_column():
    pool = op.fit(MODELS, Y)
    found = pool.apply({name: p[4] for name, p in MODELS.items()})
    assert_array_equal(found, pool.apply({name: p[4:5] for name, p in MODELS.items()}))
    with pytest.raises(AlignmentError, match=r"found 3 .* predictions with 20 columns"):
        pool.apply(ONE)


def test_many_classes_are_not_listed_in_full():
    models, y = outputs(n=60, k=40)
    with pytest.raises(LabelError) as error:
        op.fit(models, y + 100, classes=range(40))
    assert "more" in str(error.value)
    assert len(str(error.value)) < 400
