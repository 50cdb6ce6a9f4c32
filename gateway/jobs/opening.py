"""Open the journal's file: make it where there is none, and find out what it lost since it was closed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.jobs.journal_lock import JournalLock
from gateway.jobs.mark import Mark, MarkFile, read_mark
from gateway.jobs.records import Damage
from gateway.jobs.schema import (
    APPLICATION_ID,
    BLOCK_COLUMNS,
    DATABASE,
    FROM_1,
    JOB_COLUMNS,
    LOCK,
    MARK,
    PAGE,
    SCHEMA,
    TABLES,
    Meta,
    Span,
    block_head_is_whole,
    connect,
    job_of,
)
from parsers.errors import OperatorError

CHECKPOINT_PAGES = 1000
"""Pages in the write-ahead log after which a commit moves them into the database, about: 4 MiB."""

LOG_OCTETS = 16 * 1024 * 1024
"""What the write-ahead log is cut back to when a reader has kept it from being moved for a while."""

_LIVE = "state IN ('waiting', 'running')"
_TABLES = ("journal", "jobs", "attempts")
_NUMBERS = {
    "journal": "SELECT (SELECT first FROM blocks ORDER BY first LIMIT 1), "
    "(SELECT last FROM blocks ORDER BY first DESC LIMIT 1)",
    "jobs": "SELECT (SELECT min(number) FROM jobs), (SELECT max(number) FROM jobs)",
    "attempts": "SELECT (SELECT min(number) FROM attempts), (SELECT max(number) FROM attempts)",
}
_INDEXES = (
    ("jobs_due", "due, number", "state = 'waiting'"),
    ("jobs_lane", "lane, due, number", "state = 'waiting'"),
    ("jobs_live", "part, rule, key, number", _LIVE),
    ("jobs_running", "state, number", "state = 'running'"),
)


class BeyondOpeningError(OperatorError):
    """The file is damaged so far that nothing in it can be read, or there is nothing in it."""


@dataclass(slots=True)
class Opened:
    """What opening came to."""

    sql: sqlite3.Connection
    meta: Meta
    lock: JournalLock | None = None
    mark: MarkFile | None = None
    damages: list[Damage] = field(default_factory=list)


def open_for_writing(folder: Path) -> Opened:
    """Open the journal in a folder, alone; make it where there is none.

    Raises:
        OperatorError: another gateway has it, it is none of ours, it cannot be written or read.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"cannot make the journal's folder {folder}: {error.strerror}") from None
    lock = JournalLock(folder / LOCK)
    sql = mark = None
    try:
        noted, damages = read_mark(folder / MARK)
        mark = MarkFile(folder / MARK)  # before the database: a database without a mark has lost it
        sql = connect(folder / DATABASE)
        if _is_new(sql, folder):
            create(sql)
            damages = [] if noted is None else damages
        _bring_up_to_date(sql)
        sql.execute("PRAGMA synchronous = FULL")
        sql.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        sql.execute(f"PRAGMA journal_size_limit = {LOG_OCTETS}")
        meta = _find_losses(sql, folder, noted, damages)
        mark.write(Mark(meta.commits, meta.journal.next, meta.jobs.next, meta.attempts.next))
    except (sqlite3.Error, OSError, OperatorError) as error:
        if sql is not None:
            sql.close()
        if mark is not None:
            mark.close()
        lock.close()
        if isinstance(error, OperatorError):
            raise
        raise unusable(folder, error) from None
    return Opened(sql, meta, lock, mark, damages)


def open_for_reading(folder: Path) -> Opened:
    """Open the journal in a folder beside whoever writes there; nothing is written.

    Raises:
        OperatorError: there is none, it is none of ours, it cannot be read.
    """
    path = folder / DATABASE
    check_there(folder)
    noted, damages = read_mark(folder / MARK)  # before the database: a mark is never newer than what is read then
    sql = None
    try:
        sql = connect(path, readonly=True)
        if _is_new(sql, folder):
            raise BeyondOpeningError(f"the journal in {folder} is empty; a gateway that has run makes it")
        meta = _read_meta(sql, noted, damages)
    except (sqlite3.Error, OperatorError) as error:
        if sql is not None:
            sql.close()
        if isinstance(error, OperatorError):
            raise
        raise unusable(folder, error) from None
    if noted is not None and noted.commits > meta.commits:
        damages.extend(lost_commits(noted, meta))
    return Opened(sql, meta, damages=damages)


def check_there(folder: Path) -> None:
    """Check that the database's file is in its folder.

    Raises:
        OperatorError: it is not, or the folder cannot be looked into.
    """
    path = folder / DATABASE
    try:
        if path.exists():
            return
        has_mark = (folder / MARK).exists()
    except OSError as error:
        raise OperatorError(f"cannot look into the journal's folder {folder}: {error.strerror}") from None
    if has_mark:
        raise OperatorError(
            f"the database file {path} is missing, though a gateway has written here; put it back, "
            "or start the gateway: it makes a new one, and tells what is lost"
        )
    raise OperatorError(f"there is no journal in {folder}; a gateway that has run makes it")


def unusable(folder: Path, error: sqlite3.Error | OSError) -> OperatorError:
    """Say why the file cannot be used, and what to do."""
    path = folder / DATABASE
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, OSError) or code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        words = error.strerror if isinstance(error, OSError) else error
        return OperatorError(f"cannot open the journal {path} (is its folder writable?): {words}")
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return OperatorError(f"cannot open the journal {path}: {error}")
    return BeyondOpeningError(f"the journal {path} is damaged beyond opening ({error}); see `gateway journal repair`")


def lost_commits(noted: Mark, meta: Meta) -> Iterator[Damage]:
    """Yield what a mark that is ahead of the database says to be missing."""
    lost = noted.commits - meta.commits
    words = f"{lost} committed {'transaction is' if lost == 1 else 'transactions are'} gone from journal.db-wal"
    spans = ((table, getattr(meta, table).next, getattr(noted, table) - 1) for table in _TABLES)
    missing = [Damage(table, first, last, words) for table, first, last in spans if last >= first]
    yield from missing or [Damage("mark", None, None, words)]


def _is_new(sql: sqlite3.Connection, folder: Path) -> bool:
    try:
        (application,) = sql.execute("PRAGMA application_id").fetchone()
        (version,) = sql.execute("PRAGMA user_version").fetchone()
        if application == APPLICATION_ID and version > SCHEMA:  # before its tables, which may be of a newer form too
            raise OperatorError(
                f"the journal in {folder} was written by a newer gateway (form {version}, this one knows {SCHEMA}); "
                "install that version again, or move the folder out of the way"
            )
        (tables,) = sql.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise BeyondOpeningError(
                f"{folder / DATABASE} is no SQLite database, or its first octets are damaged; "
                "`gateway journal repair` puts it aside and begins a new one"
            ) from None
        raise
    if not tables and not application:
        return True
    if application != APPLICATION_ID:
        raise OperatorError(f"{folder / DATABASE} is a database, but no gateway's journal; move it out of the way")
    return False


def create(sql: sqlite3.Connection) -> None:
    """Make the tables in a new file."""
    sql.execute(f"PRAGMA page_size = {PAGE}")
    sql.execute("PRAGMA auto_vacuum = INCREMENTAL")
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute("BEGIN IMMEDIATE")
    for statement in TABLES.strip().split(";"):
        if statement.strip():
            sql.execute(statement)
    sql.execute("INSERT INTO meta (one, crc, body) VALUES (1, ?, ?)", Meta().row())
    sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    sql.execute(f"PRAGMA user_version = {SCHEMA}")
    sql.execute("COMMIT")


def _bring_up_to_date(sql: sqlite3.Connection) -> None:
    """Make what this version needs of a file that an older one wrote."""
    (form,) = sql.execute("PRAGMA user_version").fetchone()
    if form < SCHEMA:
        for statement in FROM_1:
            sql.execute(statement)


def _find_losses(sql: sqlite3.Connection, folder: Path, noted: Mark | None, damages: list[Damage]) -> Meta:
    """Find out what is missing, and make facts and tables agree again before anything new is written."""
    meta = _read_meta(sql, noted, damages)
    before = meta.copy()
    if noted is not None and noted.commits > meta.commits:
        kept = _keep_log(folder)  # before anything is written: the next commit would write over it
        losses = [
            Damage(loss.table, loss.first, loss.last, f"{loss.problem} ({kept})") for loss in lost_commits(noted, meta)
        ]
        damages.extend(losses)
        meta.losses += tuple(loss for loss in losses if loss.first is not None)
        meta.commits = noted.commits
        for table in _TABLES:
            first, following = getattr(meta, table)
            setattr(meta, table, Span(first, max(following, getattr(noted, table))))
    try:
        damages.extend(_disagreements(sql, meta))
        damages.extend(_holes(sql, meta))
        bad = list(_damaged_live(sql))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        damages.append(Damage("file", None, None, f"SQLite cannot read all of it: {error}"))
        bad = []
        with suppress(sqlite3.DatabaseError):  # what it could not read may have been an index
            sql.execute("REINDEX")
            bad = list(_damaged_live(sql))
    damages.extend(bad)
    if bad or meta != before:
        _set_right(sql, meta, bad)
    return meta


def _read_meta(sql: sqlite3.Connection, noted: Mark | None, damages: list[Damage]) -> Meta:
    row = sql.execute("SELECT crc, body FROM meta").fetchone()
    meta = None if row is None else Meta.of(*row)
    if meta is None:
        words = "it is damaged; made anew from the tables, but which rules were paused is not known"
        damages.append(Damage("meta", None, None, words))
        meta = Meta(commits=noted.commits if noted else 0)
        for table, (lowest, highest) in _bounds(sql).items():
            setattr(meta, table, Span(lowest, highest + 1))
    return meta


def _bounds(sql: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return the lowest and the highest number of each table that is not empty."""
    found = {table: sql.execute(statement).fetchone() for table, statement in _NUMBERS.items()}
    return {table: bounds for table, bounds in found.items() if None not in bounds}


def _disagreements(sql: sqlite3.Connection, meta: Meta) -> Iterator[Damage]:
    """Yield where facts and tables disagree at the upper ends; new numbers must not meet old ones."""
    bounds = _bounds(sql)
    for table in _TABLES:
        span: Span = getattr(meta, table)
        highest = bounds.get(table, (0, span.first - 1))[1]
        if highest >= span.next:
            yield Damage(table, span.next, highest, "there are more records than were noted")
            setattr(meta, table, Span(span.first, highest + 1))


def _holes(sql: sqlite3.Connection, meta: Meta) -> Iterator[Damage]:
    """Yield the journal's numbers that are in no block, and blocks whose bounds are damaged."""
    expected = meta.journal.first
    known = {(loss.first, loss.last) for loss in meta.losses if loss.table == "journal"}
    for row in sql.execute(f"SELECT {BLOCK_COLUMNS.removesuffix(', body')} FROM blocks ORDER BY first"):
        first, last = row[:2]
        if not block_head_is_whole(row):
            yield Damage("journal", None, None, f"the head of the block of record {first} is damaged")
            last = max(first, min(last, meta.journal.next - 1))
        if first > expected and (expected, first - 1) not in known:
            yield Damage("journal", expected, first - 1, "missing")
        expected = last + 1
    if expected < meta.journal.next and (expected, meta.journal.next - 1) not in known:
        yield Damage("journal", expected, meta.journal.next - 1, "missing")


def _damaged_live(sql: sqlite3.Connection) -> Iterator[Damage]:
    """Yield the live jobs that are damaged; and whether the indexes agree with them, for by those they are found."""
    for index, columns, condition in _INDEXES:
        by_index = f"SELECT {columns} FROM jobs INDEXED BY {index} WHERE {condition}"
        by_table = f"SELECT {columns} FROM jobs NOT INDEXED WHERE {condition}"
        (differences,) = sql.execute(
            f"SELECT count(*) FROM (SELECT * FROM ({by_index} EXCEPT {by_table}) "
            f"UNION ALL SELECT * FROM ({by_table} EXCEPT {by_index}))"
        ).fetchone()
        if differences:
            sql.execute("REINDEX jobs")
            yield Damage("jobs", None, None, f"the index {index} was damaged; all indexes of jobs were made anew")
            break
    for row in sql.execute(f"SELECT {JOB_COLUMNS} FROM jobs NOT INDEXED WHERE {_LIVE}"):
        record = job_of(row)
        if isinstance(record, Damage):
            yield Damage("jobs", record.first, record.last, f"{record.problem}; set aside, it will not be run")


def _set_right(sql: sqlite3.Connection, meta: Meta, bad: list[Damage]) -> None:
    sql.execute("BEGIN IMMEDIATE")
    for damage in bad:
        if damage.first is not None:
            set_aside(sql, damage)
            meta.losses += (damage,)
    meta.commits += 1
    crc, body = meta.row()
    sql.execute("INSERT OR REPLACE INTO meta (one, crc, body) VALUES (1, ?, ?)", (crc, body))
    sql.execute("COMMIT")


def set_aside(sql: sqlite3.Connection, damage: Damage) -> None:
    """Move a damaged job out of the table, as evidence."""
    row = sql.execute(f"SELECT {JOB_COLUMNS} FROM jobs NOT INDEXED WHERE number = ?", (damage.first,)).fetchone()
    sql.execute(
        "INSERT INTO set_aside (number, problem, columns) VALUES (?, ?, ?)", (damage.first, damage.problem, ascii(row))
    )
    sql.execute("DELETE FROM jobs WHERE number = ?", (damage.first,))


def _keep_log(folder: Path) -> str:
    """Copy the write-ahead log as evidence; say where to."""
    log = folder / f"{DATABASE}-wal"
    number = 1
    while (copy := folder / f"{DATABASE}-wal.damaged-{number}").exists():
        number += 1
    try:
        shutil.copyfile(log, copy)
    except FileNotFoundError:
        return "there is no log to keep"
    except OSError as error:
        return f"the log could not be copied: {error.strerror}"
    return f"the log is kept as {copy.name}"
