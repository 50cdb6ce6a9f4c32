"""Bookmarks: how far ways in have come, kept in the transaction that keeps what came of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.jobs.records import Damage
from gateway.jobs.schema import Row, row_crc
from gateway.jobs.unit_of_work import UnitOfWork
from gateway.pipeline import Bookmarks
from parsers.event import printable

_LAST = "\U0010ffff"


class BookmarkRows(UnitOfWork):
    """The table `bookmarks`; a damaged one counts as absent, so that what it spared is done again."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(folder, *arguments)
        self._noted: dict[str, str | None] = {}

    def note(self, bookmarks: Bookmarks) -> None:
        """Keep and forget bookmarks."""
        self._change()
        self._noted.update(bookmarks)

    def bookmarks(self, prefix: str = "") -> dict[str, str]:
        """Return the bookmarks whose names begin so."""
        self._flush()
        found = (bookmark_of(row) for row in self._bookmark_rows(prefix))
        kept: dict[str, str] = {}
        for bookmark in found:
            if isinstance(bookmark, Damage):
                self._tell(bookmark)
            else:
                kept[bookmark[0]] = bookmark[1]
        return kept

    def _bookmark_rows(self, prefix: str) -> Iterator[Row]:
        statement = "SELECT name, crc, body FROM bookmarks WHERE name >= ? AND name < ? ORDER BY name"
        return self._rows("bookmarks", statement, (prefix, prefix + _LAST))

    def _flush(self) -> None:
        super()._flush()
        noted, self._noted = self._noted, {}
        kept: list[Row] = [(name, row_crc((name, body)), body) for name, body in noted.items() if body is not None]
        forgotten: list[Row] = [(name,) for name, body in noted.items() if body is None]
        self._write_rows("INSERT OR REPLACE INTO bookmarks (name, crc, body) VALUES ", kept)
        self._write_rows("DELETE FROM bookmarks WHERE name IN (VALUES ", forgotten, ")")

    def _forget(self) -> None:
        super()._forget()
        self._noted = {}


def bookmark_of(row: Row) -> tuple[str, str] | Damage:
    """Return the name and the text of a row, or what is wrong with it."""
    name, crc, body = row
    if crc is None or row_crc((name, body)) != crc:
        return Damage("bookmarks", None, None, f"the checksum of the bookmark {printable(str(name))} is wrong")
    return name, body


def all_bookmarks(sql: sqlite3.Connection) -> Iterator[tuple[str, str] | Damage]:
    """Yield all bookmarks of a file, be it one that has no table for them yet."""
    if sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'bookmarks'").fetchone() is None:
        return
    try:
        for row in sql.execute("SELECT name, crc, body FROM bookmarks ORDER BY name"):
            yield bookmark_of(row)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        yield Damage("bookmarks", None, None, f"SQLite cannot read all of it: {error}")
