"""Predictions that are left in place give the pools that copies of them give."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import opinionpool as op
from opinionpool.errors import VetoError
from opinionpool.families import lazy
from opinionpool.predictions import in_place
from opinionpool.predictions.cells import Cells
from opinionpool.rules import objective
from opinionpool.rules.fused import FusedLogBlock
from opinionpool.weightings import base

N, K = 400, 5
QUIET = pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")


def problem(seed=0, dtype=np.float64):
    """Three models of unequal skill that share part of their errors."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, N)
    shared = rng.normal(size=(N, K))
    models = {}
    for i, name in enumerate("abc"):
        z = 0.6 * shared + rng.normal(size=(N, K))
        z[np.arange(N), y] += 0.8 + 0.5 * i
        models[name] = z.astype(dtype)
    return models, y


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def as_probabilities(models, y):
    return {name: softmax(z) for name, z in models.items()}, y


def as_log_probabilities(models, y):
    return {name: np.log(softmax(z)) for name, z in models.items()}, y


def with_missing(models, y):
    models["a"][::7] = np.nan
    models["c"][5:9] = np.nan
    models["b"][5] = models["a"][5] = np.nan
    return models, y


def with_zeros(models, y):
    models["a"][3, (y[3] + 1) % K] = -np.inf
    models["b"][::9, 0] = np.where(y[::9] == 0, models["b"][::9, 0], -np.inf)
    return models, y


def strided(models, y):
    wide = {name: np.repeat(z, 2, axis=1)[:, ::2] for name, z in models.items()}
    return {**wide, "b": np.asfortranarray(models["b"]), "c": models["c"][::-1][::-1]}, y


def soft(models, y):
    rng = np.random.default_rng(5)
    return models, 0.9 * np.eye(K)[y] + 0.1 * rng.dirichlet(np.ones(K), N)


def unlabelled(models, y):
    y = y.astype(float)
    y[::6] = np.nan
    return models, y


def by_columns(models, y):
    pd = pytest.importorskip("pandas")
    names = [f"k{k}" for k in range(K)]
    order = [3, 0, 4, 1, 2]
    frames = {name: pd.DataFrame(z, columns=names) for name, z in models.items()}
    frames["b"] = frames["b"].iloc[:, order]
    return frames, np.array([f"k{k}" for k in y])


def by_ids(models, y):
    pd = pytest.importorskip("pandas")
    frames = {}
    for i, (name, z) in enumerate(models.items()):
        frames[name] = pd.DataFrame(z).assign(id=np.arange(N))
        frames[name].columns = [*(str(k) for k in range(K)), "id"]
        frames[name] = frames[name].sample(frac=0.9 if i == 1 else 1.0, random_state=i)
    return frames, pd.DataFrame({"id": np.arange(N), "label": y})


def two_classes(models, y):
    return {name: z[:, 1] - z[:, 0] for name, z in models.items()}, (y > 2).astype(int)


def duplicated(models, y):
    return {**models, "again": models["c"].copy()}, y


INPUTS = [
    lambda models, y: (models, y),
    as_probabilities,
    as_log_probabilities,
    with_missing,
    with_zeros,
    strided,
    soft,
    unlabelled,
    by_columns,
    by_ids,
    two_classes,
    duplicated,
]


@pytest.fixture
def in_place_always(monkeypatch):
    """A switch that has everything read in place from then on, and solved as far as small data."""

    def switch():
        monkeypatch.setattr(in_place, "LARGE", 0)
        monkeypatch.setattr(in_place.fused, "compiled", lambda *_: True)
        monkeypatch.setattr(base, "ENOUGH", 1e-9)

    return switch


def close(found, expected, convex):
    assert found.kinds == expected.kinds
    assert found.classes == expected.classes
    assert dict(found.rows) == dict(expected.rows)
    assert_allclose(found.losses, expected.losses, rtol=1e-10)
    if convex:
        assert found.status == expected.status
        # The penalised objective is within 1e-9; the loss in it moves by as much as the penalty:
        # its slope (3/400 of 1 − T) times how far such weights may be apart (some 1e-4).
        near = 2e-9 if expected.settings.penalty == 0 else 5e-7
        assert found.loss == pytest.approx(expected.loss, abs=near)
        assert found.gap <= 1e-8
        for name, value in expected.decomposition.items():
            assert found.decomposition[name] == pytest.approx(value, abs=1e-4)
        assert found.decomposition["average_error"] - found.decomposition[
            "ambiguity"
        ] - found.decomposition["temperature_gain"] == pytest.approx(found.loss, abs=1e-12)
    else:  # another search, of which only the quality counts
        assert found.loss <= expected.loss + 1e-3


@QUIET
@pytest.mark.parametrize("temperature", [1.0, "fit"])
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("inputs", INPUTS, ids=lambda f: f.__name__.strip("<>"))
def test_a_fit_is_the_same(inputs, rule, temperature, in_place_always):
    models, y = inputs(*problem())
    expected = op.fit(models, y, rule=rule, temperature=temperature)
    in_place_always()
    found = op.fit(models, y, rule=rule, temperature=temperature)
    close(found, expected, convex=inputs not in (with_missing, by_ids))
    assert_allclose(
        np.asarray(expected.apply(models), dtype=float),
        _applied_in_place(expected, models),
        rtol=1e-12,
        atol=1e-15,
    )


def _applied_in_place(pool, models):
    return np.asarray(pool.apply(models), dtype=float)


@QUIET
@pytest.mark.parametrize(
    "options",
    [
        {"weighting": "uniform"},
        {"weighting": "greedy"},
        {"weighting": "single"},
        {"weighting": [1, 2, 3]},
        {"weighting": "score"},
        {"weighting": "pseudo-bma+"},
        {"weighting": "heskes"},
        {"floor": 1e-3},
        {"floor": "veto"},
        {"missing": "prior"},
        {"fallback": "prior"},
        {"calibrate": "temperature"},
        {"scaling": "vector"},
        {"penalty": 0},
        {"resample": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("inputs", [INPUTS[0], with_zeros, with_missing])
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_every_option(options, inputs, rule, in_place_always):
    if options.get("weighting") == "heskes" and (rule == "linear" or inputs is with_zeros):
        pytest.skip("the programme is for the log rule on positive probabilities")
    models, y = inputs(*problem(1))
    expected = op.fit(models, y, rule=rule, **options)
    in_place_always()
    found = op.fit(models, y, rule=rule, **options)
    searched = inputs is with_missing and "missing" not in options
    fixed = options.get("weighting", "optimal") != "optimal" or "resample" in options
    if fixed:
        # Optima of bootstraps that are not convex are searched for on a sample first.
        near = 2e-4 if searched and "resample" in options else 1e-9
        assert_allclose(found.weights, expected.weights, atol=near)
        assert found.temperature == pytest.approx(expected.temperature, rel=1e-4)
    else:
        close(found, expected, convex=not searched and "scaling" not in options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_inputs_precision(dtype, in_place_always):
    models, y = problem(dtype=dtype)
    in_place_always()
    pool = op.fit(models, y)
    assert pool.apply(models).dtype == dtype
    assert op.combine(models).dtype == dtype


def test_combine_is_the_same(in_place_always):
    models, _ = problem()
    expected = op.combine(models, [3, 1, 1], temperature=0.7)
    linear = op.combine(models, rule="linear")
    in_place_always()
    assert_allclose(op.combine(models, [3, 1, 1], temperature=0.7), expected, rtol=1e-12)
    assert_allclose(op.combine(models, rule="linear"), linear, rtol=1e-12)


@QUIET
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_pools_of_probabilities_are_the_same(rule, temperature, dtype, in_place_always):
    pd = pytest.importorskip("pandas")
    models, _ = as_probabilities(*with_missing(*problem(dtype=dtype)))
    names = [f"k{k}" for k in range(K)]
    frames = {name: pd.DataFrame(z, columns=names) for name, z in models.items()}
    frames["b"] = frames["b"].iloc[:, [3, 0, 4, 1, 2]]
    frames["c"] = pd.DataFrame(np.log(models["c"]), columns=names)
    options = {"rule": rule, "temperature": temperature}
    expected = op.combine(frames, [3, 1, 1], **options)
    in_place_always()
    found = op.combine(frames, [3, 1, 1], **options)
    near = 1e-12 if dtype == np.float64 else 1e-6
    assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=near, atol=near)


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("inputs", [INPUTS[0], as_probabilities], ids=["logits", "probabilities"])
def test_inputs_are_never_written_to(inputs, rule, in_place_always):
    models, y = inputs(*problem())
    for z in models.values():
        z.setflags(write=False)
    before = {name: z.copy() for name, z in models.items()}
    in_place_always()
    op.fit(models, y, rule=rule, floor=1e-3).apply(models)
    op.combine(models, rule=rule)
    for name, z in models.items():
        assert (z == before[name]).all()


def test_threads_change_nothing_but_the_last_digits(in_place_always):
    models, y = problem(2)
    in_place_always()
    one, again = (op.fit(models, y, threads=1) for _ in range(2))
    two = op.fit(models, y, threads=2)
    assert (one.weights == again.weights).all()
    assert_allclose(one.weights, two.weights, atol=1e-12)
    assert one.loss == pytest.approx(two.loss, abs=1e-12)


def test_the_loss_at_one_found_on_the_way_is_that_of_a_pass(in_place_always, monkeypatch):
    models, y = problem(3)
    in_place_always()
    found = op.fit(models, y, penalty=0)
    monkeypatch.setattr(FusedLogBlock, "slope", FusedLogBlock.sums)
    expected = op.fit(models, y, penalty=0)
    assert found.temperature != 1
    assert expected.passes == found.passes + 1
    assert found.decomposition == pytest.approx(expected.decomposition, abs=1e-8)


def test_passes_are_counted(in_place_always, monkeypatch):
    monkeypatch.setattr(base, "ENOUGH", 1e-6)
    models, y = problem(3)
    assert op.fit(models, y).passes == op.fit(models, y).evaluations
    in_place_always()
    fitted, at_one = op.fit(models, y), op.fit(models, y, temperature=1.0)
    # The survey and the solver's readings, the last of which finds the loss at T = 1 too.
    assert fitted.passes == 1 + fitted.evaluations
    assert at_one.passes == 1 + at_one.evaluations
    some = np.where(np.arange(N) % 6, y, np.nan)
    labelled = op.fit(models, some, temperature=1.0)
    # The labelled rows are picked out once.
    assert labelled.passes == 2 + labelled.evaluations
    rounds = op.fit(models, y, weighting="uniform", temperature=1.0)
    assert rounds.passes > 1


@QUIET
@pytest.mark.parametrize("options", [{}, {"floor": 1e-3}, {"calibrate": "temperature"}], ids=str)
@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize(
    "inputs", [as_probabilities, with_zeros, with_missing, unlabelled, by_columns, two_classes]
)
def test_one_exact_zero_does_not_make_every_pass_take_logarithms(
    inputs, rule, options, in_place_always, monkeypatch
):
    """Normalised log-probabilities of all rows take as long as ten readings of logits."""
    if inputs is two_classes and rule == "linear":
        pytest.skip("one column: likelihoods are those of log-probabilities")
    models, y = inputs(*problem(4))
    expected = op.fit(models, y, rule=rule, **options)
    in_place_always()
    normalised = []
    given = Cells.parts

    def parts(self):
        normalised.append(self.shape[1])
        yield from given(self)

    monkeypatch.setattr(Cells, "parts", parts)
    found = op.fit(models, y, rule=rule, **options)
    close(found, expected, convex=inputs is not with_missing)
    assert not [n for n in normalised if n == N]


@QUIET
@pytest.mark.parametrize("inputs", [as_probabilities, with_zeros, unlabelled, with_missing])
@pytest.mark.parametrize("options", [{}, {"floor": 1e-3}, {"missing": "prior"}], ids=str)
@pytest.mark.parametrize("rule", ["log", "linear"])
def test_float32_gives_what_float64_gives(inputs, options, rule, in_place_always):
    models, y = inputs(*problem(5, np.float32))
    wide = {name: z.astype(np.float64) for name, z in models.items()}
    expected = op.fit(wide, y, rule=rule, **options)
    in_place_always()
    found = op.fit(models, y, rule=rule, **options)
    assert_allclose(found.losses, expected.losses, atol=1e-7)
    assert found.loss == pytest.approx(expected.loss, abs=2e-6)
    assert_allclose(found.apply(models), found.apply(wide), atol=1e-6)


@QUIET
def test_what_memory_does_not_hold_is_made_in_every_pass(in_place_always, monkeypatch):
    models, y = with_zeros(*as_probabilities(*problem(6)))
    models["a"][models["a"] == -np.inf] = 0
    models["b"][models["b"] == -np.inf] = 0
    in_place_always()
    options = {"floor": 1e-3, "renormalise": True}
    kept = op.fit(models, y, **options)
    monkeypatch.setattr(lazy, "available_bytes", lambda: 0)
    again = op.fit(models, y, **options)
    assert_allclose(again.weights, kept.weights, atol=1e-12)
    assert again.loss == pytest.approx(kept.loss, abs=1e-12)


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("given", [lambda m, y: (m, y), as_probabilities, soft])
def test_a_zero_for_what_happened_is_blamed_on_its_model(given, rule, in_place_always):
    models, y = problem(8)
    for name in "b" if rule == "log" else "abc":
        models[name][17, y[17]] = -np.inf
    models, y = given(models, y)
    in_place_always()
    with pytest.raises(VetoError, match=r"in 1 row\(s\), the first being row 17; .* b \(1\)"):
        op.fit(models, y, rule=rule, floor="veto")


@QUIET
@pytest.mark.parametrize("options", [{"rule": "linear"}, {"weighting": "uniform"}], ids=str)
def test_a_temperature_is_not_searched_for_where_rounding_hides_it(options, in_place_always):
    """Certificates of float32 data are 1e-8 at least: a search for 1e-9 took 200 passes."""
    models, y = as_probabilities(*problem(9, np.float32))
    in_place_always()
    assert op.fit(models, y, **options).passes < 30


@QUIET
def test_identical_models_share_their_weight_where_zeros_are_floored(in_place_always):
    models, y = duplicated(*with_zeros(*problem(7)))
    in_place_always()
    found = op.fit(models, y)
    assert found.weights[2] == found.weights[3] > 0


@QUIET
@pytest.mark.parametrize("floor", [1e-3, "learned"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floors_of_logits_far_from_zero_are_where_they_should_be(floor, dtype, in_place_always):
    """They were rounded to the digits of the logits, which of 1e7 in float32 are whole numbers."""
    models, y = problem(10)
    far = {name: (16 * z).round().astype(dtype) / 4 + dtype(2**20) for name, z in models.items()}
    near = {name: z - dtype(2**20) for name, z in far.items()}
    in_place_always()
    found, expected = (op.fit(x, y, floor=floor, kind="logits") for x in (far, near))
    assert_allclose(found.floors, expected.floors, rtol=1e-3)
    assert_allclose(found.losses, expected.losses, atol=2e-7)
    assert found.loss == pytest.approx(expected.loss, abs=2e-7)
    assert_allclose(expected.apply(far), expected.apply(near), atol=1e-6)


@pytest.mark.parametrize("rule", ["log", "linear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_floor_under_logits_of_any_size_is_under_the_least_of_them(rule, dtype, in_place_always):
    """To 1e30 no floor could be added: the least cell was as high as the highest."""
    models, y = problem(16)
    models["b"] = (models["b"] * 1e30).astype(dtype)
    options = {"rule": rule, "floor": 1e-4, "weighting": "uniform", "kind": "logits"}
    expected = op.fit(models, y, **options)
    in_place_always()
    found = op.fit(models, y, **options)
    assert_allclose(found.losses, expected.losses, rtol=1e-6)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert_allclose(found.apply(models), expected.apply(models), atol=1e-6)


@QUIET
@pytest.mark.parametrize("y", [[0, 1], [[0.2, 0.8], [0.9, 0.1]]], ids=["hard", "soft"])
@pytest.mark.parametrize("weighting", ["single", "uniform", "optimal"])
def test_logits_that_leave_no_curvature_end_a_search(weighting, y, in_place_always):
    """Their squares overflow: steps were ∞/∞, with NumPy's warnings."""
    models = [
        np.array([[-2.75, 1.8], [1.04, -0.72]], np.float32),
        np.array([[-0.31, 2.4], [1.4, -0.16]], np.float32),
        np.array([[-1.4e29, 2.2e30], [np.nan, np.nan]], np.float32),
    ]
    options = {"kind": "logits", "weighting": weighting, "missing": "prior"}
    expected = op.fit(models, y, **options)
    in_place_always()
    found = op.fit(models, y, **options)
    if weighting == "single":
        assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert np.isfinite(found.loss)


@QUIET
@pytest.mark.parametrize("how", ["ids", "columns", "kinds"])
def test_equal_cells_of_other_rows_classes_or_kinds_are_another_model(how, in_place_always):
    """They were taken for copies of one model by their checksums, and shared its weight."""
    pd = pytest.importorskip("pandas")
    models, y = problem(5)
    z, columns, ids = models["c"], [str(k) for k in range(K)], np.arange(N)
    kinds = "logits"
    if how == "kinds":
        z = as_probabilities(models, y)[0]["c"]
        kinds = {"c": "probabilities", "other": "logits"}
    frame = pd.DataFrame(z, columns=columns).assign(id=ids)
    other = pd.DataFrame(z, columns=columns[::-1] if how == "columns" else columns)
    other = other.assign(id=ids[::-1] if how == "ids" else ids)
    frames, labels = {"c": frame, "other": other}, pd.DataFrame({"id": ids, "label": y})
    expected = op.fit(frames, labels, kind=kinds)
    in_place_always()
    found = op.fit(frames, labels, kind=kinds)
    assert_allclose(found.weights, expected.weights, atol=1e-4)
    assert abs(found.weights[0] - found.weights[1]) > 0.1
    alone = op.fit({"c": frame, "other": frame}, labels, kind=kinds)
    assert alone.fingerprint != found.fingerprint or how == "kinds"


def test_equal_data_have_an_equal_fingerprint(in_place_always):
    models, y = problem(3)
    in_place_always()
    first = op.fit(models, y).fingerprint
    assert op.fit({n: z.copy() for n, z in models.items()}, y).fingerprint == first
    assert op.fit(models, y.astype(np.int16)).fingerprint == first
    assert op.fit(models, y, sample_weight=np.ones(N)).fingerprint == first
    weight, other = np.ones(N), y.copy()
    weight[17], other[17] = 1 + 1e-12, (y[17] + 1) % K
    found = {
        op.fit(models, y, sample_weight=np.full(N, 2.0)).fingerprint,
        op.fit(models, y, sample_weight=weight).fingerprint,
        op.fit(models, other).fingerprint,
    }
    assert len(found - {first}) == 3
    models["b"][17, 2] += 1e-12
    assert op.fit(models, y).fingerprint != first


def spoilt(models, name, row, column, value):
    models[name][row, column] = value
    return models


BAD = {
    "partly NaN": lambda m: spoilt(m, "b", 7, 2, np.nan),
    "+inf": lambda m: spoilt(m, "b", 7, 2, np.inf),
    "all -inf": lambda m: spoilt(m, "b", 7, slice(None), -np.inf),
    "negative probability": lambda m: spoilt(as_probabilities(m, 0)[0], "c", 300, 1, -0.2),
    "sum": lambda m: spoilt(as_probabilities(m, 0)[0], "c", 300, 1, 0.99),
    "some log-probabilities": lambda m: {
        **m,
        "a": np.concatenate([np.log(softmax(m["a"][:50])), -np.abs(m["a"][50:])]),
    },
}
ASKED = {
    "partly NaN": "auto",
    "+inf": "auto",
    "all -inf": "logits",
    "negative probability": "probabilities",
    "sum": "auto",
    "some log-probabilities": "auto",
}


@pytest.mark.parametrize("what", BAD)
def test_the_same_mistakes_are_found(what, in_place_always):
    models, y = problem(4)
    models = BAD[what](models)
    with pytest.raises(op.OpinionPoolError) as expected:
        op.fit(models, y, kind=ASKED[what])
    in_place_always()
    with pytest.raises(type(expected.value)) as found:
        op.fit(models, y, kind=ASKED[what])
    assert str(found.value) == str(expected.value)


@QUIET
@pytest.mark.parametrize("inputs", [lambda models, y: (models, y), soft], ids=["hard", "soft"])
def test_a_model_that_rules_out_what_happened_has_no_temperature_to_fit(inputs, in_place_always):
    """Small predictions were given one that left out the rows that the model had ruled out."""
    models, y = problem(11)
    models["a"][3, y[3]] = -np.inf
    models, y = inputs(models, y)
    options = {"rule": "linear", "weighting": "uniform", "calibrate": "temperature"}
    expected = op.fit(models, y, kind="logits", **options)
    assert expected.model_temperatures[0] == 1
    in_place_always()
    found = op.fit(models, y, kind="logits", **options)
    assert_allclose(found.model_temperatures, expected.model_temperatures, rtol=1e-4)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)


def test_a_model_worse_than_the_uniform_is_calibrated_to_it_with_its_zeros(in_place_always):
    """0·(−inf) was NaN in place, and an infinite temperature a warning of NumPy."""
    models, y = problem(12)
    models["b"] = -models["b"]
    models["b"][4, (y[4] + 1) % K] = -np.inf
    options = {"rule": "linear", "floor": "veto", "weighting": "uniform", "penalty": 0}
    options |= {"calibrate": "temperature", "kind": "logits", "temperature": 1.0}
    expected = op.fit(models, y, **options)
    assert expected.model_temperatures[1] == np.inf
    in_place_always()
    found = op.fit(models, y, **options)
    assert found.loss == pytest.approx(expected.loss, abs=1e-8)
    assert_allclose(expected.apply(models), found.apply(models), rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:these models give 0")
def test_a_model_without_weight_that_ruled_out_what_happened_is_scored(in_place_always):
    """Beside rows with missing outputs: 0·∞ was a warning of NumPy."""
    models, y = problem(13)
    models["a"][::7] = np.nan
    models["b"][3, y[3]] = -np.inf
    pool = op.fit(models, y, kind="logits", weighting=[1, 0, 2], floor="veto")
    expected = op.score(models, y, pool=pool)["pool"]
    in_place_always()
    found = op.score(models, y, pool=pool)["pool"]
    assert found["nll"] == pytest.approx(expected["nll"], rel=1e-6)
    assert found["decomposition"] == pytest.approx(expected["decomposition"], abs=1e-6)


def test_a_bad_model_stays_left_out_of_rows_that_nobody_else_answered(in_place_always, monkeypatch):
    """Of all rows the search went on with weight for everybody: the pool was the uniform."""
    monkeypatch.setattr(objective, "MOST_SHARE", 2)  # a sample of 200 rows
    models, y = problem(14)
    models["b"] = np.random.default_rng(15).normal(size=(N, K)) * 60
    models["a"][::5] = models["c"][::7] = np.nan
    expected = op.fit(models, y, kind="logits")
    in_place_always()
    found = op.fit(models, y, kind="logits")
    assert expected.weights[1] == found.weights[1] == 0
    assert found.loss == pytest.approx(expected.loss, abs=1e-3)
