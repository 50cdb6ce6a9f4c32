"""Make a damaged journal usable again: everything that can be read is copied into a new file, under its number."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gateway.jobs.blocks import BlockWriter, Entry, Origins
from gateway.jobs.database import Database
from gateway.jobs.journal_lock import JournalLock
from gateway.jobs.journal_rows import KNOWN
from gateway.jobs.mark import Mark, MarkFile, read_mark
from gateway.jobs.opening import BeyondOpeningError, check_there, create
from gateway.jobs.records import AttemptRecord, Damage, JobRecord
from gateway.jobs.schema import (
    ATTEMPT_COLUMNS,
    BLOCK_COLUMNS,
    DATABASE,
    JOB_COLUMNS,
    LOCK,
    MARK,
    Meta,
    Span,
    attempt_row,
    block_row,
    connect,
    job_row,
    row_crc,
)
from gateway.jobs.verify import Reading
from parsers.errors import OperatorError

_NEW = "journal.db.new"
_COMMIT_ROWS = 2000  # rows between two commits of the copy: what SQLite has to hold at a time


@dataclass(slots=True)
class Repair:
    """What a repair came to.

    Attributes:
        records: messages that were copied; `jobs` and `attempts` likewise.
        losses: what could not be copied; noted in the new file, so that `verify` knows of it.
        kept: the old file, for whoever wants to look.
    """

    records: int = 0
    jobs: int = 0
    attempts: int = 0
    losses: list[Damage] = field(default_factory=list)
    kept: Path = Path()


def repair(folder: Path) -> Repair:
    """Copy all that can be read into a new file, and put it in the place of the old one, which is kept beside it.

    Raises:
        OperatorError: a gateway runs, or there is no journal, or it is whole and none of ours (of another program, of
            a newer gateway), or it cannot be opened for another reason than damage, or there is no room for the copy.
    """
    check_there(folder)
    lock = JournalLock(folder / LOCK)
    try:
        return _Copy(folder).run()
    except (sqlite3.Error, OSError) as error:
        raise OperatorError(f"the journal in {folder} could not be copied: {error}; it is as it was") from None
    finally:
        lock.close()


class _Copy:
    """One copy in the making."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._report = Repair()
        self._new = folder / _NEW
        self._rows = 0

    def run(self) -> Repair:
        noted, _ = read_mark(self._folder / MARK)
        old = self._open_old()  # before anything is made or removed: it may be none of ours
        try:
            meta = self._make(old, noted or Mark())
        finally:
            if isinstance(old, Database):
                old.close()
        self._exchange()
        mark = MarkFile(self._folder / MARK)
        mark.write(Mark(meta.commits, meta.journal.next, meta.jobs.next, meta.attempts.next))
        mark.close()
        return self._report

    def _open_old(self) -> Database | BeyondOpeningError:
        try:
            return Database.open(self._folder, readonly=True)
        except BeyondOpeningError as error:
            return error

    def _make(self, old: Database | BeyondOpeningError, noted: Mark) -> Meta:
        """Make the new file, beside the old one."""
        self._remove_new()
        sql = connect(self._new)
        try:
            create(sql)
            sql.execute("BEGIN")
            meta = self._copy(sql, old, noted)
            sql.execute("UPDATE meta SET crc = ?, body = ? WHERE one = 1", meta.row())
            sql.execute("COMMIT")
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except BaseException:
            sql.close()
            self._remove_new()
            raise
        sql.close()
        return meta

    def _copy(self, sql: sqlite3.Connection, old: Database | BeyondOpeningError, noted: Mark) -> Meta:
        if isinstance(old, BeyondOpeningError):
            meta = Meta(noted.commits, Span(1, noted.journal), Span(1, noted.jobs), Span(1, noted.attempts))
            self._report.losses += [
                Damage(table, 1, following - 1, str(old))
                for table, following in zip(("journal", "jobs", "attempts"), noted[1:], strict=True)
                if following > 1
            ]
        else:
            old.begin()
            reading = Reading(old)
            meta = reading.meta.copy()
            self._report.losses += [damage for damage in old.damages if damage.first is not None]
            self._copy_journal(sql, reading.journal())
            self._copy_rows(sql, reading)
            for table, following in zip(("journal", "jobs", "attempts"), noted[1:], strict=True):
                span: Span = getattr(meta, table)
                setattr(meta, table, Span(span.first, max(span.next, following)))
        meta.commits = max(meta.commits, noted.commits) + 1
        meta.losses += tuple(self._report.losses)
        return meta

    def _copy_journal(self, sql: sqlite3.Connection, entries: Iterable[Entry | Damage]) -> None:
        origins = Origins()
        for is_damage, run in groupby(entries, lambda item: isinstance(item, Damage)):
            if is_damage:
                self._lose(run)
                continue
            writer = None
            for entry in run:
                assert isinstance(entry, Entry)  # noqa: S101 -- groupby's types cannot say it
                if writer is None:
                    writer = BlockWriter(origins, entry.number)
                for block in writer.append((entry.message,)):
                    self._insert(sql, "blocks", BLOCK_COLUMNS, block_row(block))
                self._report.records += 1
            for block in writer.finish() if writer else ():
                self._insert(sql, "blocks", BLOCK_COLUMNS, block_row(block))

    def _copy_rows(self, sql: sqlite3.Connection, reading: Reading) -> None:
        for job in reading.jobs():
            if isinstance(job, JobRecord):
                if self._insert(sql, "jobs", JOB_COLUMNS, job_row(job)):
                    self._report.jobs += 1
                else:
                    problem = f"there are two jobs with the id {job.job.id}"
                    self._report.losses.append(Damage("jobs", job.number, job.number, problem))
            else:
                self._lose((job,))
        for attempt in reading.attempts():
            if isinstance(attempt, AttemptRecord):
                row = attempt_row(attempt.number, attempt.job, attempt.ended, attempt.fields)
                self._report.attempts += self._insert(sql, "attempts", ATTEMPT_COLUMNS, row)
            else:
                self._lose((attempt,))
        for bookmark in reading.bookmarks():
            if not isinstance(bookmark, Damage):
                self._insert(sql, "bookmarks", "name, crc, body", (bookmark[0], row_crc(bookmark), bookmark[1]))

    def _lose(self, damages: Iterable[object]) -> None:
        """Note what is lost; what is known to be lost is noted already, and a block's head is made anew."""
        self._report.losses += [
            damage
            for damage in damages
            if isinstance(damage, Damage) and damage.first is not None and not damage.problem.startswith(KNOWN)
        ]

    def _insert(self, sql: sqlite3.Connection, table: str, columns: str, row: tuple[object, ...]) -> bool:
        self._rows += 1
        if self._rows % _COMMIT_ROWS == 0:
            sql.execute("COMMIT")
            sql.execute("BEGIN")
        marks = ",".join("?" * len(row))
        return sql.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row).rowcount == 1

    def _exchange(self) -> None:
        """Put the new file in the place of the old one; at each instant all of the old one is there."""
        number = 1
        while (kept := self._folder / f"{DATABASE}.damaged-{number}").exists():
            number += 1
        log = self._folder / f"{DATABASE}-wal"
        os.link(self._folder / DATABASE, kept)
        if log.exists():
            os.link(log, f"{kept}-wal")  # SQLite finds it beside the file of that name
        _sync(self._folder)
        for suffix in ("-wal", "-shm"):  # the old log must never be taken for the new file's
            (self._folder / f"{DATABASE}{suffix}").unlink(missing_ok=True)
        self._new.rename(self._folder / DATABASE)
        _sync(self._folder)
        self._report.kept = kept

    def _remove_new(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            (self._folder / f"{_NEW}{suffix}").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
