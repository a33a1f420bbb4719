"""Files by path, given as text or as Path; what they bring along."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from door_inputs import SOLVED, chances
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import FileError, InputError

MODELS, Y = chances(n=12)
NAMES = ["low", "mid", "top"]
LABELS = np.array(NAMES)[Y]
POOL = op.fit(MODELS, LABELS)
IDS = np.arange(100, 112)


def frame(name, order=slice(None)):
    table = pd.DataFrame(MODELS[name], columns=NAMES)
    table.insert(0, "id", IDS)
    return table.iloc[order]


def write_npy(folder, name):
    np.save(folder / f"{name}.npy", MODELS[name])
    return folder / f"{name}.npy"


def write_npz(folder, name):
    np.savez(folder / f"{name}.npz", probs=MODELS[name], classes=NAMES)
    return folder / f"{name}.npz"


def write_csv(folder, name):
    frame(name).drop(columns="id").to_csv(folder / f"{name}.csv", index=False)
    return folder / f"{name}.csv"


def write_parquet(folder, name):
    frame(name).drop(columns="id").to_parquet(folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def write_parts(folder, name):
    parts = folder / name
    parts.mkdir()
    table = frame(name).drop(columns="id")
    table.iloc[:5].to_parquet(parts / "part-0.parquet")
    table.iloc[5:].to_parquet(parts / "part-1.parquet")
    return parts


WRITERS = [write_npy, write_npz, write_csv, write_parquet, write_parts]


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("write", WRITERS)
def test_every_format(tmp_path, write, kind):
    paths = {name: kind(write(tmp_path, name)) for name in MODELS}
    np.save(tmp_path / "labels.npy", LABELS)
    pool = op.fit(paths, kind(tmp_path / "labels.npy"))
    assert pool.classes == tuple(NAMES)
    assert_allclose(pool.weights, POOL.weights, **SOLVED)
    assert_allclose(pool.apply(paths), POOL.apply(MODELS), **SOLVED)
    assert_allclose(op.combine(paths), op.combine(MODELS), **tolerance(float, 64))
    assert isinstance(op.combine(paths), np.ndarray)


def test_a_file_is_called_by_its_stem_and_a_given_name_wins(tmp_path):
    paths = [write_npy(tmp_path, "a"), write_csv(tmp_path, "b"), write_parts(tmp_path, "c")]
    assert op.fit(paths, LABELS).models == ("a", "b", "c")
    assert op.fit({"x": paths[0], "y": paths[1]}, LABELS).models == ("x", "y")


def test_two_files_of_one_stem_are_refused(tmp_path):
    paths = [write_npy(tmp_path, "a"), write_csv(tmp_path, "a")]
    with pytest.raises(InputError, match="two models are called 'a'"):
        op.combine(paths)


def test_formats_mix_and_ids_match(tmp_path):
    order = np.random.default_rng(1).permutation(12)
    frame("b", order).to_csv(tmp_path / "b.csv", index=False)
    frame("c", order[::-1]).to_parquet(tmp_path / "c.parquet")
    labels = pd.DataFrame({"id": IDS, "label": LABELS}).iloc[order]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    given = {"a": frame("a"), "b": tmp_path / "b.csv", "c": str(tmp_path / "c.parquet")}
    pool = op.fit(given, tmp_path / "labels.csv")
    assert_allclose(pool.weights, POOL.weights, **SOLVED)
    found = pool.apply(given)
    assert isinstance(found, pd.DataFrame)
    assert found["id"].tolist() == IDS.tolist()


def test_several_models_in_one_archive(tmp_path):
    path = tmp_path / "all.npz"
    stack = np.stack(list(MODELS.values()))
    np.savez(path, probs=stack, models=list(MODELS), classes=NAMES, labels=Y, fold=IDS % 3)
    pool = op.fit(path)
    assert pool.models == ("a", "b", "c")
    assert pool.classes == tuple(NAMES)
    assert_array_equal(pool.weights, POOL.weights)
    assert_array_equal(pool.apply(str(path)), POOL.apply(MODELS))
    assert_allclose(
        op.combine(path, weights={"c": 1, "b": 0, "a": 0}), MODELS["c"], **tolerance(float, 8)
    )
    assert op.score(path, pool=pool)["pool"]["nll"] == pytest.approx(POOL.loss, rel=1e-12)
    assert "3 folds of whole groups (3 groups)" in op.compare(path, groups="fold", folds=3).notes[0]
    with pytest.raises(FileError, match=r"holds 3 models.*without a name"):
        op.combine({"x": path})


def test_an_unnamed_stack(tmp_path):
    np.save(tmp_path / "all.npy", np.stack(list(MODELS.values())))
    assert op.fit(tmp_path / "all.npy", LABELS).models == ("m0", "m1", "m2")


def test_labels_come_along_in_a_column(tmp_path):
    frame("a").assign(label=LABELS).to_csv(tmp_path / "a.csv", index=False)
    frame("b").to_csv(tmp_path / "b.csv", index=False)
    pool = op.fit([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert pool.classes == tuple(NAMES)
    assert pool.rows["fitted"] == 12


def test_ids_of_digits_stay_text_in_csv(tmp_path):
    """The file "001" and the frame 1 are different ids, and the message says so."""
    table = frame("a").assign(id=[f"{i:05}" for i in IDS])
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(op.OpinionPoolError, match=r"text \(such as '00100'\)|numbers"):
        op.combine({"a": tmp_path / "a.csv", "b": frame("b")})


def test_a_file_that_is_not_there():
    with pytest.raises(FileError, match=r"no file.*nowhere\.csv"):
        op.combine({"a": "nowhere.csv"})
    with pytest.raises(FileError, match=r"no file.*nowhere\.npz"):
        op.fit("nowhere.npz")
    with pytest.raises(FileError, match=r"no file.*labels\.csv"):
        op.fit(MODELS, "labels.csv")
