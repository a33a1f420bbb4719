"""softmax_jvp, softmax_vjp and softmax_jacobian, analytically, numerically and at the edges."""

import math

import exact
import mpmath as mp
import numpy as np
import pytest
from hosts import has
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

from opinionpool import softmax, softmax_jacobian, softmax_jvp, softmax_vjp
from opinionpool.errors import InputError, ProbabilityError

INF = math.inf
F8 = np.float64
RNG = np.random.default_rng(77)
Z = RNG.normal(scale=3.0, size=(4, 5))
T = RNG.normal(size=(4, 5))
PRODUCTS = [softmax_jvp, softmax_vjp]
fixed = settings(derandomize=True, deadline=None, max_examples=150)


# mp.dps = 30; w = [exp(2*v) for v in (1, 2, 3)]; p = [x/sum(w) for x in w]; m = p[0] - p[2]
# 2*p[0]*(1 - m), -2*p[1]*m, 2*p[2]*(-1 - m)
def test_reference_values():
    found = softmax_jvp([1.0, 2.0, 3.0], [1.0, 0.0, -1.0], beta=2.0)
    assert_allclose(found, [0.05877184291, 0.1996475887, -0.2584194316], rtol=0, atol=1e-10)
    assert_allclose(softmax_jacobian([0.0, 0.0, 0.0]), (3 * np.eye(3) - 1) / 9, rtol=ulps(F8, 4))


@pytest.mark.parametrize("beta", [1.0, 0.4, -1.7])
def test_finite_differences(beta):
    step = 1e-5
    right = (softmax(Z + step * T, beta=beta) - softmax(Z - step * T, beta=beta)) / (2 * step)
    assert_allclose(softmax_jvp(Z, T, beta=beta), right, rtol=0, atol=1e-9)
    jacobian = softmax_jacobian(Z, beta=beta)
    assert_allclose(np.einsum("nij,nj->ni", jacobian, T), right, rtol=0, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_products_are_those_with_the_jacobian(host, axis):
    for dtype in host.floats:
        z, t = host.array(Z, dtype), host.array(T, dtype)
        before = host.numpy(z).copy(), host.numpy(t).copy()
        jacobian = softmax_jacobian(z, axis=axis, temperature=0.8)
        assert jacobian.dtype == z.dtype
        full = host.numpy(softmax_jacobian(host.array(Z), axis=axis, temperature=0.8))
        assert full.shape == ((5, 4, 4) if axis == 0 else (4, 5, 5))
        assert_array_equal(full, np.swapaxes(full, -1, -2))
        eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype) or float(np.finfo(dtype).eps)
        assert_allclose(host.numpy(jacobian), full, rtol=0, atol=4 * eps)
        right = np.moveaxis(np.einsum("nij,nj->ni", full, np.moveaxis(T, axis, -1)), -1, axis)
        for product in PRODUCTS:
            found = product(z, t, axis=axis, temperature=0.8)
            assert type(found) is type(z)
            assert found.dtype == z.dtype
            assert_allclose(host.numpy(found), right, rtol=0, atol=8 * eps)
        assert_array_equal(host.numpy(z), before[0])
        assert_array_equal(host.numpy(t), before[1])


@has("torch")
def test_autograd_agrees():
    import torch

    z, g = torch.tensor(Z, requires_grad=True), torch.tensor(T)
    (right,) = torch.autograd.grad(softmax(z, beta=0.6), z, g)
    assert_allclose(softmax_vjp(Z, T, beta=0.6), right.numpy(), rtol=1e-13, atol=1e-16)
    _, forward = torch.autograd.functional.jvp(lambda v: softmax(v, beta=0.6), z.detach(), g)
    assert_allclose(softmax_jvp(Z, T, beta=0.6), forward.numpy(), rtol=1e-13, atol=1e-16)


@has("jax")
def test_jax_agrees(differentiable):
    if differentiable.name != "jax-x64":
        pytest.skip("JAX only")
    import jax

    z, t = differentiable.array(Z), differentiable.array(T)
    _, right = jax.jvp(lambda v: softmax(v, beta=0.6), (z,), (t,))
    assert_allclose(softmax_jvp(Z, T, beta=0.6), np.asarray(right), rtol=1e-13, atol=1e-16)
    found = jax.jit(lambda a, b: softmax_jvp(a, b, beta=0.6))(z, t)
    assert_allclose(np.asarray(found), np.asarray(right), rtol=1e-13, atol=1e-16)


@fixed
@given(
    st.lists(st.floats(-500, 500) | st.just(-INF), min_size=2, max_size=7),
    st.sampled_from([1.0, 0.2, -3.0]),
    st.integers(0, 2**32),
)
def test_every_entry_is_exact_where_probabilities_round_to_one(z, beta, seed):
    if max(z) == -INF:
        z[0] = 0.0
    t = np.random.default_rng(seed).normal(size=len(z))
    p = exact.softmax(z, mp.mpf(beta))
    k = range(len(z))
    with mp.workdps(exact.DIGITS):
        for i, row in enumerate(softmax_jacobian(z, beta=beta)):
            for j, found in enumerate(row):
                others = mp.fsum(p[m] for m in k if m != i)
                right = beta * p[i] * (others if i == j else -p[j])
                assert abs(mp.mpf(float(found)) - right) <= ulps(F8, 8) * abs(right) + 1e-300
        for i, found in enumerate(softmax_jvp(z, t, beta=beta)):
            right = beta * p[i] * mp.fsum(p[j] * (mp.mpf(t[i]) - mp.mpf(t[j])) for j in k)
            # What is left is what cancels in the sum over the outcomes but i itself.
            size = abs(beta) * p[i] * mp.fsum(p[j] * abs(mp.mpf(t[i]) - t[j]) for j in k)
            assert abs(mp.mpf(float(found)) - right) <= ulps(F8, 32) * size + 1e-300


def test_a_constant_direction_does_nothing():
    found = softmax_jvp(Z, np.full_like(Z, 1e6))
    assert abs(found).max() <= ulps(F8, 4) * 1e6
    assert_allclose(softmax_jacobian(Z).sum(axis=-1), 0.0, atol=ulps(F8, 4))


def test_masked_outcomes_do_not_move(host):
    z = host.array([1.0, -INF, 1.0])
    t = host.array([1.0, 1e30, 0.0])
    assert host.numpy(softmax_jvp(z, t)).tolist() == [0.25, 0.0, -0.25]
    assert_array_equal(
        host.numpy(softmax_jacobian(z)), [[0.25, 0, -0.25], [0, 0, 0], [-0.25, 0, 0.25]]
    )


def test_directions_do_not_overflow():
    big = 1.7e308
    assert_allclose(softmax_jvp([0.0, 0.0], [big, -big]), [big / 2, -big / 2], rtol=1e-15)
    assert_array_equal(softmax_jvp([0.0, -2000.0], [big, -big]), [0.0, 0.0])
    assert_array_equal(softmax_jvp([3.0, 1.0], [1.0, -1.0], beta=0.0), [0.0, 0.0])


def test_large_arrays_go_in_blocks():
    z, t = RNG.normal(size=(300, 400)), RNG.normal(size=(300, 400))
    whole = np.stack([softmax_jvp(a, b) for a, b in zip(z, t, strict=True)])
    assert_allclose(softmax_jvp(z, t), whole, rtol=1e-12, atol=1e-18)
    assert_allclose(softmax_jvp(z.T, t.T, axis=0).T, whole, rtol=1e-12, atol=1e-18)


def test_lists_and_two_precisions(host):
    z = host.array([[1.0, 2.0], [3.0, 1.0]], "float32")
    right = softmax_jvp([[1.0, 2.0], [3.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    found = softmax_jvp(z, [[1, 0], [0, 1]])
    assert found.dtype == z.dtype
    assert_allclose(host.numpy(found), right, rtol=1e-6)
    wider = softmax_jvp(z, host.array([[1.0, 0.0], [0.0, 1.0]]))
    assert str(wider.dtype).endswith(host.widest)


@pytest.mark.parametrize("product", PRODUCTS)
def test_directions_that_do_not_fit(host, product):
    name = "t" if product is softmax_jvp else "g"
    z = host.array(Z)
    with pytest.raises(InputError, match=rf"{name} has shape \(5, 4\): that of z, \(4, 5\)"):
        product(z, host.array(T.T.copy()))
    with pytest.raises(InputError, match=rf"{name} has shape \(5,\)"):
        product(z, host.array(T[0]))
    for bad in (np.nan, INF, -INF):
        wrong = T.copy()
        wrong[2, 3] = bad
        with pytest.raises(ProbabilityError, match=rf"{name}\[2, 3\] is not finite"):
            product(z, host.array(wrong))
    with pytest.raises(InputError, match=f"{name} has dtype bool"):
        product(Z, T > 0)


@has("torch")
def test_one_library_at_a_time():
    import torch

    with pytest.raises(InputError, match="one array library is needed"):
        softmax_jvp(torch.tensor(Z), T)


@pytest.mark.parametrize("scale", [{"temperature": 0}, {"beta": -INF}, {"base": INF}])
def test_steps_have_no_derivative(scale):
    for call in (lambda: softmax_jvp(Z, T, **scale), lambda: softmax_jacobian(Z, **scale)):
        with pytest.raises(InputError, match=r"step function.*except at ties"):
            call()


def test_whatever_softmax_refuses():
    for call in (
        lambda z: softmax_jacobian(z),
        lambda z: softmax_vjp(z, np.zeros_like(z)),
    ):
        with pytest.raises(ProbabilityError, match="is NaN"):
            call(np.asarray([1.0, np.nan]))
        with pytest.raises(ProbabilityError, match="no outcome"):
            call(np.asarray([-INF, -INF]))
        with pytest.raises(InputError, match="sigmoid"):
            call(np.asarray([1.0]))
    assert softmax_jacobian([1.0], allow_single=True).tolist() == [[0.0]]
    with pytest.raises(InputError, match="temperature is -1"):
        softmax_jacobian(Z, temperature=-1)
