"""The array libraries that the functions are held to, as one fixture each way of asking."""

import hosts
import pytest


@pytest.fixture(params=["numpy", "strict", "torch", "jax-x64"])
def xp(request):
    """Namespace of an array library that has float64."""
    with hosts.opened(request.param) as host:
        yield host.xp


@pytest.fixture(params=hosts.NAMES)
def host(request):
    """An array library, and how to come and go."""
    with hosts.opened(request.param) as found:
        yield found


@pytest.fixture(params=["torch", "jax", "jax-x64"])
def differentiable(request):
    """An array library with derivatives."""
    with hosts.opened(request.param) as found:
        yield found
