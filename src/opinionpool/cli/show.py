"""``opinionpool show``: a saved pool on one screen."""

from __future__ import annotations

from ..pool import load
from ..pool_file import document
from ..report import pool_text
from . import options as o
from .output import TALK, Talk


def show(pool: o.PoolFile, /, *, talk: Talk = TALK) -> None:
    """Show a saved pool.

    Its weights and temperature, how good it was, and how far it can be from
    the optimum.

    For example:
      opinionpool show pool.json
    """
    the_pool = load(pool)
    shown = document(the_pool)
    talk.result(shown, pool_text(shown, the_pool.status.sentence))
