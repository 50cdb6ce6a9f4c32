"""What a store holds, read as `gateway journal` reads it while no gateway runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.jobs.database import Database
from gateway.jobs.records import Damage, JobRecord
from tests.crash.relp import numbers_of


def kept_messages(journal: Path) -> tuple[dict[tuple[bytes, int], int], list[Damage]]:
    """Return how often each client's message is in the journal, and what is damaged."""
    database = Database.open(journal, readonly=True)
    damages = list(database.damages)

    def frames() -> Iterator[bytes]:
        for entry in database.entries():
            if isinstance(entry, Damage):
                damages.append(entry)
            else:
                yield entry.message.frame

    try:
        return numbers_of(frames()), damages
    finally:
        database.close()


def jobs_of(journal: Path, rule: str) -> list[JobRecord]:
    """Return the jobs of a rule, newest first."""
    database = Database.open(journal, readonly=True)
    try:
        return database.jobs(rule=rule, limit=100_000)
    finally:
        database.close()
