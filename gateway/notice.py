"""A fact about ourselves: a type that owns its words for the log."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


def counted(number: int, noun: str) -> str:
    """Say how many there are: `1 rule`, `50 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def host_port(host: object, port: object) -> str:
    """Write an address as a configuration would: `192.0.2.1:514`, `[2001:db8::1]:514`."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class _Words(string.Formatter):
    """Fills words in; a noun as the format of a number, as in `{rules:rule}`, counts."""

    def format_field(self, value: object, format_spec: str) -> str:
        if isinstance(value, int) and len(format_spec) > 1 and format_spec.replace(" ", "").isalpha():
            return counted(value, format_spec)
        return format(value, format_spec)


_WORDS = _Words()


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact; `words` is filled from the fields, `level` says who should care."""

    level: ClassVar[str] = "info"
    words: ClassVar[str] = ""

    def __str__(self) -> str:
        """Render as one line; the log's formatter escapes what a peer may have put into it."""
        return _WORDS.vformat(
            self.words, (), {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        )


Notify = Callable[[Notice], None]
"""Whoever has something to tell gets one of these as an argument."""
