"""Compiled sum over every bit of a run of cells, and their places.

Defined in :func:`~opinionpool.kernels.survey.survey`: cells are taken as words of 64 bits, half as
many operations as 32-bit words that have to be made longer. A word's upper half is added to it:
in the sums modulo 2**64 sign bits alone would count 2**63 each, and cancel wherever there are two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import AVAILABLE, inlined, intrinsic, ir, types
from .lanes import LANES, constant_of, first_lanes, masked
from .reductions import total_of

if AVAILABLE:
    from .lanes import Lanes

#: Words of 32 bits that are taken at a time.
_HALVES = 2 * LANES


@intrinsic
def _folded(typingctx: Any, address: Any, k: Any, n: Any) -> Any:
    """Return 16 words of 64 bits, each plus its upper half, from the k-th of 32 bits on.

    Behind the first n of 32 bits all are 0.
    """
    kind = Lanes(types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, k, n = args
        halves, whole = ir.VectorType(ir.IntType(32), _HALVES), context.get_value_type(kind)
        start = builder.inttoptr(address, ir.IntType(32).as_pointer())
        place = builder.bitcast(builder.gep(start, [k]), halves.as_pointer())
        mask = first_lanes(context, builder, n, _HALVES)
        found = masked(builder, place, mask, 4, constant_of(halves, 0))
        word = builder.bitcast(found, whole)
        return builder.add(word, builder.lshr(word, constant_of(whole, 32)))

    return kind(types.uint64, types.int64, types.int64), codegen


@intrinsic
def _places(typingctx: Any) -> Any:
    """Return the numbers of the lanes, as uint64."""
    kind = Lanes(types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), list(range(LANES)))

    return kind(), codegen


@inlined
def checksum_of(address: Any, n: int, start: int) -> Any:
    """Return ``Σ word · (2 place + 1)`` modulo 2**64, of the n words of 32 bits from ``start`` on.

    Nothing is multiplied but at the end: after J vectors the running sums S of a lane add up to
    ``T = Σ_j (J − j) word_j``. Where the first is the upper half of a word, its vectors begin
    behind it.
    """
    one, two = np.uint64(1), np.uint64(2)
    place, halved = np.uint64(start // 2), start % 2
    found = np.uint64(0)
    if halved:
        # As the lower half of a lane: the upper one counts 2**32 + 1 times as much.
        half = total_of(_folded(address, 0, 1))
        found = (half + (half << np.uint64(32))) * (two * place + one)
        place += one
    address, n = address + np.uint64(4 * halved), n - halved
    running = _folded(address, 0, 0)
    added, vectors = running, 0
    for k in range(0, n - _HALVES + 1, _HALVES):
        running = running + _folded(address, k, _HALVES)
        added = added + running
        vectors += 1
    if n % _HALVES:
        running = running + _folded(address, n - n % _HALVES, n % _HALVES)
        added = added + running
        vectors += 1
    plain = total_of(running)
    of_lanes = total_of(running * (_places() * two + one))
    before = np.uint64(vectors) * plain - total_of(added)  # Σ_j j word_j
    return found + of_lanes + two * (np.uint64(LANES) * before + place * plain)
