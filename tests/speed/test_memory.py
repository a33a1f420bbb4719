"""What everybody is measured by moves what it says it moves."""

import numpy as np
import pytest
from kernels.cases import needs_numba

from benchmarks.speed.memory import moving, numpy_adding, reading


@needs_numba
@pytest.mark.parametrize("m", [1, 3, 8])
def test_reading_and_writing_writes_the_sum(m):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(50, 131)).astype(np.float32) for _ in range(m)]
    out = np.zeros((50, 131), np.float32)
    moving(arrays, out, 2)()
    np.testing.assert_allclose(out, sum(arrays), rtol=1e-5, atol=1e-5)
    for run in (reading(arrays, 2), numpy_adding(arrays, 2)):
        run()
