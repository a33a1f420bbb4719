"""The array libraries that the pure functions are held to."""

import array_api_compat.numpy
import array_api_strict
import pytest


@pytest.fixture(params=[array_api_compat.numpy, array_api_strict], ids=["numpy", "strict"])
def xp(request):
    """Namespace of an array library."""
    return request.param
