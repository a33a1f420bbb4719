"""Results that are written where the caller says, and predictions that are read only once."""

import numpy as np
import pytest
from kernels.cases import needs_numba
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError, OpinionPoolError
from opinionpool.kernels import fused

pytestmark = pytest.mark.filterwarnings("ignore::opinionpool.errors.OpinionPoolWarning")

LARGE = pytest.param("large", marks=needs_numba)
of_sizes = pytest.mark.parametrize("size", ["small", LARGE])


def logits_of(size="small", dtype=np.float32, seed=0):
    """Three models' logits and labels: of seven classes, or enough of them for kernels."""
    n, k = (50, 7) if size == "small" else (4800, 300)
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    models = {}
    for name in "abc":
        z = rng.normal(size=(n, k)).astype(dtype)
        z[np.arange(n), y] += 3
        models[name] = z
    return models, y


@pytest.fixture(scope="module", params=["small", LARGE])
def fitted(request):
    models, y = logits_of(request.param)
    return op.fit(models, y, kind="logits", temperature=0.8), models


# -- out= ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", ["log", "linear"])
@of_sizes
def test_what_is_written_is_what_is_returned_otherwise(size, rule, dtype):
    models, y = logits_of(size)
    pool = op.fit(models, y, kind="logits", rule=rule, weighting="uniform")
    out = np.full(models["a"].shape, -1, dtype)
    assert pool.apply(models, out=out) is out
    assert_array_equal(out.astype(np.float32), pool.apply(models))
    out[:] = -1
    given = {"weights": pool.weights, "rule": rule, "temperature": pool.temperature}
    assert op.combine(models, kind="logits", out=out, **given) is out
    assert_array_equal(out.astype(np.float32), op.combine(models, kind="logits", **given))


def test_any_strides_and_mapped_files_will_do(fitted, tmp_path):
    pool, models = fitted
    expected = pool.apply(models)
    n, k = expected.shape
    mapped = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.float32, (n, k))
    for out in (np.empty((k, n), np.float32).T, np.empty((2 * n, k), np.float32)[::2], mapped):
        pool.apply(models, out=out)
        assert_array_equal(out, expected)


def test_a_result_within_a_budget_is_written_too(fitted, tmp_path):
    pool, models = fitted
    files = {}
    for name, z in models.items():
        np.save(tmp_path / f"{name}.npy", z)
        files[name] = tmp_path / f"{name}.npy"
    out = np.empty(models["a"].shape, np.float32)
    assert pool.apply(files, memory="16MB", out=out) is out
    assert_array_equal(out, pool.apply(models))


def test_one_row_is_written_to_a_vector():
    out = np.empty(3)
    models = [[2, 1, 0.5], [1.5, 2.5, 0], [0.8, 1.2, 2]]
    assert op.combine(models, out=out) is out
    assert_array_equal(out, op.combine(models))


def test_frames_are_written_to_an_array():
    pd = pytest.importorskip("pandas")
    models, y = logits_of()
    frames = {name: pd.DataFrame(z, columns=list("tuvwxyz")) for name, z in models.items()}
    pool = op.fit(frames, np.array(list("tuvwxyz"))[y], kind="logits")
    out = np.empty((50, 7), np.float32)
    assert pool.apply(frames, out=out) is out
    assert_array_equal(out, pool.apply(frames))


def test_rows_that_nobody_answered_are_written():
    models, y = logits_of()
    pool = op.fit(models, y, kind="logits")
    for z in models.values():
        z[3] = np.nan
    out = np.empty((50, 7), np.float32)
    pool.apply(models, out=out)
    assert_array_equal(out[3], np.full(7, 1 / 7, np.float32))


def test_means_and_variances_are_written_if_they_can_be():
    rng = np.random.default_rng(0)
    models = {
        name: np.stack([rng.normal(size=40), rng.uniform(1, 2, 40)], axis=1).astype(np.float32)
        for name in "ab"
    }
    pool = op.fit(models, rng.normal(size=40), family="gaussian")
    out = np.empty((40, 2), np.float32)
    pool.apply(models, out=out)
    assert_array_equal(out, pool.apply(models))
    tiny = {name: z * np.float32([1, 1e-40]) for name, z in models.items()}
    with pytest.raises(InputError, match="float32, which cannot hold these variances"):
        pool.apply(tiny, out=out)
    pool.apply(tiny, out=(wide := np.empty((40, 2))))
    assert_array_equal(wide, pool.apply(tiny))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ([[0.0] * 7] * 50, "found list, expected a NumPy array"),
        (np.empty((50, 7), np.int64), "found an array of int64"),
        (np.empty((50, 7), np.float16), "found an array of float16"),
        (np.empty((50, 7), ">f4"), "found an array of >f4"),
        (np.empty((50, 6)), r"found shape \(50, 6\), expected \(50, 7\)"),
        (np.empty(50), r"found shape \(50,\), expected \(50, 7\)"),
        (np.broadcast_to(0.0, (50, 7)), "this array is read-only"),
    ],
)
def test_what_cannot_be_written_to_is_refused(out, message):
    models, y = logits_of()
    pool = op.fit(models, y, kind="logits")
    with pytest.raises(InputError, match="out: " + message):
        pool.apply(models, out=out)
    with pytest.raises(InputError, match="out: " + message):
        op.combine(models, out=out)


@of_sizes
def test_predictions_are_never_written_to(size):
    models, y = logits_of(size)
    pool = op.fit(models, y, kind="logits")
    before = models["b"].copy()
    for own in (models["b"], models["b"][::-1]):
        with pytest.raises(InputError, match="shares memory with the predictions of model 'b'"):
            pool.apply(models, out=own)
        with pytest.raises(InputError, match="shares memory with the predictions of model 'b'"):
            op.combine(models, kind="logits", out=own)
    assert_array_equal(models["b"], before)


# -- one pass -----------------------------------------------------------------------------------


@pytest.fixture
def large():
    return logits_of("large")


@pytest.fixture
def surveyed(monkeypatch):
    """How often a survey was made."""
    made, survey = [], fused.survey

    def counted(*args, **options):
        made.append(args)
        return survey(*args, **options)

    monkeypatch.setattr(fused, "survey", counted)
    return made


def in_two_passes(pool, models, monkeypatch, **options):
    """Pool with a survey first, whatever the predictions are."""
    with monkeypatch.context() as patch:
        for name in ("apply_finite", "apply_distributions", "mix_distributions"):
            patch.setattr(fused, name, lambda *args, **options: False)
        return pool.apply(models, **options)


@needs_numba
def test_finite_logits_are_read_once(large, surveyed, monkeypatch):
    models, y = large
    pool = op.fit(models, y, kind="logits")
    surveyed.clear()
    found, details = pool.apply(models, details=True)
    combined = op.combine(models, pool.weights, temperature=pool.temperature, kind="logits")
    detected = op.combine(models, pool.weights, temperature=pool.temperature)
    assert not surveyed
    assert_array_equal(detected, combined)
    assert details == {"rows": 4800, "rows_with_missing": 0, "rows_fallback": 0}
    assert_array_equal(found, combined)
    assert_array_equal(found, in_two_passes(pool, models, monkeypatch))
    assert surveyed


@needs_numba
@pytest.mark.parametrize("shift", [0, -30], ids=["some positive", "all negative"])
@pytest.mark.parametrize("kind", ["logits", "probabilities", "log-probabilities"])
def test_what_cells_are_is_detected_as_ever(large, kind, shift, monkeypatch):
    """In one pass only where a few of them prove that all are logits."""
    models, _ = large
    for name, z in models.items():
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        given = {"logits": z + shift, "probabilities": np.exp(log_p), "log-probabilities": log_p}
        models[name] = given[kind]
    found = op.combine(models, [0.5, 0.3, 0.2])
    with monkeypatch.context() as patch:
        for name in ("apply_finite", "apply_distributions"):
            patch.setattr(fused, name, lambda *args, **options: False)
        twice = op.combine(models, [0.5, 0.3, 0.2])
    if kind == "probabilities":
        assert_allclose(found, twice, rtol=1e-6)
    else:
        assert_array_equal(found, twice)
    assert np.abs(found - op.combine(models, [0.5, 0.3, 0.2], kind=kind)).max() < 1e-6


@needs_numba
@pytest.mark.parametrize("cell", ["absent", "veto"])
@pytest.mark.parametrize("model", ["a", "c"])
def test_cells_that_are_not_finite_are_pooled_as_ever(large, model, cell, monkeypatch):
    models, y = large
    pool = op.fit(models, y, kind="logits", weighting={"a": 0.6, "b": 0.4, "c": 0.0})
    models[model][4000, slice(None) if cell == "absent" else 5] = (
        np.nan if cell == "absent" else -np.inf
    )
    found, details = pool.apply(models, details=True)
    assert_array_equal(found, in_two_passes(pool, models, monkeypatch))
    assert details["rows_with_missing"] == (cell == "absent")


@needs_numba
@pytest.mark.parametrize("model", ["a", "c"], ids=["with weight", "without"])
@pytest.mark.parametrize(
    ("cell", "message"), [(np.inf, "row 4000.*inf"), (np.nan, "row 4000.*NaN")]
)
def test_cells_that_cannot_be_are_errors_as_ever(large, model, cell, message):
    models, y = large
    pool = op.fit(models, y, kind="logits", weighting={"a": 0.6, "b": 0.4, "c": 0.0})
    models[model][4000, 5] = cell
    with pytest.raises(OpinionPoolError, match=message):
        pool.apply(models)
    with pytest.raises(OpinionPoolError, match=message):
        op.combine(models, [0.6, 0.4, 0.0], kind="logits")


@needs_numba
@pytest.mark.parametrize(
    "options",
    [
        {"floor": 1e-3},
        {"calibrate": "temperature"},
        {"rule": "linear"},
    ],
    ids=str,
)
def test_pools_that_treat_their_models_go_the_other_way(large, options, surveyed, monkeypatch):
    models, y = large
    pool = op.fit(models, y, kind="logits", weighting="uniform", **options)
    surveyed.clear()
    found = pool.apply(models)
    assert surveyed
    assert_array_equal(found, in_two_passes(pool, models, monkeypatch))


@needs_numba
def test_models_in_another_order_and_models_that_are_not_there(large, monkeypatch):
    models, y = large
    pool = op.fit(models, y, kind="logits", weighting=[0.6, 0.3, 0.1])
    turned = dict(reversed(models.items()))
    assert np.abs(pool.apply(turned) - pool.apply(models)).max() < 1e-6
    fewer = {name: models[name] for name in "cb"}
    assert_array_equal(pool.apply(fewer), in_two_passes(pool, fewer, monkeypatch))
    with pytest.raises(OpinionPoolError, match="does not know the model"):
        pool.apply({**models, "d": models["a"]})


@needs_numba
def test_rows_and_classes_in_another_order_are_put_in_theirs(large):
    pd = pytest.importorskip("pandas")
    models, y = large
    names = [f"k{i:03}" for i in range(300)]
    frames = {name: pd.DataFrame(z, columns=names) for name, z in models.items()}
    pool = op.fit(frames, np.array(names)[y], kind="logits")
    expected = pool.apply(frames)
    frames["b"] = frames["b"][names[::-1]]
    pd.testing.assert_frame_equal(pool.apply(frames), expected)
    ids = np.arange(4800)
    for name, frame in frames.items():
        frames[name] = frame.assign(id=ids)
    frames["c"] = frames["c"].iloc[::-1]
    found = pool.apply(frames)
    assert_array_equal(found[names].to_numpy(), expected.to_numpy())


@needs_numba
def test_a_zero_that_the_fit_did_not_see_is_floored_as_in_plain_numpy(large, monkeypatch):
    models, y = large
    pool = op.fit(models, y, kind="logits")
    models["a"][7, 3] = -np.inf
    with pytest.warns(op.OpinionPoolWarning, match="1 cells are exactly 0"):
        found = pool.apply(models)
    few = {name: z[:20] for name, z in models.items()}
    assert np.abs(found[:20] - pool.apply(few)).max() < 1e-6
    assert found[7, 3] > 0
    models["a"][7, 3] = -3.0
    assert_array_equal(np.delete(found, 7, 0), np.delete(pool.apply(models), 7, 0))


# -- probabilities in one pass ------------------------------------------------------------------


def probabilities_of(models):
    """The same models, their logits made probabilities."""
    found = {}
    for name, z in models.items():
        p = np.exp(z - z.max(axis=1, keepdims=True))
        found[name] = p / p.sum(axis=1, keepdims=True)
    return found


@needs_numba
@pytest.mark.parametrize("temperature", [1.0, 0.8])
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_probabilities_are_read_once(large, rule, temperature, surveyed, monkeypatch):
    models, y = large
    models = probabilities_of(models)
    pool = op.fit(models, y, rule=rule, weighting="uniform", temperature=temperature)
    surveyed.clear()
    found, details = pool.apply(models, details=True)
    given = {"temperature": pool.temperature, "rule": rule}
    assert_array_equal(found, op.combine(models, pool.weights, **given))
    assert_array_equal(found, op.combine(models, pool.weights, kind="probabilities", **given))
    assert not surveyed
    assert details == {"rows": 4800, "rows_with_missing": 0, "rows_fallback": 0}
    assert_allclose(found, in_two_passes(pool, models, monkeypatch), rtol=1e-6)
    assert surveyed


@needs_numba
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("cell", ["absent", "zero", "just below", "just above"])
@pytest.mark.parametrize("model", ["a", "c"])
def test_probabilities_that_need_a_second_look_get_it(large, model, cell, rule, monkeypatch):
    models, y = large
    models = probabilities_of(models)
    pool = op.fit(models, y, rule=rule, weighting={"a": 0.6, "b": 0.4, "c": 0.0})
    row = models[model][4000]
    if cell == "absent":
        row[:] = np.nan
    elif cell == "just above":
        row[:] = 1e-6 * (np.arange(300) == 4)
        row[5] = 1 + 9e-7
    else:
        row[5] = 0 if cell == "zero" else -9e-7
    found, details = pool.apply(models, details=True)
    assert_allclose(found, in_two_passes(pool, models, monkeypatch), rtol=1e-6, atol=1e-30)
    assert details["rows_with_missing"] == (cell == "absent")


@needs_numba
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("model", ["a", "c"], ids=["with weight", "without"])
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.inf, "row 4000.*inf"),
        (np.nan, "row 4000.*NaN"),
        (-2e-6, "row 4000, column 5: found -1.99"),
        (1.01, "row 4000, column 5: found 1.0"),
        (0.5, "row 4000.*sum"),
    ],
)
def test_probabilities_that_cannot_be_are_errors_as_ever(large, model, rule, cell, message):
    models, y = large
    models = probabilities_of(models)
    weights = {"a": 0.6, "b": 0.4, "c": 0.0}
    pool = op.fit(models, y, rule=rule, weighting=weights)
    models[model][4000, 5] = cell
    with pytest.raises(OpinionPoolError, match=message):
        pool.apply(models)
    with pytest.raises(OpinionPoolError, match=message):
        op.combine(models, weights, kind="probabilities", rule=rule)


@needs_numba
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_probabilities_of_any_sum_are_read_once_where_they_may_be(large, rule, surveyed):
    models, _ = large
    models = probabilities_of(models)
    given = {"rule": rule, "kind": "probabilities", "renormalise": True}
    expected = op.combine(models, [0.5, 0.3, 0.2], **given)
    scaled = {name: 3 * p for name, p in models.items()}
    surveyed.clear()
    assert_allclose(op.combine(scaled, [0.5, 0.3, 0.2], **given), expected, rtol=1e-5)
    assert not surveyed


@needs_numba
def test_models_of_two_kinds_are_surveyed(large, surveyed):
    models, _ = large
    mixed = {**probabilities_of(models), "a": models["a"]}
    found = op.combine(mixed, [0.5, 0.3, 0.2])
    assert surveyed
    assert_allclose(found, op.combine(models, [0.5, 0.3, 0.2]), rtol=1e-5)
