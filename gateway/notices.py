"""Facts about ourselves: each is a type that owns its words for the log and the name of its counter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact; `words` is filled from the fields, `level` says who should care."""

    level: ClassVar[str] = "info"
    words: ClassVar[str] = ""

    def __str__(self) -> str:
        """Render as one line; the log's formatter escapes what a peer may have put into it."""
        return self.words.format(**{item.name: getattr(self, item.name) for item in dataclasses.fields(self)})


Notify = Callable[[Notice], None]
"""Whoever has something to tell gets one of these as an argument."""


@dataclass(frozen=True, slots=True)
class Listening(Notice):
    """A source has its port."""

    words = "{source}: listening on {address}"
    source: str
    address: str
