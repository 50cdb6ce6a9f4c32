"""The same answers while no gateway runs: the store's files are read, and what is to be changed is changed in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gateway.control import changes, queries
from gateway.control.client import GoneError
from gateway.control.values import (
    Change,
    Choice,
    EntryPage,
    EntryQuery,
    JobDetails,
    JobPage,
    JobQuery,
    OpenPage,
    OpenQuery,
)
from gateway.jobs import transactions
from gateway.jobs.database import Database
from gateway.jobs.records import JobRecord
from parsers.errors import OperatorError
from rules.rule import Rule

T = TypeVar("T")

AT_NEXT_START = "at the gateway's next start"


class Offline:
    """The store of a gateway that does not run.

    Reading takes no lock and writes nothing; a change holds the lock while it is made, and the gateway acts on it at
    its next start.

    Args:
        folder: of the store.
        now: the wall clock, in seconds since 1970.
        rules: gives the rules by their names as the configuration has them; None where there is no configuration.
    """

    running = False

    def __init__(self, folder: Path, now: Callable[[], float], rules: Callable[[], Mapping[str, Rule] | None]) -> None:
        self._rules = rules
        self._folder = folder
        self._now = now
        self._database = Database.open(folder, readonly=True)

    def jobs(self, query: JobQuery) -> JobPage:
        """Return some jobs, the newest first."""
        return queries.find_jobs(self._database, query, self._database.paused)

    def job(self, prefix: str) -> JobDetails:
        """Return everything about the job whose id begins so."""
        return queries.job_details(self._database, prefix, self._database.paused)

    def retry(self, choice: Choice) -> list[Change]:
        """Let jobs be done again at the next start."""
        rules = self._rules()

        def retry(database: Database, record: JobRecord) -> str:
            changes.check_retry(record)
            transactions.retry(database, record.job.id, (rules or {}).get, self._now())
            words = f"is done again {AT_NEXT_START}"
            return changes.words_for_begun(record, words, known=rules, paused=database.paused)

        return self._change(choice, retry)

    def cancel(self, choice: Choice) -> list[Change]:
        """Let jobs never be done."""

        def cancel(database: Database, record: JobRecord) -> str:
            changes.check_cancel(record)
            transactions.cancel(database, record.job.id, self._now())
            return changes.words_for_cancel(record)

        return self._change(choice, cancel)

    def open_states(self, query: OpenQuery) -> OpenPage:
        """Return some open states, the newest first."""
        return queries.find_open_states(self._database, query)

    def close_state(self, rule: str | None, key: tuple[str, ...]) -> Change:
        """Let an open state be undone at the next start."""

        def close(database: Database) -> Change:
            record = queries.find_open_state(database, rule, key)
            try:
                changes.check_close(record, self._now())
            except OperatorError as error:
                return Change(record.job.id, record.job.rule, done=False, words=error.problem)
            transactions.undo_now(database, record.job.rule, record.job.key, self._now())
            words = changes.words_for_begun(record, f"is undone {AT_NEXT_START}", known=self._rules())
            return Change(record.job.id, record.job.rule, done=True, words=words)

        return self._write(close)

    def hold(self, rule: str, *, paused: bool) -> Change:
        """Let the jobs of a rule wait from the next start on, or go on then."""
        known = self._rules()

        def hold(database: Database) -> Change:
            changes.check_hold(rule, known=known, paused=database.paused)
            done = transactions.hold(database, rule, paused=paused, now=self._now())
            return Change("", rule, done, changes.words_for_hold(paused=paused, done=done))

        return self._write(hold)

    def entries(self, query: EntryQuery) -> EntryPage:
        """Return some of the journal."""
        return queries.entry_page(self._database, query)

    def wait(self, upcoming: int) -> int:  # noqa: ARG002 -- nothing will come
        """Say that nothing new comes while nothing runs."""
        raise GoneError("the gateway does not run, so that nothing new will come")

    def status(self) -> Mapping[str, Any]:
        """Say that nothing runs, and which rules are paused since when."""
        return {"running": False, "paused": dict(self._database.paused)}

    def end(self) -> None:
        """Close the files."""
        self._database.close()

    def _change(self, choice: Choice, change: Callable[[Database, JobRecord], str]) -> list[Change]:
        def one(database: Database, record: JobRecord) -> Change:
            try:
                return Change(record.job.id, record.job.rule, done=True, words=change(database, record))
            except OperatorError as error:
                return Change(record.job.id, record.job.rule, done=False, words=error.problem)

        return self._write(lambda database: [one(database, record) for record in queries.chosen_jobs(database, choice)])

    def _write(self, work: Callable[[Database], T]) -> T:
        database = Database.open(self._folder)
        try:
            database.begin()
            try:
                made = work(database)
            except BaseException:
                database.rollback()
                raise
            database.commit()
            return made
        finally:
            database.close()
            give_back(self._folder)


def give_back(folder: Path) -> None:
    """Give the files that root has made in a folder to its owner, for a gateway that is not root could not use them."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for file in folder.iterdir():
        if file.stat().st_uid != owner.st_uid:
            os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)
