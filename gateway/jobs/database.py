"""The journal's file: the messages that counted, the jobs they caused, and how the attempts at those ended.

Synchronous, for one thread at a time; `gateway.jobs.store` is its Twisted side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from gateway.jobs.blocks import Entry
from gateway.jobs.bookmark_rows import BookmarkRows
from gateway.jobs.opening import Opened, open_for_reading, open_for_writing
from gateway.jobs.retention import RetentionRows
from gateway.jobs.schema import Meta

__all__ = ["Database", "Entry"]


class Database(RetentionRows, BookmarkRows):
    """The open file. Numbers count from 1, times are seconds since 1970.

    Changes need a transaction: `begin`, then any of the methods, then `commit` or `rollback`. Queries see what the
    transaction changed. A row that is damaged is not returned but told of in `damages`; `entries` and `entry` return
    the damage in its place. Whatever SQLite cannot do is a sqlite3.Error.
    """

    @classmethod
    def open(cls, folder: Path, *, readonly: bool = False) -> Self:
        """Open the journal in a folder; make it where there is none.

        Args:
            folder: holds the journal's files and nothing else.
            readonly: neither lock nor write; a gateway may run meanwhile.

        Raises:
            OperatorError: another gateway has it, a newer one wrote it, it is none of ours, it cannot be read or
                written, or it is damaged beyond opening.
        """
        opened: Opened = (open_for_reading if readonly else open_for_writing)(folder)
        database = cls(folder, opened.sql, opened.meta, opened.lock, opened.mark)
        for damage in opened.damages:
            database._tell(damage)
        return database

    def inside(self) -> tuple[sqlite3.Connection, Meta]:
        """Return what `verify` and `repair` read: SQLite's connection, and the facts as they are noted."""
        return self._sql, self._meta

    @property
    def paused(self) -> Mapping[str, float]:
        """The rules whose jobs wait, and since when."""
        return self._meta.paused

    def pause(self, rule: str, now: float) -> None:
        """Let the jobs of a rule wait from now on; it stays since when they do."""
        self._change()
        self._meta.paused = {rule: now, **self._meta.paused}

    def resume(self, rule: str) -> None:
        """Let the jobs of a rule go on."""
        self._change()
        self._meta.paused = {name: since for name, since in self._meta.paused.items() if name != rule}
