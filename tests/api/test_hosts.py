"""The doors of the library on every array library and frame: what comes in is what comes out."""

import hosts
import numpy as np
import pytest
from door_inputs import SEED_LOGITS, chances, outputs, with_gaps
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import tolerance

import opinionpool as op
from opinionpool.errors import InputError

MODELS, Y = outputs(n=20)
GAPS, GAP_Y = with_gaps(n=20)
RULES = ["log", "linear"]
every_rule = pytest.mark.parametrize("rule", RULES)
pytestmark = pytest.mark.filterwarnings("ignore::opinionpool.errors.OpinionPoolWarning")


@pytest.fixture(params=hosts.NAMES)
def host(request):
    with hosts.opened(request.param) as opened:
        yield opened


def given(host, models, dtype=None):
    return {name: host.array(cells, dtype) for name, cells in models.items()}


def assert_same_kind(found, original):
    """Of the same library, and where it lies the same device."""
    assert type(found) is type(original)
    assert str(getattr(found, "device", None)) == str(getattr(original, "device", None))


@every_rule
def test_every_library_and_precision(host, rule):
    for dtype in host.floats:
        inputs = given(host, MODELS, dtype)
        before = {name: host.numpy(z).copy() for name, z in inputs.items()}
        rounded = {name: z.astype(float) for name, z in before.items()}
        pool = op.fit(inputs, host.array(Y), rule=rule)
        right = op.fit(rounded, Y, rule=rule)
        assert_array_equal(pool.weights, right.weights)
        narrow = dtype != "float64"
        for found, expected in (
            (op.combine(inputs, rule=rule), op.combine(rounded, rule=rule)),
            (pool.apply(inputs), right.apply(rounded)),
        ):
            assert_same_kind(found, inputs["a"])
            assert str(found.dtype).endswith("float32" if narrow else "float64")
            assert_allclose(
                host.numpy(found), expected, **tolerance(np.float32 if narrow else float, 2)
            )
        for name, z in inputs.items():
            assert_array_equal(host.numpy(z), before[name])


@every_rule
def test_missing_outputs(host, rule):
    inputs = given(host, GAPS)
    pool = op.fit(inputs, host.array(GAP_Y), rule=rule)
    found, details = pool.apply(inputs, details=True)
    assert_same_kind(found, inputs["a"])
    assert details["rows_fallback"] == 2
    kind = np.float32 if host.widest == "float32" else float
    right = op.fit(GAPS, GAP_Y, rule=rule).apply(GAPS)
    # Solved from inputs that were rounded to the host's widest floats.
    slack = 1e-4 if kind is np.float32 else 1e-9
    assert_allclose(host.numpy(found), right, rtol=slack, atol=slack)


def test_one_array_of_all_models(host):
    stack = host.array(np.stack(list(MODELS.values())))
    found = op.combine(stack)
    assert_same_kind(found, stack)
    right = op.combine(host.numpy(stack))
    assert_array_equal(host.numpy(found), right)
    assert op.fit(stack, Y).models == ("m0", "m1", "m2")


def test_one_column_for_two_classes(host):
    two, y = chances(n=20, k=2)
    inputs = {name: host.array(p[:, 1]) for name, p in two.items()}
    pool = op.fit(inputs, host.array(y))
    found = pool.apply(inputs)
    assert_same_kind(found, inputs["a"])
    assert tuple(found.shape) == (20, 2)


@pytest.mark.parametrize("name", [n for n in hosts.NAMES if n != "strict"])
def test_one_row(name):
    with hosts.opened(name) as host:
        rows = [host.array(np.array(z, dtype=float)) for z in SEED_LOGITS]
        found = op.combine(rows)
        assert_same_kind(found, rows[0])
        assert_allclose(host.numpy(found), op.combine(SEED_LOGITS), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_means_and_variances(host, rule):
    rng = np.random.default_rng(0)
    y = rng.normal(size=20)
    arrays = {n: np.stack([y + rng.normal(size=20), rng.uniform(1, 2, 20)], axis=1) for n in "ab"}
    inputs = given(host, arrays)
    pool = op.fit(inputs, host.array(y), family="gaussian", rule=rule)
    found = pool.apply(inputs)
    assert_same_kind(found, inputs["a"])
    pairs = {n: (host.array(c[:, 0]), host.array(c[:, 1])) for n, c in arrays.items()}
    apart = pool.apply(pairs)
    assert_same_kind(apart, inputs["a"])
    assert_array_equal(host.numpy(apart), host.numpy(found))


def test_weights_and_soft_labels(host):
    soft = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    weight = np.linspace(0.5, 2, 20)
    inputs = given(host, MODELS)
    found = op.fit(inputs, host.array(soft), sample_weight=host.array(weight))
    slack = 1e-4 if host.widest == "float32" else 1e-9
    right = op.fit(MODELS, soft, sample_weight=weight)
    assert_allclose(found.weights, right.weights, rtol=slack, atol=slack)


def test_the_first_model_decides_what_comes_back(host):
    mixed = {"a": host.array(MODELS["a"]), "b": MODELS["b"], "c": MODELS["c"]}
    assert_same_kind(op.combine(mixed), mixed["a"])
    turned = {"b": MODELS["b"], "a": host.array(MODELS["a"])}
    assert isinstance(op.combine(turned), np.ndarray)


def test_the_softmax_family_keeps_the_library(host):
    z = host.array(MODELS["a"])
    for function in (op.softmax, op.log_softmax, op.softargmin, op.logsumexp, op.sigmoid):
        assert_same_kind(function(z), z)


@hosts.has("torch")
def test_gradients_are_not_lost_without_a_word():
    import torch

    z = torch.tensor(MODELS["a"], requires_grad=True)
    with pytest.raises(InputError, match=r"model 'a': .*detach"):
        op.combine({"a": z})
    assert_same_kind(op.combine({"a": z.detach()}), z)


@hosts.has("torch")
def test_tensors_that_are_no_plain_memory():
    import torch

    turned = torch.tensor(MODELS["a"]).T.contiguous().T
    assert_array_equal(op.combine({"a": turned}), op.combine({"a": MODELS["a"]}))
    with pytest.raises(InputError, match=r"model 'a': .*[Ss]parse"):
        op.combine({"a": torch.tensor(MODELS["a"]).to_sparse()})


FRAMES = {
    "pandas": lambda d: __import__("pandas").DataFrame(d),
    "polars": lambda d: __import__("polars").DataFrame(d),
    "pyarrow": lambda d: __import__("pyarrow").table(d),
}


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_rule
def test_every_frame(library, dtype, rule):
    """Whole tables with missing rows, under both rules and precisions, ids kept."""
    pytest.importorskip(library)
    ids = [f"r{i}" for i in range(20)]
    frames = {
        name: FRAMES[library](
            {"id": ids, **{c: p[:, k].astype(dtype) for k, c in enumerate("xyz")}}
        )
        for name, p in GAPS.items()
    }
    labels = np.array(list("xyz"))[GAP_Y]
    pool = op.fit(frames, labels, rule=rule)
    right = op.fit({n: p.astype(dtype) for n, p in GAPS.items()}, GAP_Y, rule=rule)
    assert_allclose(pool.weights, right.weights, rtol=1e-9, atol=1e-12)
    found = pool.apply(frames)
    assert type(found) is type(frames["a"])
    cells = np.stack([np.asarray(found[c]) for c in "xyz"], axis=1)
    assert cells.dtype == dtype
    expected = right.apply({n: p.astype(dtype) for n, p in GAPS.items()})
    assert_allclose(cells, expected, rtol=1e-6 if dtype == "float32" else 1e-9)
    assert np.asarray(found["id"]).tolist() == ids
