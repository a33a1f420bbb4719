"""Which outputs are missing together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Present = NDArray[np.bool_]
Array = NDArray[np.float64]

#: Patterns that are counted at a time: any 16 models have no more.
MOST = 1 << 16


@dataclass(frozen=True)
class Pattern:
    """Models that answer together: how often, with which weight and loss.

    Attributes
    ----------
    present
        (M,) who answered.
    rows, weight, loss
        Their number, and the sums of their weights and weighted losses.
    """

    present: Present
    rows: int
    weight: float
    loss: float


class Patterns:
    """Patterns of presence, counted a block of rows at a time, in bounded memory.

    Where there are more than ``most`` the rarer half is forgotten, and a pattern's count may be
    short by ``short`` (Manku & Motwani 2002, *Approximate frequency counts over data streams*).
    """

    def __init__(self, n_models: int, most: int = MOST) -> None:
        self.n_models, self.most, self.short = n_models, most, 0
        self._found: dict[bytes, Array] = {}

    def add(self, present: Present, weight: Array, loss: Array) -> None:
        """Add rows: presence (M, n), weights and losses (n,)."""
        packed = np.packbits(present, axis=0).T
        keys, group = np.unique(packed, axis=0, return_inverse=True)
        group = group.reshape(-1)
        sums = np.stack([np.bincount(group, x) for x in (np.ones(len(weight)), weight, loss)], 1)
        for key, own in zip(keys, sums, strict=True):
            name = key.tobytes()
            self._found[name] = self._found[name] + own if name in self._found else own
        if len(self._found) > self.most:
            self._forget()

    def frequent(self) -> list[Pattern]:
        """Return the patterns, the most frequent first; of equally frequent ones by presence."""
        order = sorted(self._found, key=lambda name: (-self._found[name][0], name))
        return [self._pattern(name) for name in order]

    def _pattern(self, name: bytes) -> Pattern:
        bits = np.unpackbits(np.frombuffer(name, dtype=np.uint8), count=self.n_models)
        rows, weight, loss = self._found[name].tolist()
        return Pattern(bits.astype(bool), int(rows), weight, loss)

    def _forget(self) -> None:
        names = sorted(self._found, key=lambda name: -self._found[name][0])
        rare = names[self.most // 2 :]
        self.short += int(self._found[rare[0]][0])
        for name in rare:
            del self._found[name]
