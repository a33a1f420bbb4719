"""What cannot be used: every door raises an error that names what, where and what is right."""

import numpy as np
import pytest
from door_inputs import chances
from numpy.testing import assert_allclose
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import (
    AlignmentError,
    InputError,
    MemoryLimitError,
    ProbabilityError,
)

MODELS, Y = chances(n=8)
A, B = MODELS["a"], MODELS["b"]


def changed(row, cells):
    p = A.copy()
    p[row] = cells
    return {"b": B, "a": p}


def doors(given, **options):
    """Yield every door that takes predictions, ready to be opened."""
    pool = op.fit({"a": A, "b": B}, Y)
    yield lambda: op.combine(given, **options)
    yield lambda: op.fit(given, Y, **options)
    yield lambda: op.compare(given, Y, **options)
    yield lambda: op.score(given, Y, **options)
    if not options:
        yield lambda: op.score(given, Y, pool=pool)
        yield lambda: pool.apply(given)


PREDICTIONS = {
    "nothing": (None, InputError, "predictions: found NoneType; expected a mapping"),
    "a number": (5, InputError, "predictions: found int"),
    "no model in a dict": ({}, InputError, "no model"),
    "no model in a list": ([], InputError, "no model"),
    "no model in an array": (np.empty((0, 8, 3)), InputError, "no model"),
    "four dimensions": (np.zeros((2, 2, 2, 2)), InputError, r"4 dimension\(s\)"),
    "a model of three": ({"a": np.zeros((2, 2, 2))}, InputError, r"model 'a'.*\(2, 2, 2\)"),
    "numbers for models": ([0.2, 0.8], InputError, r"model 'm0'.*shape \(\)"),
    "a name that is no text": ({1: A}, InputError, "model name 1, expected text"),
    "bytes": (b"a.npy", InputError, "predictions: found b'a.npy'"),
    "text for numbers": ({"a": A.astype(str), "b": B}, ProbabilityError, "model 'a'.*str"),
    "words": ({"a": [["x", "y", "z"]] * 8}, ProbabilityError, "model 'a'.*expected numbers"),
    "complex": ({"a": A + 0j, "b": B}, ProbabilityError, "model 'a'.*complex128"),
    "dates": ({"a": A.astype("M8[s]"), "b": B}, ProbabilityError, "model 'a'.*datetime64"),
    "objects": ({"a": np.full((8, 3), {}), "b": B}, ProbabilityError, "model 'a'.*object"),
    "ragged": ({"a": [[0.2, 0.8], [0.1, 0.2, 0.7]], "b": B}, InputError, "model 'a'.*array of num"),
    "zero rows": ({"a": A[:0], "b": B[:0]}, InputError, "model 'a': found zero rows"),
    "zero classes": ({"a": A[:, :0], "b": B}, InputError, "model 'a': found zero columns"),
    "fewer rows": (
        {"a": A, "b": B[:-1]},
        AlignmentError,
        "unequal row counts: model 'a' has 8 rows, model 'b' has 7; .*id column",
    ),
    "fewer classes": (
        {"a": A, "b": np.full((8, 2), 0.5)},
        AlignmentError,
        "model 'b': found 2 columns for 3 classes",
    ),
    "no distribution": (
        changed(3, [0.2, 0.3, 0.4]),
        ProbabilityError,
        r"model 'a': 1 row\(s\) do not sum to one: .* row 3 sum to 0.9; expected 1.*renormalise",
    ),
    "partly NaN": (changed(3, [0.5, np.nan, 0.5]), ProbabilityError, "model 'a', row 3: 1 of 3"),
    "+inf": (changed(3, [0.5, np.inf, 0.5]), ProbabilityError, r"row 3, column 1: found \+inf"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "error", "words"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions(given, error, words):
    for door in doors(given):
        with pytest.raises(error, match=words):
            door()


KIND = {
    "-inf": ([0.5, -np.inf, 0.5], "row 3, column 1: found -inf, expected a probability"),
    "negative": ([0.5, -0.1, 0.6], "row 3, column 1: found -0.1, expected a probability"),
    "above one": ([1.5, 0.0, 0.0], "row 3, column 0: found 1.5, expected a probability"),
}


@pytest.mark.parametrize(("cells", "words"), KIND.values(), ids=KIND)
def test_cells_that_are_no_probabilities(cells, words):
    for door in doors(changed(3, cells), kind="probabilities"):
        with pytest.raises(ProbabilityError, match=f"model 'a', {words}"):
            door()
    pool = op.fit({"a": A, "b": B}, Y)
    with pytest.raises(ProbabilityError, match=f"model 'a', {words}"):
        pool.apply(changed(3, cells))


NOT_YET = "a TypeError or ValueError of Python's instead"
OPTIONS = {
    "rule": ({"rule": "geometric"}, "rule: found 'geometric', expected one of log, linear"),
    "rule None": ({"rule": None}, "rule: found None"),
    "missing": ({"missing": "ignore"}, "missing: found 'ignore', expected one of renormalise"),
    "fallback": ({"fallback": "ignore"}, "fallback: found 'ignore', expected one of uniform"),
    "missing list": ({"missing": ["error"]}, "missing: found"),
    "zero": ({"temperature": 0}, "temperature: found 0, expected a finite number above 0"),
    "negative": ({"temperature": -1.5}, "temperature: found -1.5"),
    "nan": ({"temperature": np.nan}, "temperature: found nan"),
    "inf": ({"temperature": np.inf}, "temperature: found inf"),
    "hot": ({"temperature": "hot"}, "temperature: found 'hot'"),
    "T None": ({"temperature": None}, "temperature: found None"),
    "T True": ({"temperature": True}, "temperature: found True"),
    "T text": ({"temperature": "1.0"}, "temperature: found '1.0'"),
    "kind": ({"kind": "odds"}, "kind: found 'odds'"),
}
ONLY_FIT = {
    "weighting": (
        {"weighting": "magic"},
        "weighting: found 'magic', expected one of optimal, .*, or numbers",
    ),
    "family": ({"family": "poisson"}, "family: found 'poisson', expected one of categorical, "),
    "penalty": ({"penalty": -1}, "penalty: found -1, expected a finite number ≥ 0"),
    "penalty nan": ({"penalty": np.nan}, "penalty: found nan"),
    "penalty inf": ({"penalty": np.inf}, "penalty: found inf"),
    "penalty text": ({"penalty": "strong"}, "penalty: found 'strong', expected 'auto' or a num"),
    "penalty True": ({"penalty": True}, "penalty: found True"),
    "numbers": ({"weighting": [1, 2, 3]}, r"weights: found shape \(3,\), expected \(2,\)"),
}
UNTYPED = {
    "rule list": {"rule": ["log"]},
    "temperature array": {"temperature": np.array([1.0, 2.0])},
    "penalty array": {"penalty": np.array([1.0, 2.0])},
    "floor array": {"floor": np.array([1e-6, 1e-6])},
    "classes number": {"classes": 3},
    "seed": {"seed": "x", "missing": "renormalise"},
}


@pytest.mark.parametrize(("options", "words"), OPTIONS.values(), ids=OPTIONS)
def test_options(options, words):
    with pytest.raises(InputError, match=words):
        op.combine([A, B], **options)
    with pytest.raises(InputError, match=words):
        op.fit([A, B], Y, **options)


@pytest.mark.parametrize(("options", "words"), ONLY_FIT.values(), ids=ONLY_FIT)
def test_options_of_fit(options, words):
    with pytest.raises(InputError, match=words):
        op.fit([A, B], Y, **options)


@pytest.mark.parametrize("options", UNTYPED.values(), ids=UNTYPED)
def test_options_of_the_wrong_type(options):
    gone = A.copy()
    gone[0] = np.nan
    with pytest.raises(InputError, match=next(iter(options))):
        op.fit([gone, B], Y, **options)


def test_combine_cannot_fit_a_temperature():
    with pytest.raises(InputError, match="temperature: found 'fit'") as error:
        op.combine([A, B], temperature="fit")
    assert "expected 'fit'" not in str(error.value)


WEIGHTS = {
    "negative": ([0.5, -0.5], r"found \[0.5, -0.5\], expected finite numbers ≥ 0"),
    "zero": ([0, 0], "positive sum"),
    "nan": ([0.5, np.nan], "expected finite numbers"),
    "inf": ([0.5, np.inf], "expected finite numbers"),
    "short": ([1.0], r"found shape \(1,\), expected \(2,\), one per model"),
    "long": ([1, 1, 1], r"found shape \(3,\)"),
    "matrix": ([[0.5, 0.5]], r"found shape \(1, 2\)"),
    "a number": (1.0, r"found shape \(\)"),
    "text": ("ab", "expected one number per model"),
    "words": (["x", "y"], "expected one number per model"),
    "None among": ([0.5, None], "expected"),
    "unknown": ({"a": 0.5, "z": 0.5}, "models are a, b; unknown: z; without a weight: b"),
    "absent": ({"a": 0.5}, "without a weight: b"),
    "one too many": ({"a": 0.5, "b": 0.5, "z": 1}, "unknown: z$"),
    "named negative": ({"a": -1, "b": 2}, "expected finite numbers ≥ 0"),
}


@pytest.mark.parametrize(("weights", "words"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights(weights, words):
    with pytest.raises(InputError, match=f"weights: .*{words}"):
        op.combine({"a": A, "b": B}, weights)
    if not isinstance(weights, str):
        with pytest.raises(InputError, match=f"weights: .*{words}"):
            op.fit({"a": A, "b": B}, Y, weighting=weights)


@pytest.mark.parametrize(
    "make",
    [lambda w: op.combine([A, B], w), lambda w: op.fit([A, B], Y, sample_weight=np.resize(w, 8))],
)
def test_complex_weights(make):
    with pytest.raises(InputError, match="weight"):
        make(np.array([1.0, 1.0 + 1j]))


def test_weights_in_a_series_are_taken_by_name():
    import pandas as pd

    found = op.combine({"a": A, "b": B}, pd.Series({"b": 0.0, "a": 1.0}))
    np.testing.assert_allclose(found, A, rtol=1e-12)


def test_one_class():
    """A single column is the second of two classes; three classes cannot be one."""
    assert op.combine([[[0.3]], [[0.4]]]).shape == (1, 2)
    with pytest.raises(AlignmentError, match="one column, which is enough for two classes"):
        op.combine({"a": A, "b": A[:, :1]})
    with pytest.raises(AlignmentError, match="enough for two classes; there are 1"):
        op.combine([[[1.0]], [[1.0]]], classes=["only"])


def test_one_model_works():
    assert_allclose(op.combine([A]), A, **tolerance(float, 16))
    pool = op.fit([A], Y, temperature=1)
    assert_allclose(pool.apply([A]), A, **tolerance(float, 16))
    assert op.score([A], Y, pool=pool)["pool"]["nll"] == pytest.approx(pool.loss, rel=1e-12)


def test_a_million_classes_work():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2, 2, 1_000_000)).astype(np.float32)
    found = op.combine(z, kind="logits")
    assert found.shape == (2, 1_000_000)
    assert found.dtype == np.float32
    pool = op.fit(z, [3, 999_999], kind="logits", classes=range(1_000_000))
    assert pool.weights.sum() == pytest.approx(1)


def test_more_cells_than_memory(monkeypatch):
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 1000)
    words = "the predictions of 2 models for 8 rows and 3 columns needs .*1 kB is available"
    for door in (lambda m: op.combine(m), lambda m: op.fit(m, Y), lambda m: op.score(m, Y)):
        with pytest.raises(MemoryLimitError, match=words):
            door([A, B])
    small = [A[:1], B[:1]]
    assert op.combine(small).shape == (1, 3)


def test_a_file_of_more_cells_than_memory(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", A)
    monkeypatch.setattr("opinionpool.memory.available_bytes", lambda: 100)
    with pytest.raises(MemoryLimitError, match=r"a\.npy"):
        op.combine({"a": tmp_path / "a.npy"})


def test_every_error_is_both_ours_and_a_value_error():
    for error in (AlignmentError, InputError, ProbabilityError):
        assert issubclass(error, op.OpinionPoolError)
        assert issubclass(error, ValueError)
    assert issubclass(MemoryLimitError, MemoryError)
