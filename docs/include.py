"""Fill the included source in the documentation's pages: ``python docs/include.py``.

A line ``<!-- include: path/to/file.py Name -->`` is followed by the current source of that class
or function; a test holds the pages to it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(
    r"(<!-- include: (?P<path>\S+) (?P<name>\w+) -->\n)(?:\n```python\n.*?\n```\n)?", re.DOTALL
)


def source(path: Path, name: str) -> str:
    """Return the source of a class or function, decorators included."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    raise LookupError(f"{path} has no class or function {name}")


def filled(page: str) -> str:
    """Return a page with the current source after every mark."""

    def put(mark: re.Match[str]) -> str:
        return f"{mark[1]}\n```python\n{source(ROOT / mark['path'], mark['name'])}\n```\n"

    return _MARK.sub(put, page)


def main() -> None:
    """Rewrite the pages in place."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
