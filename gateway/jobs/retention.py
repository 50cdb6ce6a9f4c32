"""Retention: records older than asked for, or over the size asked for, are dropped in small slices."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from math import inf, nextafter

from gateway.jobs.job_rows import JobRows
from gateway.jobs.journal_rows import JournalRows
from gateway.jobs.opening import set_aside
from gateway.jobs.records import LIVE, State
from gateway.jobs.schema import JOB_HEAD, Row, Span, block_head_is_whole, damaged_job, job_head_is_whole, row_crc

VACUUM_PAGES = 500
"""Pages that one slice gives back to the file system: 2 MiB."""

SPARE_PAGES, SPARE_SHARE = 1024, 10
"""Free pages that stay in the file, for new rows will need them: so many, or one of so many."""

_KEPT = frozenset(state.value for state in (*LIVE, State.DEAD))
_DROPPABLE = "ended IS NOT NULL AND state <> 'dead'"
_SMALL_ROW = 200  # octets


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept.

    Attributes:
        age: of messages, and of jobs and attempts that have ended; in seconds.
        octets: of all tables.
    """

    age: float = 7 * 86_400.0
    octets: int = 1024**3


class RetentionRows(JournalRows, JobRows):
    """What retention does with the tables."""

    _pages_to_give_back = 0

    def size(self) -> int:
        """Return the octets that the tables take; those that are free for new rows do not count."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def trim(self, *, before: float, octets: int, limit: int) -> bool:
        """Do one slice of retention; return whether there is more to do.

        Dropped are messages received, and jobs and attempts ended, before a time; and the oldest of all while the
        tables take more than `octets`. Live jobs and dead letters stay, whatever their age.

        Args:
            before: seconds since 1970.
            octets: how much is kept at most.
            limit: rows that one slice touches in each table.
        """
        self._flush()
        full = [
            self._trim_blocks(before, limit),
            self._trim_jobs(before, limit),
            self._trim_attempts(before, limit),
        ]
        if (surplus := self.size() - octets) > 0:
            oldest, blocks = self._oldest(limit, surplus)
            self._trim_blocks(oldest, blocks)
            self._trim_jobs(oldest, limit)
            self._trim_attempts(oldest, limit)
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        spare = free - max(SPARE_PAGES, pages // SPARE_SHARE)
        self._pages_to_give_back = max(0, min(spare, VACUUM_PAGES))
        dropped = self._meta != self._saved
        return any(full) or spare > VACUUM_PAGES or (dropped and self.size() > octets)

    def _committed(self) -> None:
        super()._committed()
        pages, self._pages_to_give_back = self._pages_to_give_back, 0
        if pages:
            # Not `execute`: that makes one step of a statement without columns, which is one page. And a failure is
            # none of the transaction's, which is on disk; the next slice tries again.
            with suppress(sqlite3.Error):
                self._sql.executescript(f"PRAGMA incremental_vacuum({pages})")

    def _forget(self) -> None:
        super()._forget()
        self._pages_to_give_back = 0

    def _trim_blocks(self, before: float, limit: int) -> bool:
        rows = self._sql.execute(
            "SELECT first, last, since, until, crc, head FROM blocks ORDER BY first LIMIT ?", (limit,)
        ).fetchall()
        dropped = 0
        for place, row in enumerate(rows, 1):
            if block_head_is_whole(row):  # one that is not goes with the next that is
                if row[3] >= before:
                    break
                dropped = place
        if dropped:
            first, last = rows[dropped - 1][:2]
            self._write("DELETE FROM blocks WHERE first <= ?", (first,))
            self._begin_at("journal", last + 1)
        return dropped == limit

    def _trim_jobs(self, before: float, limit: int) -> bool:
        droppable = f"SELECT 1 FROM jobs WHERE {_DROPPABLE} AND ended < ? LIMIT 1"
        if self._sql.execute(droppable, (before,)).fetchone() is None:
            return False  # what stays is not moved for nothing
        rows = self._sql.execute(f"SELECT {JOB_HEAD} FROM jobs ORDER BY number LIMIT ?", (limit,)).fetchall()
        last = None
        for row in rows:
            number, state, ended = row[0], row[5], row[14]
            if not job_head_is_whole(row):
                damage = damaged_job(row)
                self._tell(damage)
                set_aside(self._sql, damage)
            elif state in _KEPT:
                self._move_up(row)
            elif ended is None or ended >= before:
                break
            last = number
        if last is not None:
            self._write("DELETE FROM jobs WHERE number <= ?", (last,))
            self._begin_at("jobs", last + 1)
        return last is not None and last == rows[-1][0] and len(rows) == limit

    def _move_up(self, row: Row) -> None:
        first, number = self._meta.jobs
        columns = (number, *row[1:-1])
        self._write("UPDATE jobs SET number = ?, crc = ? WHERE number = ?", (number, row_crc(columns), row[0]))
        self._meta.jobs = Span(first, number + 1)

    def _trim_attempts(self, before: float, limit: int) -> bool:
        rows = self._sql.execute("SELECT number, ended FROM attempts ORDER BY number LIMIT ?", (limit,)).fetchall()
        old = list(takewhile(lambda row: row[1] < before, rows))
        if old:
            self._write("DELETE FROM attempts WHERE number <= ?", (old[-1][0],))
            self._begin_at("attempts", old[-1][0] + 1)
        return len(old) == limit

    def _begin_at(self, table: str, first: int) -> None:
        """Note that a table begins with a number now; losses below it are of no interest any more."""
        meta = self._meta
        setattr(meta, table, Span(first, getattr(meta, table).next))
        meta.losses = tuple(loss for loss in meta.losses if loss.table != table or (loss.last or 0) >= first)

    def _oldest(self, limit: int, surplus: int) -> tuple[float, int]:
        """Return a time before which there is some of what is oldest, and how many blocks make up the surplus."""
        newest, octets, blocks = -inf, 0, 0  # `until` does not always rise: clocks are set back
        rows = self._sql.execute("SELECT until, length(body) FROM blocks ORDER BY first LIMIT ?", (limit,)).fetchall()
        for until, length in rows:
            newest, octets, blocks = max(newest, until), octets + length, blocks + 1
            if octets >= surplus:
                break
        ends = [newest]
        limit = min(limit, surplus // _SMALL_ROW + 1)
        for statement in (
            "SELECT max(ended) FROM (SELECT ended FROM attempts ORDER BY number LIMIT ?)",
            f"SELECT max(ended) FROM (SELECT ended FROM jobs WHERE {_DROPPABLE} ORDER BY ended LIMIT ?)",
        ):
            (end,) = self._sql.execute(statement, (limit,)).fetchone()
            ends.append(-inf if end is None else end)
        oldest = min((end for end in ends if end > -inf), default=-inf)
        return nextafter(oldest, inf), blocks

    def _pragma(self, name: str) -> int:
        (value,) = self._sql.execute(f"PRAGMA {name}").fetchone()
        return int(value)
