"""The softmax family in every array library: precision, dtypes, tracing, and what is refused."""

import math
import subprocess
import sys
from functools import partial

import exact
import hosts
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import opinionpool as op
from opinionpool.errors import InputError, ProbabilityError
from opinionpool.maths.hosts import _device_has_float64, has_float64, rounded, wide

INF = math.inf
RNG = np.random.default_rng(11)
Z = np.where(RNG.random((40, 6)) < 0.1, -INF, RNG.normal(scale=6.0, size=(40, 6)) + 2.0)
Z[:, 0] = np.maximum(Z[:, 0], -3.0)
Z[3, :3] = 7.5  # ties
SCALES = [{}, {"temperature": 0.3}, {"beta": -0.7}, {"temperature": 0}, {"beta": 0}]
FAMILY = [op.softmax, op.log_softmax, op.logsumexp, op.sigmoid, op.log_sigmoid, op.softargmin]
EVERY = [*FAMILY, op.softmax_jacobian]


def call(function, z, **scale):
    return function(-z if function is op.softargmin else z, **scale)


def possible(function, scale):
    if function is op.logsumexp:
        return scale.get("beta") != 0
    return function is not op.softmax_jacobian or scale.get("temperature") != 0


def units_off(found, right, dtype, host):
    """Distance in units of a dtype at the right values, which are float64."""
    digits, least = {"float16": (11, -24), "bfloat16": (8, -133), "float32": (24, -149)}.get(
        dtype, (53, -1074)
    )
    if host.flushes:
        least = {"float16": -24}.get(dtype, least + digits - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.floor(np.log2(np.where(np.isfinite(right), abs(right), 1.0)))
    unit = np.exp2(np.maximum(power - digits + 1, least))
    same = found == right  # infinities
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(same, 0.0, abs(found - right) / unit)))


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_every_library_and_precision_agrees_with_numpy(host, function, scale):
    if not possible(function, scale):
        pytest.skip("no value there")
    for dtype in host.floats:
        z = host.array(Z, dtype)
        before = host.numpy(z).copy()
        found = call(function, z, **scale)
        assert type(found) is type(z)
        assert found.dtype == z.dtype
        assert_array_equal(host.numpy(z), before)
        right = call(function, before.astype(np.float64), **scale)
        # In logsumexp, and in the complement of a logistic probability, parts may cancel.
        size = 1.0 if function is not op.logsumexp else abs(Z[np.isfinite(Z)]).max()
        off = units_off(host.numpy(found).astype(np.float64), right, dtype, host)
        if function is op.logsumexp:
            eps = {"float16": 2**-10, "bfloat16": 2**-7}.get(dtype) or np.finfo(dtype).eps
            assert_allclose(host.numpy(found), right, rtol=2 * eps, atol=4 * 2**-23 * size)
        else:
            assert off <= (2.0 if "16" in dtype else 8.0), (dtype, off)


@pytest.mark.parametrize("size", [0.1, 5.0, 80.0])
@pytest.mark.parametrize("beta", [1.0, 0.3, -2.5])
def test_against_arbitrary_precision(differentiable, beta, size):
    host = differentiable
    z = RNG.normal(scale=size, size=(5, 7)).astype(host.widest)
    for function in (op.softmax, op.log_softmax):
        for run in (partial(function, beta=beta), compiled(host, partial(function, beta=beta))):
            found = host.numpy(run(host.array(z, host.widest)))
            assert found.dtype == host.widest
            for row, logits in zip(found, z, strict=True):
                right = getattr(exact, function.__name__)(logits, exact.mp.mpf(beta))
                # JAX's compiler flushes subnormal numbers, so their neighbours have no corrections.
                least = float(np.finfo(host.widest).tiny) * 2.0**53 if host.flushes else 0.0
                seen = [i for i, true in enumerate(right) if abs(true) >= least]
                assert exact.ulps_off(row[seen], [right[i] for i in seen]) <= 4.0
                assert_allclose(row, np.asarray(right, float), rtol=1e-5, atol=least)


def compiled(host, function):
    if host.name == "torch":
        return function
    import jax

    return jax.jit(function)


def test_accumulators(host):
    expected = {"float16": "float32", "bfloat16": "float32", "float64": "float64"}
    for dtype in host.floats:
        found = wide(host.array([1.0], dtype), host.xp)
        bigger = "float32" if host.name == "jax" else "float64"
        assert str(found.dtype).endswith(expected.get(dtype, bigger))
    assert has_float64(host.array([1.0]), host.xp) is (host.name != "jax")


def test_a_device_without_float64():
    class Namespace:
        float64 = "float64"

        @staticmethod
        def empty(shape, dtype, device):
            if device == "small":
                raise TypeError(f"no {dtype} here")

    assert _device_has_float64(Namespace, "large")
    assert not _device_has_float64(Namespace, "small")


@hosts.has("jax")
def test_compilers_do_not_take_the_grid_away():
    import jax

    with hosts.opened("jax") as host:
        x = host.array([0.1, 0.7])
        heads = jax.jit(lambda v: rounded(v + 8192.0) - 8192.0)(x)
        assert_array_equal(host.numpy(heads), np.round(np.asarray([0.1, 0.7]) * 1024) / 1024)


@hosts.has("jax")
def test_jax_keeps_its_switches():
    import jax

    before = jax.config.jax_enable_x64
    found = op.softmax(jax.numpy.asarray([1, 2, 3]))
    assert jax.config.jax_enable_x64 is before is False
    assert found.dtype == jax.numpy.float32
    assert_allclose(np.asarray(found), op.softmax([1, 2, 3]), rtol=1e-7)


@hosts.has("jax")
@pytest.mark.parametrize("function", EVERY)
def test_jax_compiles_and_maps(function):
    import jax

    with hosts.opened("jax-x64") as host:
        z = host.array(Z)
        right = call(function, Z, temperature=0.7)
        one = jax.tree_util.Partial(call, function, temperature=0.7)
        for run in (jax.jit(one), jax.vmap(one), jax.jit(jax.vmap(one))):
            assert_allclose(np.asarray(run(z)), right, rtol=1e-14, atol=1e-14)


@hosts.has("torch")
@pytest.mark.parametrize("function", EVERY)
def test_torch_maps(function):
    import torch

    z = torch.tensor(Z)
    found = torch.func.vmap(lambda row: call(function, row, temperature=0.7))(z)
    assert_allclose(found.numpy(), call(function, Z, temperature=0.7), rtol=1e-14, atol=1e-14)


@hosts.has("torch")
def test_torch_maps_over_any_axis():
    import torch

    cube = Z.reshape(4, 10, 6)
    found = torch.func.vmap(lambda z: op.softmax(z, axis=0))(torch.tensor(cube[:, :, :1]))
    assert_allclose(found.numpy(), op.softmax(cube[:, :, :1], axis=1), rtol=1e-14)


@hosts.has("torch")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_torch_compiles_in_one_graph():
    import torch

    run = torch.compile(op.softmax, fullgraph=True, backend="eager")
    assert_array_equal(run(torch.tensor(Z)).numpy(), op.softmax(torch.tensor(Z)).numpy())


def test_values_are_checked_where_there_are_values(host):
    bad = Z.copy()
    bad[1, 2] = np.nan
    with pytest.raises(ProbabilityError, match=r"z\[1, 2\] is NaN"):
        op.softmax(host.array(bad))
    with pytest.raises(ProbabilityError, match=r"z\[1, 2\] is -inf.*\+inf for a masked"):
        op.softargmin(host.array(np.where(np.isnan(bad), -INF, np.where(bad > -INF, bad, INF))))
    if host.name in ("jax", "jax-x64"):
        import jax

        with pytest.raises(ProbabilityError, match="NaN"):  # known values inside grad
            jax.grad(lambda z: op.softmax(z).sum())(host.array(bad))
        found = np.asarray(jax.jit(op.softmax)(host.array(bad)))
        assert np.isfinite(found[0]).all()
        with pytest.raises(InputError, match="axis is 5"):
            jax.jit(lambda z: op.softmax(z, axis=5))(host.array(Z))


@hosts.has("jax")
def test_an_unknown_scale_is_refused():
    import jax

    z = jax.numpy.asarray([1.0, 2.0])
    for transform in (jax.jit, jax.grad):
        with pytest.raises(InputError, match=r"known and without derivatives.*multiply the logits"):
            transform(lambda t: op.softmax(z, temperature=t).sum())(1.0)


@hosts.has("torch")
def test_a_scale_to_be_learned_is_refused():
    import torch

    for number in (torch.tensor(2.0, requires_grad=True), torch.nn.Parameter(torch.ones(1))):
        with pytest.raises(InputError, match="without derivatives"):
            op.softmax([1.0, 2.0], temperature=number)
    assert_array_equal(op.softmax([1.0, 2.0], beta=torch.tensor(2.0)), op.softmax([2.0, 4.0]))


def test_scales_that_float32_cannot_hold(host):
    for dtype in host.floats:
        narrow = "16" in dtype or (dtype == "float32" and host.name == "jax")
        z = host.array([1.0, 2.0, -1.0], dtype)
        for scale in ({"beta": 1e33}, {"beta": -1e-33}, {"temperature": 1e-33}):
            if narrow:
                with pytest.raises(InputError, match="computed in float32 here"):
                    op.softmax(z, **scale)
            else:
                assert np.isfinite(host.numpy(op.softmax(z, **scale))).all()
        assert host.numpy(op.softmax(z, beta=1e29)).tolist() == [0.0, 1.0, 0.0]
        assert_allclose(host.numpy(op.softmax(z, beta=1e-29)), 1 / 3, rtol=2e-3)


def test_what_is_no_number_is_refused_everywhere(host):
    for values in ([True, False], [1j, 2.0]):
        with pytest.raises(InputError, match=r"has dtype .*floats of at most 64 bits or integers"):
            op.softmax(host.array(np.asarray(values)))
    assert_allclose(host.numpy(op.softmax(host.array([1, 2]))), op.softmax([1, 2]), rtol=1e-6)


def test_improbable_is_not_impossible_in_halves(host):
    for dtype in host.floats:
        largest = float(np.asarray(host.numpy(op.softmax(host.array([0.0, 0.0], dtype)))[0]) * 0)
        largest += {"float16": 6e4, "float64": 1.7e308}.get(dtype, 3e38)
        logs = host.numpy(op.log_softmax(host.array([largest, -largest, -INF], dtype)))
        assert logs[0] == 0.0
        assert -INF < logs[1] < -largest * 1.05
        assert logs[2] == -INF


def test_using_it_imports_no_library_of_arrays():
    code = (
        "import sys, opinionpool as op; op.softmax([1.0, 2.0]); op.softmax_jvp([1.0, 2.0], [1, 0]);"
        "op.sample([1.0, 2.0], rng=0); op.boltzmann_distribution([1.0, 2.0], 1.0);"
        "print([m for m in ('torch', 'jax', 'array_api_strict') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
