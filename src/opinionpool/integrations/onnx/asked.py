"""What an export is asked for, checked against the pool before any graph is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...errors import InputError
from ...families import FAMILIES
from ...pool import Pool
from ...predictions.gaussians import checked_kind as checked_spread
from ...predictions.kinds import checked_kind
from .graph import INSIDE, OPSET

#: Names of inputs and outputs beside the models'.
PRESENT, CONFIDENCE, PROBABILITIES, LABEL, MOMENTS = (
    *("present", "confidence", "probabilities", "label"),
    "moments",
)
_DTYPES = ("float32", "float64")
_NEWEST = 23
#: Families that have a graph.
_FAMILIES = ("categorical", "gaussian", "variance")


@dataclass(frozen=True)
class Asked:
    """What an export was asked for, checked."""

    pool: Pool
    dtype: str
    present: bool
    single: frozenset[str]
    kinds: dict[str, str]
    label: bool

    def width(self, name: str) -> int:
        """Return how many columns a model's input has."""
        if self.pool.classes:
            return 1 if name in self.single else len(self.pool.classes)
        return len(FAMILIES[self.pool.family].columns)

    @property
    def scored(self) -> bool:
        """Whether the graph takes confidence scores as an input."""
        return bool(self.pool.gamma) and self.pool.settings.confidence is not None


def checked(
    pool: Pool,
    dtype: str,
    precision: str,
    present: bool,
    single_column: Collection[str],
    kind: Mapping[str, str] | None,
    label: bool,
    opset: int,
) -> Asked:
    """Check what was asked for against the pool."""
    if pool.rule not in ("log", "linear") or pool.family not in _FAMILIES:
        raise InputError(
            f"to_onnx: there is no graph for rule={pool.rule!r} and family={pool.family!r} yet"
        )
    for name, value in (("dtype", dtype), ("precision", precision)):
        if value not in _DTYPES:
            raise InputError(f"{name}: found {value!r}, expected 'float32' or 'float64'")
    if isinstance(opset, bool) or not isinstance(opset, int) or not OPSET <= opset <= _NEWEST:
        raise InputError(f"opset: found {opset!r}, expected a number from {OPSET} to {_NEWEST}")
    own = {PRESENT, CONFIDENCE, PROBABILITIES, LABEL, MOMENTS}
    clash = [n for n in pool.models if n in own or n.startswith(INSIDE)]
    if clash:
        raise InputError(f"to_onnx: the model name {clash[0]!r} is taken in the graph; rename it")
    if isinstance(single_column, str):
        raise InputError(f"single_column: found {single_column!r}, expected a list of models")
    kind = {} if kind is None else dict(kind)
    for option, names in (("single_column", single_column), ("kind", kind)):
        unknown = [n for n in names if n not in pool.models]
        if unknown:
            raise InputError(
                f"{option}: there is no model {unknown[0]!r}; models: {', '.join(pool.models)}"
            )
    if single_column and len(pool.classes) != 2:
        raise InputError(f"single_column: one column is for two classes, not {len(pool.classes)}")
    if label and not pool.classes:
        raise InputError(f"label: {pool.family} predictions have no classes")
    check = checked_kind if pool.classes else checked_spread
    kinds = {}
    for name, known in zip(pool.models, pool.kinds, strict=True):
        found = check(known if known is not None else kind.get(name, "auto"))
        if known is not None and name in kind and check(kind[name]) != known:
            raise InputError(f"kind: model {name!r} was fitted as {known!r}, found {kind[name]!r}")
        if found == "auto":
            raise InputError(
                f"kind: the pool does not know what the numbers of model {name!r} are, because it "
                "had answered no row, and a graph cannot detect it: pass "
                f"kind={{{name!r}: 'probabilities'}}, or what they are"
            )
        kinds[name] = found
    return Asked(pool, dtype, bool(present), frozenset(single_column), kinds, bool(label))
