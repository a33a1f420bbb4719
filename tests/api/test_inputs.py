"""Arrays as they come: containers, layouts, dtypes; and that inputs are never written to."""

import array_api_strict as strict
import numpy as np
import pytest
from door_inputs import SEED_LOGITS, chances, outputs
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op

MODELS, Y = outputs(n=20)
STACK = np.stack(list(MODELS.values()))
POOLED = op.combine(MODELS)

CONTAINERS = {
    "dict": MODELS,
    "list": list(STACK),
    "tuple": tuple(STACK),
    "array": STACK,
    "nested lists": STACK.tolist(),
    "generator": (z for z in STACK),
    "dict values": MODELS.values(),
    "lists of lists by name": {name: z.tolist() for name, z in MODELS.items()},
    "fortran": np.asfortranarray(STACK),
    "strided": np.repeat(STACK, 2, axis=1)[:, ::2],
    "reversed twice": STACK[:, ::-1][:, ::-1],
    "transposed": np.ascontiguousarray(STACK.transpose(2, 1, 0)).transpose(2, 1, 0),
    "other byte order": STACK.astype(">f8"),
    "objects": STACK.astype(object),
    "long double": STACK.astype(np.longdouble),
    "mixed": {"a": STACK[0], "b": STACK[1].tolist(), "c": np.asfortranarray(STACK[2])},
}


@pytest.mark.parametrize("given", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_and_layout(given):
    found = op.combine(given)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert_allclose(found, POOLED, **tolerance(float, 4))


def test_names_of_models():
    assert op.fit(STACK, Y).models == ("m0", "m1", "m2")
    assert op.fit(list(STACK), Y).models == ("m0", "m1", "m2")
    assert op.fit({"z": STACK[0], "a": STACK[1]}, Y).models == ("z", "a")


def test_float32_only_where_everything_is():
    narrow = STACK.astype(np.float32)
    assert op.combine(narrow).dtype == np.float32
    assert op.combine(STACK.astype(np.float16)).dtype == np.float32
    assert op.combine(STACK.astype(">f4")).dtype == np.float32  # it was float64, but not of a file
    assert op.combine([narrow[0], STACK[1]]).dtype == np.float64
    assert op.combine([narrow[0], STACK[1].round().astype(int)]).dtype == np.float64
    pool = op.fit(narrow, Y)
    assert pool.weights.dtype == np.float64
    assert pool.apply(narrow).dtype == np.float32
    assert pool.apply(STACK).dtype == np.float64


def test_float32_is_pooled_in_float64():
    narrow = STACK.astype(np.float32)
    wide = op.combine(narrow.astype(np.float64))
    assert_array_equal(op.combine(narrow), wide.astype(np.float32))


def test_integers_are_fine():
    whole = STACK.round().astype(np.int8)
    assert_array_equal(op.combine(whole), op.combine(whole.astype(float)))


def test_one_row():
    """A list of (K,) vectors is one row, whatever holds them."""
    expected = op.combine(np.array(SEED_LOGITS)[:, None, :])
    assert expected.shape == (1, 3)
    for given in (SEED_LOGITS, np.array(SEED_LOGITS), [np.array(z) for z in SEED_LOGITS]):
        assert_array_equal(op.combine(given), expected[0])
    assert_array_equal(op.combine(dict(zip("abc", SEED_LOGITS, strict=True))), expected[0])


def test_another_array_library_gets_its_own_back():
    given = {name: strict.asarray(z) for name, z in MODELS.items()}
    pool = op.fit(given, strict.asarray(Y))
    for found in (op.combine(given), pool.apply(given)):
        assert type(found) is type(strict.asarray(1.0))
    assert_array_equal(np.asarray(op.combine(given)), POOLED)
    assert_array_equal(pool.weights, op.fit(MODELS, Y).weights)


@pytest.mark.parametrize("make", [outputs, chances])
def test_inputs_are_read_only_and_never_written(make):
    models, y = make(n=30)
    models["b"][3] = np.nan
    weight = np.linspace(0.5, 2, 30)
    everything = [*models.values(), y, weight]
    before = [array.tobytes() for array in everything]
    for array in everything:
        array.flags.writeable = False
    for rule in ("log", "linear"):
        pool = op.fit(models, y, rule=rule, floor=0.01, sample_weight=weight)
        pool.apply(models)
        op.score(models, y, pool=pool, sample_weight=weight)
        op.combine(models, rule=rule, floor=0.01)
    op.compare(models, y, folds=2, sample_weight=weight)
    assert [array.tobytes() for array in everything] == before


def test_writable_inputs_are_not_written_either():
    models, y = chances(n=30)
    models["a"][0] = [0, 0.5, 0.5]
    models["a"][1] *= 1.0005  # to be renormalised
    before = {name: p.tobytes() for name, p in models.items()}
    with pytest.warns(op.OpinionPoolWarning):
        op.combine(models)
    with pytest.warns(op.OpinionPoolWarning):
        op.fit(models, y).apply(models)
    assert {name: p.tobytes() for name, p in models.items()} == before


def test_a_result_is_the_callers_own():
    models, y = outputs(n=10)
    pool = op.fit(models, y)
    first = pool.apply(models)
    kept = first.copy()
    first[:] = -1
    assert_array_equal(pool.apply(models), kept)


def test_a_masked_cell_is_not_read():
    """What is masked is no number: rows masked throughout are missing outputs."""
    models, _ = outputs(n=5)
    mask = np.zeros((5, 3), dtype=bool)
    mask[2] = True
    gone = models["a"].copy()
    gone[2] = np.nan
    expected = op.combine({"a": gone, "b": models["b"]})
    found = op.combine({"a": np.ma.masked_array(models["a"], mask), "b": models["b"]})
    assert_array_equal(np.asarray(found), expected)
