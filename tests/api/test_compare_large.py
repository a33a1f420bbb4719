"""compare() of predictions that are read in place is that of predictions in memory."""

import importlib

import numpy as np
import pytest
from kernels.cases import needs_numba

import opinionpool as op
from opinionpool import fold_evidence
from opinionpool.predictions import in_place

pytestmark = [needs_numba, pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")]

N, K = 2400, 7


def problem(zeros=0, missing=False, copies=False):
    rng = np.random.default_rng(4)
    y = rng.integers(0, K, N)
    shared = rng.normal(size=(N, K))
    models = {}
    for i, name in enumerate("abc"):
        models[name] = 0.5 * shared + rng.normal(size=(N, K)) + (0.5 + 0.5 * i) * np.eye(K)[y]
    if zeros:
        rows = np.arange(0, N, N // zeros)
        models["a"][rows, (y[rows] + 1) % K] = -np.inf
    if missing:
        models["b"][::5] = np.nan
        for z in models.values():
            z[13] = np.nan
    if copies:
        models["d"] = models["a"].copy()
    return models, y


RNG = np.random.default_rng(5)
CASES = {
    "plain": ({}, {}),
    "groups": ({}, {"groups": RNG.integers(0, 90, N)}),
    "times": ({}, {"time": np.sort(RNG.integers(0, 90, N))}),
    "weights": ({}, {"sample_weight": RNG.random(N) * (RNG.random(N) > 0.1)}),
    "floors": ({"zeros": 30}, {}),
    "vetoes": ({"zeros": 30}, {"floor": "veto"}),
    "missing": ({"missing": True}, {}),
    "missing, vetoes": ({"missing": True, "zeros": 30}, {"floor": "veto"}),
    "prior": ({"missing": True}, {"missing": "prior"}),
    "fallback": ({"missing": True}, {"fallback": "prior"}),
    "calibrated": ({}, {"calibrate": "temperature"}),
    "calibrated, missing": ({"missing": True}, {"calibrate": "temperature"}),
    "copies": ({"copies": True}, {"penalty": 0}),
    "thorough": ({}, {"thorough": True}),
}


def assert_same(found, expected, near):
    theirs = {row["candidate"]: row for row in expected.table}
    assert {row["candidate"] for row in found.table} == set(theirs)
    for row in found.table:
        other = theirs[row["candidate"]]
        assert row["note"] == other["note"]
        assert row["loss"] == pytest.approx(other["loss"], abs=near)
    assert found.notes == expected.notes


@pytest.mark.parametrize("name", CASES)
def test_every_candidate_is_what_it_is_in_memory(name, monkeypatch):
    how, options = CASES[name]
    models, y = problem(**how)
    options = {"kind": "logits", "folds": 3, **options}
    expected = op.compare(models, y, **options)
    monkeypatch.setattr(in_place, "LARGE", 0)
    found = op.compare(models, y, **options)
    # Where nothing is convex another start may end elsewhere, a little.
    assert_same(found, expected, 1e-4 if how.get("missing") else 3e-6)
    assert found.recommended == expected.recommended


def test_soft_outcomes_and_probabilities(monkeypatch):
    models, y = problem()
    p = {name: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for name, z in models.items()}
    soft = np.eye(K)[y] * 0.8 + 0.2 / K
    expected = op.compare(p, soft, folds=3), op.compare(p, y, folds=3)
    monkeypatch.setattr(in_place, "LARGE", 0)
    for outcomes, own in zip((soft, y), expected, strict=True):
        assert_same(op.compare(p, outcomes, folds=3), own, 3e-6)


def test_rows_without_a_label_and_in_another_order(monkeypatch):
    pd = pytest.importorskip("pandas")
    models, y = problem()
    ids, order = np.arange(N), np.random.default_rng(0).permutation(N)
    frames = {name: pd.DataFrame(z).assign(id=ids) for name, z in models.items()}
    frames["b"] = frames["b"].iloc[order]
    labels = pd.DataFrame({"id": ids, "label": y}).iloc[order[: N - 100]]
    expected = op.compare(frames, labels, kind="logits", folds=3)
    monkeypatch.setattr(in_place, "LARGE", 0)
    assert_same(op.compare(frames, labels, kind="logits", folds=3), expected, 3e-6)


def test_nothing_is_copied_for_a_fold(monkeypatch):
    """Every fold used to have float64 copies of its training and its test rows."""
    made = []

    def noted(*args):
        made.append(of_fold(*args))
        return made[-1]

    of_fold = fold_evidence.Fold
    monkeypatch.setattr(fold_evidence, "Fold", noted)
    monkeypatch.setattr(in_place, "LARGE", 0)
    models, y = problem()
    models = {name: z.astype(np.float32) for name, z in models.items()}
    op.compare(models, y, kind="logits")
    assert len(made) == 5
    (whole,) = {id(fold.train.parameters) for fold in made}
    arrays = made[0].train.parameters.in_place
    assert all(x.dtype == np.float32 for x in arrays)
    for fold in made:
        assert id(fold.train.parameters) == whole
        for x, own in zip(arrays, fold.test.parameters.in_place, strict=True):
            assert np.shares_memory(x, own)
        assert fold.train.stretches
        assert fold.train.total_weight + fold.test.total_weight == N


def test_zeros_of_the_rows_that_a_fold_tests_do_not_concern_its_training(monkeypatch):
    models, y = problem()
    models["c"][5, y[5]] = -np.inf
    expected = op.compare(models, y, kind="logits", folds=3, floor="veto")
    monkeypatch.setattr(in_place, "LARGE", 0)
    found = op.compare(models, y, kind="logits", folds=3, floor="veto")
    # "c" is the best model: in the fold that tests the row it is chosen, and loses everything.
    assert_same(found, expected, 3e-6)
    assert "the first being row 5;" in str(found)


def test_the_first_impossible_row_is_named_whatever_the_order_of_the_folds(monkeypatch):
    models, y = problem()
    for row in (5, 6, 7, 900):
        models["a"][row, y[row]] = -np.inf
    expected = op.compare(models, y, kind="logits", folds=3, floor="veto")
    monkeypatch.setattr(in_place, "LARGE", 0)
    assert_same(op.compare(models, y, kind="logits", folds=3, floor="veto"), expected, 3e-6)


def test_identical_models_share_their_weight_though_not_every_row_has_a_label(monkeypatch):
    models, y = problem(copies=True)
    monkeypatch.setattr(in_place, "LARGE", 0)
    y = y.astype(float)
    y[::7] = np.nan
    w = op.fit(models, y, kind="logits", penalty=0).weights
    assert w[0] == w[3] > 0


def test_a_fold_without_any_output_is_refused(monkeypatch):
    models, y = problem()
    models = {name: np.where(np.arange(N)[:, None] < 800, z, np.nan) for name, z in models.items()}
    groups = np.arange(N) // 800
    groups[800:] = 1
    monkeypatch.setattr(in_place, "LARGE", 0)
    with pytest.raises(op.errors.MissingOutputError, match="nothing to fit"):
        op.compare(models, y, kind="logits", folds=2, groups=groups)


def test_rows_that_nobody_answered_may_be_a_fold(monkeypatch):
    models, y = problem()
    models = {name: np.where(np.arange(N)[:, None] < 1600, z, np.nan) for name, z in models.items()}
    groups = np.arange(N) // 800
    expected = op.compare(models, y, kind="logits", folds=3, groups=groups)
    monkeypatch.setattr(in_place, "LARGE", 0)
    found = op.compare(models, y, kind="logits", folds=3, groups=groups)
    assert_same(found, expected, 3e-6)


def test_a_large_comparison_draws_fewer_rows_where_candidates_need_copies(tmp_path, monkeypatch):
    compare = importlib.import_module("opinionpool.compare")
    monkeypatch.setattr(in_place, "LARGE", 0)
    models, y = problem()
    drawn = []

    def noted(known, targets, row_bytes, *rest):
        drawn.append(row_bytes)
        return in_memory(known, targets, row_bytes, *rest)

    in_memory = compare._in_memory
    monkeypatch.setattr(compare, "_in_memory", noted)
    soft = np.eye(K)[y] * 0.8 + 0.2 / K
    for outcomes in (y, soft):
        op.compare(models, outcomes, kind="logits", folds=3, memory="1GB")
    assert drawn[1] - drawn[0] == 3 * K * 8 * 4.5
