"""Exact zeros: raised, kept, or raised to a number; and the errors they make."""

import warnings

import numpy as np
import pytest
from door_inputs import chances, naive_pool, nll
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, VetoError


def with_zeros(n=20, k=3):
    """Return probabilities; a gives 0 to a wrong class in rows 2 and 5, b in row 5."""
    models, y = chances(n=n, k=k)
    for name, row in (("a", 2), ("a", 5), ("b", 5)):
        models[name][row, (y[row] + 1) % k] = 0
        models[name][row] /= models[name][row].sum()
    return models, y


MODELS, Y = with_zeros()
STACK = np.stack(list(MODELS.values()))


@pytest.mark.parametrize(
    "door",
    [op.combine, lambda m: op.fit(m, Y), lambda m: op.fit(chances(n=20)[0], Y).apply(m)],
    ids=["combine", "fit", "apply"],
)
def test_auto_warns_once_with_the_count_for_the_log_rule(door):
    with pytest.warns(op.OpinionPoolWarning) as said:
        door(MODELS)
    (one,) = said
    assert "3 cells are exactly 0" in str(one.message)
    assert "1e-06" in str(one.message)
    assert "floor='veto'" in str(one.message)
    assert one.filename == __file__


def test_auto_does_nothing_otherwise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = op.combine(MODELS, rule="linear")
        assert_array_equal(op.fit(MODELS, Y, rule="linear").floors, np.zeros(3))
        tiny = np.array([[1e-12, 0.5, 0.5 - 1e-12]])
        op.combine([tiny, tiny])
    assert_allclose(found, naive_pool(STACK, [1, 1, 1], "linear"), **tolerance(float, 64))


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_auto_is_one_millionth_of_every_model():
    expected = naive_pool(STACK, [1, 1, 1], "log", floor=1e-6)
    assert_allclose(op.combine(MODELS), expected, **tolerance(float, 64))
    assert_array_equal(op.fit(MODELS, Y).floors, [1e-6] * 3)
    many = np.zeros((2, 1, 1_000_000))
    many[:, 0, 0] = 1
    assert op.combine(many, details=True)[1]["rows"] == 1  # 1/K is not above 1e-6


def test_veto_keeps_zeros():
    found = op.combine(MODELS, floor="veto")
    assert_allclose(found, naive_pool(STACK, [1, 1, 1], "log"), **tolerance(float, 64))
    assert (found == 0).sum() == 2
    assert_array_equal(found == 0, (STACK == 0).any(axis=0))


def test_a_model_of_weight_zero_does_not_veto_in_combine():
    found = op.combine(MODELS, [0, 0, 1], floor="veto")
    assert_allclose(found, MODELS["c"], **tolerance(float, 16))


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("floor", [1e-12, 0.01, 0.3, np.float32(0.05)])
def test_a_number_clips_then_renormalises(rule, floor):
    w = [0.2, 0.3, 0.5]
    found = op.combine(MODELS, w, rule=rule, floor=floor)
    expected = naive_pool(STACK, w, rule, floor=float(floor))
    assert_allclose(found, expected, **tolerance(float, 256))
    alone = op.combine({"a": MODELS["a"]}, floor=floor)
    assert (alone >= floor / (1 + 2 * float(floor)) * (1 - 1e-12)).all()
    pool = op.fit(MODELS, Y, rule=rule, floor=floor)
    assert_array_equal(pool.floors, [float(floor)] * 3)
    again = naive_pool(STACK, pool.weights, rule, pool.temperature, float(floor))
    assert_allclose(pool.apply(MODELS), again, rtol=1e-12)
    assert pool.loss == pytest.approx(nll(again, Y), rel=1e-12)


@pytest.mark.parametrize("floor", [0, -1e-6, 1 / 3, 0.5, 1, np.nan, np.inf])
def test_impossible_numbers(floor):
    for door in (op.combine, lambda m, **o: op.fit(m, Y, **o), lambda m, **o: op.score(m, Y, **o)):
        with pytest.raises(InputError, match=r"floor: found .* above 0 and below 1/K = 0\.333"):
            door(MODELS, floor=floor)


@pytest.mark.parametrize("floor", [None, "low", True, [1e-6] * 3, {"a": 1e-6}])
def test_what_is_no_floor(floor):
    with pytest.raises(InputError, match=r"floor: found .*'auto', 'veto'"):
        op.combine(MODELS, floor=floor)


def vetoed():
    """Return predictions in which a and b rule out what happened in rows 3 and 7."""
    models, y = chances(n=20)
    for name, row in (("a", 3), ("a", 7), ("b", 7)):
        models[name][row, y[row]] = 0
        models[name][row] /= models[name][row].sum()
    return models, y


def test_fit_says_who_rules_out_what_happened():
    models, y = vetoed()
    with pytest.raises(VetoError) as error:
        op.fit(models, y, floor="veto")
    said = str(error.value)
    assert "2 row(s), the first being row 3" in said
    assert "a (2), b (1)." in said
    assert "floor=1e-06" in said
    assert "'auto'" in said
    # The linear rule is ruled out only where every model does it.
    op.fit(models, y, floor="veto", rule="linear")
    models["c"][7] = models["b"][7]
    with pytest.raises(VetoError, match=r"1 row\(s\), the first being row 7.*a \(1\), b \(1\), c"):
        op.fit(models, y, rule="linear")


def test_the_row_is_counted_as_given():
    models, y = vetoed()
    y = y.astype(object)
    y[:2] = None
    with pytest.raises(VetoError, match="the first being row 3"):
        op.fit(models, y, floor="veto")


def test_vetoes_of_weightless_models_do_not_count_for_given_weights():
    models, y = vetoed()
    pool = op.fit(models, y, floor="veto", weighting=[0, 0, 1])
    assert pool.loss < np.inf
    assert_array_equal(pool.losses[:2], [np.inf, np.inf])
    assert_allclose(pool.apply(models).argmax(axis=1), models["c"].argmax(axis=1))


def test_a_row_that_nobody_leaves_a_class_is_an_error():
    zero = np.array([[0.5, 0.5, 0], [1.0, 0, 0], [0.5, 0.5, 0]])
    other = np.array([[0, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    models = {"a": zero, "b": other, "c": np.full((3, 3), 1 / 3)}
    with pytest.raises(
        VetoError, match=r"leave no class possible in 1 row.*first being row 1"
    ) as error:
        op.combine(models, floor="veto")
    assert "a (1), b (1)." in str(error.value)
    assert "floor=1e-06" in str(error.value)
    pool = op.fit(chances(n=20)[0], Y, floor="veto")
    with pytest.raises(VetoError, match=r"row 1; models behind it, with their rows: a \(1\), b"):
        pool.apply(models)
    assert op.combine(models, floor="veto", rule="linear").min() > 0


def test_fitting_under_veto_without_a_penalty_converges():
    models, y = with_zeros(n=60)
    models["c"] = np.full((60, 3), 1 / 3)
    models["c"][9] = np.where(np.arange(3) == (y[9] + 1) % 3, 0, 0.5)
    pool = op.fit(models, y, floor="veto", penalty=0, temperature=1.0)
    assert pool.status is op.Status.CONVERGED
    assert pool.loss <= op.fit(models, y, floor="veto", temperature=1.0).loss


def test_fitted_under_veto_models_of_weight_zero_still_veto(tmp_path):
    """The loss is fitted on the closure (maths.md §2): apply must pool the same way."""
    models, y = with_zeros(n=60)
    models["c"] = np.full((60, 3), 1 / 3)
    models["c"][9, (y[9] + 1) % 3] = 0
    models["c"][9] /= models["c"][9].sum()
    pool = op.fit(models, y, floor="veto")
    assert pool.settings.closure
    pool.save(tmp_path / "pool.json")
    p = op.load(tmp_path / "pool.json").apply(models)
    assert p[9, (y[9] + 1) % 3] == 0
    assert pool.loss == pytest.approx(nll(p, y), rel=1e-12)
    assert op.score(models, y, pool=pool)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)


def test_zeros_first_seen_at_apply():
    clean, y = chances(n=20)
    pool = op.fit(clean, y)
    assert_array_equal(pool.floors, np.zeros(3))
    with pytest.warns(op.OpinionPoolWarning, match="3 cells are exactly 0"):
        found = pool.apply(MODELS)
    expected = naive_pool(STACK, pool.weights, "log", pool.temperature, floor=1e-6)
    assert_allclose(found, expected, rtol=1e-12)
    kept = op.fit(clean, y, floor="veto").apply(MODELS)
    assert_array_equal(kept == 0, (STACK == 0).any(axis=0))


def test_score_warns_once_of_zeros_first_seen():
    pool = op.fit(chances(n=20)[0], Y)
    with pytest.warns(op.OpinionPoolWarning) as said:
        op.score(MODELS, Y, pool=pool)
    assert len(said) == 1


@pytest.mark.parametrize("rule", ["log", "linear"])
def test_learned_floors(tmp_path, rule):
    models, y = vetoed()
    pool = op.fit(models, y, floor="learned", rule=rule)
    assert ((pool.floors >= 0) & (pool.floors < 1)).all()
    assert pool.floors[0] > 0
    assert pool.status is op.Status.STATIONARY
    assert np.isnan(pool.gap)
    mixed = [(1 - e) * p + e / 3 for e, p in zip(pool.floors, models.values(), strict=True)]
    expected = naive_pool(np.array(mixed), pool.weights, rule, pool.temperature)
    assert_allclose(pool.apply(models), expected, rtol=1e-10)
    assert pool.loss == pytest.approx(nll(expected, y), rel=1e-10)
    assert op.score(models, y, pool=pool)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)
    pool.save(tmp_path / "pool.json")
    loaded = op.load(tmp_path / "pool.json")
    assert loaded.apply(models).tobytes() == pool.apply(models).tobytes()
    free = op.fit(models, y, floor="learned", rule=rule, penalty=0)
    fixed = op.fit(models, y, floor=1e-3, rule=rule, penalty=0)
    assert rule == "linear" or free.loss <= fixed.loss + 1e-6


def test_learned_floors_need_labels_and_optimal_weights():
    with pytest.raises(InputError, match="floor='learned' needs labels"):
        op.combine(MODELS, floor="learned")
    with pytest.raises(InputError, match="'learned' is fitted together with weighting='optimal'"):
        op.fit(MODELS, Y, floor="learned", weighting="greedy")


@pytest.mark.parametrize("missing", ["renormalise", "prior"])
def test_learned_floors_with_missing_outputs(missing):
    models, y = with_zeros()
    models["b"][4] = np.nan
    pool = op.fit(models, y, floor="learned", missing=missing)
    assert op.score(models, y, pool=pool)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)


def test_learned_floors_in_score_without_a_pool():
    with pytest.raises(InputError, match="floor"):
        op.score(MODELS, Y, floor="learned")


def test_learned_floors_in_compare():
    with pytest.raises(InputError, match="floor='learned' is one of the candidates of thorough"):
        op.compare(MODELS, Y, floor="learned", folds=2)
