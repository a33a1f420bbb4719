"""threshold(): from arrays, models and pools to decisions, and what cannot be decided."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from door_inputs import chances, normalised, with_gaps

import opinionpool as op
from opinionpool.diagnostics.decisions import METRICS
from opinionpool.errors import InputError, LabelError, MissingOutputError, PoolFileError

MODELS, Y = chances(n=80, k=2)
POOL = op.fit(MODELS, Y)
P = POOL.apply(MODELS)[:, 1]
QUICK = {"folds": 0, "draws": 0}


def f1(decided, y, u=1.0):
    tp, wrong = (u * (decided & (y == 1))).sum(), (u * (decided != (y == 1))).sum()
    return 2 * tp / (2 * tp + wrong)


def test_by_hand():
    p, y = [0.1, 0.2, 0.35, 0.4, 0.6, 0.7, 0.8, 0.9], [0, 0, 1, 0, 1, 1, 0, 1]
    found = op.threshold(p, y, **QUICK)
    # All four right and two wrong from .35 upwards: F1 = 8/10.
    assert found["threshold"] == pytest.approx(0.275)
    assert found["interval"] == pytest.approx([0.2, 0.35])
    assert found["value"] == pytest.approx(0.8)
    assert found["counts"] == {"tp": 4.0, "fp": 2.0, "fn": 0.0, "tn": 2.0}
    assert found["reference"] == {"threshold": 0.5, "value": pytest.approx(0.75)}
    assert (found["positive"], found["negative"], found["metric"]) == (1, 0, "f1")
    assert found["cross_validated"] is None
    assert found["bootstrap"] is None
    assert found["rows"] == {"rows": 8, "rows_unlabelled": 0}
    assert found["notes"] == []


def test_costs_by_hand():
    p, y = [0.1, 0.3, 0.5, 0.7, 0.9], [0, 1, 0, 1, 1]
    found = op.threshold(p, y, cost={"fp": 1, "fn": 4}, **QUICK)
    assert found["threshold"] == pytest.approx(0.2)
    assert found["value"] == pytest.approx(1 / 5)  # the one at .5, wrongly positive
    assert found["reference"] == {"threshold": 0.2, "value": pytest.approx(1 / 5)}
    assert found["cost"] == {"fp": 1.0, "fn": 4.0}
    assert found["metric"] == "cost"
    dear = op.threshold(p, y, cost={"fp": 9, "fn": 1}, **QUICK)
    assert dear["interval"] == pytest.approx([0.5, 0.7])
    # At .9 only the last is decided positive: two are missed.
    assert dear["reference"] == {"threshold": pytest.approx(0.9), "value": pytest.approx(2 / 5)}


@pytest.mark.parametrize("grid", [0.05, 0.1, 0.2])
def test_a_probability_at_the_reference_is_decided_positive(grid):
    """It went through its logarithm, which must not make it less than it was."""
    p = np.arange(grid, 1, grid).round(2)
    y = (np.arange(len(p)) % 2).astype(int)
    for fp, fn in ((1, 4), (1, 1), (2, 3), (3, 2), (4, 1), (1, 19)):
        at = fp / (fp + fn)
        if not np.isclose(p, at).any():
            continue
        decided = (p >= at) | np.isclose(p, at)
        expected = (fp * (decided & (y == 0)) + fn * (~decided & (y == 1))).mean()
        found = op.threshold(p, y, cost={"fp": fp, "fn": fn}, **QUICK)
        assert found["reference"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_a_pools_probabilities_are_cut(metric):
    found = op.threshold(MODELS, Y, pool=POOL, metric=metric, **QUICK)
    alone = op.threshold(P, Y, metric=metric, **QUICK)
    both = op.threshold({"pooled": np.stack([1 - P, P], axis=1)}, Y, metric=metric, **QUICK)
    for other in (alone, both):
        assert other["threshold"] == pytest.approx(found["threshold"], rel=1e-12)
        assert other["value"] == pytest.approx(found["value"], rel=1e-12)
        assert other["counts"] == found["counts"]
    decided = found["threshold"] <= P
    assert found["counts"]["tp"] == (decided & (Y == 1)).sum()
    assert found["counts"]["fp"] == (decided & (Y == 0)).sum()


@pytest.mark.parametrize("kind", ["column", "list", "series", "frame", "polars", "polars frame"])
def test_probabilities_that_stand_alone(kind):
    if kind.startswith("polars"):
        polars = pytest.importorskip("polars")
        alone = polars.DataFrame({"0": 1 - P, "1": P})
        alone = alone if kind.endswith("frame") else alone["1"]
    else:
        frame = pd.DataFrame({0: 1 - P, 1: P})
        alone = {"column": P[:, None], "list": P.tolist(), "series": frame[1], "frame": frame}[kind]
    found, expected = op.threshold(alone, Y), op.threshold(P, Y)
    assert found["threshold"] == pytest.approx(expected["threshold"], rel=1e-12)
    assert found["bootstrap"] == pytest.approx(expected["bootstrap"], rel=1e-12)
    assert found["counts"] == expected["counts"]


def test_no_other_threshold_has_a_larger_f1():
    found = op.threshold(MODELS, Y, pool=POOL, **QUICK)
    tried = [f1(t <= P, Y) for t in [0.0, *np.sort(P)]]
    assert found["value"] == pytest.approx(max(tried), rel=1e-12)
    assert f1(found["threshold"] <= P, Y) == pytest.approx(max(tried), rel=1e-12)


def test_a_saved_pool(tmp_path):
    POOL.save(tmp_path / "pool.json")
    found = op.threshold(MODELS, Y, pool=tmp_path / "pool.json", **QUICK)
    assert found == op.threshold(MODELS, Y, pool=POOL, **QUICK)


def test_single_precision_is_divided_as_it_is_served():
    narrow = {name: p.astype(np.float32) for name, p in MODELS.items()}
    pool = op.fit(narrow, Y)
    p = pool.apply(narrow)
    assert p.dtype == np.float32
    found = op.threshold(narrow, Y, pool=pool, **QUICK)
    assert float(np.float32(found["threshold"])) == found["threshold"]
    assert f1(p[:, 1] >= found["threshold"], Y) == pytest.approx(found["value"], rel=1e-12)


def test_weights_are_repeated_rows():
    u = np.random.default_rng(1).integers(1, 4, 80)
    rows = np.repeat(np.arange(80), u)
    weighted = op.threshold(P, Y, sample_weight=u, **QUICK)
    repeated = op.threshold(P[rows], Y[rows], **QUICK)
    for key in ("threshold", "value", "interval", "counts", "reference"):
        assert weighted[key] == repeated[key]
    assert weighted["value"] == pytest.approx(f1(weighted["threshold"] <= P, Y, u))


def test_soft_labels_count_for_both_classes():
    q = np.random.default_rng(2).uniform(0.05, 0.95, 80)
    found = op.threshold(P, q, metric="accuracy", **QUICK)
    tried = [np.where(t <= P, q, 1 - q).mean() for t in [0.0, *np.sort(P), 2.0]]
    assert found["value"] == pytest.approx(max(tried), rel=1e-12)
    assert sum(found["counts"].values()) == pytest.approx(80)


def test_the_positive_class():
    y = np.array(["no", "yes"])[Y]
    second = op.threshold(P, y, **QUICK)
    assert (second["positive"], second["negative"]) == ("yes", "no")
    frame = pd.DataFrame({"no": 1 - P, "yes": P})
    first = op.threshold(frame, y, positive="no", **QUICK)
    assert first["positive"] == "no"
    assert first == op.threshold(pd.DataFrame({"yes": P, "no": 1 - P}), y, **QUICK)
    # Single columns are the probability of the positive class.
    assert op.threshold(1 - P, y, positive="no", **QUICK)["value"] == pytest.approx(first["value"])
    of_pool = op.threshold(MODELS, Y, pool=POOL, positive=0, **QUICK)
    assert of_pool["positive"] == 0
    columns = {name: p[:, 0] for name, p in MODELS.items()}
    pool = op.fit(columns, Y, positive=0)
    assert op.threshold(columns, Y, pool=pool, **QUICK)["positive"] == 0


def test_cross_validation_decides_rows_by_thresholds_of_others():
    groups = np.arange(80) % 4
    found = op.threshold(P, Y, folds=4, groups=groups, draws=0)["cross_validated"]
    assert "groups" in found["how"]
    decided = np.zeros(80, dtype=bool)
    of_group = []
    for g in range(4):
        rest = groups != g
        t = op.threshold(P[rest], Y[rest], **QUICK)["threshold"]
        decided[~rest] = P[~rest] >= t
        of_group.append(t)
    assert sorted(found["thresholds"]) == pytest.approx(sorted(of_group), rel=1e-12)
    assert found["value"] == pytest.approx(f1(decided, Y), rel=1e-12)
    assert found["reference"] == pytest.approx(f1(P >= 0.5, Y), rel=1e-12)
    in_sample = op.threshold(P, Y, **QUICK)["value"]
    assert found["optimism"] == pytest.approx(in_sample - found["value"], rel=1e-9)


def test_costs_have_a_difference_with_its_error():
    found = op.threshold(P, Y, cost={"fp": 1, "fn": 5}, draws=0)
    tested = found["cross_validated"]
    assert tested["difference"] == pytest.approx(tested["value"] - tested["reference"], abs=1e-12)
    assert tested["optimism"] == pytest.approx(tested["value"] - found["value"], abs=1e-12)
    assert 0 < tested["standard_error"] < 1
    # Between two lists of decisions whose costs differ by d in each row.
    assert "difference" not in op.threshold(P, Y, draws=0)["cross_validated"]


def test_choosing_looks_better_than_it_is():
    """Noise, which no threshold can cut well, and yet the chosen ones seem to: forty times."""
    rng = np.random.default_rng(0)
    optimism = []
    for _ in range(40):
        y = rng.permutation(np.arange(60) % 2)
        found = op.threshold(rng.random(60), y, metric="mcc", draws=0)
        optimism.append(found["cross_validated"]["optimism"])
        assert found["value"] >= 0
    assert np.mean(optimism) > 0.1


def test_time_tests_on_what_comes_next():
    found = op.threshold(P, Y, time=np.arange(80), folds=3, draws=0)["cross_validated"]
    assert found["how"].startswith("3 folds forward in time")
    assert len(found["thresholds"]) == 3
    first = op.threshold(P[:20], Y[:20], **QUICK)["threshold"]
    assert found["thresholds"][0] == pytest.approx(first, rel=1e-12)


def test_bootstraps_are_seeded():
    a, b, c = (op.threshold(P, Y, folds=0, draws=9, seed=s)["bootstrap"] for s in (1, 1, 2))
    assert a == b != c
    assert a["low"] <= a["high"]
    assert (a["level"], a["draws"]) == (0.9, 9)
    assert op.threshold(P, Y)["bootstrap"] == op.threshold(P, Y, seed=0)["bootstrap"]


def test_bootstraps_hold_the_threshold_of_plenty_of_rows():
    rng = np.random.default_rng(5)
    p = rng.random(4000)
    y = (rng.random(4000) < p).astype(int)
    found = op.threshold(p, y, metric="accuracy", folds=0)["bootstrap"]
    assert 0.4 < found["low"] < 0.5 < found["high"] < 0.6


def test_what_could_not_be_tested_is_said():
    p, y = [0.2, 0.3, 0.4, 0.9], [0, 0, 0, 1]
    found = op.threshold(p, y, folds=4, draws=100)
    assert found["cross_validated"] is None
    assert found["notes"][0].startswith("not cross-validated: fold ")
    assert "labels of one class" in found["notes"][1]
    assert 0 < found["bootstrap"]["draws"] < 100


def test_rows_without_an_output_are_left_out():
    p, y = P.copy(), Y.astype(float)
    p[[3, 5]], y[7] = np.nan, np.nan
    found = op.threshold({"a": p}, y, **QUICK)
    assert found["rows"] == {"rows": 77, "rows_unlabelled": 1, "rows_unanswered": 2}
    kept = ~np.isin(np.arange(80), [3, 5, 7])
    assert found["value"] == op.threshold(P[kept], Y[kept], **QUICK)["value"]
    silent = np.where(np.arange(80) == 7, P, np.nan)
    with pytest.raises(MissingOutputError, match="no labelled row has an output"):
        op.threshold({"a": silent}, y)


def test_rows_of_the_fallback_are_decided_too():
    models, y = with_gaps(n=40, k=2)
    with pytest.warns(op.OpinionPoolWarning, match="fallback"):
        found = op.threshold(models, y, pool=op.fit(models, y), **QUICK)
    assert found["rows"]["rows_fallback"] == 2
    assert found["rows"]["rows"] == 40
    assert sum(found["counts"].values()) == 40


def test_nothing_is_written_to():
    p, y = P.copy(), Y.copy()
    p.setflags(write=False)
    y.setflags(write=False)
    op.threshold(p, y)
    assert (p == P).all()


def test_results_are_plain():
    found = op.threshold(P, np.array(["no", "yes"])[Y], cost={"fp": np.float32(1), "fn": 2})
    for key in ("threshold", "value"):
        assert type(found[key]) is float
    for key in ("counts", "reference", "bootstrap", "cost"):
        assert {type(v) for v in found[key].values()} <= {float, int}
    assert {type(v) for v in found["cross_validated"].values()} == {float, str, list}
    assert type(found["positive"]) is str


THREE = normalised(np.random.default_rng(0).normal(size=(80, 3)))
MISTAKES = {
    "models": (
        lambda: op.threshold(MODELS, Y),
        InputError,
        r"found 3 models \(a, b, c\) and no pool",
    ),
    "classes": (
        lambda: op.threshold(THREE, np.arange(80) % 3),
        InputError,
        r"found 3 classes \(0, 1, 2\); a threshold divides two",
    ),
    "metric": (lambda: op.threshold(P, Y, metric="auc"), InputError, "metric: found 'auc'"),
    "metric 1": (lambda: op.threshold(P, Y, metric=1), InputError, "metric: found 1"),
    "two aims": (
        lambda: op.threshold(P, Y, metric="f1", cost={"fp": 1, "fn": 1}),
        InputError,
        "give one of them",
    ),
    "cost": (lambda: op.threshold(P, Y, cost={"fp": 1}), InputError, "expected two numbers"),
    "cost list": (lambda: op.threshold(P, Y, cost=[1, 2]), InputError, "cost: found"),
    "cost 0": (
        lambda: op.threshold(P, Y, cost={"fp": 0, "fn": 1}),
        InputError,
        "fp=0, expected a finite number above 0",
    ),
    "cost nan": (
        lambda: op.threshold(P, Y, cost={"fp": 1, "fn": math.nan}),
        InputError,
        "fn=nan, expected a finite",
    ),
    "cost text": (
        lambda: op.threshold(P, Y, cost={"fp": 1, "fn": "5"}),
        InputError,
        "fn='5', expected a number",
    ),
    "positive": (
        lambda: op.threshold(MODELS, Y, pool=POOL, positive="sick"),
        InputError,
        "positive: found 'sick', expected one of the two classes; the classes are 0, 1",
    ),
    "positive alone": (lambda: op.threshold(P, Y, positive="sick"), InputError, "found 'sick'"),
    "folds": (lambda: op.threshold(P, Y, folds=2.5), InputError, "folds: found 2.5"),
    "folds 1": (lambda: op.threshold(P, Y, folds=1), InputError, "at least 2"),
    "draws": (lambda: op.threshold(P, Y, draws=-1), InputError, "draws: found -1"),
    "draws True": (lambda: op.threshold(P, Y, draws=True), InputError, "draws: found True"),
    "seed": (lambda: op.threshold(P, Y, seed=-1), InputError, "seed: found -1"),
    "groups": (
        lambda: op.threshold(P, Y, folds=0, groups=Y),
        InputError,
        "groups and time belong to the folds",
    ),
    "pool": (lambda: op.threshold(MODELS, Y, pool=3), InputError, "pool: found int"),
    "no pool": (lambda: op.threshold(MODELS, Y, pool="none.json"), PoolFileError, "no such file"),
    "kind": (lambda: op.threshold(P, Y, kind={"b": "logits"}), InputError, "no model 'b'"),
    "no labels": (lambda: op.threshold(P), InputError, "labels: none were given"),
    "a number": (lambda: op.threshold(0.5, Y), InputError, "predictions: found float"),
    "nothing": (lambda: op.threshold([], Y), InputError, "no model"),
}


@pytest.mark.parametrize(("call", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_what_cannot_be_decided(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_pool_of_several_classes_is_refused_before_its_inputs_are_read():
    pool = op.fit({"a": THREE, "b": THREE}, np.arange(80) % 3)
    with pytest.raises(InputError, match="a threshold divides two"):
        op.threshold("no-such-file.csv", Y, pool=pool)
    with pytest.raises(InputError, match="the predictions have no classes"):
        op.threshold("no-such-file.csv", Y, pool=replace(POOL, classes=()))


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_class(label):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)
        with pytest.raises(LabelError, match=f"all 80 are of the class {label}; a threshold"):
            op.threshold(P, np.full(80, label))
