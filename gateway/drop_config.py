"""The drop box, as the configuration gives it: where its folders are, who may come in, and what is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.drop.account import Terms
from parsers.errors import Place
from rules.step import Task

CHECKER = "drop/checker"
"""The name of the task that judges passwords."""


@dataclass(frozen=True, slots=True)
class DropSettings:
    """What all ways into the drop box share; durations are seconds.

    Attributes:
        place: where `drop:` stands; None: the configuration does not have it, and this is what is usual.
        folder: holds the accounts' folders, `quarantine` and `processed`.
        accounts: the accounts file.
        terms: what an account has that does not say otherwise.
        tries: wrong passwords on one connection, after which it is closed.
        delay: how long the first of them takes; each further one takes twice as long.
        checker: a program that judges passwords; it gets the user and the password on two lines of its standard input
            (as pwauth(8) does), and exits with 0 to let them in.
        retention: for a folder, relative to `folder`: after how long a file in it is deleted.
    """

    folder: Path
    accounts: Path
    place: Place | None = field(default=None, compare=False)
    terms: Terms = field(default_factory=Terms)
    tries: int = 3
    delay: float = 1.0
    checker: Task | None = None
    retention: Mapping[str, float] = field(default_factory=dict)
