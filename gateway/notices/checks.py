"""Facts about the keys of those who may sign files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class SignersReloaded(Notice):
    """A changed file with the keys of signers was read again."""

    words: ClassVar[str] = "{file}: read again, {keys:key} may sign"

    file: str
    keys: int


@dataclass(frozen=True, slots=True)
class SignersKept(Notice):
    """A file with the keys of signers changed and cannot be read: the keys that it had still hold."""

    level: ClassVar[str] = "error"
    words: ClassVar[str] = "{problem}; the keys that were read before still hold, also those taken out of {file} since"

    file: str
    problem: str
