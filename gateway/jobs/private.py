"""The private folders of jobs, as the gateway knows them: where decrypted files are, and when they are to go.

The runner makes and removes them; the gateway may not even be able to look into them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from gateway.jobs.database import Database
from gateway.jobs.records import LIVE, JobRecord
from parsers.event import FieldValue
from rules.attempts import steps_of
from rules.decrypted import with_decrypted
from rules.rule import Rule
from rules.step import Decrypt, Step

FOLDER = "jobs"
"""Holds them, in the state folder."""


class PrivateFolders:
    """Which jobs have private folders.

    Args:
        root: holds them.
        clean: removes those of the job with this id.
    """

    def __init__(self, root: Path, clean: Callable[[str], None]) -> None:
        self._root = root
        self._clean = clean
        self._made: set[str] = set()

    def event_for(self, record: JobRecord, step: Step, rule: Rule) -> Mapping[str, FieldValue]:
        """Return the event as the step of a job that is about to be done sees it."""
        job = record.job
        if isinstance(step, Decrypt):
            self._made.add(job.id)
        folder = PurePosixPath(self._root / job.id)
        return with_decrypted(job.event, steps_of(rule, job.part), record.step, lambda number: folder / str(number + 1))

    def over(self, job: str) -> None:
        """Take note that a job has ended: what it has in its folders goes."""
        if job in self._made:
            self._made.discard(job)
            self._clean(job)

    def ended_among(self, jobs: Iterable[str], database: Database) -> list[str]:
        """Return which jobs of those that have folders are not live; runs within a transaction."""
        records = ((identity, database.job(identity)) for identity in jobs)
        return [identity for identity, record in records if record is None or record.state not in LIVE]

    def found(self, jobs: Iterable[str], ended: Iterable[str]) -> None:
        """Take note of what an earlier gateway has left: folders of these jobs, of which those have ended."""
        self._made.update(jobs)
        for job in ended:
            self.over(job)
