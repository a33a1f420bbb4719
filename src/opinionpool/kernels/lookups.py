"""Items of arrays are looked up where they are: a third of all that compiling has to look up.

numba asks every overload of ``x[i]``, strings and lists first, before what knows arrays: for each
of a thousand places in these kernels, fourteen. Overloads for a target are asked before those for
any; so what knows arrays is asked once more, for this one. What it answers is what it would have
answered in its turn.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core.typing.arraydecl import GetItemBuffer, SetItemBuffer
from numba.core.typing.templates import infer_global

_INDICES = (types.Integer, types.SliceType, types.BaseTuple)


def _ask_first(function: Any, kind: Any) -> None:
    @infer_global(function)
    class _First(kind):  # type: ignore[misc]
        metadata = {"target": "cpu"}  # noqa: RUF012

        def generic(self, args: Any, kws: Any) -> Any:
            plain = isinstance(args[0], types.Array) and isinstance(args[1], _INDICES)
            return super().generic(args, kws) if plain else None


_ask_first(operator.getitem, GetItemBuffer)
_ask_first(operator.setitem, SetItemBuffer)
