"""Read all of the journal and say what is not as it was written; a gateway may run meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gateway.jobs.blocks import Entry
from gateway.jobs.bookmark_rows import all_bookmarks
from gateway.jobs.database import Database
from gateway.jobs.journal_rows import KNOWN, missing, readable_from
from gateway.jobs.records import AttemptRecord, Damage, JobRecord
from gateway.jobs.schema import ATTEMPT_COLUMNS, JOB_COLUMNS, Meta, Row, attempt_of, job_of

R = TypeVar("R")


class Verification:
    """One reading of all there is; iterate over it to get what is wrong.

    Attributes:
        records: messages that were read and found whole, so far.
        jobs: likewise.
        attempts: likewise.
        known: losses that were told of when they happened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = self.jobs = self.attempts = 0
        self.known: list[Damage] = []

    def __iter__(self) -> Iterator[Damage]:
        """Read all of it, as it was at one instant.

        Raises:
            OperatorError: there is no journal, or it cannot be read at all.
        """
        for item in everything(self.folder):
            match item:
                case Entry():
                    self.records += 1
                case JobRecord():
                    self.jobs += 1
                case AttemptRecord():
                    self.attempts += 1
                case Damage() if item.problem.startswith(KNOWN):
                    self.known.append(item)
                case Damage():
                    yield item


def verify(folder: Path) -> Verification:
    """Return a reading of the journal in a folder; iterating over it yields what is wrong."""
    return Verification(folder)


def everything(folder: Path) -> Iterator[Entry | JobRecord | AttemptRecord | Meta | Damage]:
    """Yield all that the journal holds and all that is wrong with it, as it was at one instant."""
    database = Database.open(folder, readonly=True)  # reads the mark, then the database
    try:
        database.begin()
        yield from database.damages
        yield from Reading(database).everything()
    except sqlite3.DatabaseError as error:
        yield Damage("file", None, None, f"SQLite cannot read on: {error}")
    finally:
        database.close()


class Reading:
    """Reads all rows of an open database, whatever its indexes say."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql, self.meta = database.inside()

    def everything(self) -> Iterator[Entry | JobRecord | AttemptRecord | Meta | Damage]:
        """Yield the facts, all records, and what is wrong with them."""
        yield self.meta
        yield from self.stray()
        yield from self.journal()
        yield from self.jobs()
        yield from self.attempts()
        yield from (bookmark for bookmark in self.bookmarks() if isinstance(bookmark, Damage))
        yield from self.indexes()
        for (words,) in self._sql.execute("PRAGMA integrity_check"):
            if words != "ok":
                yield Damage("file", None, None, f"SQLite: {words}")

    def journal(self) -> Iterator[Entry | Damage]:
        """Yield the messages."""
        return self._database.entries()

    def jobs(self) -> Iterator[JobRecord | Damage]:
        """Yield the jobs in the order of their numbers."""
        return self._rows("jobs", JOB_COLUMNS, job_of, *self.meta.jobs)

    def attempts(self) -> Iterator[AttemptRecord | Damage]:
        """Yield the attempts in the order of their numbers."""
        return self._rows("attempts", ATTEMPT_COLUMNS, attempt_of, *self.meta.attempts)

    def bookmarks(self) -> Iterator[tuple[str, str] | Damage]:
        """Yield the bookmarks, each a name and a text."""
        return all_bookmarks(self._sql)

    def indexes(self) -> Iterator[Damage]:
        """Yield indexes that cannot be read: what they lead to is whole, and is not found by them."""
        statement = (
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('jobs', 'attempts')"
        )
        for name, table, sql in self._sql.execute(statement).fetchall():
            condition = (sql or "").partition(" WHERE ")[2]
            where = f" WHERE {condition}" if condition else ""
            first, following = getattr(self.meta, table)
            try:
                self._sql.execute(f"SELECT count(*) FROM {table} INDEXED BY {name}{where}").fetchone()
            except sqlite3.OperationalError:
                continue  # not an index that can be gone through
            except sqlite3.DatabaseError as error:
                words = f"the index {name} cannot be read, a start makes it anew: {error}"
                yield Damage(table, first, following - 1, words)

    def stray(self) -> Iterator[Damage]:
        """Yield rows that have numbers which were dropped long ago, or not given yet."""
        for table, name, low, high in (
            ("journal", "blocks", "first", "last"),
            ("jobs", "jobs", "number", "number"),
            ("attempts", "attempts", "number", "number"),
        ):
            first, following = getattr(self.meta, table)
            for condition, bound in ((f"{high} < ?", first), (f"{low} >= ?", following)):
                statement = f"SELECT min({low}), max({high}) FROM {name} NOT INDEXED WHERE {condition}"
                try:
                    lowest, highest = self._sql.execute(statement, (bound,)).fetchone()
                except sqlite3.DatabaseError as error:
                    yield Damage(table, None, None, f"SQLite cannot read all of it: {error}")
                    break
                if lowest is not None:
                    yield Damage(table, lowest, highest, "outside the numbers that the table should have")

    def _rows(
        self, table: str, columns: str, record_of: Callable[[Row], R | Damage], first: int, end: int
    ) -> Iterator[R | Damage]:
        """Yield the records of a table, past what SQLite cannot read."""
        expected = first
        losses = self._database.losses
        while expected < end:
            statement = f"SELECT {columns} FROM {table} NOT INDEXED WHERE number >= ? AND number < ? ORDER BY number"
            try:
                for row in self._sql.execute(statement, (expected, end)):
                    if row[0] > expected:
                        yield from missing(table, expected, row[0] - 1, losses)
                    yield record_of(row)
                    expected = row[0] + 1
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                following = readable_from(self._sql, table, "number", columns, expected + 1, end)
                yield Damage(table, expected, following - 1, f"SQLite cannot read it: {error}")
                expected = following
            else:
                yield from missing(table, expected, end - 1, losses)
                return
