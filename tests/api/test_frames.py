"""Data frames in and out: columns, ids, row labels, nullable types."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from door_inputs import SOLVED, chances
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import AlignmentError, InputError, ProbabilityError

MODELS, Y = chances(n=12)
NAMES = ["low", "mid", "top"]
LABELS = np.array(NAMES)[Y]
POOLED = op.combine(MODELS)
IDS = [f"r{i:02}" for i in range(12)]
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
every_library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
same = tolerance(float)


def columns(p, order=(0, 1, 2), ids=None, rows=slice(None), names=NAMES):
    data = {} if ids is None else {"id": [ids[i] for i in np.arange(12)[rows]]}
    return data | {names[k]: p[rows, k] for k in order}


def cells(frame):
    return np.stack([np.asarray(frame[name]) for name in NAMES], axis=1)


@every_library
@pytest.mark.parametrize("ids", [None, IDS, list(range(100, 112))], ids=["none", "text", "numbers"])
def test_the_callers_frame_type_and_ids_are_kept(make, ids):
    frames = {name: make(columns(p, ids=ids)) for name, p in MODELS.items()}
    pool = op.fit(frames, LABELS)
    assert pool.classes == tuple(NAMES)
    for found in (op.combine(frames), pool.apply(frames)):
        assert type(found) is type(frames["a"])
        got = list(getattr(found, "column_names", None) or found.columns)
        assert got == (["id", *NAMES] if ids else NAMES)
        if ids:
            assert np.asarray(found["id"]).tolist() == ids
    assert_allclose(cells(op.combine(frames)), POOLED, **same)
    assert_array_equal(cells(pool.apply(frames)), op.fit(MODELS, Y).apply(MODELS))


@every_library
def test_columns_and_rows_in_another_order(make):
    mixed = np.random.default_rng(0).permutation(12)
    frames = {
        "a": make(columns(MODELS["a"], ids=IDS)),
        "b": make(columns(MODELS["b"], (2, 0, 1), IDS, mixed)),
        "c": make(columns(MODELS["c"], (1, 2, 0), IDS, mixed[::-1])),
    }
    found = op.combine(frames)
    assert np.asarray(found["id"]).tolist() == IDS
    assert_allclose(cells(found), POOLED, **same)
    labels = make({"label": LABELS[mixed].tolist(), "id": [IDS[i] for i in mixed]})
    assert_allclose(op.fit(frames, labels).weights, op.fit(MODELS, Y).weights, **SOLVED)
    positions = make(
        {name: columns(MODELS["b"], (2, 0, 1))[name] for name in ("top", "low", "mid")}
    )
    without_ids = {"a": make(columns(MODELS["a"])), "b": positions}
    by_position = {"a": MODELS["a"], "b": MODELS["b"]}
    assert_allclose(cells(op.combine(without_ids)), op.combine(by_position), **same)


@every_library
def test_a_list_of_frames(make):
    found = op.combine([make(columns(p)) for p in MODELS.values()])
    assert type(found) is type(make(columns(MODELS["a"])))
    assert_allclose(cells(found), POOLED, **same)


def test_the_first_model_decides_what_comes_back():
    frame = pd.DataFrame(columns(MODELS["a"]))
    rest = {"b": MODELS["b"], "c": pl.DataFrame(columns(MODELS["c"]))}
    assert isinstance(op.combine({"a": frame} | rest), pd.DataFrame)
    found = op.combine({"b": rest["b"], "a": frame, "c": rest["c"]}, weights=[1, 1, 1])
    assert isinstance(found, np.ndarray)
    assert_allclose(found, POOLED, **same)


def test_ids_that_a_model_lacks_are_missing_outputs():
    frames = {
        "a": pl.DataFrame(columns(MODELS["a"], ids=IDS, rows=slice(0, 9))),
        "b": pl.DataFrame(columns(MODELS["b"], ids=IDS, rows=slice(3, 12))),
    }
    found, details = op.combine(frames, details=True)
    assert found["id"].to_list() == IDS
    assert details == {"rows": 12, "rows_with_missing": 6, "rows_fallback": 0}
    assert_allclose(cells(found)[:3], MODELS["a"][:3], **tolerance(float, 8))
    assert_allclose(cells(found)[9:], MODELS["b"][9:], **tolerance(float, 8))
    assert_allclose(cells(found)[3:9], op.combine([MODELS["a"], MODELS["b"]])[3:9], **same)


def test_whole_number_columns():
    frames = {name: pd.DataFrame(p) for name, p in MODELS.items()}
    assert frames["a"].columns.tolist() == [0, 1, 2]
    pool = op.fit(frames, Y)
    assert pool.classes == ("0", "1", "2")
    assert_array_equal(pool.weights, op.fit(MODELS, Y).weights)
    shuffled = {name: frame[[2, 0, 1]] for name, frame in frames.items()}
    assert_array_equal(pool.apply(shuffled)["2"], pool.apply(frames)["2"])


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "double[pyarrow]", "float32"])
def test_other_number_types(dtype):
    frames = {name: pd.DataFrame(columns(p)).astype(dtype) for name, p in MODELS.items()}
    narrow = "32" in dtype
    found = op.combine(frames)
    assert {str(t) for t in found.dtypes} == {"float32" if narrow else "float64"}
    assert_allclose(found, POOLED, **tolerance(np.float32 if narrow else float, 16))


@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]", "float64"])
def test_absent_cells_of_every_type_are_missing_outputs(dtype):
    gone = pd.DataFrame(columns(MODELS["a"])).astype(dtype)
    gone.iloc[4] = None
    _, details = op.combine({"a": gone, "b": MODELS["b"]}, details=True)
    assert details["rows_with_missing"] == 1
    gone.iloc[6, 1] = None
    with pytest.raises(ProbabilityError, match=r"model 'a'.*row 6: 1 of 3 cells are NaN"):
        op.combine({"a": gone, "b": MODELS["b"]})


def test_row_labels_are_kept():
    index = pd.Index(IDS, name="patient")
    frames = {name: pd.DataFrame(columns(p), index=index) for name, p in MODELS.items()}
    pd.testing.assert_index_equal(op.combine(frames).index, index)


def test_row_labels_in_another_order_are_refused():
    frames = {name: pd.DataFrame(columns(p)) for name, p in MODELS.items()}
    turned = frames | {"b": frames["b"].iloc[::-1]}
    with pytest.raises(AlignmentError, match=r"model 'b'.*another order.*'id' column"):
        op.combine(turned)
    with pytest.raises(AlignmentError, match=r"labels.*another order"):
        op.fit(frames, pd.Series(LABELS).iloc[::-1])
    with pytest.raises(AlignmentError, match=r"labels.*another order"):
        op.fit(frames, pd.DataFrame({"label": LABELS}).iloc[::-1])
    # Other labels altogether say nothing about the order.
    op.combine(frames | {"b": frames["b"].set_index(pd.Index(range(50, 62)))})


def test_ids_and_positions_do_not_mix():
    frames = {"a": pd.DataFrame(columns(MODELS["a"], ids=IDS)), "b": MODELS["b"]}
    with pytest.raises(AlignmentError, match=r"model 'a'.*has a column 'id', model 'b' has none"):
        op.combine(frames)


def test_ids_are_compared_with_their_type():
    frames = {
        "a": pd.DataFrame(columns(MODELS["a"], ids=list(range(12)))),
        "b": pd.DataFrame(columns(MODELS["b"], ids=[f"{i:03}" for i in range(12)])),
    }
    with pytest.raises(
        AlignmentError, match=r"model 'b'.*text \(such as '000'\).*numbers \(such as 0\).*same type"
    ):
        op.combine(frames)
    with pytest.raises(AlignmentError, match=r"labels.*text.*numbers"):
        op.fit(
            {"a": frames["a"]}, pd.DataFrame({"id": [f"{i}" for i in range(12)], "label": LABELS})
        )


def test_little_and_no_overlap():
    a = pd.DataFrame(columns(MODELS["a"], ids=list(range(12))))
    few = pd.DataFrame(columns(MODELS["b"], ids=list(range(7, 19))))
    with pytest.warns(op.OpinionPoolWarning, match="model 'b'.*only 5 of 12 ids"):
        op.combine({"a": a, "b": few})
    half = pd.DataFrame(columns(MODELS["b"], ids=list(range(6, 18))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op.combine({"a": a, "b": half})
    none = pd.DataFrame(columns(MODELS["b"], ids=list(range(50, 62))))
    with pytest.raises(AlignmentError, match=r"none of its 12 ids \(such as 50\).*\(such as 0\)"):
        op.combine({"a": a, "b": none})
    with pytest.raises(AlignmentError, match="labels: none of its 12 ids"):
        op.fit({"a": a}, pd.DataFrame({"id": range(50, 62), "label": LABELS}))
    with pytest.warns(op.OpinionPoolWarning, match="labels: only 3 of 12"):
        op.fit({"a": a}, pd.DataFrame({"id": range(9, 21), "label": LABELS}))


def test_repeated_and_absent_ids():
    twice = pd.DataFrame(columns(MODELS["a"], ids=[*IDS[:11], "r03"]))
    with pytest.raises(AlignmentError, match=r"model 'a'.*'r03' stands twice \(again in row 11\)"):
        op.combine({"a": twice})
    absent = pd.DataFrame(columns(MODELS["a"], ids=[*IDS[:11], None]))
    with pytest.raises(AlignmentError, match=r"model 'a'.*row 11 has no id"):
        op.combine({"a": absent})
    good = {"a": pd.DataFrame(columns(MODELS["a"], ids=IDS))}
    with pytest.raises(AlignmentError, match=r"labels.*'r00' stands twice"):
        op.fit(good, pd.DataFrame({"id": ["r00", *IDS[:11]], "label": LABELS}))


def test_labels_without_ids_for_predictions_with_ids():
    frames = {name: pd.DataFrame(columns(p, ids=IDS)) for name, p in MODELS.items()}
    assert_array_equal(op.fit(frames, LABELS).weights, op.fit(MODELS, Y).weights)
    with pytest.raises(op.OpinionPoolError, match=r"11 labels for 12 predicted rows.*'id' column"):
        op.fit(frames, LABELS[:11])


def test_labels_of_rows_nobody_predicted_are_counted():
    frames = {name: pd.DataFrame(columns(p, ids=IDS)) for name, p in MODELS.items()}
    y = pd.DataFrame({"id": [*IDS[2:], "x", "y", "z"], "label": [*LABELS[2:], "low", "mid", "top"]})
    pool = op.fit(frames, y)
    assert (pool.rows["fitted"], pool.rows["unlabelled"], pool.rows["unpredicted"]) == (10, 2, 3)
    rest = {name: p[2:] for name, p in MODELS.items()}
    assert_array_equal(pool.weights, op.fit(rest, Y[2:]).weights)


def test_a_models_own_labels_are_used():
    own = pd.DataFrame(columns(MODELS["a"], ids=IDS)).assign(label=LABELS)
    other = pd.DataFrame(columns(MODELS["b"], ids=IDS)).iloc[::-1]
    pool = op.fit({"a": own, "b": other})
    assert pool.classes == tuple(NAMES)
    assert_array_equal(pool.weights, op.fit({"a": MODELS["a"], "b": MODELS["b"]}, Y).weights)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"id": IDS}), "no class columns"),
        (pd.DataFrame([[0.5, 0.5]], columns=["u", "u"]), "unique"),
        (pd.DataFrame([[0.5, 0.5]], columns=[1, "1"]), "two columns are named '1'"),
        (pd.DataFrame([[0.5, 0.5]], columns=["1", "1.0"]), "class '1' has two columns"),
        (pd.DataFrame({"u": ["x", "y"], "v": [0.1, 0.2]}), "row 0, column 'u': found 'x'"),
        (pl.DataFrame({"u": [0.5]}).lazy(), "lazy frame must be collected"),
        (pd.DataFrame({"u": [], "v": []}), "zero rows"),
    ],
)
def test_frames_that_are_no_predictions(frame, words):
    with pytest.raises(InputError, match=words):
        op.combine({"a": frame})


def test_classes_that_a_model_lacks_or_has_besides():
    a = pd.DataFrame(columns(MODELS["a"]))
    two = pd.DataFrame({"low": MODELS["b"][:, 0], "mid": 1 - MODELS["b"][:, 0]})
    with pytest.raises(AlignmentError, match=r"model 'b'.*lacks class 'top', which model 'a'"):
        op.combine({"a": a, "b": two})
    with pytest.raises(AlignmentError, match=r"model 'b'.*lacks class 'top', which model 'a'"):
        op.combine({"b": two, "a": a})
    renamed = a.rename(columns={"top": "high"})
    with pytest.raises(AlignmentError, match=r"model 'b'.*lacks class 'top'"):
        op.combine({"a": a, "b": renamed})
    pool = op.fit({"a": a}, LABELS)
    with pytest.raises(AlignmentError, match="lacks class 'top'"):
        pool.apply({"a": renamed})


def test_the_label_column_of_new_rows_is_no_class():
    frames = {name: pd.DataFrame(columns(p)) for name, p in MODELS.items()}
    pool = op.fit(frames, LABELS)
    found = pool.apply(frames | {"a": frames["a"].assign(label=LABELS)})
    assert found.columns.tolist() == NAMES


def test_series_are_two_classes_in_one_column():
    two = chances(n=12, k=2)[0]
    y = chances(n=12, k=2)[1]
    one = {"a": pd.Series(two["a"][:, 1]), "b": pl.Series(two["b"][:, 1]), "c": two["c"]}
    assert op.fit(one, y).loss == pytest.approx(op.fit(two, y).loss, rel=1e-12)


def test_row_labels_of_series_in_another_order_are_refused():
    p = pd.Series(chances(n=12, k=2)[0]["a"][:, 1])
    with pytest.raises(AlignmentError, match="another order"):
        op.fit({"a": p, "b": p.iloc[::-1]}, Y > 0)


@pytest.mark.parametrize("column", ["ID", "Id", "Label"])
def test_a_column_that_is_almost_reserved_is_no_class(column):
    frames = {
        name: pd.DataFrame(columns(p)).assign(**{column: range(12)}) for name, p in MODELS.items()
    }
    with pytest.raises(InputError, match=f"'{column}'"):
        op.combine(frames)


def test_labels_of_two_models_that_disagree():
    frames = {
        "a": pd.DataFrame(columns(MODELS["a"])).assign(label=LABELS),
        "b": pd.DataFrame(columns(MODELS["b"])).assign(label=LABELS[::-1]),
    }
    with pytest.raises(InputError, match="label"):
        op.fit(frames)


def test_means_and_spreads_are_not_taken_for_classes():
    frame = pd.DataFrame({"mean": [0.4, 0.6], "std": [0.6, 0.4]})
    with pytest.raises(InputError, match=r"mean, std.*family='gaussian'"):
        op.combine({"a": frame})
