"""The journal: messages that a rule counted, in the order of their numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.jobs.blocks import Block, BlockWriter, Entry, Origins, read_block
from gateway.jobs.records import Damage
from gateway.jobs.schema import BLOCK_COLUMNS, Row, Span, block_head_is_whole, block_row
from gateway.jobs.unit_of_work import UnitOfWork
from parsers.message import Message

_INSERT = f"INSERT INTO blocks ({BLOCK_COLUMNS}) VALUES "

KNOWN = "known to be lost"
"""How the words for a loss begin that was told of before."""


class JournalRows(UnitOfWork):
    """The table `blocks`."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(folder, *arguments)
        self._origins = Origins()
        self._writer: BlockWriter | None = None

    @property
    def next_number(self) -> int:
        """The number that the next message gets."""
        return self._meta.journal.next

    @property
    def first_number(self) -> int:
        """The number of the oldest message that is kept; `next_number` when there is none."""
        return self._meta.journal.first

    def append(self, messages: Sequence[Message]) -> int:
        """Keep messages; return the number of the first, the others follow it."""
        self._change()
        first = self._meta.journal.next
        if self._writer is None:
            self._writer = BlockWriter(self._origins, first)
        self._write_blocks(self._writer.append(messages))
        self._meta.journal = Span(self._meta.journal.first, self._writer.next)
        return first

    def entries(
        self, first: int = 1, since: float | None = None, until: float | None = None
    ) -> Iterator[Entry | Damage]:
        """Yield the messages from a number on, received at `since` or later and at `until` or earlier.

        What cannot be read, or is missing, is yielded as what is wrong with it; so what came in between is known to
        be all there was. Others may write meanwhile; what they append after the beginning is not shown.
        """
        self._flush()
        expected, end = max(first, self._meta.journal.first), self._meta.journal.next
        while expected < end:
            row = self._block_from(expected, end)
            if isinstance(row, Damage):
                yield row
                expected = (row.last or expected) + 1
                continue
            start, last, row_since, row_until = row[:4]
            if start > expected:
                yield from missing("journal", expected, min(start, end) - 1, self.losses)
            if start >= end:
                return
            if not block_head_is_whole(row):
                last = max(min(last, self._following(start, end) - 1), start, expected)
                yield Damage(
                    "journal", None, None, f"the head of the block of record {max(start, expected)} is damaged"
                )
                yield from _within(read_block(start, row[1], row[6]), expected, last, since, until)
            elif not ((since is not None and row_until < since) or (until is not None and row_since > until)):
                yield from _within(read_block(start, last, row[6], row[4]), expected, last, since, until)
            expected = last + 1

    def entry(self, number: int) -> Entry | Damage | None:
        """Return one message, what is wrong with it, or None for a number that is not kept."""
        if not self._meta.journal.first <= number < self._meta.journal.next:
            return None
        found = next(self.entries(number))
        if isinstance(found, Damage):
            return Damage(found.table, number, number, found.problem)
        return found

    def _block_from(self, number: int, end: int) -> Row | Damage:
        """Return the block that holds a number, or the next after it, or what cannot be read."""
        statement = (
            f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE first >= "
            "coalesce((SELECT first FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1), 0) "
            "AND last >= ? ORDER BY first LIMIT 1"
        )
        try:
            row: Row | None = self._sql.execute(statement, (number, number)).fetchone()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # the disk, not the data
                raise
            last = readable_from(self._sql, "blocks", "first", BLOCK_COLUMNS, number + 1, end) - 1
            return Damage("journal", number, last, f"SQLite cannot read it: {error}")
        return row or (end, end, 0.0, 0.0, 0, 0, b"")

    def _following(self, first: int, end: int) -> int:
        row = self._sql.execute("SELECT first FROM blocks WHERE first > ? ORDER BY first LIMIT 1", (first,)).fetchone()
        return min(int(row[0]), end) if row else end

    def _write_blocks(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._write(f"{_INSERT}(?,?,?,?,?,?,?)", block_row(block))

    def _flush(self) -> None:
        super()._flush()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._write_blocks(writer.finish())

    def _forget(self) -> None:
        super()._forget()
        self._writer = None


def missing(table: str, first: int, last: int, losses: Iterable[Damage]) -> Iterator[Damage]:
    """Yield that some numbers are missing; of those that are known to be lost, why."""
    for loss in sorted((loss for loss in losses if loss.table == table), key=lambda loss: loss.first or 0):
        if loss.first is None or loss.last is None or loss.last < first or loss.first > last:
            continue
        if loss.first > first:
            yield Damage(table, first, loss.first - 1, "missing")
        yield Damage(table, max(loss.first, first), min(loss.last, last), f"{KNOWN}: {loss.problem}")
        first = loss.last + 1
    if first <= last:
        yield Damage(table, first, last, "missing")


def readable_from(sql: sqlite3.Connection, table: str, number: str, columns: str, first: int, end: int) -> int:
    """Return the lowest number from `first` on from where all rows can be read, looking from the other end."""
    statement = f"SELECT {columns} FROM {table} WHERE {number} >= ? AND {number} < ? ORDER BY {number} DESC LIMIT 1"
    lowest = end
    while True:
        try:
            row = sql.execute(statement, (first, lowest)).fetchone()
        except sqlite3.DatabaseError:
            return lowest
        if row is None:
            return lowest
        lowest = row[0]


def _within(
    entries: Iterator[Entry | Damage], first: int, last: int, since: float | None, until: float | None
) -> Iterator[Entry | Damage]:
    for entry in entries:
        if isinstance(entry, Damage):
            if entry.last is None or entry.last >= first:
                yield entry
        elif first <= entry.number <= last:
            received = entry.message.received
            if (since is None or received >= since) and (until is None or received <= until):
                yield entry
