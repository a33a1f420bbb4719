"""explain(): one dict with right figures for every pool, and a reason where there is none."""

import json
import math
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from door_inputs import chances, outputs, published, with_gaps

import opinionpool as op
from opinionpool.errors import InputError

EXACT = {"rel": 1e-12, "abs": 1e-12}
QUICK = {"draws": 0, "folds": 0}


def gaussians(n=150, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    noise = {"a": 0.5, "b": 0.8, "c": 1.2}
    models = {
        name: np.stack([y + s * rng.normal(size=n), np.full(n, s**2) * rng.uniform(0.5, 2, n)], 1)
        for name, s in noise.items()
    }
    return models, y


def without(models, name):
    return {other: p for other, p in models.items() if other != name}


SOFT = np.random.default_rng(2).dirichlet(np.ones(3), 100)

#: Inputs, labels and the keywords of the fit.
CASES = {
    "log": (*outputs(n=200), {}),
    "log, T given": (*outputs(n=200), {"temperature": 1.0}),
    "two classes": (*chances(n=150, k=2), {}),
    "linear": (*chances(n=200), {"rule": "linear"}),
    "uniform": (*chances(n=200), {"weighting": "uniform"}),
    "given": (*chances(n=200), {"weighting": {"a": 0.5, "b": 0.3, "c": 0.2}}),
    "greedy": (*chances(n=120), {"weighting": "greedy", "temperature": 1.0}),
    "missing": (*with_gaps(n=80), {}),
    "missing, linear": (*with_gaps(n=80), {"rule": "linear"}),
    "missing, prior": (*with_gaps(n=80), {"missing": "prior"}),
    "confidence": (*chances(n=120), {"weighting": "confidence"}),
    "calibrated and scaled": (
        *chances(n=200),
        {"calibrate": "temperature", "scaling": "vector"},
    ),
    "learned floors": (*chances(n=80, m=2), {"floor": "learned"}),
    "resampled": (*chances(n=80), {"resample": 3}),
    "soft labels": (outputs(n=100)[0], SOFT, {}),
    "weighted": (*outputs(n=100), {"sample_weight": np.random.default_rng(1).uniform(0.5, 2, 100)}),
    "gaussian": (*gaussians(), {"family": "gaussian"}),
    "gaussian, linear": (*gaussians(), {"family": "gaussian", "rule": "linear"}),
}


def weighted(keywords):
    return {k: v for k, v in keywords.items() if k == "sample_weight"}


@pytest.fixture(scope="module")
def explained():
    """Pools of the cases and their explanations, made once each."""
    made = {}

    def explain(case):
        if case not in made:
            models, y, keywords = CASES[case]
            pool = op.fit(models, y, **keywords)
            made[case] = pool, op.explain(pool, models, y, **weighted(keywords), **QUICK)
        return made[case]

    return explain


every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_it_is_plain_json(explained, case):
    found = explained(case)[1]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["format"], found["version"]) == ("opinionpool.explanation", 1)
    assert found["rows"]["fitted_on_these"] is True


@every_case
def test_the_loss_is_that_of_the_fit(explained, case):
    pool, found = explained(case)
    assert found["headline"]["loss"] == pytest.approx(pool.loss, **EXACT)


@every_case
def test_the_decomposition_sums(explained, case):
    split = explained(case)[1]["decomposition"]
    untempered = split["average_error"] - split["ambiguity"]
    assert untempered == pytest.approx(split["loss_untempered"], **EXACT)
    gains = split["temperature_gain"] + split["scaling_gain"]
    assert untempered - gains == pytest.approx(split["loss"], **EXACT)
    for part, whole in (("weighted_loss", "average_error"), ("ambiguity", "ambiguity")):
        assert sum(m[part] for m in split["models"]) == pytest.approx(split[whole], **EXACT)


@every_case
def test_the_pairs_sum_to_the_ambiguity(explained, case):
    pool, found = explained(case)
    split, pairs = found["decomposition"], found["decomposition"]["pairs"]
    if pool.rule == "linear":
        assert "only a log pool's" in pairs["reason"]
        return
    assert pairs["reason"] is None
    assert np.sum(pairs["pairs"]) + pairs["missed"] == pytest.approx(split["ambiguity"], **EXACT)
    # What eq. 5 misses, computed from the divergences of each model to the pool and back.
    assert pairs["missed"] == pytest.approx(pairs["asymmetry"], **EXACT)


@every_case
def test_left_out_is_a_fit_from_scratch(explained, case):
    models, y, keywords = CASES[case]
    pool, found = explained(case)
    entries = found["contributions"]["models"]
    assert [e["model"] for e in entries] == list(pool.models)
    for entry in entries:
        again = dict(keywords)
        if isinstance(again.get("weighting"), dict):
            again["weighting"] = without(again["weighting"], entry["model"])
        fitted = op.fit(without(models, entry["model"]), y, **again)
        assert entry["left_out"]["loss"] == pytest.approx(fitted.loss, **EXACT)
        rise = entry["left_out"]["rise"]
        assert rise == pytest.approx(fitted.loss - pool.loss, **EXACT)


def test_standard_errors_are_paired():
    models, y, _ = CASES["log"]
    pool = op.fit(models, y)
    entry = op.explain(pool, models, y, **QUICK)["contributions"]["models"][0]
    fitted = op.fit(without(models, "a"), y)
    rows = np.arange(len(y))
    apart = np.log(pool.apply(models)[rows, y] / fitted.apply(without(models, "a"))[rows, y])
    error = apart.std(ddof=1) / math.sqrt(len(y))
    assert entry["left_out"]["standard_error"] == pytest.approx(error, rel=1e-9)
    low, high = entry["left_out"]["interval"]
    assert (high - low) / error == pytest.approx(2 * 1.959963984540054, rel=1e-9)


def test_the_headline_by_hand():
    models, y, _ = CASES["two classes"]
    pool = op.fit(models, y)
    head = op.explain(pool, models, y, **QUICK)["headline"]
    rows = np.arange(len(y))
    own = {name: -np.log(p[rows, y]) for name, p in models.items()}
    best = min(own, key=lambda name: own[name].mean())
    assert head["best_single"]["model"] == best
    assert head["best_single"]["gain"] == pytest.approx(own[best].mean() - pool.loss, **EXACT)
    average = -np.log(np.mean(list(models.values()), axis=0)[rows, y])
    assert head["average"]["loss"] == pytest.approx(average.mean(), **EXACT)
    ours = -np.log(pool.apply(models)[rows, y])
    error = (average - ours).std(ddof=1) / math.sqrt(len(y))
    assert head["average"]["standard_error"] == pytest.approx(error, rel=1e-9)


@every_case
def test_what_holds_for_every_pool(explained, case):
    pool, found = explained(case)
    points = found["pareto"]["points"]
    assert [p["cost"] for p in points] == sorted({p["cost"] for p in points})
    assert [p["loss"] for p in points] == sorted((p["loss"] for p in points), reverse=True)
    for point in points:
        assert sum(point["weights"].values()) == pytest.approx(1, **EXACT)
        assert len(point["weights"]) == point["cost"]
    steps = found["additions"]["steps"]
    assert steps[0]["gain"] is None
    for before, now in pairwise(steps):
        assert now["gain"] == pytest.approx(before["loss"] - now["loss"], abs=1e-12)
        assert set(now["weights"]) == {now["model"], *before["weights"]}
    assert {m["model"] for m in found["certainty"]["models"]} == set(pool.models)
    normal = found["certainty"]["normal"]
    assert normal["valid"] or normal["reason"]
    assert found["certainty"]["bootstrap"]["reason"] == "not asked for: draws=0"


@every_case
def test_scores_are_those_of_score(explained, case):
    models, y, keywords = CASES[case]
    if keywords.get("calibrate"):
        pytest.skip("score() scores models as they came, explain() as the pool sees them")
    if keywords.get("missing") == "prior":
        pytest.skip("the same rows, but the absent models' are not scored")
    pool, found = explained(case)
    expected = op.score(models, y, pool=pool, **weighted(keywords))
    for name, own in [*expected["models"].items(), ("", expected["pool"])]:
        got = found["calibration"]["models"][name] if name else found["calibration"]["pool"]
        for key in ("nll", "brier", "ece", "accuracy", "crps", "coverage_90"):
            if key in own:
                assert got[key] == pytest.approx(own[key], **EXACT)


@pytest.mark.parametrize("case", ["two classes", "log", "missing"])
def test_the_brier_score_is_split_without_remainder(explained, case):
    calibration = explained(case)[1]["calibration"]
    for own in [calibration["pool"], *calibration["models"].values()]:
        s = own["brier_split"]
        total = s["reliability"] - s["resolution"] + s["uncertainty"]
        total += s["within_bin_variance"] - s["within_bin_covariance"]
        assert total == pytest.approx(own["brier"], **EXACT)


def test_a_joint_fit_leaves_no_temperature_to_find():
    models, y = outputs(n=300)
    pool = op.fit(models, y, penalty=0)
    own = op.explain(pool, models, y, **QUICK)["calibration"]["pool"]["temperature"]
    # The shrinkage of this one alone, 3/N nats at most.
    assert own["temperature"] == pytest.approx(1, abs=0.02)
    assert own["nll"] == pytest.approx(pool.loss, abs=1e-4)


# ------------------------------------------------------------ certainty


def test_intervals_and_bootstrap_agree_where_both_are_valid():
    models, y = outputs(n=600, m=2, signal=1.2)
    pool = op.fit(models, y)
    found = op.explain(pool, models, y, draws=200, folds=0)["certainty"]
    assert found["normal"]["valid"]
    assert found["bootstrap"] == {"draws": 200, "method": "refits", "reason": None}
    for m in found["models"]:
        assert m["interval"] == m["normal_interval"]
        assert m["bootstrap_share"] == 1.0
        width = np.ptp(m["bootstrap_interval"])
        assert width == pytest.approx(np.ptp(m["normal_interval"]), rel=0.3)
    assert found["temperature"]["standard_error"] > 0
    assert found["models"][0]["standard_error"] == pytest.approx(
        found["models"][1]["standard_error"], rel=1e-9
    )  # two weights that sum to one


def test_identical_models_share_weight_and_doubt():
    models, y = outputs(n=300, m=2)
    twins = {"a": models["a"], "twin": models["a"], "b": models["b"]}
    pool = op.fit(twins, y)
    found = op.explain(pool, twins, y, **QUICK)["certainty"]
    (group,) = found["duplicates"]
    assert group["models"] == ["a", "twin"]
    assert group["weight"] == pytest.approx(pool.weights[:2].sum(), **EXACT)
    a, b = found["models"][0], found["models"][2]
    assert group["standard_error"] == pytest.approx(b["standard_error"], rel=1e-9)
    assert a["standard_error"] == pytest.approx(group["standard_error"] / 2, rel=1e-9)


def test_few_rows_are_warned_of():
    models, y = outputs(n=25, m=6, signal=0.3, seed=4)
    pool = op.fit(models, y, penalty=0.2)
    found = op.explain(pool, models, y, **QUICK)["certainty"]
    way = found["towards_uniform"]
    assert [p["share"] for p in way] == [0, 0.25, 0.5, 0.75, 1]
    if found["optimism"] is None:
        pytest.fail(found["normal"]["reason"])
    assert ("few rows" in (found["warning"] or "")) == (
        way[-1]["loss"] - way[0]["loss"] < found["optimism"]
    )
    assert found["warning"] is not None


def test_bootstraps_repeat_with_the_seed():
    models, y = outputs(n=80)
    pool = op.fit(models, y)
    one, same, other = (
        op.explain(pool, models, y, draws=30, folds=0, seed=s)["certainty"]["models"]
        for s in (1, 1, 2)
    )
    assert one == same != other


def test_groups_widen_what_rows_would_make_narrow():
    """Every row four times: grouped, the errors are those of the rows themselves."""
    models, y = outputs(n=200)
    often = {name: np.repeat(p, 4, axis=0) for name, p in models.items()}
    pool = op.fit(models, y, penalty=0)
    once = op.explain(pool, models, y, **QUICK)
    whole = op.explain(pool, often, np.repeat(y, 4), groups=np.repeat(np.arange(200), 4), **QUICK)
    split = op.explain(pool, often, np.repeat(y, 4), **QUICK)
    for get in (
        lambda e: e["headline"]["best_single"]["standard_error"],
        lambda e: e["certainty"]["models"][0]["standard_error"],
    ):
        assert get(whole) == pytest.approx(get(once), rel=1e-6)
        assert get(split) == pytest.approx(get(once) / 2, rel=0.01)


def test_held_out_rises_are_those_of_the_folds():
    models, y = outputs(n=90)
    pool = op.fit(models, y)
    found = op.explain(pool, models, y, draws=0, folds=3, seed=5)["contributions"]
    from opinionpool.folds import by_row

    rows = {name: np.empty(90) for name in ("all", "a")}
    for train, test in by_row(90, 3, 5):
        for name, some in (("all", models), ("a", without(models, "a"))):
            fitted = op.fit({k: p[train] for k, p in some.items()}, y[train], classes=[0, 1, 2])
            p = fitted.apply({k: q[test] for k, q in some.items()})
            rows[name][test] = -np.log(p[np.arange(len(test)), y[test]])
    entry = found["models"][0]["held_out"]
    assert entry["rise"] == pytest.approx((rows["a"] - rows["all"]).mean(), abs=1e-12)
    assert found["held_out"]["loss"] == pytest.approx(rows["all"].mean(), abs=1e-12)


def test_folds_that_would_take_long_are_left_out_and_it_says_so(monkeypatch):
    # The module: its name in the package is the function's.
    monkeypatch.setattr(sys.modules["opinionpool.explain"], "_FOLD_CELLS", 1.0)
    models, y = outputs(n=60)
    found = op.explain(op.fit(models, y), models, y, draws=0)["contributions"]
    assert found["held_out"] == {"reason": "it would take long; folds=5 asks for it"}
    quick = op.explain(op.fit(models, y), models, y, **QUICK)["contributions"]
    assert quick["held_out"] == {"reason": "not asked for: folds=0"}


# ------------------------------------------------------------ missing outputs, zeros, rows


def test_patterns_cost_what_the_pool_loses_without_them():
    models, y = with_gaps(n=80)
    pool = op.fit(models, y)
    found = op.explain(pool, models, y, **QUICK)["missing"]
    answered = np.array([~np.isnan(p[:, 0]) for p in models.values()])
    assert [m["missing"] for m in found["models"]] == (~answered).sum(axis=1).tolist()
    complete = answered.all(axis=0)
    assert found["complete_rows"] == complete.sum()
    assert sum(p["rows"] for p in found["patterns"]) == 80
    rows = np.arange(complete.sum())
    whole = pool.apply({k: p[complete] for k, p in models.items()})
    for pattern in found["patterns"]:
        left = {k: p[complete].copy() for k, p in models.items()}
        for name in pattern["absent"]:
            left[name][:] = np.nan
        if len(pattern["absent"]) == 3:
            continue
        p = pool.apply(left)
        cost = np.log(whole[rows, y[complete]] / p[rows, y[complete]]).mean()
        assert pattern["cost"] == pytest.approx(cost, abs=1e-12)


def test_zeros_are_counted_before_the_floor():
    models, y = chances(n=60)
    models["a"][:3] = [0.0, 0.5, 0.5]
    y[:3] = [0, 1, 1]
    with pytest.warns(op.OpinionPoolWarning, match="exactly 0"):
        pool = op.fit(models, y)
    found = op.explain(pool, models, y, **QUICK)["zeros"]["models"][0]
    assert found == {"model": "a", "zeros": 3, "zeros_of_what_happened": 1, "floor": 1e-6}


def test_the_worst_rows_come_first():
    models, y = outputs(n=80)
    pool = op.fit(models, y)
    found = op.explain(pool, models, y, **QUICK)["row_extremes"]
    p = pool.apply(models)
    loss = -np.log(p[np.arange(80), y])
    wrong = found["most_wrong"]
    assert [r["row"] for r in wrong] == np.argsort(-loss)[:10].tolist()
    assert wrong[0]["happened"] == y[loss.argmax()]
    assert wrong[0]["predicted"] == p[loss.argmax()].argmax()
    disagreed = [r["ambiguity"] for r in found["most_disagreed"]]
    assert disagreed == sorted(disagreed, reverse=True)
    assert disagreed[0] > 0


def test_infinite_losses_are_text_and_no_gain_is_made_up():
    models, y = chances(n=60, m=2)
    models["a"][:3] = [0.0, 0.5, 0.5]
    y[:3] = [0, 1, 1]
    pool = op.fit(models, y, rule="linear")
    found = op.explain(pool, models, y, **QUICK)
    json.dumps(found, allow_nan=False)
    assert found["contributions"]["models"][0]["loss_alone"] == "inf"
    assert found["decomposition"]["average_error"] == "inf"
    assert found["headline"]["best_single"]["model"] == "b"


# ------------------------------------------------------------ doors


def test_costs_order_the_front():
    models, y = outputs(n=100)
    pool = op.fit(models, y)
    costs = {"a": 10.0, "b": 1.0, "c": 0.5}
    front = op.explain(pool, models, y, costs=costs, **QUICK)["pareto"]
    assert front["cost"] == "costs"
    assert list(front["points"][0]["weights"]) == ["c"]
    for point in front["points"]:
        assert point["cost"] == pytest.approx(sum(costs[n] for n in point["weights"]))


def test_other_rows_than_those_of_the_fit():
    models, y = outputs(n=200)
    half = {k: p[:100] for k, p in models.items()}
    pool = op.fit(half, y[:100])
    found = op.explain(pool, {k: p[100:] for k, p in models.items()}, y[100:], **QUICK)
    assert found["rows"]["fitted_on_these"] is False
    assert found["notes"][0].startswith("The pool was fitted on other rows")
    assert found["certainty"]["normal"]["reason"] == (
        "the weights are not the optimum of these rows' loss"
    )


def test_bootstraps_of_refits_are_not_intervals_of_other_weights():
    models, y = outputs(n=200)
    pool = op.fit({k: p[:60] for k, p in models.items()}, y[:60])
    rest = {k: p[60:] for k, p in models.items()}
    found = op.explain(pool, rest, y[60:], draws=20, folds=0)["certainty"]
    assert found["of_refits"] is True
    refitted = op.fit(rest, y[60:])
    for m, w in zip(found["models"], refitted.weights, strict=True):
        assert m["interval"] is None
        assert m["refitted_weight"] == pytest.approx(w, **EXACT)
        assert m["bootstrap_interval"] is not None


def test_a_temperature_that_is_not_remembered_is_said():
    models, y = outputs(n=100)
    pool = op.fit(models, y, temperature=0.7)
    # As one that was saved before it was remembered.
    pool = replace(pool, settings=replace(pool.settings, temperature=None))
    with pytest.warns(op.OpinionPoolWarning, match="temperature= or seed="):
        op.explain(pool, models, y, **QUICK)
    told = op.explain(pool, models, y, temperature=0.7, **QUICK)
    assert len(told["notes"]) == 1


def test_ordered_classes_have_rps_and_pit():
    models, y = chances(n=120, k=4)
    pool = op.fit(models, y)
    own = op.explain(pool, models, y, ordered=True, **QUICK)["calibration"]["pool"]
    assert own["rps"] == op.score(models, y, pool=pool, ordered=True)["pool"]["rps"]
    assert sum(own["pit"]) == pytest.approx(1, **EXACT)


def test_one_model():
    models, y = outputs(n=60, m=1)
    found = op.explain(op.fit(models, y), models, y, draws=20)
    assert found["contributions"]["models"][0]["reason"] == "nobody else is left"
    assert found["disagreement"]["divergence"] == [[0.0]]


def test_a_callable_metric_is_not_remembered():
    models, y = chances(n=60)

    def own(happened, p):
        return float((p.argmax(axis=1) == happened).mean())

    pool = op.fit(models, y, weighting="score", metric=own)
    found = op.explain(pool, models, y, **QUICK)
    assert "does not remember" in found["contributions"]["reason"]


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"level": 1.5}, "level: found 1.5"),
        ({"draws": -1}, "draws: found -1"),
        ({"costs": {"a": 1}}, "costs: expected a number for each of a, b, c"),
        ({"costs": {"a": 1, "b": 2, "c": -1}}, "found c=-1"),
        ({"folds": 1}, "at least 2"),
        ({"temperature": 0}, "temperature: found 0"),
    ],
)
def test_bad_options(keywords, words):
    models, y, _ = CASES["log"]
    with pytest.raises(InputError, match=words):
        op.explain(op.fit(models, y), models, y, **keywords)


def test_bad_pools():
    models, y, _ = CASES["gaussian"]
    with pytest.raises(InputError, match="found None"):
        op.explain(None, models, y)
    with pytest.raises(InputError, match="have no classes"):
        op.explain(op.fit(models, y, family="gaussian"), models, y, ordered=True)


def test_inputs_are_not_written_to():
    models, y = outputs(n=60)
    before = {name: p.copy() for name, p in models.items()}
    op.explain(op.fit(models, y), models, y, draws=20)
    for name, p in models.items():
        np.testing.assert_array_equal(p, before[name])


@pytest.mark.filterwarnings("ignore::opinionpool.errors.OpinionPoolWarning")
def test_real_predictions():
    arrays = np.load(published("assembled_digits.npz"))
    models = dict(zip(map(str, arrays["models"]), arrays["probs"], strict=True))
    pool = op.fit(models, arrays["labels"])
    found = op.explain(pool, models, arrays["labels"], draws=20, folds=0)
    # data/README.md: uniform linear, floor 1e-6.
    assert found["headline"]["average"]["loss"] == pytest.approx(0.25576, abs=1e-5)
    assert found["headline"]["best_single"]["model"] == "GB_100"
    assert pool.loss == pytest.approx(found["headline"]["loss"], **EXACT)
