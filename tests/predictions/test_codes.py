"""Which labels that are whole numbers are doubtful names of unnamed columns, and which are not."""

import re

import pytest

from opinionpool.predictions.codes import doubt, doubt_of_two


def exchanged(k, *, first=0, lacking=(5,), by=(999,)):
    """Return the sorted numbers first … first + k − 1, some of them exchanged for others."""
    return sorted({*range(first, first + k)} - {*lacking} | {*by})


def as_text(numbers, width=0):
    return sorted(f"{v:0{width}}" for v in numbers)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (as_text(range(130)), "column 2 is '10', not '2'"),
        (as_text(range(11)), "column 2 is '10', not '2'"),
        (as_text(range(1, 11)), "column 1 is '10', not '2'"),
        (as_text([9, 10]), "column 0 is '10', not '9'"),
        (["-1", "-2"], "column 0 is '-1', not '-2'"),
        (["10.0", "2.0"], "column 0 is '10.0', not '2.0'"),
        ([1, "10", 2], "column 1 is '10', not 2"),
        (as_text(exchanged(130)), "column 2 is '10', not '2'"),
    ],
    ids=lambda v: v if isinstance(v, str) else f"{v[:3]}",
)
def test_numbers_in_the_order_of_text_are_doubtful(labels, words):
    assert "whole numbers as text" in doubt(labels)
    assert words in doubt(labels)


@pytest.mark.parametrize(
    "labels",
    [
        as_text(range(10)),
        as_text(range(1, 10)),
        as_text(range(130), width=3),
        ["-1", "0", "1"],
        ["10", "2", "two"],
        ["1.10", "1.9"],
        ["10 to 19", "2 to 9"],
        sorted(["1" * 5000, "2"]),
        ["apple", "banana"],
        [False, True],
    ],
    ids=lambda v: str(v)[:20],
)
def test_other_texts_are_not(labels):
    assert doubt(labels) is None


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (exchanged(130), "all but 999 of the 130 classes of the labels are among 0…129"),
        (exchanged(130), "column 5 is 6;"),
        (exchanged(130, by=[-1]), "all but -1 .* among 0…129, .* column 0 is -1;"),
        (exchanged(130, by=[130]), "all but 130 .* among 0…129, .* column 5 is 6;"),
        (exchanged(130, first=1), "all but 999 .* among 1…130, .* column 4 is 6;"),
        (exchanged(130, first=1, by=[-9]), "all but -9 .* among 1…130, .* column 0 is -9;"),
        (exchanged(21, by=[255]), "all but 255 .* among 0…20"),
        (exchanged(30, lacking=[7, 8, 9], by=[-1, 98, 99]), "all but -1 and 2 more of the 30"),
        ([0, 1, 2, 99], "all but 99 of the 4 .* among 0…3, .* column 3 is 99;"),
        ([0, 1, 2, 10**400], "all but 10+ of the 4 "),
        ([1, 2, 3, 99], "all but 99 of the 4 .* among 1…4, .* column 3 is 99;"),
        ([0, 1, 3, 4], "all but 4 of the 4 .* among 0…3, .* column 2 is 3;"),
        ([float(v) for v in exchanged(130)], "all but 999.0 .* column 5 is 6.0;"),
        (as_text(exchanged(130), width=3), "all but '999' .* column 5 is '006';"),
        (["0", "1", "2", "9"], "all but '9' "),
    ],
)
def test_a_few_strays_among_counted_labels_are_doubtful(labels, said):
    assert re.search(said, doubt(labels))


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [7],
        range(130),
        range(1, 131),
        [0, 2],
        [1, 2],
        [2, 4],
        [-1, 1],
        [3, 7],
        [0, 999],
        [0, 1, 3],
        [1, 2, 4],
        [1, 3, 7],
        [-1, 0, 1],
        [10, 20, 30],
        [8, 9, 10],
        [0, 2, 4, 6, 8],
        [1, 2, 5, 10, 20],
        [10, 20, 30, 40],
        range(3, 10),  # quality of wine
        range(2, 132),
        range(-1, 129),
        range(0, 260, 2),
        range(1900, 2020),
        exchanged(19, lacking=[3, 4], by=[98, 99]),  # more than a few
        [0.0, 0.5, 1.0, 2.0],
        [0.0, 1.0, 2.0, 3.5],
        [0.0, 1.0, 2.0, float("inf")],
        [v + 0.5 for v in exchanged(30)],
    ],
    ids=lambda v: str(list(v)[:6])[:40],
)
def test_codes_that_may_be_meant_are_not(labels):
    assert doubt(list(labels)) is None


def test_of_a_single_column_only_the_order_of_text_is_doubtful():
    assert "the second in the order of text: '9', not '10'" in doubt_of_two(["10", "9"])
    for pair in (["0", "1"], ["09", "10"], [9, 10], [0, 999], ["no", "yes"], [False, True]):
        assert doubt_of_two(pair) is None
