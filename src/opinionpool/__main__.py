"""``python -m opinionpool`` is the command ``opinionpool``."""

from __future__ import annotations

from .cli import main

raise SystemExit(main())
