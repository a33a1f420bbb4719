"""Labels as given, of which nothing is in memory twice."""

import numpy as np
import pytest

from opinionpool.errors import LabelError
from opinionpool.predictions.labels import RawLabels, read_labels
from opinionpool.predictions.targets import targets

IDS = np.arange(4)


def test_numbered_texts_and_known_ids_are_let_go():
    raw = read_labels(["b", "a", None, "b"])
    light = RawLabels(raw.values, raw.where, IDS.copy(), words=raw.words).lighter(IDS)
    assert light.ids is IDS
    assert light.values is raw.words.numbers
    assert light.known().tolist() == raw.known().tolist() == [True, True, False, True]
    assert not light.soft
    for own in (raw, light):
        found = targets(own, ("a", "b"), 4, None if own is raw else IDS, None)
        assert found.rows.tolist() == [0, 1, 3]
        assert found.outcomes.classes.tolist() == [1, 0, 1]
        assert found.n_given == 4


@pytest.mark.parametrize("ids", [None, IDS[::-1], IDS[:3], IDS.astype(float), IDS.astype(object)])
def test_other_ids_stay(ids):
    raw = RawLabels(np.array([0, 1, 1, 0]), "labels", IDS)
    light = raw.lighter(ids)
    assert light.ids is IDS
    assert light.values is raw.values


def test_a_strange_label_is_still_named():
    light = read_labels(["b", "a", "x", "b"]).lighter(None)
    with pytest.raises(LabelError, match="row 2: label 'x' is none of the classes"):
        targets(light, ("a", "b"), 4, None, None)
