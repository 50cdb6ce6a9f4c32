"""Transactions over the journal's file: what they change is gathered, written as late as can be, and marked.

Each call of sqlite3 hands over the GIL, and a reactor that is busy gives it back milliseconds later. So rows wait in
memory until the commit, which then takes a handful of calls, however many rows there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.jobs.journal_lock import JournalLock
from gateway.jobs.mark import Mark, MarkFile
from gateway.jobs.records import Damage
from gateway.jobs.schema import Meta, Row, in_powers, values


class UnitOfWork:
    """The open file, and one transaction at a time; the tables' rows build on it.

    Attributes:
        folder: where the files are.
        damages: what was found to be not as it was written, at opening and since.
    """

    def __init__(
        self,
        folder: Path,
        sql: sqlite3.Connection,
        meta: Meta,
        lock: JournalLock | None = None,
        mark: MarkFile | None = None,
    ) -> None:
        self.folder = folder
        self.damages: list[Damage] = []
        self._sql = sql
        self._meta = meta
        self._saved: Meta | None = None
        self._told: set[tuple[str, int | None]] = set()
        self._lock = lock
        self._mark = mark
        self.readonly = mark is None

    @property
    def losses(self) -> Sequence[Damage]:
        """Numbers that are known to be missing, and why: said once, when they were lost."""
        return self._meta.losses

    @property
    def commits(self) -> int:
        """Transactions so far."""
        return self._meta.commits

    def begin(self) -> None:
        """Begin a transaction; nothing is written before `commit`, or before a query has to see it.

        On a read-only database: begin to look at one and the same state until `rollback`.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        if self._saved is not None:
            raise RuntimeError("a transaction is open already")
        if self.readonly:
            self._sql.execute("BEGIN")
            self._saved = self._meta
            self._load_meta()
        else:
            self._saved = self._meta.copy()

    def commit(self) -> None:
        """Write everything, durably.

        Raises:
            sqlite3.Error: it cannot be written; `rollback`, then the same can be done again.
        """
        if self._saved is None:
            raise RuntimeError("no transaction is open")
        if self.readonly:
            self.rollback()
            return
        self._flush()
        meta = self._meta
        if self._sql.in_transaction or meta != self._saved:
            meta.commits += 1
            self._write("UPDATE meta SET crc = ?, body = ? WHERE one = 1", meta.row())
            self._sql.execute("COMMIT")
            self._write_mark()
        self._saved = None
        self._committed()

    def rollback(self) -> None:
        """Undo what the transaction did, in the file and in memory; nothing happens when there is none."""
        if self._sql.in_transaction:
            try:
                self._sql.execute("ROLLBACK")
            except sqlite3.Error:
                if self._sql.in_transaction:  # else SQLite has done it by itself
                    raise
        if self._saved is not None:
            self._meta, self._saved = self._saved, None
            self._forget()

    def reindex(self) -> None:
        """Make all indexes anew, for a page that may be of one of them is damaged; outside of a transaction."""
        self._tell(Damage("file", None, None, "a damaged page was met, and all indexes were made anew"))
        self._sql.execute("REINDEX")

    def close(self) -> None:
        """Close the files; what is not committed is undone. Closing twice is fine."""
        mark, self._mark, lock, self._lock = self._mark, None, self._lock, None
        try:
            self.rollback()
            self._sql.close()
        except sqlite3.ProgrammingError:
            pass  # it is closed
        finally:
            if mark is not None:
                mark.close()
            if lock is not None:
                lock.close()

    def _write_mark(self) -> None:
        meta = self._meta
        if self._mark is None:
            return
        try:
            self._mark.write(Mark(meta.commits, meta.journal.next, meta.jobs.next, meta.attempts.next))
        except OSError as error:  # the transaction is durable, so it must not fail because of this
            self._tell(Damage("mark", None, None, f"it cannot be written: {error.strerror}"))

    def _load_meta(self) -> None:
        row = self._sql.execute("SELECT crc, body FROM meta").fetchone()
        meta = None if row is None else Meta.of(*row)
        if meta is not None:
            self._meta = meta

    def _flush(self) -> None:
        """Write the rows that wait in memory; tables do."""

    def _committed(self) -> None:
        """Do what comes after a commit; tables do."""

    def _forget(self) -> None:
        """Forget the rows that wait in memory; tables do."""

    def _change(self) -> None:
        """Make sure that something may be changed now."""
        if self._saved is None or self.readonly:
            raise RuntimeError("a change needs an open transaction on a database that is open for writing")

    def _rows(self, table: str, statement: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Yield rows of a table; where its pages are damaged the rest is missing, and that is told.

        A database that is open for writing raises instead: its indexes can be made anew (`reindex`).
        """
        try:
            yield from self._sql.execute(statement, parameters)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not self.readonly:  # the disk, not the data
                raise
            self._tell(Damage(table, None, None, f"SQLite cannot read all of it: {error}"))

    def _write(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        self._change()
        if not self._sql.in_transaction:
            self._sql.execute("BEGIN IMMEDIATE")
        return self._sql.execute(statement, parameters)

    def _write_rows(self, before: str, rows: Sequence[Row], after: str = "") -> int:
        """Write rows, as many in a call as can be; return how many were touched."""
        touched = 0
        for some in in_powers(rows):
            flat = [column for row in some for column in row]
            touched += self._write(f"{before}{values(some)}{after}", flat).rowcount
        return touched

    def _tell(self, damage: Damage) -> None:
        if (damage.table, damage.first) not in self._told:
            self._told.add((damage.table, damage.first))
            self.damages.append(damage)
