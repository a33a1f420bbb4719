"""The only door to file formats and data frames; nothing heavy is imported until it is used."""

from __future__ import annotations

from .base import Content, Format
from .behind import behind
from .files import check_writable, is_path, read, write
from .formats import SUFFIXES
from .frames import frame_like, is_frame, sheet_of_frame
from .parts import PartsWriter
from .streamed import STREAMED, Writer, writing

__all__ = [
    "STREAMED",
    "SUFFIXES",
    "Content",
    "Format",
    "PartsWriter",
    "Writer",
    "behind",
    "check_writable",
    "frame_like",
    "is_frame",
    "is_path",
    "read",
    "sheet_of_frame",
    "write",
    "writing",
]
