"""score(): hand-computed values, infinite losses, missing outputs, and the pool's entry."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from door_inputs import chances, outputs, with_gaps
from numpy.testing import assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError

A = [[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.5, 0.5]]
SURE = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
Y = [0, 1, 1, 0]
MODELS, LABELS = chances(n=50)
POOL = op.fit(MODELS, LABELS)


def test_by_hand():
    found = op.score({"a": A}, Y)
    assert found["rows"] == {"rows": 4, "rows_with_missing": 0, "rows_unlabelled": 0}
    assert "pool" not in found
    own = found["models"]["a"]
    assert list(own) == ["nll", "brier", "accuracy", "ece", "brier_split", "rows"]
    assert own["nll"] == pytest.approx(-math.log(0.8 * 0.7 * 0.4 * 0.5) / 4, rel=1e-14)
    assert own["brier"] == pytest.approx((0.08 + 0.18 + 0.72 + 0.5) / 4, rel=1e-14)
    assert own["accuracy"] == 0.75  # a tie names the first class
    # Four confidences, each in a bin of its own: .8, .7, .5 right, .6 wrong.
    assert own["ece"] == pytest.approx((0.2 + 0.3 + 0.5 + 0.6) / 4, rel=1e-14)
    assert own["rows"] == 4


def in_all(split):
    gains = split["resolution"] + split["within_bin_covariance"]
    return split["reliability"] + split["uncertainty"] + split["within_bin_variance"] - gains


@pytest.mark.parametrize("k", [2, 3])
def test_the_split_of_the_brier_score_is_of_the_one_that_is_printed(k):
    models, y = chances(n=50, k=k)
    weight = np.random.default_rng(1).uniform(0.5, 2, 50)
    found = op.score(models, y, pool=op.fit(models, y), sample_weight=weight)
    for own in (*found["models"].values(), found["pool"]):
        assert in_all(own["brier_split"]) == pytest.approx(own["brier"], abs=1e-12)


def test_the_split_of_soft_labels():
    soft = np.random.default_rng(3).dirichlet(np.ones(3), 50)
    own = op.score({"a": MODELS["a"]}, soft)["models"]["a"]
    assert in_all(own["brier_split"]) == pytest.approx(own["brier"], abs=1e-12)


def test_ordered_classes_by_hand():
    low, high = [0.7, 0.2, 0.1], [0.1, 0.3, 0.6]
    y = ["mid", "top"]
    found = op.score({"a": [low, high]}, y, ordered=True, classes=["low", "mid", "top"])
    # Cumulative .7, .9 against 0, 1; and .1, .4 against 0, 0.
    assert found["models"]["a"]["rps"] == pytest.approx((0.5 + 0.17) / 2, rel=1e-14)
    assert found["classes"] == ["low", "mid", "top"]
    plain = op.score({"a": [low, high]}, y, classes=["low", "mid", "top"])
    assert "rps" not in plain["models"]["a"]
    assert "classes" not in plain


def test_a_pool_has_the_order_of_its_classes():
    found = op.score(MODELS, LABELS, pool=POOL, ordered=True)
    assert found["classes"] == list(POOL.classes)
    p = np.cumsum(POOL.apply(MODELS), axis=1)[:, :-1]
    happened = LABELS[:, None] <= np.arange(2)
    assert found["pool"]["rps"] == pytest.approx(
        ((p - happened) ** 2).sum(axis=1).mean(), rel=1e-10
    )


def test_weights_and_soft_labels_by_hand():
    own = op.score({"a": A}, Y, sample_weight=[1, 0, 2, 1])["models"]["a"]
    assert own["nll"] == pytest.approx(-(math.log(0.8 * 0.5) + 2 * math.log(0.4)) / 4)
    assert own["accuracy"] == 0.5
    assert own["rows"] == 3
    soft = op.score({"a": A[:1]}, [[0.5, 0.5]])["models"]["a"]
    assert soft["nll"] == pytest.approx(-0.5 * math.log(0.8 * 0.2))
    assert soft["brier"] == pytest.approx(2 * 0.3**2)
    assert soft["accuracy"] == 0.5
    assert soft["ece"] == pytest.approx(0.3)


def test_bins_have_equal_mass():
    """Thirty rows of confidence rising from .6: fifteen bins of two neighbours each."""
    p = np.linspace(0.6, 0.89, 30)
    y = np.arange(30) % 2
    right = 1 - y
    pairs = (p - right).reshape(15, 2).sum(axis=1)
    found = op.score({"a": np.stack([p, 1 - p], axis=1)}, y)["models"]["a"]["ece"]
    assert found == pytest.approx(np.abs(pairs).sum() / 30, rel=1e-12)


def test_an_infinite_loss_is_said():
    with pytest.warns(op.OpinionPoolWarning, match="NLL is infinite: sure; floor=1e-6") as said:
        found = op.score({"a": A, "sure": SURE}, Y)
    assert found["models"]["sure"]["nll"] == math.inf
    assert found["models"]["sure"]["brier"] == pytest.approx(0.5)
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        floored = op.score({"a": A, "sure": SURE}, Y, floor=1e-6)["models"]["sure"]["nll"]
    assert floored == pytest.approx(
        -(3 * math.log(1 / (1 + 1e-6)) + math.log(1e-6 / (1 + 1e-6))) / 4
    )


def test_zeros_in_other_places_cost_nothing():
    right = {"a": [[1.0, 0.0], [0.0, 1.0]]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert op.score(right, [0, 1])["models"]["a"]["nll"] == 0


def test_the_pools_entry():
    found = op.score(MODELS, LABELS, pool=POOL)
    p = POOL.apply(MODELS)
    alone = op.score({"pool": p}, LABELS)["models"]["pool"]
    own = found["pool"]
    for measure in ("nll", "brier", "accuracy", "ece"):
        assert own[measure] == pytest.approx(alone[measure], rel=1e-9)
    assert own["nll"] == pytest.approx(POOL.loss, rel=1e-12)
    assert own["rows"] == 50
    assert own["decomposition"] == pytest.approx(dict(POOL.decomposition), rel=1e-10)
    assert {n: s["nll"] for n, s in found["models"].items()} == pytest.approx(
        dict(zip(POOL.models, POOL.losses, strict=True)), rel=1e-12
    )
    assert found["rows"] == {
        "rows": 50,
        "rows_with_missing": 0,
        "rows_fallback": 0,
        "rows_unlabelled": 0,
    }


def test_new_rows():
    models, y = chances(n=30, seed=9)
    own = op.score(models, y, pool=POOL)["pool"]["nll"]
    p = POOL.apply(models)
    assert own == pytest.approx(-np.log(p[np.arange(30), y]).mean(), rel=1e-12)


def test_models_are_scored_in_the_pools_order_and_absent_ones_answered_no_row():
    found = op.score({"c": MODELS["c"], "a": MODELS["a"]}, LABELS, pool=POOL)
    assert list(found["models"]) == ["a", "b", "c"]
    assert found["models"]["b"] == {"rows": 0}
    assert found["rows"]["rows_with_missing"] == 50


def test_everything_is_read_as_the_pool_was_fitted():
    models, y = outputs(n=40)
    y = np.array(["low", "mid", "top"])[y]
    pool = op.fit(models, y, floor=0.01)
    found = op.score(models, y[:, None], pool=pool)
    floored = op.score(models, y, floor=0.01)
    assert found["models"] == floored["models"]


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_missing_outputs_are_counted():
    models, y = with_gaps(n=30)
    found = op.score(models, y, pool=op.fit(models, y))
    stack = np.isnan(np.stack(list(models.values()))[:, :, 0])
    assert found["rows"]["rows_fallback"] == stack.all(axis=0).sum()
    assert found["rows"]["rows_with_missing"] == (stack.any(axis=0) & ~stack.all(axis=0)).sum()
    for i, own in enumerate(found["models"].values()):
        assert own["rows"] == (~stack[i]).sum()


def test_labels_that_came_along(tmp_path):
    frame = pd.DataFrame(A, columns=["no", "yes"]).assign(label=np.array(["no", "yes"])[Y])
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = op.score(tmp_path / "a.csv")
    assert found["models"] == {"a": op.score({"a": A}, Y)["models"]["a"]}
    with pytest.raises(InputError, match="labels: none were given"):
        op.score(MODELS)


def test_scoring_writes_plain_numbers():
    found = op.score(MODELS, LABELS, pool=POOL)
    for own in (*found["models"].values(), found["pool"], found["rows"]):
        assert {type(v) for v in own.values()} <= {float, int, dict}
        assert {type(v) for v in own.get("brier_split", {}).values()} <= {float}


def test_something_else_as_pool():
    with pytest.raises(InputError, match="pool"):
        op.score(MODELS, LABELS, pool="pool.json")


def test_a_pool_decides_how_inputs_are_read():
    one = {name: p[:, 1] for name, p in chances(n=20, k=2)[0].items()}
    y = chances(n=20, k=2)[1]
    pool = op.fit(one, y)
    assert op.score(one, y, pool=pool)["pool"]["rows"] == 20
    assert_array_equal(pool.classes, [0, 1])
