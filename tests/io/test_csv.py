"""CSV: what cells mean, and where a bad file is bad."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import opinionpool.io as op_io
from opinionpool.errors import FileError, InputError, MemoryLimitError
from opinionpool.io import cells, csv_files


def read_text(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return op_io.read(path)


def column(tmp_path, *texts):
    sheet = read_text(tmp_path, "x,y\n" + "".join(f"{text},0\n" for text in texts))
    return sheet.columns["x"]


@pytest.mark.parametrize(
    ("texts", "dtype", "values"),
    [
        (["0", "-7", "12"], np.int64, [0, -7, 12]),
        (["9223372036854775807", "-9223372036854775808"], np.int64, [2**63 - 1, -(2**63)]),
        (["0", "0.5"], np.float64, [0.0, 0.5]),
        (["1", "+2"], np.float64, [1.0, 2.0]),
        (["-0", "1"], np.float64, [-0.0, 1.0]),
        (["1e-3", " 2.5 ", "inf"], np.float64, [0.001, 2.5, np.inf]),
        (["1", "", "NA", "nan", "NULL", " "], np.float64, [1, *[np.nan] * 5]),
        (["", "", ""], np.float64, [np.nan] * 3),
        (["001", "002"], object, ["001", "002"]),
        (["1", "002"], object, ["1", "002"]),
        (["0.5", "00"], object, ["0.5", "00"]),
        (["9223372036854775808"], object, ["9223372036854775808"]),
        (["9007199254740993", "0.5"], object, ["9007199254740993", "0.5"]),
        (["9007199254740993", ""], object, ["9007199254740993", None]),
        (["a", "", " ", "NA", "1.50"], object, ["a", None, None, "NA", "1.50"]),
        (["1_000", "2"], object, ["1_000", "2"]),
        (["١", "2"], object, ["١", "2"]),  # an Arabic digit, which float() would take
        (["1\x002", "3"], object, ["1\x002", "3"]),
        (["True", "False"], object, ["True", "False"]),
    ],
)
def test_what_a_column_becomes(tmp_path, texts, dtype, values):
    got = column(tmp_path, *texts)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.array(values, dtype=dtype))
    if dtype == np.float64:
        np.testing.assert_array_equal(np.signbit(got), np.signbit(values))


@pytest.mark.parametrize(
    ("early", "late", "dtype"),
    [
        ("7", "8", np.int64),
        ("7", "9007199254740993", np.int64),
        ("7", "0.5", np.float64),
        ("7", "", np.float64),
        ("0.5", "x", object),
        ("7", "007", object),
        ("9007199254740993", "0.5", object),
        ("9007199254740993", "", object),
        ("0.5", "9007199254740993", object),
    ],
)
def test_the_kind_of_a_column_does_not_depend_on_batches(tmp_path, monkeypatch, early, late, dtype):
    monkeypatch.setattr(csv_files, "_BATCH", 2)  # then a batch is 8 rows
    texts = [early] * 16 + [late] * 16 + [early] * 8  # each batch holds one of them alone
    got = column(tmp_path, *texts)
    assert got.dtype == dtype
    assert len(got) == 40
    if dtype is object:
        assert got.tolist() == [text or None for text in texts]


def test_text_among_numbers_is_named_where_it_is_used(tmp_path):
    sheet = read_text(tmp_path, "id,cat\n1,0.5\n2,oops\n3,\n")
    assert sheet.columns["id"].dtype == np.int64
    with pytest.raises(InputError, match=r"a\.csv, row 3, column 'cat': found 'oops' where a num"):
        sheet.numbers("cat")


def test_numbers_that_arrive_as_text_can_still_be_used(tmp_path):
    sheet = read_text(tmp_path, "cat\n007\n0.5\n\n1\n")
    np.testing.assert_array_equal(sheet.numbers("cat"), [7, 0.5, np.nan, 1])


def test_byte_order_mark_quotes_and_line_ends(tmp_path):
    sheet = read_text(tmp_path, '\ufeffid,"a,b"\r\n"x\ny",1\r\n"say ""hi""",2\r\n\r\n')
    assert sheet.columns["id"].tolist() == ["x\ny", 'say "hi"']
    assert sheet.columns["a,b"].tolist() == [1, 2]
    assert sheet.first_row == 2
    assert sheet.where.endswith("a.csv")


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    sheet = read_text(tmp_path, "id,cat\n")
    assert sheet.n_rows == 0
    assert list(sheet.columns) == ["id", "cat"]
    assert sheet.numbers("cat").dtype == np.float64


def test_the_nameless_first_column_is_an_index(tmp_path):
    sheet = read_text(tmp_path, ",cat\n0,0.1\n1,0.2\n")
    assert list(sheet.columns) == ["cat"]
    assert sheet.index is None
    sheet = read_text(tmp_path, ",cat\n1,0.1\n0,0.2\n")
    assert sheet.index.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"row 3: found 1 cells where the header has 2 columns"),
        ("a,b\n1,2,3\n", r"row 2: found 3 cells where the header has 2 columns"),
        ("a,b\n1,2\n\n3,4\n", r"row 3: found a blank line"),
        ("a,b,a\n1,2,3\n", r"row 1: the column name 'a' appears twice \(columns 1 and 3\)"),
        ("a,,b\n1,2,3\n", r"row 1: column 2 of 3 has no name"),
        ("\n\n", r"row 1: found no header"),
        ('""\n1\n', r"row 1: found no header"),
        ('a,b\n1,2\n3,"4\n5,6\n', r"row 3: unexpected end of data"),
        ('a,b\n1,"2"3\n', r"row 2: .*expected after"),
        ("a\n" + "x" * 200_000, r"row 2: field larger than field limit"),
        (b"a,b\n1,2\n\xe4,4\n", r"line 3: found the byte b'\\xe4'; save the file as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), r"UTF-16 text: save it as UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_the_place(tmp_path, text, message):
    with pytest.raises(FileError, match=r"a\.csv.*" + message):
        read_text(tmp_path, text)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "_LONGEST_LINE", 100)
    assert read_text(tmp_path, "a\n" + "1" * 90 + "\n").n_rows == 1
    with pytest.raises(FileError, match="line of over 100 characters"):
        read_text(tmp_path, "a\n" + "1" * 200)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    def grow(n_bytes, what):
        with open(tmp_path / "a.csv", "a") as stream:
            stream.write("3\n")

    monkeypatch.setattr(csv_files, "require", grow)
    with pytest.raises(FileError, match="changed while it was read"):
        read_text(tmp_path, "a\n1\n2\n")


def test_memory_is_asked_for_first(tmp_path, monkeypatch):
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 100)
    with pytest.raises(MemoryLimitError, match=r"a\.csv \(20 rows x 2 columns\) needs 320 bytes"):
        read_text(tmp_path, "a,b\n" + "1,2\n" * 20)
    with pytest.raises(MemoryLimitError, match=r"needs 1\.6 kB"):
        read_text(tmp_path, "a,b\n" + "1,x\n" * 20)


def test_absent_values_are_written_as_blanks(tmp_path):
    op_io.write(
        tmp_path / "a.csv",
        {
            "t": np.array(["x", None], dtype=object),
            "f": np.array([np.nan, 0.1]),
            "d": np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]"),
        },
    )
    text = (tmp_path / "a.csv").read_bytes()
    assert text == b"t,f,d\nx,,2020-01-02\n,0.1,2020-01-03\n"


def test_a_single_blank_column_keeps_its_rows(tmp_path):
    values = np.array([np.nan, 0.5, np.nan])
    op_io.write(tmp_path / "a.csv", {"f": values})
    np.testing.assert_array_equal(op_io.read(tmp_path / "a.csv").columns["f"], values)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = texts.filter(lambda name: name.strip() != "")


@st.composite
def tables(draw):
    n_rows = draw(st.integers(1, 5))
    columns = {}
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from(["float", "int", "text"]))
        if kind == "text":  # with one cell that is no number, or it would come back as numbers
            rows = draw(st.lists(texts, min_size=n_rows - 1, max_size=n_rows - 1))
            columns[name] = np.array(["x", *(t if t.strip() else None for t in rows)], dtype=object)
        else:
            columns[name] = draw(hnp.arrays(np.float64 if kind == "float" else np.int64, n_rows))
    return columns


@given(tables())
def test_any_table_comes_back(tmp_path_factory, columns):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    op_io.write(path, columns)
    sheet = op_io.read(path)
    assert list(sheet.columns) == list(columns)
    for name, column in columns.items():
        assert sheet.columns[name].dtype == column.dtype
        np.testing.assert_array_equal(sheet.columns[name], column)


@given(st.lists(st.text("0123456789.-+e_ naNA\0", max_size=5), min_size=1, max_size=4))
def test_judging_and_converting_agree(column):
    kind = cells.kind_of(column)
    values = cells.values_of(column, kind)  # raises where they do not
    assert values.dtype == cells.DTYPES[kind]
    parts = 0
    for cell in column:
        parts |= cells.kind_of([cell])
    # A part may be judged number where the whole has to be text, never the other way round.
    assert kind == parts
