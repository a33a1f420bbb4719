"""Rows shorter than a vector, turned into columns in registers: sixteen rows, class after class.

Design
------
Four classes of sixteen rows are four vectors: rows j, j + 4, j + 8 and j + 12 lie side by side in
vector j, four cells of each. Transposed by fours (eight shuffles that every vector unit has), lane
r of vector k is class k of row r. A gather of the same cells, which is what a loop over rows with
a stride compiles to, took 6 times as long (measured: AVX-512, 10 classes, float32).

Rows are read four cells at a time, so up to three cells behind the last row's end: callers turn
the last tile of a block in scratch memory. What these cells leave in columns behind K means
nothing and is not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import AVAILABLE, inlined, intrinsic, ir, types
from .lanes import LANES, call, size_of, spread_over, vector_of

if AVAILABLE:
    from .lanes import Lanes

#: Classes that are turned together.
CLASSES = 4
_ROWS = LANES // CLASSES


def _mask(lanes: list[int]) -> Any:
    """Return a constant that says which lanes a shuffle takes."""
    number = ir.IntType(32)
    return ir.Constant(ir.VectorType(number, len(lanes)), [number(lane) for lane in lanes])


def _transposed(builder: Any, v: list[Any]) -> list[Any]:
    """Transpose four vectors in every group of four lanes (which undoes itself).

    By the interleavings of two vectors' lower, and upper, halves (unpack in x86): pairs of
    cells first, then pairs of pairs.
    """

    def taken(x: Any, y: Any, half: tuple[int, int], order: tuple[int, ...]) -> Any:
        lanes = []
        for group in range(0, LANES, CLASSES):
            own = [group + half[0], group + half[1]]
            own += [LANES + lane for lane in own]
            lanes += [own[i] for i in order]
        return builder.shuffle_vector(x, y, _mask(lanes))

    zipped, joined = (0, 2, 1, 3), (0, 1, 2, 3)
    lower, upper = (0, 1), (2, 3)
    a, b = taken(v[0], v[1], lower, zipped), taken(v[2], v[3], lower, zipped)
    c, d = taken(v[0], v[1], upper, zipped), taken(v[2], v[3], upper, zipped)
    return [
        taken(a, b, lower, joined),
        taken(a, b, upper, joined),
        taken(c, d, lower, joined),
        taken(c, d, upper, joined),
    ]


def _joined(builder: Any, parts: list[Any]) -> Any:
    """Return parts of vectors side by side."""
    while len(parts) > 1:
        both = range(2 * parts[0].type.count)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(a, b, _mask(list(both))) for a, b in pairs]
    return parts[0]


def _rows_at(context: Any, builder: Any, like: Any, address: Any, row: Any, j: int) -> list[Any]:
    """Return where four cells of rows j, j + 4, j + 8 and j + 12 are."""
    element = context.get_value_type(like.dtype)
    part = ir.VectorType(element, CLASSES).as_pointer()
    start = builder.inttoptr(address, element.as_pointer())
    places = []
    for i in range(_ROWS):
        r = builder.mul(row, row.type(CLASSES * i + j))
        places.append(builder.bitcast(builder.gep(start, [r]), part))
    return places


def _columns_at(context: Any, builder: Any, like: Any, address: Any, row: Any) -> list[Any]:
    """Load four classes of 16 rows as columns."""
    size, rows = like.dtype.bitwidth // 8, []
    for j in range(CLASSES):
        places = _rows_at(context, builder, like, address, row, j)
        rows.append(_joined(builder, [builder.load(place, align=size) for place in places]))
    return _transposed(builder, rows)


@intrinsic
def four_turned(typingctx: Any, like: Any, at: Any, row: Any) -> Any:
    """Return four classes of 16 rows, ``row`` cells each, as columns."""
    kind = types.UniTuple(Lanes(like.dtype), CLASSES)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, kind, _columns_at(context, builder, like, *args[1:]))

    return kind(like, types.uint64, types.int64), codegen


@intrinsic
def _turn_four(typingctx: Any, like: Any, to: Any, at: Any, row: Any) -> Any:
    """Set four columns of 16 cells, one after another, to four classes of 16 rows."""
    size = like.dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, to, at, row = args
        start = builder.inttoptr(to, vector_of(like.dtype).as_pointer())
        for k, column in enumerate(_columns_at(context, builder, like, at, row)):
            builder.store(column, builder.gep(start, [ir.IntType(64)(k)]), align=size)
        return context.get_dummy_value()

    return types.void(like, types.uint64, types.uint64, types.int64), codegen


@intrinsic
def _return_four(typingctx: Any, like: Any, to: Any, at: Any, row: Any) -> Any:
    """Undo :func:`_turn_four`: four columns become four cells of each of 16 rows, in order."""
    size = like.dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, to, at, row = args
        start = builder.inttoptr(at, vector_of(like.dtype).as_pointer())
        columns = [
            builder.load(builder.gep(start, [ir.IntType(64)(k)]), align=size)
            for k in range(CLASSES)
        ]
        rows = _transposed(builder, columns)
        places = [_rows_at(context, builder, like, to, row, j) for j in range(CLASSES)]
        for i in range(_ROWS):
            own = _mask(list(range(CLASSES * i, CLASSES * i + CLASSES)))
            for j in range(CLASSES):
                cells = builder.shuffle_vector(rows[j], rows[j], own)
                builder.store(cells, places[j][i], align=size)
        return context.get_dummy_value()

    return types.void(like, types.uint64, types.uint64, types.int64), codegen


@inlined
def turn(like: Any, to: Any, at: Any, K: int) -> None:
    """Set ``to[16 k + r] = at[r K + k]`` for 16 rows; K is filled up to a multiple of four."""
    for k in range(0, K, CLASSES):
        cell = np.uint64(k * size_of(like))
        _turn_four(like, to + np.uint64(LANES) * cell, at + cell, K)


@inlined
def turn_back(like: Any, to: Any, at: Any, K: int) -> None:
    """Set ``to[r K + k] = at[16 k + r]`` for 16 rows, and perhaps three cells behind to anything.

    The last classes first: what they spill over is the next row's, which is then overwritten.
    """
    for k in range((K - 1) // CLASSES * CLASSES, -1, -CLASSES):
        cell = np.uint64(k * size_of(like))
        _return_four(like, to + cell, at + np.uint64(LANES) * cell, K)


@inlined
def filled_up(K: int) -> int:
    """Return K as a multiple of the classes that are turned together."""
    return (K + CLASSES - 1) // CLASSES * CLASSES


def _chosen(comparison: str, x: Any) -> Any:
    """Return an intrinsic's parts: a where ``x comparison y``, else b."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, y, a, b = (
            own if isinstance(own.type, ir.VectorType) else spread_over(builder, own, args[3].type)
            for own in args
        )
        return builder.select(builder.fcmp_ordered(comparison, x, y), a, b)

    return codegen


@intrinsic
def where_same(typingctx: Any, x: Any, y: Any, a: Any, b: Any) -> Any:
    """Return ``a`` in lanes where x equals the scalar y, else b."""
    return b(x, x.dtype, a if isinstance(a, Lanes) else b.dtype, b), _chosen("==", x)


@intrinsic
def where_above(typingctx: Any, x: Any, y: Any, a: Any, b: Any) -> Any:
    """Return the scalar ``a`` in lanes where x is above y, else b."""
    return b(x, x, b.dtype, b), _chosen(">", x)


@intrinsic
def positive_or(typingctx: Any, x: Any, other: Any) -> Any:
    """Return x in lanes where it is above 0, else a scalar: of NaN too."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x = args[0]
        nought = ir.Constant(x.type, [x.type.element(0.0)] * LANES)
        positive = builder.fcmp_ordered(">", x, nought)
        return builder.select(positive, x, spread_over(builder, args[1], x.type))

    return x(x, x.dtype), codegen


@intrinsic
def root_of(typingctx: Any, x: Any) -> Any:
    """Return the square roots of lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "llvm.sqrt", args)

    return x(x), codegen


@intrinsic
def apart(typingctx: Any, x: Any, y: Any) -> Any:
    """Return ``x − y``, lanes or numbers, as it is written: rounded, then used, and not fused."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fsub(*args, flags=("nsz",))

    return x(x, x), codegen
