"""Files that are damaged, empty, or hold something else: an error that names the file."""

import numpy as np
import pandas as pd
import pytest
from door_inputs import chances

import opinionpool as op
from opinionpool.errors import FileError, InputError

MODELS, Y = chances(n=12)
P = MODELS["a"]


def frame():
    return pd.DataFrame(P, columns=["low", "mid", "top"])


def truncated_parquet(folder):
    frame().to_parquet(folder / "a.parquet")
    whole = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[: len(whole) // 2])
    return folder / "a.parquet"


def truncated_npy(folder):
    np.save(folder / "a.npy", P)
    whole = (folder / "a.npy").read_bytes()
    (folder / "a.npy").write_bytes(whole[:-20])
    return folder / "a.npy"


def truncated_npz(folder):
    np.savez(folder / "a.npz", probs=P)
    whole = (folder / "a.npz").read_bytes()
    (folder / "a.npz").write_bytes(whole[:-40])
    return folder / "a.npz"


def text_in_a_column(folder):
    table = frame().astype(object)
    table.loc[4, "mid"] = "about half"
    table.to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def ragged_csv(folder):
    (folder / "a.csv").write_text("low,mid,top\n.2,.3,.5\n.2,.8\n", encoding="utf-8")
    return folder / "a.csv"


def header_only(folder):
    (folder / "a.csv").write_text("low,mid,top\n", encoding="utf-8")
    return folder / "a.csv"


def empty(suffix):
    def write(folder):
        (folder / f"a{suffix}").write_bytes(b"")
        return folder / f"a{suffix}"

    return write


def pickled(folder):
    np.save(folder / "a.npy", np.array([[0.5, {}]], dtype=object), allow_pickle=True)
    return folder / "a.npy"


def pickled_npz(folder):
    np.savez(folder / "a.npz", probs=P, extra=np.array([{}], dtype=object))
    return folder / "a.npz"


def unknown_suffix(folder):
    (folder / "a.xlsx").write_bytes(b"PK")
    return folder / "a.xlsx"


def empty_folder(folder):
    (folder / "a").mkdir()
    return folder / "a"


def not_npy(folder):
    (folder / "a.npy").write_bytes(b"low,mid,top\n.2,.3,.5\n")
    return folder / "a.npy"


def no_predictions(folder):
    np.savez(folder / "a.npz", left=P, right=P)
    return folder / "a.npz"


def other_classes(folder):
    np.savez(folder / "a.npz", probs=P, classes=["low", "top"])
    return folder / "a.npz"


def ids_as_a_column(folder):
    np.savez(folder / "a.npz", probs=P, ids=np.arange(len(P))[::-1, None])
    return folder / "a.npz"


def classes_as_a_column(folder):
    np.savez(folder / "a.npz", probs=P, classes=[["low"], ["mid"], ["top"]], labels=Y)
    return folder / "a.npz"


def too_few_ids(folder):
    np.savez(folder / "a.npz", probs=P, id=np.arange(len(P) - 1))
    return folder / "a.npz"


BAD = {
    "truncated Parquet": (truncated_parquet, r"a\.parquet"),
    "truncated .npy": (truncated_npy, r"a\.npy is truncated"),
    "truncated .npz": (truncated_npz, r"a\.npz"),
    "text in a column": (text_in_a_column, r"a\.csv, row 6, column 'mid': found 'about half'"),
    "ragged CSV": (ragged_csv, r"a\.csv"),
    "a header only": (header_only, r"a\.csv.*zero rows|no rows"),
    "empty CSV": (empty(".csv"), r"a\.csv is empty"),
    "empty Parquet": (empty(".parquet"), r"a\.parquet is empty"),
    "empty .npy": (empty(".npy"), r"a\.npy is empty"),
    "empty .npz": (empty(".npz"), r"a\.npz is empty"),
    "a pickle": (pickled, r"a\.npy holds Python objects \(a pickle\)"),
    "a pickle in an archive": (pickled_npz, r"a\.npz, member 'extra\.npy' holds Python objects"),
    "unknown suffix": (unknown_suffix, r"a\.xlsx.*unknown suffix '\.xlsx', known are"),
    "empty folder": (empty_folder, r"a"),
    "another format": (not_npy, r"a\.npy is not a readable \.npy array"),
    "no predictions": (no_predictions, r"a\.npz: found the arrays left, right; expected .*'probs'"),
    "other classes": (other_classes, r"a\.npz: found 2 'classes' for predictions with 3 columns"),
    "ids as a column": (
        ids_as_a_column,
        r"a\.npz: found 'ids' of shape \(\d+, 1\) for predictions",
    ),
    "classes as a column": (classes_as_a_column, r"a\.npz: found 'classes' of shape \(3, 1\)"),
    "too few ids": (too_few_ids, r"a\.npz: found 'id' of shape \(\d+,\) for predictions"),
}


@pytest.mark.parametrize(("write", "words"), BAD.values(), ids=BAD)
def test_predictions(tmp_path, write, words):
    path = write(tmp_path)
    pool = op.fit({"a": frame()}, np.array(["low", "mid", "top"])[Y])
    doors = [
        lambda: op.combine({"a": path}),
        lambda: op.combine(str(path)),
        lambda: op.fit([path], Y),
        lambda: op.compare([path], Y),
        lambda: op.score([path], Y),
        lambda: pool.apply({"a": path}),
    ]
    for door in doors:
        with pytest.raises(InputError, match=words):
            door()


@pytest.mark.parametrize(
    "write", [truncated_parquet, truncated_npy, empty(".csv"), pickled, unknown_suffix, not_npy]
)
def test_labels(tmp_path, write):
    with pytest.raises(FileError, match=r"a\.\w+"):
        op.fit(MODELS, write(tmp_path))


def test_archives_without_labels(tmp_path):
    np.savez(tmp_path / "y.npz", probs=P)
    with pytest.raises(
        InputError, match=r"y\.npz: found the arrays probs; expected one of 'label'"
    ):
        op.fit(MODELS, tmp_path / "y.npz")


def test_bad_rows_of_a_file_are_named_as_a_person_counts_them(tmp_path):
    table = frame()
    table.loc[4, "mid"] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=r"a\.csv, row 6: 1 of 3 cells are NaN"):
        op.combine({"a": tmp_path / "a.csv"})
    table.loc[4, "mid"] = 0.99
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=r"a\.csv: 1 row\(s\) do not sum to one: .* of row 6 sum"):
        op.combine({"a": tmp_path / "a.csv"})


def test_bad_labels_of_a_file_are_named_as_a_person_counts_them(tmp_path):
    labels = pd.DataFrame({"label": ["low", "mid", "top", "x"] * 3})
    labels.to_csv(tmp_path / "y.csv", index=False)
    with pytest.raises(InputError, match=r"y\.csv, row 5: label 'x'"):
        op.fit({"a": frame()}, tmp_path / "y.csv")


@pytest.mark.parametrize(
    ("along", "words"),
    [
        ({"ids": np.arange(len(Y))[:, None]}, r"y\.npz: found ids of shape \(\d+, 1\)"),
        ({"ids": np.arange(len(Y) - 1)}, r"y\.npz: found ids of shape \(\d+,\) for \d+ labels"),
        ({"ids": np.array(3)}, r"y\.npz: found ids of shape \(\)"),
        ({"classes": [["a"], ["b"], ["c"]]}, r"y\.npz: found 'classes' of shape \(3, 1\)"),
    ],
)
def test_what_lies_beside_the_labels_of_an_archive_has_another_shape(along, words, tmp_path):
    np.savez(tmp_path / "a.npz", probs=P, ids=np.arange(len(P)))
    np.savez(tmp_path / "y.npz", **{"labels": Y, "ids": np.arange(len(Y)), **along})
    with pytest.raises(InputError, match=words):
        op.fit([tmp_path / "a.npz"], tmp_path / "y.npz")


def test_two_models_of_an_archive_have_the_same_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, probs=np.stack([P, P[::-1], P]), models=["cnn", "cnn", "vit"], labels=Y)
    with pytest.raises(InputError, match=r"a\.npz: two of its models are called 'cnn'"):
        op.combine(path)
