"""Matching rows by id: what a dictionary would say, only faster."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opinionpool.errors import AlignmentError, OpinionPoolWarning
from opinionpool.predictions import lookup
from opinionpool.predictions.rows import align, check_ids, check_index, match, positions_of
from opinionpool.predictions.table import Table


def by_dict(ids, among):
    place = {value: i for i, value in enumerate(among.tolist())}
    return [place.get(value, -1) for value in ids.tolist()]


def as_objects(values):
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


INTEGERS = [np.int8, np.int64, np.uint8, np.uint32, np.uint64]


@given(st.data(), st.sampled_from(INTEGERS), st.sampled_from(INTEGERS))
def test_integers_of_any_type(data, first, second):
    ids = data.draw(hnp.arrays(first, st.integers(0, 20)))
    among = data.draw(hnp.arrays(second, st.integers(0, 20), unique=True))
    if data.draw(st.booleans()) and len(among):  # most random numbers have nothing in common
        ids = data.draw(st.permutations(among.tolist()).map(lambda x: np.array(x, second)))
    assert positions_of(ids, among).tolist() == by_dict(ids, among)


@pytest.mark.parametrize(
    ("ids", "among"),
    [
        # Differences that wrap around in the type of the ids.
        (np.array([100, -128, 0], np.int8), np.arange(-128, 101).astype(np.int8)[::-1]),
        (np.array([3, -1, 100], np.int8), np.arange(256).astype(np.uint8)[::-1]),
        # Neighbours that are the same float, as which NumPy compares these types.
        (np.array([2**53 + 1], np.uint64), np.array([0, 2**53, 2**53 + 1])),
        (np.array([2**53]), np.array([0, 2**53 + 1], np.uint64)),
        # The same count of another unit.
        (np.array([2], "datetime64[s]"), np.array([2], "datetime64[D]")),
    ],
    ids=lambda x: str(x.dtype),
)
def test_types_that_are_easily_confused(ids, among):
    assert positions_of(ids, among).tolist() == by_dict(ids, among)


@given(st.data())
def test_other_types(data):
    pools = {
        "floats": np.array([0.0, 1.5, -2.0, 1e300, np.inf]),
        "small floats": np.array([0.0, 1.5, -2.0], np.float32),
        "whole": np.array([0, 1, -2, 7]),
        "wide": np.array([0, 3, 2**63, 2**64 - 1], np.uint64),
        "texts": np.array(["a", "b", "0", "1.5", ""]),
        "objects": as_objects(["a", "b", "0", 0, 1.5, b"a"]),
        "days": np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"),
        "seconds": np.array(["2020-01-01", "2020-01-03"], "datetime64[s]"),
        "booleans": np.array([True, False]),
    }
    ids = pools[data.draw(st.sampled_from(sorted(pools)))]
    among = pools[data.draw(st.sampled_from(sorted(pools)))]
    ids = data.draw(st.permutations(ids.tolist()).map(lambda x: np.array(x, ids.dtype)))
    assert positions_of(ids, among).tolist() == by_dict(ids, among)


@pytest.mark.parametrize("spread", [1, 1_000_003])
def test_many_integers(spread):
    rng = np.random.default_rng(0)
    ids, among = rng.permutation(3000) * spread - 500, rng.permutation(2500) * spread - 500
    assert positions_of(ids, among).tolist() == by_dict(ids, among)


@pytest.fixture(params=["pyarrow", "none"])
def arrow(request, monkeypatch):
    """Texts are looked up with pyarrow however few they are, or there is no pyarrow."""
    monkeypatch.setattr(lookup, "_MANY", 0)
    if request.param == "none":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert lookup._by_arrow(np.array(["a"]), np.array(["a"])) is None
    else:
        pytest.importorskip("pyarrow")
        assert lookup._by_arrow(np.array(["a"]), np.array(["a"])).tolist() == [0]
    return request.param


TEXTS = st.one_of(st.text(max_size=3), st.sampled_from(["a", "b", "", "\ud800", "a\0", "é", "é"]))


@settings(deadline=None)  # the first example imports pyarrow
@given(st.lists(TEXTS, max_size=20), st.lists(TEXTS, max_size=20, unique=True))
def test_texts(ids, among):
    ids, among = as_objects(ids), as_objects(among)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "_MANY", 0)
        assert lookup.places(ids, among).tolist() == by_dict(ids, among)


@pytest.mark.parametrize(
    ("ids", "among"),
    [
        (["a", b"b"], ["b", "a"]),  # bytes are no text, whatever Arrow makes of them
        (["a", "b"], [b"a", "b"]),
        (["a", 1], ["1", "a"]),
        (["a", "\ud800"], ["\ud800", "x"]),
        (["a", None], [None, "a"]),
    ],
)
def test_texts_among_other_things(arrow, ids, among):
    ids, among = as_objects(ids), as_objects(among)
    assert lookup.places(ids, among).tolist() == by_dict(ids, among)


def test_fixed_width_and_object_texts_are_the_same(arrow):
    ids = np.array(["b", "zz", "a"])
    assert lookup.places(ids, as_objects(["a", "b"])).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([1, 5, 2, 5, 1]), r"id 5 stands twice \(again in row 3\)"),
        (np.array([1, 2, 2]), r"id 2 stands twice \(again in row 2\)"),
        (np.array([0.0, -0.0]), r"id -0\.0 stands twice \(again in row 1\)"),
        (np.array(["a", "b", "a"]), r"id 'a' stands twice \(again in row 2\)"),
        (as_objects(["a", 1, "a"]), r"id 'a' stands twice \(again in row 2\)"),
        (np.array(["2020-01-01"] * 2, "datetime64[D]"), r".*1\) stands twice \(again in row 1\)"),
        (np.array([1.0, np.nan]), "row 1 has no id"),
        (np.array(["2020-01-01", "NaT"], "datetime64[D]"), "row 1 has no id"),
        (as_objects(["a", None]), "row 1 has no id"),
        (as_objects(["a", float("nan"), "b"]), "row 1 has no id"),
    ],
    ids=str,
)
def test_ids_that_are_none(ids, message):
    with pytest.raises(AlignmentError, match=f"^a.csv: {message}"):
        check_ids(ids, "a.csv")


@pytest.mark.parametrize(
    "ids",
    [
        np.array([3, 1, 2]),
        np.array([1, 2, 3], np.uint8),
        np.array([], np.int64),
        np.array([0.5, -1]),
        np.array(["a", "b"]),
        as_objects(["1", 1]),
        np.array(["2020-01-02", "2020-01-01"], "datetime64[D]"),
    ],
    ids=str,
)
def test_ids_that_are_good(ids):
    check_ids(ids, "a.csv")
    assert align({"a": Table(np.zeros((len(ids), 2)), "a.csv", ids=ids)}).ids is ids


def tables(**ids):
    return {
        name: Table(np.zeros((len(own), 2)), f"{name}.csv", ids=np.array(own))
        for name, own in ids.items()
    }


def test_all_ids_in_the_order_of_their_first_appearance():
    found = align(tables(a=[5, 3, 8], b=[8, 1, 5, 3], c=[1, 9, 3]))
    assert found.ids.tolist() == [5, 3, 8, 1, 9]
    assert found.n_rows == 5
    assert [p.tolist() for p in found.positions] == [
        [0, 1, 2, -1, -1],
        [2, 3, 0, 1, -1],
        [-1, 2, -1, 0, 1],
    ]


def test_tables_with_the_same_rows_in_the_same_order_need_no_positions():
    """Also one whose rows begin with those of the first."""
    same = align(tables(a=[5, 3], b=[5, 3]))
    assert same.positions == [None, None]
    assert align(tables(a=["x", "y"], b=["x", "y"], c=["x", "y"])).positions == [None] * 3
    more = align(tables(a=[5, 3], b=[5, 3, 8], c=[5, 3]))
    assert more.positions[1] is None
    assert more.positions[0].tolist() == more.positions[2].tolist() == [0, 1, -1]


def test_few_or_none_in_common():
    with pytest.warns(OpinionPoolWarning, match=r"b\.csv: only 1 of 3 ids are shared"):
        align(tables(a=[1, 2, 3], b=[3, 4, 5]))
    with pytest.raises(AlignmentError, match=r"b\.csv: none of its 2 ids \(such as 7\)"):
        align(tables(a=[1, 2], b=[7, 8]))
    with pytest.raises(AlignmentError, match=r"b\.csv: its ids are text \(such as '1'\)"):
        align(tables(a=[1, 2], b=["1", "2"]))


def test_match_counts_and_marks():
    common, new = match(np.array([4, 1, 9]), np.array([1, 4]), "a", "b")
    assert common == 2
    assert new.tolist() == [False, False, True]


def test_an_index_in_another_order_is_refused():
    first = np.array([0, 1, 2])
    check_index(first, first.copy(), "b")
    check_index(first, np.array([0, 1, 3]), "b")
    check_index(first, np.array([0, 1]), "b")
    check_index(np.array(["a", "b"]), np.array([0, 1]), "b")
    for other in (np.array([2, 1, 0]), as_objects([1, 0, 2])):
        with pytest.raises(AlignmentError, match="b: its index holds the same row labels"):
            check_index(first, other, "b")
