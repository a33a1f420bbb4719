"""Who may import whom, read from the source (design.md, *The rooms*)."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import opinionpool

SOURCE = Path(opinionpool.__file__).parent

#: Lowest first. A room imports from lower lines only, and from itself if it is a folder.
LAYERS = [
    ["errors"],
    ["atomic", "destination", "memory", "resources"],
    ["maths"],
    ["kernels"],
    ["families"],
    ["solvers"],
    ["rules"],
    ["predictions", "weightings"],
    ["distributions", "vetoes"],
    ["policies"],
    ["fused_pool", "treated"],
    ["pooling", "settings"],
    ["pool_schema"],
    ["pool_card", "pool_file"],
    ["bound", "one_pass", "pool_pieces"],
    ["pool"],
    ["io", "diagnostics"],
    ["checks"],
    ["activations"],
    ["boltzmann", "derivatives", "sampling"],
    ["choosing"],
    ["options"],
    ["losses", "provenance", "scaling"],
    ["folds", "candidates"],
    ["combine", "fit", "stack", "write_pooled"],
    ["fold_evidence", "score_parts", "score_whole"],
    ["crossval"],
    ["compare", "score", "binary"],
    ["threshold"],
    ["explaining"],
    ["explain"],
    ["report", "integrations"],
    ["plot"],
    ["demo"],
    ["cli"],
    ["__init__"],
    ["__main__"],
]
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}

#: Walls inside what the order above would allow.
ONLY = {
    "atomic": {"errors"},
    "memory": {"errors"},
    "maths": set(),  # arrays in, arrays out: not even errors
    "kernels": {"maths"},
    "solvers": {"errors"},  # blind to families and rules
    "checks": {"errors", "maths"},
    "activations": {"errors", "maths", "checks"},
    "boltzmann": {"errors", "maths", "checks", "activations"},
    "derivatives": {"errors", "maths", "checks"},
    "sampling": {"errors", "maths", "checks"},
    "report": set(),  # dicts in, text out
}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Modules of this package that a file imports when it runs, at top level or later."""
    package = ("opinionpool", *path.relative_to(SOURCE).parts[:-1])
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield ".".join([*base, alias.name]), node.lineno


FILES = sorted(SOURCE.rglob("*.py"))


def crossings() -> Iterator[tuple[str, str, str]]:
    """(importing room, imported room, where) for every import between rooms."""
    for path in FILES:
        here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for module, line in imports(path):
            first, *rest = module.split(".")
            if first != "opinionpool" or not rest:
                continue
            # A name of the package itself, such as its version, is in __init__.
            known = (SOURCE / rest[0]).is_dir() or (SOURCE / f"{rest[0]}.py").exists()
            there = rest[0] if known else "__init__"
            if there != here:
                yield here, there, f"{path.relative_to(SOURCE)}:{line} imports {module}"


def test_every_room_has_its_place():
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES}
    assert sorted(rooms - set(RANK)) == []


def test_imports_run_one_way():
    wrong = [
        where
        for here, there, where in crossings()
        if RANK[there] >= RANK[here] and there != "__init__"
    ]
    assert wrong == []


def test_walls_hold():
    wrong = [
        where for here, there, where in crossings() if here in ONLY and there not in ONLY[here]
    ]
    assert wrong == []


def test_only_the_command_and_the_demo_read_the_package_itself():
    """`from .. import __version__`; anything else would import the library from inside."""
    wrong = [
        where
        for here, there, where in crossings()
        if there == "__init__" and not (here in ("cli", "demo") and where.endswith("__version__"))
    ]
    assert wrong == []


def test_the_reader_of_imports_reads_them(monkeypatch):
    found = {(here, there) for here, there, _ in crossings()}
    assert {("fit", "rules"), ("rules", "kernels"), ("cli", "fit"), ("solvers", "errors")} <= found
    assert len(found) > 50
    # At function level too, but not for type checkers.
    tree = (
        "if TYPE_CHECKING:\n    from .a import x\ndef f():\n    from ..b import y\n    import c.d\n"
    )
    monkeypatch.setattr(Path, "read_text", lambda *_: tree)
    assert {name for name, _ in imports(SOURCE / "cli" / "app.py")} == {"opinionpool.b.y", "c.d"}


HEAVY = [
    *("numba", "sklearn", "pandas", "polars", "pyarrow", "torch", "jax", "matplotlib"),
    *("scipy.optimize", "msgspec", "cyclopts", "rich", "narwhals", "daqp", "numpy.f2py"),
]


@pytest.fixture(scope="module")
def loaded():
    code = "import json, sys, opinionpool; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


@pytest.mark.parametrize("module", HEAVY)
def test_importing_the_package_leaves_heavy_ones_alone(loaded, module):
    assert [m for m in loaded if m == module or m.startswith(f"{module}.")] == []


def test_the_list_of_loaded_modules_is_one(loaded):
    assert {"opinionpool.fit", "numpy"} <= set(loaded)
