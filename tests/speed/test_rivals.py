"""The rivals are fair: right gradients, right losses, and they reach the optimum that we reach."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import needs_numba

import opinionpool as op
from benchmarks.speed import fit_rivals, stack_rivals
from benchmarks.speed.data import log_densities, simulated
from benchmarks.speed.objectives import Watched, in_numpy, in_our_kernels, loss_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@pytest.fixture(scope="module")
def problem():
    return simulated(4, 400, 6)


@pytest.fixture(scope="module")
def densities():
    return log_densities(12, 300)


@pytest.mark.parametrize("k", [10, 300, 5000])
def test_simulated_models_are_as_good_as_real_ones(k):
    arrays, y = simulated(3, 1000, k)
    right = [(x.argmax(axis=1) == y).mean() for x in arrays]
    assert 0.45 <= min(right) < max(right) <= 0.85
    assert all(x.dtype == np.float32 and x.ctypes.data % 64 == 0 for x in arrays)


def test_simulated_models_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("benchmarks.speed.data.BLOCK_CELLS", 64)
    one, two = (simulated(2, 100, 5, threads=t)[0] for t in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_the_judge_agrees_with_the_library(problem):
    arrays, y = problem
    pool = op.fit(arrays, y, penalty=0)
    judged = loss_of(arrays, y, pool.weights / pool.temperature, threads=2)
    assert judged == pytest.approx(pool.loss, abs=1e-9)


@pytest.mark.parametrize(
    "objective",
    [in_numpy, pytest.param(in_our_kernels, marks=needs_numba)],
    ids=lambda f: f.__name__,
)
def test_losses_and_gradients_are_right(problem, objective):
    arrays, y = problem
    v = np.array([0.1, 0.5, 0.0, 0.7])
    loss, gradient = objective(arrays, y, 2)(v)
    assert loss == pytest.approx(loss_of(arrays, y, v, 1), abs=1e-6)  # float32 rows
    for a, slope in enumerate(gradient):
        h = np.eye(4)[a] * 1e-5
        by_differences = (loss_of(arrays, y, v + h, 1) - loss_of(arrays, y, v - h, 1)) / 2e-5
        assert slope == pytest.approx(by_differences, abs=1e-5)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("rival", [fit_rivals.slsqp, fit_rivals.l_bfgs_b], ids=lambda f: f.__name__)
def test_general_optimisers_reach_the_optimum(problem, rival, fitted):
    arrays, y = problem
    pool = op.fit(arrays, y, temperature="fit" if fitted else 1.0, penalty=0)
    found = rival(in_numpy(arrays, y, 2), 4, fitted, PATIENCE)
    assert loss_of(arrays, y, found.v, 1) == pytest.approx(pool.loss, abs=1e-6)
    assert found.v.min() >= 0
    assert fitted or found.v.sum() == pytest.approx(1, abs=1e-9)
    assert found.note == ""
    assert min(loss for _, loss in found.trace) == pytest.approx(pool.loss, abs=1e-6)


@pytest.mark.parametrize("fitted", [False, True])
def test_torch_reaches_the_optimum(fitted):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    arrays, y = simulated(7, 400, 6)  # in float32 some weights' sum is off
    pool = op.fit(arrays, y, temperature="fit" if fitted else 1.0, penalty=0)
    try:
        found = fit_rivals.torch_lbfgs(arrays, y, fitted, 1, PATIENCE)
    finally:
        torch.set_num_threads(threads)
    assert loss_of(arrays, y, found.v, 1) == pytest.approx(pool.loss, abs=1e-6)
    assert fitted or found.v.sum() == pytest.approx(1, abs=1e-12)


def test_greedy_selection_is_near_the_optimum_and_not_below(problem):
    arrays, y = problem
    pool = op.fit(arrays, y, temperature=1.0, penalty=0)
    found = fit_rivals.greedy(arrays, y, 30, 2, PATIENCE)
    assert len(found.trace) == 30
    size = 1 + int(np.argmin([loss for _, loss in found.trace]))  # the best of its path counts
    np.testing.assert_allclose(found.v * size, np.round(found.v * size), atol=1e-9)
    assert 0 <= loss_of(arrays, y, found.v, 1) - pool.loss < 0.01


def test_a_rival_without_patience_is_stopped_with_its_best(problem):
    arrays, y = problem
    found = fit_rivals.slsqp(in_numpy(arrays, y, 1), 4, True, 0.0)
    assert found.note == "stopped after 0 s"
    assert len(found.trace) == 1
    np.testing.assert_array_equal(found.v, np.full(4, 0.25))


def test_the_best_point_is_kept_though_it_is_not_the_last():
    losses = iter([3.0, 1.0, 2.0])
    watch = Watched(lambda v: (next(losses), v), PATIENCE)
    for x in (0.0, 1.0, 2.0):
        watch(np.array([x]))
    assert watch.best == (1.0, np.array([1.0]))
    assert [loss for _, loss in watch.trace] == [3.0, 1.0, 2.0]


def test_stacking_rivals_reach_the_optimum(densities):
    ours = op.stack(densities)
    for rival in (stack_rivals.em, stack_rivals.slsqp, stack_rivals.l_bfgs_b):
        found = rival(densities, PATIENCE)
        loss, gap = stack_rivals.loss_and_gap(densities, found.v)
        assert loss == pytest.approx(ours.loss, abs=1e-6), rival.__name__
        assert loss - ours.loss <= gap + 1e-12


@pytest.mark.parametrize("package", ["arviz_stats", "cvxpy"])
def test_stacking_packages_come_near(densities, package):
    run = {
        "arviz_stats": lambda: stack_rivals.arviz(densities),
        "cvxpy": lambda: stack_rivals.cvxpy_clarabel(densities, PATIENCE),
    }[package]()
    try:
        found = run()
    except stack_rivals.NotHereError as reason:  # also where a part of the package is missing
        pytest.skip(str(reason))
    loss, gap = stack_rivals.loss_and_gap(densities, found.v)
    assert 0 <= loss - op.stack(densities).loss + 1e-12 <= min(gap + 1e-12, 1e-4)


def test_rivals_that_cannot_take_the_size_say_so(monkeypatch, densities):
    monkeypatch.setattr(stack_rivals, "DENSE", 5)
    with pytest.raises(stack_rivals.NotHereError, match="12 x 12 matrices"):
        stack_rivals.slsqp(densities, PATIENCE)
    with pytest.raises(stack_rivals.NotHereError, match="12 x 12 matrices"):
        stack_rivals.arviz(densities)()


def test_the_data_set_on_disk_is_what_it_should_be(tmp_path):
    pytest.importorskip("pyarrow")
    from benchmarks.speed import stream_data

    paths = stream_data.write(tmp_path, 2, 300, 4)
    assert [p.name for p in paths] == ["m0.parquet", "m1.parquet"]
    assert stream_data.scan(paths) == 600
    pool = op.fit(dict(zip("ab", paths, strict=True)), tmp_path / "labels.parquet", penalty=0)
    assert pool.classes == ("c0", "c1", "c2", "c3")
    assert pool.rows["fitted"] == 300
    assert pool.loss < np.log(4)


def test_a_measured_process_reports_its_time_and_memory(tmp_path):
    pytest.importorskip("pyarrow")
    from benchmarks.speed import stream, stream_data

    stream_data.write(tmp_path, stream.MODELS, 50, 3)
    report = stream.child("scan", tmp_path, 10**9, 1)
    assert report["rows"] == 50 * stream.MODELS
    assert report["peak"] >= report["before"] > 10_000_000
    assert report["seconds"] > 0


@needs_numba
@pytest.mark.parametrize(
    "asked",
    [("fit", "16 x"), ("inputs", "16 x"), ("stack", "100 models"), ("start", "import")],
    ids=lambda a: a[0],
)
def test_the_command_runs_and_keeps_what_it_did_not_run(asked, tmp_path):
    kind, only = asked
    figures = tmp_path / "speed.json"
    figures.write_text('{"other": 1}')
    command = [sys.executable, ROOT / "benchmarks" / "run.py", kind, "--only", only]
    options = ["--rounds", "1", "--scale", "0.0005", "--json", figures]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = json.loads(figures.read_text(encoding="utf-8"))
    assert kept.pop("other") == 1
    (race, *_) = kept[kind]["races"]
    medians = {row["name"]: row["median"] for row in race["contestants"]}
    assert medians[race["ours"] or "fit: probabilities"] > 0
    assert medians[race["limit"]] > 0
