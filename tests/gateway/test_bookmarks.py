"""Bookmarks: kept with what came of it, found by the beginning of their names, told of when damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.jobs.database import Database
from gateway.jobs.repair import repair
from gateway.jobs.schema import DATABASE
from gateway.jobs.verify import verify
from tests.gateway.store_samples import message, opened, transaction


def keep(folder: Path, **bookmarks: str | None) -> None:
    """Keep bookmarks in the journal of a folder."""
    with opened(folder) as database, transaction(database):
        database.note(bookmarks)


def kept(folder: Path, prefix: str = "") -> dict[str, str]:
    """Read them back, as a later gateway does."""
    with opened(folder) as database:
        return database.bookmarks(prefix)


def test_a_bookmark_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    """Kept, replaced and forgotten; found by the beginning of its name."""
    keep(tmp_path, a1="one", a2="two", b="three")
    keep(tmp_path, a1="four", a2=None)
    assert kept(tmp_path) == {"a1": "four", "b": "three"}
    assert kept(tmp_path, "a") == {"a1": "four"}


def test_a_bookmark_lives_and_dies_with_its_transaction(tmp_path: Path) -> None:
    """What is rolled back with the messages is as it was before; within a transaction it is seen."""
    keep(tmp_path, place="1")
    with opened(tmp_path) as database:
        database.begin()
        database.append([message(1)])
        database.note({"place": "2"})
        assert database.bookmarks() == {"place": "2"}
        database.note({"place": "3"})
        database.rollback()
        assert (database.bookmarks(), database.next_number) == ({"place": "1"}, 1)


def test_many_bookmarks_at_once(tmp_path: Path) -> None:
    """As many as a folder has files."""
    many = {f"files/{number}": str(number) for number in range(3_000)}
    with opened(tmp_path) as database:
        with transaction(database):
            database.note(many)
        with transaction(database):
            database.note(dict.fromkeys(list(many)[1:]))
        assert database.bookmarks("files/") == {"files/0": "0"}


def spoil(folder: Path) -> None:
    """Change a bookmark behind the gateway's back."""
    with sqlite3.connect(folder / DATABASE) as sql:
        sql.execute("UPDATE bookmarks SET body = '9' WHERE name = 'bad'")
    sql.close()


def test_a_damaged_bookmark_counts_as_absent_and_is_told(tmp_path: Path) -> None:
    """What it spared is done again, which is better than to leave out what was never done."""
    keep(tmp_path, bad="1", good="2")
    spoil(tmp_path)
    with opened(tmp_path) as database:
        assert database.bookmarks() == {"good": "2"}
        assert [damage.table for damage in database.damages] == ["bookmarks"]
    assert ["bad" in str(damage) for damage in verify(tmp_path)] == [True]


def test_repair_takes_bookmarks_along(tmp_path: Path) -> None:
    """All but those that are damaged."""
    keep(tmp_path, bad="1", good="2")
    spoil(tmp_path)
    repair(tmp_path)
    assert kept(tmp_path) == {"good": "2"}


def test_a_journal_of_the_first_form_is_taken_over(tmp_path: Path) -> None:
    """A file that knows no bookmarks gets them when a gateway opens it; until then `verify` can read it."""
    keep(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as sql:
        sql.execute("DROP TABLE bookmarks")
        sql.execute("PRAGMA user_version = 1")
    sql.close()
    assert list(verify(tmp_path)) == []
    Database.open(tmp_path, readonly=True).close()
    keep(tmp_path, place="1")
    assert kept(tmp_path) == {"place": "1"}
