"""Labels that name unnamed columns, but perhaps not rightly: one warning at every door, or none."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from door_inputs import outputs

import opinionpool as op
from opinionpool.errors import OpinionPoolWarning

K = 12
MODELS, Y = outputs(n=120, k=K)
Y[60:72] = np.arange(K)  # every class in either half
STRAY = np.where(Y == 5, 999, Y)
TEXT = Y.astype(str)
LACKING = "all but 999 of the 12 classes of the labels are among 0…11, .* column 5 is 6; .*classes="
AS_TEXT = "whole numbers as text, .* column 2 is '10', not '2'; .*classes="
ONE = {name: np.linspace(0.1 + i / 9, 0.9, 40) for i, name in enumerate("ab")}
PAIR = np.array([2, 10] * 20)

DOORS = {
    "fit": lambda models, y, **more: op.fit(models, y, **more),
    "score": lambda models, y, **more: op.score(models, y, **more),
    "compare": lambda models, y, **more: op.compare(models, y, folds=2, seed=0, **more),
    "memory": lambda models, y, **more: op.fit(models, y, memory="1GB", **more),
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def said(action, *given, **more):
    """Return what was warned of labels and columns; other warnings are no concern here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action(*given, **more)
    texts = [str(w.message) for w in caught if issubclass(w.category, OpinionPoolWarning)]
    return [text for text in texts if "column" in text]


@every_door
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (STRAY, LACKING),
        (STRAY.astype(float), "all but 999.0 .* column 5 is 6.0;"),
        (np.where(Y == 5, np.nan, STRAY), None),  # eleven labels, all of them counted
        (STRAY.tolist(), LACKING),
        (TEXT, AS_TEXT),
        (TEXT.tolist(), AS_TEXT),
        (pd.Series(TEXT, dtype="category"), AS_TEXT),
    ],
    ids=["int", "float", "NaN", "list", "text", "texts", "category"],
)
def test_doubtful_labels_are_warned_of_once(door, y, words):
    found = said(door, MODELS, y)
    assert len(found) == (words is not None)
    if words is not None:
        assert re.search(words, found[0])


@every_door
@pytest.mark.parametrize("y", [Y, Y + 1, Y + 0.0, Y * 10, Y - 1, np.char.zfill(TEXT, 2)])
def test_codes_that_may_be_meant_are_not(door, y):
    assert said(door, MODELS, y) == []


@every_door
@pytest.mark.parametrize("y", [STRAY, TEXT], ids=["stray", "text"])
def test_named_classes_are_not(door, y):
    classes = sorted(set(y.tolist()))
    frames = {name: pd.DataFrame(z, columns=classes) for name, z in MODELS.items()}
    assert said(door, MODELS, y, classes=classes) == []
    assert said(door, frames, y) == []


@every_door
def test_soft_labels_are_not(door):
    assert said(door, MODELS, np.eye(K)[Y]) == []


def test_a_pool_has_its_classes_from_its_fit():
    with pytest.warns(OpinionPoolWarning, match=LACKING):
        pool = op.fit(MODELS, STRAY)
    assert said(op.score, MODELS, STRAY, pool=pool) == []
    assert said(pool.apply, MODELS) == []


def test_the_warning_points_at_the_caller():
    with pytest.warns(OpinionPoolWarning, match=LACKING) as caught:
        op.fit(MODELS, STRAY)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("door", [DOORS["fit"], DOORS["score"], op.threshold])
def test_one_column_for_two_numbers_as_text(door):
    (found,) = said(door, ONE if door is not op.threshold else ONE["a"], PAIR.astype(str))
    assert "one column was taken for the second in the order of text: '2', not '10'" in found


def test_one_column_that_is_told_which_it_is():
    text = PAIR.astype(str)
    frames = {name: pd.DataFrame({"10": p}) for name, p in ONE.items()}
    nameless = {name: pd.DataFrame({"p": p}) for name, p in ONE.items()}
    assert said(op.fit, ONE, text, positive="10") == []
    assert said(op.fit, ONE, text, classes=["2", "10"]) == []
    assert said(op.fit, frames, text) == []
    assert said(op.fit, ONE, PAIR) == []
    assert len(said(op.fit, nameless, text)) == 1
    assert len(said(op.fit, {**frames, "c": ONE["a"]}, text)) == 1
