"""Bad predictions, labels and options: one message, exit code 2, no output file touched."""

import sys

import numpy as np
import pytest

GOOD = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
IDS = [1, 2, 3, 4]
LABELS = ["x", "y", "z", "x"]


def truncated_parquet(bad):
    bad.parquet()
    whole = bad.a.read_bytes()
    bad.a.write_bytes(whole[: len(whole) // 2])


def text_in_a_number_column(bad):
    bad.a.write_text(bad.a.read_text().replace("0.8", "high"))


def empty_file(bad):
    bad.a.write_text("")


def unequal_row_counts(bad):
    bad.array(GOOD[:3])
    np.save(bad.folder / "b.npy", GOOD)
    bad.b = bad.folder / "b.npy"


def ids_in_one_file_only(bad):
    bad.array(GOOD)


def duplicated_ids(bad):
    bad.text("a.csv", GOOD, ids=[1, 2, 2, 4])


def ids_without_overlap(bad):
    bad.text("a.csv", GOOD, ids=[11, 12, 13, 14])


def class_that_one_model_lacks(bad):
    bad.text("a.csv", np.array(GOOD)[:, :2] / np.array(GOOD)[:, :2].sum(1)[:, None], classes="xy")


def sums_off(bad):
    bad.text("a.csv", bad.with_row(0.2, 0.3, 0.4))


def partly_nan(bad):
    bad.text("a.csv", bad.with_row(0.5, np.nan, 0.5))


def plus_infinity(bad):
    bad.text("a.csv", bad.with_row(1.0, np.inf, 2.0))


def minus_infinity_among_probabilities(bad):
    bad.kind = "probabilities"
    bad.text("a.csv", bad.with_row(0.5, -np.inf, 0.5))


def zero_rows(bad):
    bad.text("a.csv", [])


def one_class(bad):
    bad.text("a.csv", [[1.0]] * 4, classes="x")


def object_array(bad):
    bad.array(np.array([[0.5, None]], dtype=object), allow_pickle=True)


def unknown_suffix(bad):
    bad.a = bad.a.rename(bad.folder / "a.xlsx")


def absent_file(bad):
    bad.a.unlink()


def same_name(bad):
    (bad.folder / "other").mkdir()
    bad.b = bad.b.rename(bad.folder / "other" / "a.csv")


def sparse_array(bad):
    path = bad.folder / "a.npy"
    with open(path, "wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**10, 100)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 8 * 10**12)
    bad.a = path


def damaged_archive(bad):
    bad.a = bad.folder / "a.npz"
    bad.a.write_bytes(b"PK\x03\x04 and nothing else")


CASES = {
    truncated_parquet: ["a.parquet is not a readable Parquet file"],
    text_in_a_number_column: ["a.csv", "row 4", "'y'", "'high'"],
    empty_file: ["a.csv is empty"],
    unequal_row_counts: ["unequal row counts", "a.npy has 3 rows", "b.npy has 4"],
    ids_in_one_file_only: ["b.csv has a column 'id'", "a.npy has none"],
    duplicated_ids: ["a.csv", "id 2 stands twice"],
    ids_without_overlap: ["none of its 4 ids"],
    class_that_one_model_lacks: ["a.csv", "lacks class 'z'"],
    sums_off: ["a.csv", "id 1", "0.9", "--renormalise"],
    partly_nan: ["a.csv", "id 1", "1 of 3 cells are NaN"],
    plus_infinity: ["a.csv", "id 1", "'y'", "+inf"],
    minus_infinity_among_probabilities: ["a.csv", "id 1", "'y'", "-inf"],
    zero_rows: ["a.csv", "zero rows"],
    one_class: ["a.csv", "one column"],
    object_array: ["a.npy"],
    unknown_suffix: ["unknown suffix '.xlsx'"],
    absent_file: ["there is no file", "a.csv"],
    same_name: ["two models are called 'a'"],
    sparse_array: ["a.npy", "8 TB of memory", "is available"],
    damaged_archive: ["a.npz is not a readable .npz archive"],
}


@pytest.mark.parametrize("command", ["combine", "fit", "apply", "score", "compare"])
@pytest.mark.parametrize("mistake", CASES, ids=lambda mistake: mistake.__name__)
def test_bad_model_file(run, fails, bad, tmp_path, mistake, command):
    if mistake is sparse_array and sys.platform != "linux":
        pytest.skip("sparse files are not everywhere")
    pool = tmp_path / "pool.json"
    run("fit", bad.a, bad.b, "--labels", bad.labels, "-o", pool)
    mistake(bad)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("kept.csv", "kept.json"):
        (out / name).write_bytes(b"as it was")
    apply = ["apply", pool, bad.a, bad.b, "-o", out / "kept.csv"]
    message = fails(*bad.commands(out).get(command, apply))
    for words in CASES[mistake]:
        # A pool knows its settings: there is no option to advise.
        assert words in message or (command == "apply" and words.startswith("--"))
    assert sorted(p.name for p in out.iterdir()) == ["kept.csv", "kept.json"]
    assert all(p.read_bytes() == b"as it was" for p in out.iterdir())


LABEL_CASES = {
    "outside": (IDS, ["x", "y", "w", "x"], ["label 'w' is none of the classes", "row 4"]),
    "too few": (None, LABELS[:3], ["3 labels", "4 predicted rows"]),
    "no overlap": ([7, 8, 9, 10], LABELS, ["none of its 4 ids"]),
    "twice": ([1, 1, 2, 3], LABELS, ["id 1 stands twice"]),
    "other type": (["k1", "k2", "k3", "k4"], LABELS, ["text", "numbers"]),
}


@pytest.mark.parametrize("case", LABEL_CASES)
@pytest.mark.parametrize("command", ["fit", "score", "compare"])
def test_bad_labels(fails, bad, tmp_path, case, command):
    ids, labels, expected = LABEL_CASES[case]
    if ids is None:
        bad.labels.write_text("\n".join(["label", *labels]) + "\n")
    else:
        bad.write_labels(ids, labels)
    message = fails(*bad.commands(tmp_path)[command])
    for words in expected:
        assert words in message
    assert not (tmp_path / "kept.json").exists()


@pytest.mark.parametrize("command", ["fit", "score", "compare"])
def test_no_file_of_labels(fails, bad, tmp_path, command):
    bad.labels.unlink()
    assert "there is no file" in fails(*bad.commands(tmp_path)[command])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rule", "geometric"], "--rule|rule: found 'geometric'"),
        (["--weighting", "best"], "found 'best'"),
        (["--weighting", "a=.4"], "without a weight: b"),
        (["--weighting", "a=.4,b=x"], "expected a number"),
        (["--weighting", "a=.4,b"], "expected name=value"),
        (["--weighting", "heskes", "--rule", "linear"], "is for --rule log"),
        (["--weighting", "score", "--metric", "f1"], "found 'f1'"),
        (["--metric", "auc"], "belongs to --weighting score"),
        (["--resample", "1"], "at least 2"),
        (["--resample", "some"], "expected a whole number"),
        (["--temperature", "warm"], "found 'warm'"),
        (["--temperature", "0"], "expected a finite number above 0"),
        (["--temperature", "nan"], "expected a finite number above 0"),
        (["--floor", "0.5"], "below 1/K"),
        (["--penalty", "-1"], "penalty"),
        (["--missing", "drop"], "found 'drop'"),
        (["--fallback", "drop"], "found 'drop'"),
        (["--kind", "percent"], "found 'percent'"),
        (["--kind", "a=logits,nobody=logits"], "there is no model 'nobody'"),
        (["--classes", "x,y"], "class"),
        (["--positive", "x"], "expected one of the two classes"),
        (["--seed", "one"], "expected a whole number"),
    ],
)
def test_bad_options(fails, bad, options, words):
    message = fails("fit", bad.a, bad.b, "--labels", bad.labels, *options)
    assert any(part in message for part in words.split("|"))


def test_outputs_are_missing_and_must_not_be(fails, bad):
    bad.text("a.csv", GOOD[:3], ids=IDS[:3])
    message = fails("combine", bad.a, bad.b, "--missing", "error")
    assert "outputs are missing: a (1 rows)" in message
