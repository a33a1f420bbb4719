"""Rows of few classes turned into columns, sixteen rows at a time, and back.

Design
------
A row of ten classes is shorter than a vector, so work that is done row by row wants the *rows*
along the lanes. Gathering a column cell by cell took longer than everything that was then done
with it. Instead sixteen rows are loaded as sixteen vectors (a mask ends each with its row, so that
nothing behind the array is read) and transposed in the registers: in four rounds, the number of a
vector exchanges one bit with the number of a lane, by shuffles of two vectors. That is 64 shuffles
for 16 rows of up to 16 classes, whatever their number.

``columns`` hold class k of the rows r of a tile at ``k stride + r``.
"""

from __future__ import annotations

from typing import Any

from .jit import inlined, intrinsic, ir, jit, types
from .lanes import LANES, load_first, start_of, store, store_first


@intrinsic
def transposed(typingctx: Any, rows: Any) -> Any:
    """Return 16 vectors in which lane r of vector k is lane k of vector r."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x = [builder.extract_value(args[0], i) for i in range(LANES)]
        number = ir.IntType(32)
        mask = ir.VectorType(number, LANES)
        for bit in (8, 4, 2, 1):
            low = [j if not j & bit else LANES + j - bit for j in range(LANES)]
            high = [j + bit if not j & bit else LANES + j for j in range(LANES)]
            for i in range(LANES):
                if i & bit:
                    continue
                a, b = x[i], x[i + bit]
                x[i] = builder.shuffle_vector(a, b, ir.Constant(mask, [number(j) for j in low]))
                x[i + bit] = builder.shuffle_vector(
                    a, b, ir.Constant(mask, [number(j) for j in high])
                )
        return context.make_tuple(builder, sig.return_type, x)

    return types.UniTuple(rows.dtype, LANES)(rows), codegen


@inlined
def row_of(like: Any, address: Any, first: int, r: int, rows: int, K: int, width: int) -> Any:
    """Return up to 16 cells of row r, or of the last row for one that is not there."""
    return load_first(like, address, min(r, rows - 1) * K + first, width)


@inlined
def sixteen(like: Any, address: Any, first: int, r: int, rows: int, K: int, width: int) -> Any:
    """Return 16 rows from r on, their classes from ``first`` on."""
    return (
        row_of(like, address, first, r, rows, K, width),
        row_of(like, address, first, r + 1, rows, K, width),
        row_of(like, address, first, r + 2, rows, K, width),
        row_of(like, address, first, r + 3, rows, K, width),
        row_of(like, address, first, r + 4, rows, K, width),
        row_of(like, address, first, r + 5, rows, K, width),
        row_of(like, address, first, r + 6, rows, K, width),
        row_of(like, address, first, r + 7, rows, K, width),
        row_of(like, address, first, r + 8, rows, K, width),
        row_of(like, address, first, r + 9, rows, K, width),
        row_of(like, address, first, r + 10, rows, K, width),
        row_of(like, address, first, r + 11, rows, K, width),
        row_of(like, address, first, r + 12, rows, K, width),
        row_of(like, address, first, r + 13, rows, K, width),
        row_of(like, address, first, r + 14, rows, K, width),
        row_of(like, address, first, r + 15, rows, K, width),
    )


@inlined
def put_sixteen(out: Any, place: int, stride: int, x: Any, many: int, width: int) -> None:
    """Write the first ``many`` of 16 vectors, or of each its first ``width`` lanes."""
    whole = width == LANES
    put(out, place, x[0], whole, width, many > 0)
    put(out, place + stride, x[1], whole, width, many > 1)
    put(out, place + 2 * stride, x[2], whole, width, many > 2)
    put(out, place + 3 * stride, x[3], whole, width, many > 3)
    put(out, place + 4 * stride, x[4], whole, width, many > 4)
    put(out, place + 5 * stride, x[5], whole, width, many > 5)
    put(out, place + 6 * stride, x[6], whole, width, many > 6)
    put(out, place + 7 * stride, x[7], whole, width, many > 7)
    put(out, place + 8 * stride, x[8], whole, width, many > 8)
    put(out, place + 9 * stride, x[9], whole, width, many > 9)
    put(out, place + 10 * stride, x[10], whole, width, many > 10)
    put(out, place + 11 * stride, x[11], whole, width, many > 11)
    put(out, place + 12 * stride, x[12], whole, width, many > 12)
    put(out, place + 13 * stride, x[13], whole, width, many > 13)
    put(out, place + 14 * stride, x[14], whole, width, many > 14)
    put(out, place + 15 * stride, x[15], whole, width, many > 15)


@inlined
def put(out: Any, place: int, x: Any, whole: bool, width: int, there: bool) -> None:
    """Write a vector, or its first lanes, if it is there."""
    if there and whole:
        store(out, place, x)
    elif there:
        store_first(out, place, x, width)


@jit
def to_columns(out: Any, address: Any, rows: int, K: int, stride: int, like: Any) -> None:
    """Set ``out[k stride + r] = x[r K + k]`` of cells from an address on.

    The last row is repeated until rows are a multiple of 16.
    """
    for r in range(0, rows, LANES):
        for first in range(0, K, LANES):
            width = min(LANES, K - first)
            x = transposed(sixteen(like, address, first, r, rows, K, width))
            put_sixteen(out, first * stride + r, stride, x, width, LANES)


@inlined
def column_of(columns: Any, first: int, r: int, k: int, K: int, stride: int) -> Any:
    """Return 16 rows of a class, zeros for a class that is not there."""
    there = LANES if first + k < K else 0
    return load_first(columns, start_of(columns), (first + k) * stride + r, there)


@jit
def to_rows(out: Any, columns: Any, rows: int, K: int, stride: int) -> None:
    """Set ``out[r K + k] = columns[k stride + r]``."""
    for r in range(0, rows, LANES):
        for first in range(0, K, LANES):
            x = transposed(
                (
                    column_of(columns, first, r, 0, K, stride),
                    column_of(columns, first, r, 1, K, stride),
                    column_of(columns, first, r, 2, K, stride),
                    column_of(columns, first, r, 3, K, stride),
                    column_of(columns, first, r, 4, K, stride),
                    column_of(columns, first, r, 5, K, stride),
                    column_of(columns, first, r, 6, K, stride),
                    column_of(columns, first, r, 7, K, stride),
                    column_of(columns, first, r, 8, K, stride),
                    column_of(columns, first, r, 9, K, stride),
                    column_of(columns, first, r, 10, K, stride),
                    column_of(columns, first, r, 11, K, stride),
                    column_of(columns, first, r, 12, K, stride),
                    column_of(columns, first, r, 13, K, stride),
                    column_of(columns, first, r, 14, K, stride),
                    column_of(columns, first, r, 15, K, stride),
                )
            )
            put_sixteen(out, r * K + first, K, x, rows - r, min(LANES, K - first))
