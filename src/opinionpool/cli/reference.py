"""The reference of all commands, made of their own help: ``docs/cli.md``.

``python -m opinionpool.cli.reference > docs/cli.md`` writes it again; a test holds it up to date.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from .app import COMMANDS, HELP, make_app

_HEAD = """\
# The command line

<!-- Made by python -m opinionpool.cli.reference from the commands' own help: edit that. -->
"""

_TAIL = """\
## For every command

| | |
|---|---|
| stdout | the result: text, or with `--json` one JSON document; pooled probabilities as CSV \
where no `--output` is given |
| stderr | progress of what takes over a second (on a terminal only), and one line per warning; \
neither with `--quiet`. One line per error |
| exit code | 0 done, 2 bad usage or input, 1 a failure of opinionpool, 130 interrupted |
| files | an output appears whole or not at all, and never takes the place of an input; after \
an error what stood there is unchanged |
| `name=path` | what exists as a path is a path, even with an equals sign in it; a name holds no \
slash |
"""


def reference() -> str:
    """Return the reference of all commands as Markdown."""
    app = make_app()
    parts = [_HEAD, *_prose(HELP)]
    for name, (command, usage) in COMMANDS.items():
        parts += [f"## opinionpool {name}\n", f"```text\nopinionpool {name} {usage}\n```\n"]
        parts += _prose(inspect.getdoc(command) or "")
        parts += _options(app[name])
    return "\n".join([*parts, _TAIL])


def _prose(text: str) -> Iterator[str]:
    """Turn a docstring's paragraphs into Markdown; what is a command goes into a block."""
    for paragraph in text.strip().split("\n\n"):
        plain, code = [], []
        for line in paragraph.split("\n"):
            head, command = line, ""
            if "opinionpool " in line and (line.startswith("  ") or ":   " in line):
                at = line.index("opinionpool ")
                head, command = line[:at].rstrip(), line[at:]
            plain += [head.strip()] if head.strip() else []
            code += [command] if command else []
        # Several lines that each introduce a command need no words of their own.
        words = "For example:" if len(plain) > 1 and code else "\n".join(plain)
        yield f"{words}\n"
        if code:
            yield "```sh\n" + "\n".join(code) + "\n```\n"


def _options(command: Any) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for argument in command.assemble_argument_collection():
        if not argument.show:
            continue
        (group, *_) = argument.parameter.group
        names = ", ".join(f"`{name}`" for name in argument.names)
        words = f"{argument.parameter.help}{_default(argument)}".replace("|", "\\|")
        groups.setdefault(str(getattr(group, "name", group)), []).append(f"| {names} | {words} |")
    yield "| | |"
    yield "|---|---|"
    for name in sorted(groups, key=_order):
        yield from groups[name]
    yield ""


def _default(argument: Any) -> str:
    default = argument.field_info.default
    if argument.parameter.show_default is False or default in (None, inspect.Parameter.empty):
        return ""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f" Default: {shown}."


def _order(group: str) -> int:
    known = (
        "Arguments",
        "Input",
        "Pooling",
        "Choosing",
        "Zeros and missing outputs",
        "Reading",
        "Output",
    )
    return known.index(group) if group in known else len(known)


if __name__ == "__main__":
    print(reference(), end="")
