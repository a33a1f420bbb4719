"""The commands under one name."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import App

from .. import __version__
from .apply import apply
from .combine import combine
from .compare import compare
from .demo import demo
from .fit import fit
from .report import report
from .score import score
from .show import show
from .threshold import threshold

HELP = """\
One certified probabilistic prediction out of those of several models.

A MODEL_FILE is name=path, or a path whose stem is the model's name: .npy,
.npz, .csv, .parquet, or a folder of Parquet parts. A table has one column
per class, and may have the columns id (rows are matched on it) and label.

Try it:   opinionpool demo
Start:    opinionpool compare a.csv b.csv --labels labels.csv
"""

#: In the order in which they are used.
COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "combine": (combine, "MODEL_FILE... [OPTIONS]"),
    "fit": (fit, "MODEL_FILE... [--labels FILE] [OPTIONS]"),
    "apply": (apply, "POOL_FILE MODEL_FILE... [OPTIONS]"),
    "score": (score, "MODEL_FILE... [--labels FILE] [OPTIONS]"),
    "threshold": (threshold, "MODEL_FILE... [--labels FILE] [--pool FILE] [OPTIONS]"),
    "compare": (compare, "MODEL_FILE... [--labels FILE] [OPTIONS]"),
    "report": (report, "POOL_FILE MODEL_FILE... [--labels FILE] [OPTIONS]"),
    "show": (show, "POOL_FILE [OPTIONS]"),
    "demo": (demo, "[OPTIONS]"),
}


def make_app() -> App:
    """Return the parser of the command line."""
    app = App(
        name="opinionpool",
        help=HELP,
        # Plain text keeps the layout of the examples, and is rendered at once.
        help_format="plaintext",
        version=__version__,
    )
    for number, (name, (command, usage)) in enumerate(COMMANDS.items()):
        app.command(
            command,
            name=name,
            usage=f"Usage: opinionpool {name} {usage}",
            sort_key=number,
        )
    return app
