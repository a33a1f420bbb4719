"""compare(): floors, groups and times from files, what it refuses, and how it prints."""

import math

import numpy as np
import pandas as pd
import pytest
from door_inputs import chances, outputs, with_gaps
from numpy.testing import assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError, LabelError

MODELS, Y = outputs(n=60)
CLINIC = np.random.default_rng(8).integers(0, 9, 60)


def by_candidate(comparison):
    return {row["candidate"]: row for row in comparison.table}


def test_zeros_are_floored_once_for_all_candidates():
    models, y = chances(n=40)
    models["a"][3] = [0.5, 0.5, 0] if y[3] != 2 else [0, 0.5, 0.5]
    with pytest.warns(op.OpinionPoolWarning, match="1 cells are exactly 0") as said:
        found = op.compare(models, y)
    assert len(said) == 1
    assert "exact zeros were raised to 1e-06 for every candidate" in found.notes
    assert all(math.isfinite(row["loss"]) for row in found.table)
    assert_array_equal(found.pool.floors, [1e-6] * 3)


def test_candidates_that_a_veto_rules_out_are_listed_with_the_reason():
    models, y = chances(n=40)
    models["a"][3] = np.where(np.arange(3) == y[3], 0, 0.5)
    found = op.compare(models, y, floor="veto")
    table = by_candidate(found)
    assert table["optimal log, T = 1"]["loss"] is None
    assert "exact zeros rule out what happened" in table["optimal log, T = 1"]["note"]
    assert "linear" in found.recommended
    assert "optimal log" in str(found)
    assert found.table[-1]["loss"] is None


def test_a_veto_of_another_model_does_not_concern_the_best_single_model():
    models, y = chances(n=40)
    models["c"][3] = np.where(np.arange(3) == y[3], 0, 0.5)
    table = by_candidate(op.compare(models, y, floor="veto"))
    assert table["best single model"]["loss"] is not None


def test_one_model():
    found = op.compare({"a": MODELS["a"]}, Y)
    assert len(found.table) == 13
    assert_array_equal(found.pool.weights, [1.0])


def test_soft_labels_missing_outputs_and_unlabelled_rows():
    models, y = with_gaps(n=40)
    soft = np.eye(3)[y] * 0.9 + 0.1 / 3
    soft[7] = np.nan
    found = op.compare(models, soft, folds=3)
    assert found.pool.rows["fitted"] == 39
    assert all(math.isfinite(row["loss"]) for row in found.table)


def test_groups_and_times_by_the_name_of_a_column(tmp_path):
    labels = pd.DataFrame({"label": Y, "clinic": CLINIC, "name": [f"c{c}" for c in CLINIC]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    expected = op.compare(MODELS, Y, groups=CLINIC)
    for y in (labels, tmp_path / "labels.csv"):
        for column in ("clinic", "name"):
            found = op.compare(MODELS, y, groups=column)
            assert found.table == expected.table
            assert found.notes == ["5 folds of whole groups (9 groups), errors by group"]
        timed = op.compare(MODELS, y, time="clinic", folds=3)
        assert timed.table == op.compare(MODELS, Y, time=CLINIC, folds=3).table
        assert timed.notes == ["3 folds forward in time (9 moments), errors by moment"]
    with pytest.raises(InputError, match="no column 'ward' beside the labels; found: clinic, name"):
        op.compare(MODELS, labels, groups="ward")
    with pytest.raises(InputError, match=r"groups: there is no column 'ward'.*found: none"):
        op.compare(MODELS, Y, groups="ward")


def test_groups_are_matched_with_labels_by_id():
    frames = {}
    ids = np.arange(100, 160)
    for name, z in MODELS.items():
        frames[name] = pd.DataFrame(z, columns=["0", "1", "2"]).assign(id=ids)
    order = np.random.default_rng(1).permutation(60)
    labels = pd.DataFrame({"id": ids, "label": Y, "clinic": CLINIC}).iloc[order]
    found = op.compare(frames, labels, groups="clinic")
    expected = op.compare(MODELS, Y, groups=CLINIC)
    for row, other in zip(found.table, expected.table, strict=True):
        assert row["candidate"] == other["candidate"]
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-9)
        assert row["standard_error"] == pytest.approx(other["standard_error"], rel=1e-6)
    # An array of groups is one per label as given, not per prediction.
    given = op.compare(frames, labels[["id", "label"]], groups=CLINIC[order])
    assert given.table == found.table


@pytest.mark.parametrize(
    "time",
    [
        CLINIC.astype(float),
        [f"2024-01-0{1 + c}" for c in CLINIC],
        np.datetime64("2024-01-01") + CLINIC,
        pd.Timestamp("2024-01-01") + pd.to_timedelta(CLINIC, unit="D"),
        pd.Series(CLINIC),
    ],
    ids=["floats", "text", "dates", "timestamps", "series"],
)
def test_times_of_every_type(time):
    expected = op.compare(MODELS, Y, time=CLINIC, folds=3)
    assert op.compare(MODELS, Y, time=time, folds=3).table == expected.table


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": CLINIC, "time": CLINIC}, "groups and time: give one of them"),
        ({"groups": CLINIC[:-1]}, r"groups: found shape \(59,\), expected \(60,\), one value per"),
        ({"groups": CLINIC[:, None]}, r"groups: found shape \(60, 1\)"),
        ({"groups": [None, *CLINIC[1:]]}, "groups: row 0 has no value"),
        ({"time": [*CLINIC[:-1], np.nan]}, "time: row 59 has no value"),
        ({"groups": CLINIC > 4}, "5 folds need at least as many groups; there are 2"),
        ({"time": np.minimum(CLINIC, 3)}, "as many moments after the first; there are 3"),
        ({"folds": 61}, "61 folds need at least as many rows; there are 60"),
        ({"folds": 1}, "folds: found 1, expected a whole number of at least 2"),
        ({"folds": 2.5}, "folds: found 2.5"),
        ({"folds": True}, "folds: found True"),
        pytest.param({"groups": np.arange(100)}, "groups"),
        pytest.param({"groups": [object() for _ in Y]}, "groups"),
        pytest.param({"seed": -1}, "seed"),
        pytest.param({"seed": "x"}, "seed"),
        pytest.param({"time_limit": "long"}, "time_limit"),
    ],
    ids=lambda v: "",
)
def test_folds_groups_and_times_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        op.compare(MODELS, Y, **options)


def test_a_number_of_folds_from_numpy():
    assert op.compare(MODELS, Y, folds=np.int64(3)).table == op.compare(MODELS, Y, folds=3).table


def test_text():
    found = op.compare(MODELS, Y)
    lines = str(found).splitlines()
    assert lines[0].split() == ["candidate", "test", "loss", "difference", "std.", "error"]
    assert len(lines) == 15
    assert sum("<- recommended" in line for line in lines) == 1
    assert lines[-1] == "5 folds by row"


def test_no_labels():
    with pytest.raises(InputError, match="labels: none were given"):
        op.compare(MODELS)
    with pytest.raises(LabelError):
        op.compare(MODELS, [None] * 60)
