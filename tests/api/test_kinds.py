"""What a model's cells are: detected once per model, stored, never detected again."""

import warnings
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from door_inputs import SOLVED, normalised, outputs
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError, OpinionPoolWarning, ProbabilityError
from opinionpool.predictions import in_place

Z, Y = outputs(n=20)
P = {name: normalised(z) for name, z in Z.items()}
L = {name: np.log(p) for name, p in P.items()}


def kinds(models, y=Y, **options):
    return op.fit(models, y, **options).kinds


def test_each_kind_is_detected():
    assert kinds(Z) == ("logits",) * 3
    assert kinds(P) == ("probabilities",) * 3
    assert kinds(L) == ("log-probabilities",) * 3
    mixed = {"a": L["a"], "b": Z["b"], "c": P["c"]}
    assert kinds(mixed) == ("log-probabilities", "logits", "probabilities")
    assert_allclose(op.fit(mixed, Y).weights, op.fit(P, Y).weights, **SOLVED)


def test_negative_logits_are_logits():
    assert kinds({"a": Z["a"] - 50}) == ("logits",)


def test_one_hot_cells_are_probabilities_never_logits():
    assert kinds({"a": np.eye(3)[Y], "b": P["b"]}, rule="linear") == ("probabilities",) * 2


def test_one_column_kinds():
    y = (Y > 0).astype(int)
    p = P["a"][:, 1]
    assert kinds({"a": p}, y) == ("probabilities",)
    assert kinds({"a": np.log(p / (1 - p))}, y) == ("logits",)
    with pytest.raises(ProbabilityError, match=r"negative throughout.*kind="):
        op.fit({"a": np.log(p)}, y)
    found = op.fit({"a": np.log(p)}, y, kind="log-probabilities")
    assert found.loss == pytest.approx(op.fit({"a": p}, y).loss, rel=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.0, 1.0, "probabilities"),
        (-0.9e-6, 1 + 0.9e-6, "probabilities"),
        (-1.1e-6, 1.0, "logits"),
        (0.0, 1 + 1.1e-6, "logits"),
    ],
)
def test_how_far_rounding_may_carry_a_probability(low, high, kind):
    cells = P["a"].copy()
    cells[0] = [high, low, 0.0]
    told = pytest.warns(OpinionPoolWarning, match="rows look like")
    with told if kind == "logits" else nullcontext():
        assert kinds({"a": cells, "b": P["b"]}, floor=1e-6)[0] == kind


@pytest.mark.parametrize("large", [1, 10**9], ids=["in place", "copied"])
@pytest.mark.parametrize("wrong", [(0, 0, 1.5), (3, 1, -0.25)])
def test_probabilities_with_a_mistake_are_not_taken_as_logits_in_silence(large, wrong, monkeypatch):
    """One cell of 1.5 among a million probabilities made a model one of logits."""
    monkeypatch.setattr(in_place, "LARGE", large)
    row, column, value = wrong
    cells = P["a"].copy()
    cells[row, column] = value
    said = rf"model 'a': {len(cells) - 1} of {len(cells)} rows look like probabilities"
    with pytest.warns(OpinionPoolWarning, match=said):
        op.combine({"a": cells, "b": P["b"]}, floor=1e-6)
    with pytest.warns(OpinionPoolWarning, match=said):
        op.fit({"a": cells, "b": P["b"]}, np.zeros(len(cells), int) + np.arange(len(cells)) % 3)
    with pytest.raises(ProbabilityError, match="expected a probability"):
        op.combine({"a": cells, "b": P["b"]}, kind="probabilities")


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
@pytest.mark.parametrize("asked", ["auto", "logits"])
@pytest.mark.parametrize("large", [1, 10**9], ids=["in place", "copied"])
def test_a_model_that_answered_nothing_has_no_kind(asked, large, monkeypatch):
    """Of few rows it had the one that was asked for, of many none."""
    monkeypatch.setattr(in_place, "LARGE", large)
    assert kinds({"a": Z["a"], "b": np.full_like(Z["b"], np.nan)}, kind=asked) == ("logits", None)


def test_logits_that_are_mostly_between_0_and_1_are_logits_in_silence():
    x = np.linspace(0, 1.2, 60).reshape(20, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = op.combine({"a": x, "b": x})
    assert_array_equal(found, op.combine({"a": x, "b": x}, kind="logits"))


def test_cells_below_zero_by_rounding_are_zero():
    found = op.combine([[1.0, -1e-8, 1e-8]], floor="veto")
    assert found[1] == 0
    assert_allclose(found.sum(), 1, **tolerance(float))


@pytest.mark.parametrize("factor", [1 + 0.99e-3, 1 - 0.99e-3])
def test_sums_off_by_rounding_are_renormalised(factor):
    cells = P["a"].copy()
    cells[3] *= factor
    assert_allclose(op.combine({"a": cells}), P["a"], **tolerance(float, 16))
    logs = L["a"].copy()
    logs[3] += np.log(factor)
    assert_allclose(op.combine({"a": logs}), P["a"], **tolerance(float, 16))


@pytest.mark.parametrize("factor", [1 + 1.01e-3, 1 - 1.01e-3, 0.5])
def test_sums_off_by_more_are_an_error_that_names_model_row_and_sum(factor):
    cells = P["a"].copy()
    cells[3] *= factor
    for models in ({"b": P["b"], "wide": cells}, {"b": L["b"], "wide": np.log(cells)}):
        with pytest.raises(
            ProbabilityError, match=rf"'wide'.*row 3 .* {factor:.6g};.*renormalise=True"
        ):
            op.combine(
                models,
                kind={"wide": "probabilities" if models["wide"].min() > 0 else "log-probabilities"},
            )
        assert_allclose(
            op.combine(
                models,
                renormalise=True,
                kind={"wide": "probabilities" if models["wide"].min() > 0 else "log-probabilities"},
            ),
            op.combine({"b": P["b"], "wide": P["a"]}),
            **tolerance(float, 64),
        )


def test_a_bad_row_is_named_by_its_id():
    frame = pd.DataFrame(P["a"], columns=list("uvw"))
    frame.insert(0, "id", [f"r{i}" for i in range(20)])
    frame.loc[3, "u"] += 0.2
    with pytest.raises(ProbabilityError, match="id r3 sum to"):
        op.combine({"a": frame})


def test_renormalise_is_remembered():
    cells = P["a"].copy()
    cells[3] *= 0.5
    pool = op.fit({"a": cells, "b": P["b"]}, Y, renormalise=True)
    found = pool.apply({"a": cells, "b": P["b"]})
    assert_allclose(found, pool.apply({"a": P["a"], "b": P["b"]}), **tolerance(float, 64))


def test_a_row_of_zeros_cannot_be_renormalised():
    cells = P["a"].copy()
    cells[3] = 0
    for renormalise in (False, True):
        with pytest.raises(ProbabilityError, match="row 3 sum to 0"):
            op.combine({"a": cells}, renormalise=renormalise)


def test_log_probabilities_in_some_rows_only_are_ambiguous():
    cells = L["a"].copy()
    cells[3] -= 2
    with pytest.raises(ProbabilityError, match=r"19 of 20 rows look like log-probabilities.*kind="):
        op.combine({"a": cells})
    assert_allclose(op.combine({"a": cells}, kind="logits"), P["a"], **tolerance(float, 16))


@pytest.mark.parametrize(
    ("alias", "models"), [("probs", P), ("proba", P), ("logit", Z), ("log_probs", L), ("logits", L)]
)
def test_a_given_kind(alias, models):
    assert_allclose(op.combine(models, kind=alias), op.combine(P), **tolerance(float, 64))


def test_kinds_by_model():
    models = {"a": P["a"], "b": L["b"] - 1, "c": Z["c"]}
    asked = {"a": "logits", "b": "logits"}
    assert kinds(models, kind=asked) == ("logits", "logits", "logits")
    expected = op.combine([normalised(P["a"]), P["b"], P["c"]])
    assert_allclose(op.combine(models, kind=asked), expected, **tolerance(float, 64))


def test_kinds_that_there_are_not():
    with pytest.raises(InputError, match="kind: found 'odds', expected 'auto', 'probabilities'"):
        op.combine(P, kind="odds")
    with pytest.raises(InputError, match="kind: found 'odds'"):
        op.combine(P, kind={"a": "odds"})
    for door in (op.combine, lambda m, **k: op.fit(m, Y, **k), lambda m, **k: op.score(m, Y, **k)):
        with pytest.raises(InputError, match="kind: there is no model 'z'; models: a, b, c"):
            door(P, kind={"z": "logits"})


@pytest.mark.parametrize("kind", [None, ["logits"] * 3, 3, {"a": ["logits"]}])
def test_kinds_of_the_wrong_type(kind):
    with pytest.raises(InputError, match="kind"):
        op.combine(P, kind=kind)


def test_apply_never_detects_again():
    pool = op.fit(Z, Y)
    small = {name: np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]) for name in "abc"}
    as_logits = {name: normalised(cells) for name, cells in small.items()}
    expected = op.fit(P, Y).apply(as_logits)
    assert_allclose(pool.apply(small), expected, rtol=1e-8)
    log_pool = op.fit(L, Y)
    with pytest.raises(ProbabilityError, match="expected a log-probability"):
        log_pool.apply(P)
    with pytest.raises(ProbabilityError, match="expected a probability"):
        op.fit(P, Y).apply(Z)


def test_score_and_the_saved_pool_do_not_detect_either(tmp_path):
    pool = op.fit(Z, Y)
    pool.save(tmp_path / "pool.json")
    small = {name: np.tile([0.2, 0.3, 0.5], (20, 1)) for name in "abc"}
    found = op.load(tmp_path / "pool.json").apply(small)
    assert_array_equal(found, pool.apply(small))
    scored = op.score(small, Y, pool=pool)["models"]["a"]["nll"]
    assert scored == pytest.approx(-np.log(normalised(small["a"]))[range(20), Y].mean(), rel=1e-12)


def test_logits_may_rule_out_with_minus_infinity():
    z = Z["a"].copy()
    z[0] = [0, -np.inf, 0]
    assert_allclose(op.combine([z], floor="veto")[0], [0.5, 0, 0.5], **tolerance(float))
    z[1] = -np.inf
    with pytest.raises(ProbabilityError, match=r"row 1: every class is −inf.*row of NaN"):
        op.combine([z])


def test_minus_infinity_is_no_probability():
    cells = P["a"].copy()
    cells[2] = [0.5, -np.inf, 0.5]
    with pytest.raises(ProbabilityError, match="row 2, column 1: found -inf"):
        op.combine([cells], kind="probabilities")


def test_minus_infinity_among_probabilities_is_not_taken_for_logits():
    cells = P["a"].copy()
    cells[2] = [0.5, -np.inf, 0.5]
    with pytest.raises(ProbabilityError, match="row 2"):
        op.combine({"a": cells})
