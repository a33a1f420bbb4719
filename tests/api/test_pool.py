"""Pool: apply in any order and any part, and a save and load that changes no bit."""

import dataclasses
from itertools import product

import numpy as np
import pytest
from door_inputs import chances, outputs, saved, with_gaps
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import AlignmentError, MissingOutputError, OutputError

MODELS, Y = outputs(n=40)
POOL = op.fit(MODELS, Y)


def same_pool(a, b):
    for field in dataclasses.fields(op.Pool):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes(), field.name
        elif isinstance(one, float) and np.isnan(one):
            assert np.isnan(other), field.name
        else:
            assert one == other, field.name
            assert type(one) is type(other), field.name


GRID = list(
    product(
        ["log", "linear"],
        ["optimal", "greedy", "uniform", "single", (0.5, 0.2, 0.3)],
        ["fit", 0.7],
        ["auto", 0.01],
        [("renormalise", "uniform"), ("renormalise", "prior"), ("prior", "uniform")],
    )
)


@pytest.mark.parametrize(("rule", "weighting", "temperature", "floor", "policy"), GRID)
@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_saving_and_loading_changes_no_bit(tmp_path, rule, weighting, temperature, floor, policy):
    models, y = with_gaps(n=24)
    pool = op.fit(
        models,
        y,
        rule=rule,
        weighting=weighting,
        temperature=temperature,
        floor=floor,
        missing=policy[0],
        fallback=policy[1],
    )
    pool.save(tmp_path / "pool.json")
    loaded = op.load(tmp_path / "pool.json")
    same_pool(pool, loaded)
    assert loaded.apply(models).tobytes() == pool.apply(models).tobytes()
    assert repr(loaded) == repr(pool)


@pytest.mark.parametrize("classes", [list("uvw"), [1, 2, 3], [0.5, 1.0, 2.5], ["é", "", "\n"]])
def test_classes_come_back_as_they_were(tmp_path, classes):
    pool = op.fit(MODELS, np.array(classes, dtype=object)[Y], classes=classes)
    pool.save(tmp_path / "pool.json")
    loaded = op.load(str(tmp_path / "pool.json"))
    assert loaded.classes == tuple(classes)
    assert [type(c) for c in loaded.classes] == [type(c) for c in classes]


def test_settings_come_back(tmp_path):
    models, y = chances(n=20, k=2)
    y = np.array([False, True])[y]
    one = {name: p[:, 0] for name, p in models.items()}
    pool = op.fit(one, y, positive=False, penalty=2, floor="veto", renormalise=True)
    pool.save(tmp_path / "pool.json")
    loaded = op.load(tmp_path / "pool.json")
    same_pool(pool, loaded)
    assert loaded.settings.positive is False
    assert loaded.apply(one).tobytes() == pool.apply(one).tobytes()


def test_infinities_and_nan_come_back(tmp_path):
    odd = dataclasses.replace(
        POOL,
        temperature=np.inf,
        gap=np.nan,
        losses=np.array([np.inf, 0.5, np.nan]),
        decomposition={"ambiguity": -np.inf},
    )
    document = saved(odd, tmp_path / "pool.json")
    assert (document["temperature"], document["gap"]) == ("inf", "nan")
    assert document["losses"] == ["inf", 0.5, "nan"]
    same_pool(op.load(tmp_path / "pool.json"), odd)


def test_the_extremes_of_float_come_back(tmp_path):
    w = np.array([5e-324, 1 / 3, 2 / 3])
    odd = dataclasses.replace(POOL, weights=w, temperature=0.1 + 0.2, loss=1.7976931348623157e308)
    odd.save(tmp_path / "pool.json")
    loaded = op.load(tmp_path / "pool.json")
    assert loaded.weights[0] == 5e-324
    same_pool(loaded, odd)


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_the_order_of_models_given_does_not_matter(rule):
    pool = op.fit(MODELS, Y, rule=rule)
    expected = pool.apply(MODELS)
    for order in ("bca", "cab", "cba"):
        assert pool.apply({name: MODELS[name] for name in order}).tobytes() == expected.tobytes()


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("missing", ["renormalise", "prior"])
@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_row_by_row_is_all_rows(rule, missing):
    models, y = with_gaps(n=30)
    pool = op.fit(models, y, rule=rule, missing=missing, floor=1e-4)
    everything = pool.apply(models)
    for row in range(30):
        alone = pool.apply({name: p[row : row + 1] for name, p in models.items()})
        assert_allclose(alone[0], everything[row], **tolerance(float, 16))
    turned = pool.apply({name: p[::-1] for name, p in models.items()})
    assert_allclose(turned[::-1], everything, **tolerance(float, 16))


def test_row_by_row_is_all_rows_when_zeros_first_appear_at_apply():
    models, y = chances(n=30)
    pool = op.fit(models, y)
    new = {name: p[:2].copy() for name, p in models.items()}
    new["a"][0] = [0.0, 0.5, 0.5]
    new["a"][1] = [1e-12, 0.5, 0.5 - 1e-12]
    with pytest.warns(op.OpinionPoolWarning, match="exactly 0"):
        both = pool.apply(new)
    alone = pool.apply({name: p[1:] for name, p in new.items()})
    assert_allclose(alone[0], both[1], **tolerance(float, 16))


def test_unknown_models_are_refused():
    with pytest.raises(
        AlignmentError, match=r"does not know the model.*d; it was fitted on a, b, c"
    ):
        POOL.apply(MODELS | {"d": MODELS["a"]})
    with pytest.raises(AlignmentError, match="m0, m1, m2"):
        POOL.apply(list(MODELS.values()))
    with pytest.raises(AlignmentError, match="does not know"):
        op.score({"d": MODELS["a"]}, Y, pool=POOL)


def test_an_absent_model_is_a_missing_output():
    gone = MODELS | {"b": np.full((40, 3), np.nan)}
    less = {name: MODELS[name] for name in "ca"}
    found, details = POOL.apply(less, details=True)
    assert_array_equal(found, POOL.apply(gone))
    assert details == {"rows": 40, "rows_with_missing": 40, "rows_fallback": 0}
    w = POOL.weights[[0, 2]] / POOL.weights[[0, 2]].sum()
    expected = op.combine([MODELS["a"], MODELS["c"]], w, temperature=POOL.temperature)
    assert_allclose(found, expected, **tolerance(float, 64))
    strict = op.fit(MODELS, Y, missing="error")
    with pytest.raises(MissingOutputError, match=r"the model\(s\) b are not given"):
        strict.apply(less)
    with pytest.raises(MissingOutputError, match=r"outputs are missing: b \(40 rows\)"):
        strict.apply(gone)


def test_no_model_is_given():
    with pytest.raises(op.OpinionPoolError, match="no model"):
        POOL.apply({})


def test_details():
    found, details = POOL.apply(MODELS, details=True)
    assert_array_equal(found, POOL.apply(MODELS))
    assert details == {"rows": 40, "rows_with_missing": 0, "rows_fallback": 0}


def test_apply_warns_of_the_fallback():
    models = {name: z[:2].copy() for name, z in MODELS.items()}
    for z in models.values():
        z[1] = np.nan
    with pytest.warns(op.OpinionPoolWarning, match=r"1 of 2 row\(s\)") as said:
        POOL.apply(models)
    assert said[0].filename == __file__


def test_a_pool_is_frozen_and_shows_itself():
    with pytest.raises(dataclasses.FrozenInstanceError):
        POOL.rule = "linear"
    assert repr(POOL).startswith("<Pool log/optimal: a=0.")
    assert "converged" in repr(POOL)


def test_saving_where_nothing_can_be_written(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        POOL.save(tmp_path / "nowhere" / "pool.json")
    with pytest.raises(OutputError, match="it is a folder"):
        POOL.save(tmp_path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "pool.json"
    path.write_text("old", encoding="utf-8")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(OutputError, match="No space left"):
        POOL.save(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["pool.json"]
    monkeypatch.undo()
    POOL.save(path)
    same_pool(op.load(path), POOL)
