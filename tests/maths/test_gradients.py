"""Derivatives that PyTorch and JAX take of the softmax family, against arbitrary precision."""

import math

import exact
import mpmath as mp
import numpy as np
import pytest
from hosts import has
from numpy.testing import assert_allclose, assert_array_equal
from tolerance import ulps

import opinionpool as op

INF = math.inf
F8 = np.float64
RNG = np.random.default_rng(3)
ROWS = [
    *(RNG.normal(scale=s, size=5) for s in (0.1, 3.0, 30.0, 200.0)),
    np.asarray([2.0, 2.0, 1.0, 2.0, -4.0]),  # ties
    np.zeros(4),
    np.asarray([1.0, -INF, 3.0, -INF, 3.0]),
    np.asarray([0.0, 50.0]),
    np.asarray([0.0, 700.0, -INF, 0.0, 699.0]),
    np.asarray([5.0, -2000.0, 1e300]),  # saturated
]
SCALES = [{"beta": 1.0}, {"temperature": 0.7}, {"beta": -2.5}]  # 1/0.7 is no float


def exact_jacobians(z, beta=None, temperature=None):
    """Of softmax, log_softmax and logsumexp; 0 where outcomes are masked."""
    with mp.workdps(exact.DIGITS):
        beta = 1 / mp.mpf(temperature) if temperature else mp.mpf(beta)
        p = exact.softmax(z, beta)
        k = range(len(z))
        rest = [mp.fsum(p[j] for j in k if j != i) for i in k]
        logs = [
            [beta * (rest[i] if i == j else -p[j]) * (z[i] > -INF < z[j]) for j in k] for i in k
        ]
        return [[p[i] * entry for entry in logs[i]] for i in k], logs, [p]


def assert_entries_exact(found, right, units=6.0):
    for row, exact_row in zip(np.atleast_2d(found), right, strict=True):
        for entry, true in zip(row, exact_row, strict=True):
            if abs(true) < 1e-290:
                assert abs(entry) < 1e-280
            else:
                assert abs((mp.mpf(float(entry)) - true) / true) <= ulps(F8, units)


@has("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own parts
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("z", ROWS, ids=str)
def test_torch_derivatives_are_exact_entry_by_entry(z, scale):
    import torch

    functions = (op.softmax, op.log_softmax, op.logsumexp)
    for function, right in zip(functions, exact_jacobians(z, **scale), strict=True):
        x = torch.tensor(z)
        found = torch.autograd.functional.jacobian(lambda v, f=function: f(v, **scale), x)
        assert_entries_exact(found.numpy(), right)
        forward = torch.func.jacfwd(lambda v, f=function: f(v, **scale))(x)
        assert_entries_exact(forward.numpy(), right)


@has("jax")
@pytest.mark.parametrize("z", ROWS, ids=str)
def test_jax_derivatives_are_exact_entry_by_entry(z):
    import hosts
    import jax

    functions = (op.softmax, op.log_softmax, op.logsumexp)
    with hosts.opened("jax-x64") as host:
        for function, right in zip(functions, exact_jacobians(z, 0.3), strict=True):
            for derive in (jax.jacrev, jax.jacfwd):
                run = jax.jit(derive(lambda v, f=function: f(v, beta=0.3)))
                assert_entries_exact(np.asarray(run(host.array(z))), right)


SMOOTH = {
    "softmax": lambda x: op.softmax(x, temperature=0.7),
    "log_softmax": lambda x: op.log_softmax(x, beta=-1.3),
    "logsumexp": lambda x: op.logsumexp(x, base=3, axis=0),
    "softargmin": op.softargmin,
    "sigmoid": lambda x: op.sigmoid(x, beta=2.0),
    "log_sigmoid": lambda x: op.log_sigmoid(x, beta=-0.8),
    "jvp": lambda x: op.softmax_jvp(x, x * x, axis=0),
    "jacobian": lambda x: op.softmax_jacobian(x, beta=1.7),
    "log_z": lambda x: op.boltzmann_distribution(x, 0.9).log_partition,
    "policy": lambda x: op.boltzmann_policy(x, 2.0),
}


@has("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", SMOOTH)
def test_torch_checks_first_and_second_derivatives(name):
    import torch

    points = [[1.0, 2.0, 2.0, 0.3], [0.0, 0.0, 0.0, 0.0]]  # ties, and sigmoids at 0
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SMOOTH[name], x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(SMOOTH[name], x)


@has("jax")
@pytest.mark.parametrize("name", SMOOTH)
def test_jax_agrees_with_finite_differences_twice(name):
    import hosts
    import jax

    with hosts.opened("jax-x64") as host:
        x = host.array([[1.0, 2.0, 2.0, 0.3], [0.0, 0.0, 0.0, 0.0]])
        t = host.array(RNG.normal(size=(2, 4)))

        def total(v):
            return (SMOOTH[name](v) * 1.5).sum() + (SMOOTH[name](v) ** 2).sum()

        for function in (total, lambda v: jax.jvp(total, (v,), (t,))[1]):
            slope = jax.jvp(function, (x,), (t,))[1]
            step = 1e-5
            found = (function(x + step * t) - function(x - step * t)) / (2 * step)
            assert_allclose(float(slope), float(found), rtol=1e-6, atol=1e-7)


FLAT = [{"temperature": 0}, {"beta": -INF}, {"beta": 0.0}]


def gradient(host, function, z):
    """Of the sum of what is finite."""
    if host.name == "torch":
        x = host.array(z).requires_grad_()
        out = function(x)
        host.xp.where(host.xp.isfinite(out), out, 0.0).sum().backward()
        return x.grad.numpy()
    import jax

    def total(x):
        out = function(x)
        return host.xp.where(host.xp.isfinite(out), out, 0.0).sum()

    return np.asarray(jax.grad(total)(host.array(z)))


@pytest.mark.parametrize("function", [op.softmax, op.log_softmax, op.sigmoid, op.log_sigmoid])
@pytest.mark.parametrize("scale", FLAT, ids=str)
def test_where_there_are_only_steps_the_derivative_is_zero(differentiable, function, scale):
    z = [3.0, -INF, 3.0, 1.0]
    assert_array_equal(gradient(differentiable, lambda x: function(x, **scale), z), 0.0)


def test_the_maximum_shares_its_derivative_among_ties(differentiable):
    z = [3.0, -INF, 3.0, 1.0]
    found = gradient(differentiable, lambda x: op.logsumexp(x, temperature=0), z)
    assert_array_equal(found, [0.5, 0.0, 0.5, 0.0])


def test_infinite_log_odds_are_constants(differentiable):
    for function in (op.sigmoid, op.log_sigmoid):
        found = gradient(differentiable, function, [INF, -INF, 0.0])
        assert_array_equal(found, [0.0, 0.0, 0.25 if function is op.sigmoid else 0.5])


def test_saturated_log_probabilities_still_have_a_derivative(differentiable):
    largest = float(np.finfo(differentiable.widest).max)
    found = gradient(differentiable, lambda x: op.log_softmax(x, beta=3.0)[1], [largest, -largest])
    assert_array_equal(found, [-3.0, 3.0])


def test_halves_have_derivatives_in_their_precision(differentiable):
    z = np.asarray([1.0, 2.0, -INF, 2.0])
    right = -op.softmax(z)
    right[0] += 1.0
    for dtype, unit in (("float16", 2.0**-10), ("bfloat16", 2.0**-7)):
        if differentiable.name == "torch":
            x = differentiable.array(z, dtype).requires_grad_()
            op.log_softmax(x)[0].backward()
            found = x.grad
        else:
            import jax

            found = jax.grad(lambda x: op.log_softmax(x)[0])(differentiable.array(z, dtype))
        assert str(found.dtype).endswith(dtype)
        assert_allclose(differentiable.numpy(found), right, rtol=2 * unit)


@has("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torch_hessian_is_the_jacobian_of_the_softmax():
    import torch

    for z in ROWS[:6]:
        x = torch.tensor(z)
        found = torch.func.hessian(lambda v: op.logsumexp(v, beta=0.4))(x)
        right = op.softmax_jacobian(x, beta=0.4)
        assert_allclose(found.numpy(), right.numpy(), rtol=0, atol=1e-15)


@has("torch")
def test_torch_gradients_per_example():
    import torch

    z = torch.tensor(RNG.normal(size=(3, 4)))
    found = torch.func.vmap(torch.func.grad(lambda row: op.log_softmax(row)[1]))(z)
    right = -op.softmax(z.numpy())
    right[:, 1] += 1.0
    assert_allclose(found.numpy(), right, rtol=1e-14)


@has("torch")
def test_torch_trains_through_it():
    import torch

    features = torch.tensor(RNG.normal(size=(60, 3)))
    labels = (features @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) > 0).long()
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=50)

    def loss():
        optimiser.zero_grad()
        value = -op.log_softmax(layer(features))[torch.arange(60), labels].mean()
        value.backward()
        return value

    assert loss().item() > 0.3
    optimiser.step(loss)
    assert loss().item() < 1e-3
