"""Array libraries behind one face, for tests that run on each of them."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import pytest

NAMES = ["numpy", "strict", "torch", "jax", "jax-x64"]


@dataclass(frozen=True)
class Host:
    """One library: its namespace, and its dtypes by name."""

    name: str
    xp: Any

    @property
    def floats(self) -> list[str]:
        """Precisions it has."""
        names = ["float32"] if self.name == "jax" else ["float32", "float64"]
        halves = {"numpy": ["float16"], "strict": []}.get(self.name, ["float16", "bfloat16"])
        return [*halves, *names]

    @property
    def widest(self) -> str:
        return self.floats[-1]

    @property
    def flushes(self) -> bool:
        """Whether its compiler takes subnormal numbers for 0."""
        return self.name.startswith("jax")

    def array(self, values: Any, dtype: str | None = None) -> Any:
        """Array of the host, read-only where that exists; the widest floats unless said."""
        values = np.asarray(values)
        if dtype is None and values.dtype.kind == "f":
            dtype = self.widest
        if dtype is None:
            return self.xp.asarray(values)
        if self.name == "numpy":
            found = np.array(values, dtype=dtype)
            found.flags.writeable = False
            return found
        if self.name == "torch":
            return self.xp.asarray(values.copy()).to(getattr(self.xp, dtype))
        return self.xp.astype(self.xp.asarray(values.copy()), getattr(self.xp, dtype))

    def numpy(self, array: Any) -> np.ndarray[Any, Any]:
        """Values as NumPy has them; bfloat16, which it lacks, as float32."""
        if self.name == "torch":
            import torch

            array = array.detach()
            return (array.float() if array.dtype == torch.bfloat16 else array).numpy()
        if str(array.dtype) == "bfloat16":
            array = array.astype("float32")
        return np.asarray(array)


@contextmanager
def opened(name: str) -> Any:
    """Give a host, or skip the test where it is not installed."""
    package = {"numpy": "numpy", "strict": "array_api_strict", "torch": "torch"}.get(name, "jax")
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    if package != "jax":
        example = module.asarray([0.0])
        yield Host(name, array_api_compat.array_namespace(example))
        return
    if name == "jax-x64":
        owner = module if hasattr(module, "enable_x64") else module.experimental
    with owner.enable_x64(True) if name == "jax-x64" else nullcontext():
        yield Host(name, module.numpy)


def has(*names: str) -> Any:
    """Mark a test that needs optional packages."""
    import importlib.util

    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")
