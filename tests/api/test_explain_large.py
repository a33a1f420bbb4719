"""explain() of many rows: three readings, a fixed memory, and the figures of the exact way."""

import math
import sys
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from door_inputs import chances, outputs, with_gaps

import opinionpool as op
from opinionpool.diagnostics.paired import Clusters
from opinionpool.diagnostics.row_gradients import row_gradients
from opinionpool.diagnostics.weight_inference import Estimate, Scores, one_step_draws
from opinionpool.errors import InputError
from opinionpool.explaining import stream as stream_of
from opinionpool.explaining import streamed
from opinionpool.explaining.heard import Heard
from opinionpool.explaining.plainly import plainly
from opinionpool.explaining.question import Question
from opinionpool.explaining.stream import Stream, drawn
from opinionpool.kernels import fused
from opinionpool.pooling import evidence_of
from opinionpool.predictions import gather
from opinionpool.predictions import in_place as in_place_of
from opinionpool.rules import LOG
from opinionpool.solvers.feasible import FeasibleSet

N, SAMPLE = 3000, 1200
#: The same sums in another order.
EXACT = {"rel": 1e-9, "abs": 1e-9}
#: Of refits, nats per row. The sample's optimum is off by about 1/√1200 in each weight; one Newton
#: step leaves that squared, 1e-3, and an optimum's loss is flat: 1e-6, and ten times that.
REFIT = 5e-5
#: Kernels and plain NumPy: solvers stop at other last digits.
SAME = {"rel": 1e-7, "abs": 1e-8}
#: Weights of refits after that step.
WEIGHTS = 0.01
#: Where one loss is the optimum and another is taken there (T after the weights), it is not flat.
TEMPERED = 1e-3
#: Nobody moves these: of the sample, off by their own scatter.
SAMPLED = 5e-3
#: Bins from cells of a 512th: scores of bins, absolute.
BINNED = 3e-3


def gaussians(n=N, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    models = {
        name: np.stack([y + s * rng.normal(size=n), np.full(n, s**2) * rng.uniform(0.5, 2, n)], 1)
        for name, s in (("a", 0.5), ("b", 0.8), ("c", 1.2))
    }
    return models, y


def with_zeros():
    models, y = chances(n=N, k=4)
    for p in models.values():
        p[p < 0.01] = 0
        p /= p.sum(axis=1, keepdims=True)
    return models, y


def many_gaps():
    models, y = with_gaps(n=N)
    gone = np.random.default_rng(9).random(N) < 0.2
    models["a"][gone] = np.nan
    return models, y


def soft(n=N):
    models, y = outputs(n=n)
    noise = np.random.default_rng(2).dirichlet(np.ones(3), n)
    return models, 0.7 * np.eye(3)[y] + 0.3 * noise


def twins():
    """b and its twin are the same everywhere, a and its double but for the first rows."""
    models, y = outputs(n=N)
    double = models["a"].copy()
    double[:5] += np.random.default_rng(0).normal(size=(5, 3))
    return {
        "c": models["c"],
        "b": models["b"],
        "a": models["a"],
        "twin": models["b"].copy(),
        "double": double,
    }, y


WEIGHT = {"sample_weight": np.random.default_rng(1).uniform(0.5, 2, N)}
GROUPS = {"groups": np.random.default_rng(1).integers(0, 300, N)}
ONCE = {"temperature": 1.0}
LINEAR = {"rule": "linear"}

#: Inputs, labels, keywords of the fit, keywords of the explanation, tolerance of refits' losses.
CASES = {
    "log": (*outputs(n=N), {}, {}, REFIT),
    "log, T given": (*outputs(n=N), ONCE, {}, REFIT),
    "two classes": (*chances(n=N, k=2), {}, {"ordered": True}, REFIT),
    "ordered": (*outputs(n=N, k=5), {}, {"ordered": True}, REFIT),
    "seven models": (*outputs(n=N, m=7), {}, {}, REFIT),
    "twins": (*twins(), {}, {}, REFIT),
    "linear": (*chances(n=N), LINEAR, {}, TEMPERED),
    "linear, T given": (*chances(n=N), {**LINEAR, **ONCE}, {}, REFIT),
    "soft": (*soft(), {}, {}, REFIT),
    "soft, linear": (*soft(), {**LINEAR, **ONCE}, {}, REFIT),
    "weighted": (*outputs(n=N), WEIGHT, {}, REFIT),
    "groups": (*outputs(n=N), {}, GROUPS, REFIT),
    "missing": (*many_gaps(), {}, {}, REFIT),
    "missing, linear": (*many_gaps(), {**LINEAR, **ONCE}, {}, REFIT),
    "missing, prior": (*many_gaps(), {"missing": "prior"}, {}, REFIT),
    "gaussian": (*gaussians(), {"family": "gaussian"}, {}, REFIT),
    "gaussian, linear": (*gaussians(), {"family": "gaussian", **LINEAR}, {}, REFIT),
    "uniform": (*chances(n=N), {"weighting": "uniform"}, {}, REFIT),
    "zeros": (*with_zeros(), {}, {}, REFIT),
    "zeros, linear": (*with_zeros(), {**LINEAR, **ONCE}, {}, REFIT),
    "greedy": (*chances(n=N), {"weighting": "greedy"}, {}, 2e-2),  # counts of 1/100
    "confidence": (*chances(n=N), {"weighting": "confidence"}, {}, SAMPLED),
    "calibrated": (*chances(n=N), {"calibrate": "temperature"}, {}, SAMPLED),
    "scaled": (*chances(n=N), {"scaling": "vector"}, {}, SAMPLED),
    "learned": (*chances(n=N, m=2), {"floor": "learned"}, {}, SAMPLED),
}
every_case = pytest.mark.parametrize("case", CASES)
pytestmark = pytest.mark.filterwarnings("ignore::opinionpool.errors.OpinionPoolWarning")


def fitted(models, y, keywords):
    """A pool that remembers where its temperature comes from."""
    pool = op.fit(models, y, **keywords)
    which = "given" if keywords.get("temperature") == 1.0 else "fit"
    return replace(pool, settings=replace(pool.settings, temperature=which))


@pytest.fixture(scope="module")
def both():
    """Explanations on all rows at once, and in three readings."""
    made = {}

    def explain(case):
        if case not in made:
            models, y, keywords, more, _ = CASES[case]
            pool = fitted(models, y, keywords)
            asked = {**{k: v for k, v in keywords.items() if k == "sample_weight"}, **more}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("opinionpool.explaining.stream.BLOCK_CELLS", 5000)
                made[case] = [
                    op.explain(pool, models, y, folds=0, draws=40, sample=size, **asked)
                    for size in (None, SAMPLE)
                ]
        return made[case]

    return explain


def differences(one, other, path=""):
    """Yield where two explanations differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in one or key not in other:
                yield f"{path}/{key}", one.get(key), other.get(key)
            else:
                yield from differences(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{path}/{i}")
    elif one != other:
        yield path, one, other


#: Sections and fields that are sums over all rows, whichever way they are made.
SUMS = (
    *("pool", "rows", "headline", "decomposition", "disagreement", "missing", "zeros"),
    "row_extremes",
)
REFITTED = ("contributions", "additions", "pareto")


@every_case
def test_sums_are_exact(both, case):
    exact, large = both(case)
    for section in SUMS:
        for path, one, other in differences(exact[section], large[section], section):
            assert one == pytest.approx(other, **EXACT), path


@every_case
def test_certainty_is_exact_but_for_bootstraps(both, case):
    exact, large = (found["certainty"] for found in both(case))
    for path, one, other in differences(exact, large):
        if "bootstrap" in path or "/interval" in path:  # of bootstraps, or none
            continue
        assert one == pytest.approx(other, **EXACT), path


@every_case
def test_calibration_is_exact_but_for_bins(both, case):
    exact, large = (found["calibration"] for found in both(case))
    for path, one, other in differences(exact, large):
        if "/reliability" in path and "brier_split" not in path:
            continue
        if path.endswith("/temperature/temperature"):
            assert one == pytest.approx(other, rel=1e-3), path
        elif path.endswith("/temperature/nll"):
            assert one == pytest.approx(other, abs=1e-6), path
        elif path.endswith(("/ece", "/auc")) or "brier_split" in path:
            assert one == pytest.approx(other, abs=BINNED), path
        else:
            assert one == pytest.approx(other, **EXACT), path


@every_case
def test_refits_are_close(both, case):
    exact, large = both(case)
    near = CASES[case][-1]
    assert large["method"]["refitted_rows"] == SAMPLE
    assert exact["method"]["refitted_rows"] == N
    one, other = exact["contributions"], large["contributions"]
    assert one["loss"] == pytest.approx(other["loss"], abs=near)
    for a, b in zip(one["models"], other["models"], strict=True):
        assert a["model"] == b["model"]
        assert float(a["loss_alone"]) == pytest.approx(float(b["loss_alone"]), **EXACT)
        assert a["left_out"]["rise"] == pytest.approx(b["left_out"]["rise"], abs=near)
        error = a["left_out"]["standard_error"]
        assert error == pytest.approx(b["left_out"]["standard_error"], abs=0.1 * error + near)
    for a, b in zip(exact["additions"]["steps"], large["additions"]["steps"], strict=True):
        if a["weights"].keys() == b["weights"].keys():  # the same way so far
            assert a["loss"] == pytest.approx(b["loss"], abs=near)
    fronts = [{p["cost"]: p["loss"] for p in found["pareto"]["points"]} for found in both(case)]
    for cost in fronts[0].keys() & fronts[1].keys():
        assert fronts[0][cost] == pytest.approx(fronts[1][cost], abs=near)


@pytest.mark.parametrize("case", ["log", "missing", "gaussian", "weighted", "linear, T given"])
def test_weights_of_refits_are_close(both, case):
    exact, large = both(case)
    steps = [found["additions"]["steps"] for found in (exact, large)]
    assert [s["model"] for s in steps[0]] == [s["model"] for s in steps[1]]
    for one, other in zip(*steps, strict=True):
        assert one["weights"] == pytest.approx(other["weights"], abs=WEIGHTS)
        assert one["temperature"] == pytest.approx(other["temperature"], rel=2 * WEIGHTS)


@every_case
def test_it_says_how(both, case):
    exact, large = both(case)
    assert large["method"]["readings"] == 2
    assert any("refitted on 1,200 of 3,000 rows" in note for note in large["notes"])
    assert not any("drawn at random" in note for note in exact["notes"])
    for before, now in pairwise(large["additions"]["steps"]):
        assert now["gain"] == pytest.approx(before["loss"] - now["loss"], abs=1e-12)
    parts = large["decomposition"]
    untempered = parts["average_error"] - parts["ambiguity"]
    assert untempered == pytest.approx(parts["loss_untempered"], **EXACT)


def test_a_step_on_all_rows_is_what_brings_refits_there(both, monkeypatch):
    """Without it the sample's optimum is left: its excess is many times as large."""
    exact, large = both("seven models")
    models, y, _, _, _ = CASES["seven models"]
    monkeypatch.setattr(
        "opinionpool.explaining.corrections.correctable", lambda pool: False, raising=True
    )
    pool = fitted(models, y, {})
    still = op.explain(pool, models, y, folds=0, draws=0, sample=SAMPLE)

    def worst(found):
        pairs = zip(exact["contributions"]["models"], found["contributions"]["models"], strict=True)
        return max(abs(a["left_out"]["loss"] - b["left_out"]["loss"]) for a, b in pairs)

    assert worst(large) < 0.05 * worst(still)


def test_a_sample_is_shrunk_as_all_rows_are(monkeypatch):
    """Fewer rows would feel a strong penalty 2.5 times as much."""
    models, y, _, _, _ = CASES["log"]
    monkeypatch.setattr("opinionpool.explaining.corrections.correctable", lambda pool: False)
    pool = fitted(models, y, {"penalty": 300.0})
    found = [
        op.explain(pool, models, y, folds=0, draws=0, sample=size)["contributions"]["models"]
        for size in (None, SAMPLE)
    ]
    for one, other in zip(*found, strict=True):
        assert one["left_out"]["loss"] == pytest.approx(other["left_out"]["loss"], abs=SAMPLED)


def test_who_was_heard_is_counted_without_a_reading():
    models, y = many_gaps()
    gathered = gather(models, op.fit(models, y).reading(), y=y)
    known, weight = gathered.predictions, np.random.default_rng(0).uniform(0.5, 2, N)
    targets = replace(gathered.targets, weight=weight[gathered.targets.rows])
    heard = Heard(replace(known, parameters=Parts(known.parameters)), targets)
    np.testing.assert_allclose(heard.weights, known.present @ weight)
    patterns = {tuple(p.present): p.rows for p in heard.patterns()}
    assert sum(patterns.values()) == N
    assert patterns[True, True, True] == known.present.all(axis=0).sum()
    shares = heard.shares(0.25 * heard.weights, 0.5 * heard.total)
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.25, 0.5])


# ------------------------------------------------------------ readings and memory


@pytest.mark.parametrize(("remembers", "times"), [(True, 2), (False, 3)])
def test_the_rows_are_read_at_most_three_times(monkeypatch, remembers, times):
    """A pool that does not remember its temperature may not be the optimum: one reading more."""
    read, rows = [], Stream.blocks

    def counted(self):
        read.append(self.n)
        return rows(self)

    monkeypatch.setattr(Stream, "blocks", counted)
    models, y = outputs(n=900)
    pool = fitted(models, y, {})
    if not remembers:
        pool = replace(pool, settings=replace(pool.settings, temperature=None))
    found = op.explain(pool, models, y, folds=0, draws=20, sample=300)
    assert read == [900] * times
    assert found["method"]["readings"] == times
    assert found["certainty"]["models"][0]["interval"] is not None


class Parts:
    """Parameters that are only to be had a block at a time, as from files."""

    def __init__(self, whole, step=211):
        self.whole, self.step, self.shape, self.size = whole, step, whole.shape, whole.size
        self.readings = 0

    def parts(self):
        self.readings += 1
        for first in range(0, self.shape[1], self.step):
            rows = slice(first, min(first + self.step, self.shape[1]))
            yield rows, self.whole[:, rows]

    def __array__(self, *_, **__):
        raise AssertionError("everything was asked for at once")


@pytest.mark.parametrize("case", ["log", "missing", "linear, T given", "gaussian"])
def test_blocks_are_all_that_is_ever_asked_for(case):
    """The same figures from parameters that cannot be had at once, whatever the blocks."""
    models, y, keywords, _, _ = CASES[case]
    pool = fitted(models, y, keywords)
    gathered = gather(models, pool.reading(), y=y)
    known, targets = pool.prepared(gathered.predictions), gathered.targets
    assert targets is not None
    temperature = 1.0 if pool.settings.temperature == "given" else "fit"
    asked = Question(temperature, True, True, "no", np.ones(len(models)), "models", False, 1.96, 0)
    found = []
    lazy = Parts(known.parameters)
    for parameters in (known.parameters, lazy):
        stream = Stream(pool, replace(known, parameters=parameters), targets, None, 1.96, 20, 0)
        found.append(streamed.answer(stream, asked, drawn(N, SAMPLE, 0)))
    assert lazy.readings == 3
    for path, one, other in differences(*(plainly(answer.sections) for answer in found)):
        if path != "/method/readings":
            assert one == pytest.approx(other, rel=1e-6, abs=1e-7), path


def test_memory_does_not_grow_with_the_rows():
    peaks = []
    for n in (80_000, 20_000, 80_000):  # the first loads the compiled kernels
        models, y = outputs(n=n, k=10, m=6)
        pool = fitted({name: z[:5000] for name, z in models.items()}, y[:5000], {})
        gathered = gather(models, pool.reading(), y=y)
        known, targets = gathered.predictions, gathered.targets
        asked = Question("fit", True, False, "no", np.ones(6), "models", False, 1.96, 0)
        stream = Stream(pool, known, targets, None, 1.96, 20, 0)
        tracemalloc.start()
        streamed.answer(stream, asked, drawn(n, 500, 0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 28.8 MB more predictions; what may grow is a few bytes per row.
    assert peaks[2] - peaks[1] < 60_000 * 32


# ------------------------------------------------------------ bootstraps


def test_grouped_bootstraps_scatter_as_those_of_rows_do():
    """50,000 rows, dealt into 16,384 groups: interval widths within a few per cent."""
    n, draws = 50_000, 1500
    models, y = outputs(n=n, k=4, m=4)
    pool = op.fit(models, y, penalty=0)
    gathered = gather(models, pool.reading(), y=y)
    evidence = evidence_of(gathered.predictions, gathered.targets, pool.policy)
    v = pool.weights / pool.temperature
    rows = row_gradients(LOG, v, evidence)
    sums = Scores(4, Clusters(n, True))
    for first in range(0, n, 7000):
        here = slice(first, first + 7000)
        sums.add(rows[here], np.ones(len(rows[here])), np.arange(n)[here])
    grouped, moments, clusters = sums.found()
    assert len(grouped) < clusters == n
    centred = (rows - rows.mean(axis=0)) / n
    np.testing.assert_allclose(moments, centred.T @ centred, rtol=1e-9)
    # Random groups: √(1/2G) of a standard error, four times over.
    ratio = np.sqrt(np.diag(grouped.T @ grouped) / np.diag(moments))
    np.testing.assert_allclose(ratio, 1, atol=4 / math.sqrt(2 * len(grouped)))
    task = LOG.evaluate(v, LOG.prepare(evidence)).per_row(n)
    feasible = FeasibleSet(4, 100.0, capped=True)
    widths = []
    for scores in (centred, grouped):
        estimate = Estimate(v, scores, task.gradient, task.curvature, feasible)
        drawn = one_step_draws(estimate, draws, seed=3)
        shares = drawn / drawn.sum(axis=1, keepdims=True)
        widths.append(shares.std(axis=0))
    # √(1/1500) of each, and 1 % of the groups: four times over, and no more.
    np.testing.assert_allclose(widths[0], widths[1], rtol=4 * math.sqrt(1 / draws) / math.sqrt(2))
    found = op.explain(pool, models, y, folds=0, draws=200, sample=4000, temperature="fit")
    assert found["certainty"]["bootstrap"]["method"] == "one Newton step per draw"
    for m in found["certainty"]["models"]:
        width = np.ptp(m["bootstrap_interval"])
        assert width == pytest.approx(np.ptp(m["normal_interval"]), rel=0.25)


# ------------------------------------------------------------ the doors


def test_large_data_are_streamed_by_themselves(monkeypatch):
    module = sys.modules["opinionpool.explain"]
    monkeypatch.setattr(module, "WHOLE_CELLS", 1000)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 150)
    monkeypatch.setattr(module, "_LEAST_ROWS", 100)
    models, y = outputs(n=400)
    pool = op.fit(models, y)
    assert op.explain(pool, models, y, folds=0, draws=0)["method"]["refitted_rows"] == 150
    forced = op.explain(pool, models, y, folds=0, draws=0, sample=400)
    assert forced["method"] == {"refits": "all rows", "refitted_rows": 400, "bins": "exact"}


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_files_are_read_block_by_block(tmp_path, kind):
    """With a budget of memory below what they take, and the same figures as in memory."""
    n, k = 30_000, 8
    models, y = outputs(n=n, k=k, m=4)
    for name, z in models.items():
        np.save(tmp_path / f"{name}.npy", z.astype(kind))
    paths = {name: tmp_path / f"{name}.npy" for name in models}
    pool = fitted({name: z.astype(kind) for name, z in models.items()}, y, {})
    whole = op.explain(pool, paths, y, folds=0, draws=0, sample=2000)
    blocks = op.explain(pool, paths, y, folds=0, draws=0, sample=2000, memory=16_000_000)
    assert blocks["headline"]["loss"] == pytest.approx(whole["headline"]["loss"], **EXACT)
    assert blocks["method"]["refitted_rows"] == 2000
    for section in ("decomposition", "row_extremes", "missing"):
        for path, one, other in differences(whole[section], blocks[section], section):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-6), path
    rises = [
        [m["left_out"]["rise"] for m in found["contributions"]["models"]]
        for found in (whole, blocks)
    ]
    assert rises[0] == pytest.approx(rises[1], abs=1e-5)


def test_a_given_temperature_is_remembered(tmp_path):
    """T = 2 was given: refits without a word about it are at T = 2 too."""
    models, y = outputs(n=400)
    pool = op.fit(models, y, temperature=2.0)
    pool = replace(pool, settings=replace(pool.settings, temperature="given"))
    pool.save(tmp_path / "pool.json")
    assert op.load(tmp_path / "pool.json").settings.temperature == "given"
    for sample in (None, 150):
        found = op.explain(tmp_path / "pool.json", models, y, folds=0, draws=0, sample=sample)
        steps = found["additions"]["steps"]
        assert [s["temperature"] for s in steps] == [2.0] * len(steps)
        assert not any("gives another one" in note for note in found["notes"])


def test_a_fitted_temperature_of_one_is_remembered():
    """By accident T = 1: what was fitted is fitted again."""
    models, y = outputs(n=400)
    pool = fitted(models, y, {})
    scaled = {name: z / pool.temperature for name, z in models.items()}
    again = replace(fitted(scaled, y, {}), temperature=1.0)
    steps = op.explain(again, scaled, y, folds=0, draws=0)["additions"]["steps"]
    assert all(s["temperature"] != 1.0 for s in steps[:-1])
    given = replace(again, settings=replace(again.settings, temperature="given"))
    steps = op.explain(given, scaled, y, folds=0, draws=0)["additions"]["steps"]
    assert all(s["temperature"] == 1.0 for s in steps)


def test_folds_are_of_the_sample():
    models, y = outputs(n=600)
    found = op.explain(op.fit(models, y), models, y, draws=0, folds=3, sample=200)
    assert found["contributions"]["held_out"]["rows"] == 200
    assert found["rows"]["errors"] == "3 folds by row"
    groups = np.arange(600) // 3
    by_group = op.explain(op.fit(models, y), models, y, draws=0, folds=3, groups=groups, sample=300)
    assert "200 groups" in by_group["rows"]["errors"]
    assert by_group["contributions"]["models"][0]["held_out"]["rise"] is not None


def test_rows_without_labels_are_not_read():
    models, y = outputs(n=900)
    some = y.astype(object)
    some[::3] = None
    pool = op.fit(models, some)
    whole = op.explain(pool, models, some, folds=0, draws=0)
    found = op.explain(pool, models, some, folds=0, draws=0, sample=300)
    assert found["headline"]["loss"] == pytest.approx(whole["headline"]["loss"], **EXACT)
    rows = [r["row"] for r in found["row_extremes"]["most_wrong"]]
    assert rows == [r["row"] for r in whole["row_extremes"]["most_wrong"]]
    assert all(row % 3 for row in rows)


def test_another_temperature_is_noticed():
    models, y = outputs(n=900)
    pool = fitted(models, y, {"temperature": 1.0})
    found = op.explain(pool, models, y, temperature="fit", folds=0, draws=0, sample=400)
    assert any("gives another one" in note for note in found["notes"])
    as_it_was = op.explain(pool, models, y, folds=0, draws=0, sample=400)
    assert not any("gives another one" in note for note in as_it_was["notes"])


@pytest.mark.parametrize("sample", [0, -1, 2.5, True, "many"])
def test_bad_samples(sample):
    models, y = outputs(n=60)
    with pytest.raises(InputError, match="sample: found"):
        op.explain(op.fit(models, y), models, y, sample=sample)


def test_one_model():
    models, y = outputs(n=300, m=1)
    found = op.explain(op.fit(models, y), models, y, draws=20, folds=0, sample=100)
    assert found["contributions"]["models"][0]["reason"] == "nobody else is left"


# ------------------------------------------------------------ compiled kernels, threads


@pytest.fixture
def everything_is_large(monkeypatch):
    """Kernels from the first cell on."""
    if not fused.compiled():
        pytest.skip("no compiled kernels here")

    def now():
        monkeypatch.setattr(stream_of, "worthwhile", lambda cells: True)

    return now


def pool_of(case):
    models, y, keywords, _, _ = CASES[case]
    return fitted(models, y, keywords)


def explained(case, pool):
    models, y, keywords, asked, _ = CASES[case]
    u = {k: v for k, v in keywords.items() if k == "sample_weight"}
    asked = {"draws": 20, "folds": 0, **u, **asked}
    return op.explain(pool, models, y, sample=SAMPLE, **asked)


def assert_alike(found, expected, where=""):
    """Assert that two dicts of lists, texts and numbers say the same."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_alike(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (own, other) in enumerate(zip(found, expected, strict=True)):
            assert_alike(own, other, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, nan_ok=True, **SAME), where
    else:
        assert found == expected, where


# (Of twins either may be left out.)
@pytest.mark.parametrize("case", [case for case in CASES if case != "twins"])
def test_kernels_say_what_plain_numpy_says(case, everything_is_large, monkeypatch):
    with monkeypatch.context() as plainly:
        plainly.setenv("OPINIONPOOL_KERNELS", "reference")
        pool = pool_of(case)
        expected = explained(case, pool)
    everything_is_large()
    assert_alike(explained(case, pool), expected)


@pytest.mark.parametrize("case", ["log", "linear", "missing, prior", "weighted", "zeros"])
def test_cells_that_stay_in_place_say_the_same(case, everything_is_large, monkeypatch):
    monkeypatch.setattr(in_place_of, "LARGE", 0)
    pool = pool_of(case)
    with monkeypatch.context() as plainly:
        plainly.setattr(sys.modules["opinionpool.explain"], "compiled", lambda: False)
        expected = explained(case, pool)
    everything_is_large()
    assert_alike(explained(case, pool), expected)


@pytest.mark.parametrize("case", ["log", "linear", "missing", "soft"])
def test_threads_change_no_digit(case, everything_is_large, monkeypatch):
    everything_is_large()
    pool = pool_of(case)
    monkeypatch.setattr(stream_of, "BLOCK_CELLS", 1 << 11)
    found = []
    for threads in 1, 4:
        monkeypatch.setattr(
            sys.modules["opinionpool.explain"], "checked_threads", lambda _, own=threads: own
        )
        found.append(explained(case, pool))
    assert found[0] == found[1]


def test_a_large_block_is_pooled_by_kernels(everything_is_large, monkeypatch):
    """Else the speed is gone, and nobody notices."""
    everything_is_large()
    seen = []
    apply = fused.apply
    monkeypatch.setattr(fused, "apply", lambda *a, **k: (seen.append(1), apply(*a, **k))[1])
    explained("log", pool_of("log"))
    assert len(seen) > 10
