"""Labels that are text, once each."""

import numpy as np
import pytest

from opinionpool.errors import LabelError
from opinionpool.predictions.labels import read_labels
from opinionpool.predictions.targets import targets
from opinionpool.predictions.words import words_of


def objects(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_texts_are_numbered_in_order_of_appearance():
    many = objects(*["b", None, "a", "b"] * 40_000)
    words = words_of(many)
    assert words.texts == ("b", "a")
    assert words.numbers[:4].tolist() == [0, -1, 1, 0]
    assert np.array_equal(np.array([*words.texts, None], dtype=object)[words.numbers], many)
    assert words.take(slice(1, 3)).numbers.tolist() == [-1, 1]


@pytest.mark.parametrize(
    "other", [1, True, 1.0, float("nan"), b"a", ["a"], np.datetime64("NaT"), ("a",)]
)
def test_what_is_no_text_is_left_to_others(other):
    assert words_of(objects("a", other)) is None


def test_arrays_of_one_type_are_left_to_others():
    assert words_of(np.array(["a", "b"])) is None
    assert words_of(np.empty((2, 2), dtype=object)) is None


def test_labels_are_what_they_are_without_words():
    given = objects("cat", None, " dog", "cat", "2.0")
    raw = read_labels(given)
    assert raw.values.tolist() == given.tolist()
    assert raw.known().tolist() == [True, False, True, True, True]
    assert sorted(raw.hard_values()) == [" dog", "2.0", "cat"]
    found = targets(raw, ("cat", "dog", 2), 5, None, None)
    assert found.outcomes.classes.tolist() == [0, 1, 0, 2]
    assert found.rows.tolist() == found.source_rows.tolist() == [0, 2, 3, 4]


def test_labels_outside_the_classes_are_listed_as_they_stand_in_the_rows():
    raw = read_labels(objects("cat", None, "cow", "owl", "cow"))
    with pytest.raises(LabelError, match=r"row 2: label 'cow', 'owl' is none of the classes 'cat'"):
        targets(raw, ("cat", "dog"), 5, None, None)
    # A row that does not count may have any.
    found = targets(raw, ("cat", "dog"), 5, None, None, [1, 1, 0, 0, 0])
    assert found.outcomes.classes.tolist() == [0]
