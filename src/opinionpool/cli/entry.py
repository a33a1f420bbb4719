"""The door: from the command line to an exit code, whatever happens in between."""

from __future__ import annotations

import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..errors import OpinionPoolError, OpinionPoolWarning
from ..kernels.first_use import telling
from .output import Talk, let_go_of_stdout, printing, to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE, OUR_FAULT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv
        The arguments after the command's name; None takes those of the process.

    Returns
    -------
    int
        0 done, 2 bad usage or input, 1 a failure of opinionpool, 130 interrupted.
    """
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED


def _run(tokens: list[str]) -> int:
    from cyclopts import CycloptsError

    from .app import COMMANDS, make_app

    try:
        command, bound, *_ = make_app().parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        say(f"error: {_sentence(str(error))} See {_help_for(tokens)}")
        return BAD_INPUT
    quiet = any(isinstance(a, Talk) and a.quiet for a in bound.arguments.values())
    try:
        with _warnings_in_one_line(quiet), _first_use_said(quiet):
            if any(command is ours for ours, _ in COMMANDS.values()):
                command(*bound.args, **bound.kwargs)
            else:  # the parser's own: --help and --version
                with printing():
                    command(*bound.args, **bound.kwargs)
    except BrokenPipeError:
        # Whoever read the output has seen enough (| head): that is no failure.
        let_go_of_stdout()
    except SystemExit as stop:
        # The help goes through a library that leaves this way when its reader does.
        return DONE if stop.code in (None, 0, 1) else BAD_INPUT
    except OpinionPoolError as error:
        say(f"error: {as_options(str(error))}")
        return BAD_INPUT
    except MemoryError as error:
        say(f"error: there is not enough memory for this ({error or 'an allocation failed'})")
        return BAD_INPUT
    except Exception:
        traceback.print_exc()
        say("this is a failure of opinionpool, not yours: please report it with the lines above")
        return OUR_FAULT
    return DONE


@contextmanager
def _warnings_in_one_line(quiet: bool) -> Iterator[None]:
    """Show each warning once, as one line on stderr; none when quiet."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *args: Any, **kw: Any) -> None:
        text = as_options(str(message))
        if not issubclass(category, OpinionPoolWarning):
            text = f"{category.__name__}: {text}"
        if text not in seen and not quiet:
            say(f"warning: {text}")
        seen.add(text)

    with warnings.catch_warnings():
        warnings.simplefilter("always", OpinionPoolWarning)
        warnings.showwarning = show
        yield


def _first_use_said(quiet: bool) -> AbstractContextManager[None]:
    """Say why it takes so long where kernels have to be compiled; nothing when quiet."""

    def compiling(kept: bool) -> None:
        often = "once for this installation" if kept else "as there is nowhere to keep them"
        say(f"compiling kernels {often} (about 10 s)")

    return nullcontext() if quiet else telling(compiling)


def say(text: str) -> None:
    """Write one line to stderr."""
    to_stderr(f"opinionpool: {one_line(text)}")


def one_line(text: str) -> str:
    """Put a message on one line, without what would move the cursor."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in joined)


_WORDS = (
    "rule|weighting|weights|temperature|floor|penalty|missing|fallback|kind|classes|positive"
    "|renormalise|seed|folds|family|metric|calibrate|scaling|confidence|resample|thorough|ordered"
)
#: ``floor='auto'`` as the library's messages write it, but not as a part of a path.
_KEYWORD = re.compile(
    rf"(?<![\w/\\.'\"-])({_WORDS})=(?:(True)|'([\w.-]+)'|([\d.]+(?:e-?\d+)?))?(?![\w/\\'\"])"
)


def as_options(message: str) -> str:
    """Write the keywords of the library's messages as the options of the command.

    Examples
    --------
    >>> as_options("use floor='auto', or pass renormalise=True; classes= names them")
    'use --floor auto, or pass --renormalise; --classes names them'
    """

    def option(found: re.Match[str]) -> str:
        value = found[3] or found[4]
        return f"--{found[1]}" + (f" {value}" if value else "")

    return _KEYWORD.sub(option, message)


def _help_for(tokens: Sequence[str]) -> str:
    from .app import COMMANDS

    command = next((f" {token}" for token in tokens[:1] if token in COMMANDS), "")
    return f"opinionpool{command} --help"


def _sentence(text: str) -> str:
    text = one_line(text)
    return text if text.endswith((".", "?")) else f"{text}."
