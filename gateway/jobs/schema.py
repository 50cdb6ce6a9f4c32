"""The journal's tables in SQLite, and how rows, their checksums and the gateway's values become each other."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from gateway.jobs.blocks import Block, checksum
from gateway.jobs.records import AttemptRecord, Damage, JobRecord, State
from parsers.event import FieldValue, printable
from rules.job import Job, Part

DATABASE, MARK, LOCK = "journal.db", "mark", "lock"
"""The files in the journal's folder, beside SQLite's own (`journal.db-wal`, `journal.db-shm`)."""

APPLICATION_ID = 0x6777_6A31  # "gwj1"
SCHEMA = 2
"""`user_version`: raised by a change that this version's code could not read."""

PAGE = 4096
"""Octets: the page of the file system; a commit writes whole pages, and most commits are small."""

BUSY_SECONDS = 5.0
"""What a reader waits for a writer that rebuilds the log's index; there is no other reason to wait in WAL mode."""

Row = tuple[Any, ...]

TABLES = """
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), crc INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE blocks (
  first INTEGER PRIMARY KEY, last INTEGER NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
  crc INTEGER NOT NULL, head INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rule TEXT NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL,
  state TEXT NOT NULL, cause INTEGER NOT NULL, created REAL NOT NULL, due REAL NOT NULL, step INTEGER NOT NULL,
  attempt INTEGER NOT NULL, lane TEXT NOT NULL, box TEXT NOT NULL, problem TEXT NOT NULL, ended REAL,
  crc INTEGER NOT NULL, event_crc INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
CREATE TABLE attempts (
  number INTEGER PRIMARY KEY, job TEXT NOT NULL, ended REAL NOT NULL, crc INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE bookmarks (name TEXT PRIMARY KEY, crc INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE set_aside (place INTEGER PRIMARY KEY, number INTEGER NOT NULL, problem TEXT NOT NULL, columns TEXT) STRICT;
CREATE INDEX jobs_due ON jobs (due) WHERE state = 'waiting';
CREATE INDEX jobs_lane ON jobs (lane, due) WHERE state = 'waiting';
CREATE INDEX jobs_live ON jobs (part, rule, key) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_running ON jobs (state) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (box) WHERE state = 'dead';
CREATE INDEX undo_created ON jobs (created) WHERE part = 'undo';
CREATE INDEX undo_ended ON jobs (ended) WHERE part = 'undo' AND ended IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (ended) WHERE ended IS NOT NULL AND state <> 'dead';
CREATE INDEX attempts_job ON attempts (job);
"""

FROM_1 = (
    "BEGIN IMMEDIATE",
    "CREATE TABLE bookmarks (name TEXT PRIMARY KEY, crc INTEGER NOT NULL, body TEXT NOT NULL) STRICT",
    "PRAGMA user_version = 2",
    "COMMIT",
)
"""What makes the second form of the first: bookmarks came with the drop box."""

BLOCK_COLUMNS = "first, last, since, until, crc, head, body"
JOB_COLUMNS = (
    "number, id, rule, part, key, state, cause, created, due, step, attempt, lane, box, problem, ended, crc, "
    "event_crc, event"
)
JOB_HEAD = JOB_COLUMNS.removesuffix(", event_crc, event")
"""What a row's checksum covers, and the checksum; reading it spares the event."""

JOB_CHANGES = ("state", "created", "due", "step", "attempt", "lane", "box", "problem", "ended", "crc")
"""The columns that change while a job lives."""

ATTEMPT_COLUMNS = "number, job, ended, crc, body"

_HEAD = struct.Struct("<qqddI")
_COVERED = 15  # columns of a job before its crc


class Span(NamedTuple):
    """The numbers of a table: from `first` up to, and without, `next`."""

    first: int = 1
    next: int = 1


_EMPTY = Span()


@dataclass(slots=True)
class Meta:
    """The one row of facts about the journal.

    Attributes:
        commits: transactions so far.
        paused: rules whose jobs wait, and since when.
        losses: numbers that are known to be missing, and why.
    """

    commits: int = 0
    journal: Span = _EMPTY
    jobs: Span = _EMPTY
    attempts: Span = _EMPTY
    paused: Mapping[str, float] = field(default_factory=dict)
    losses: tuple[Damage, ...] = ()

    def copy(self) -> Meta:
        """Copy; the values inside are never changed in place."""
        return changed(self)

    def row(self) -> tuple[int, str]:
        """Return the row's crc and body."""
        fields = {
            "commits": self.commits,
            "journal": self.journal,
            "jobs": self.jobs,
            "attempts": self.attempts,
            "paused": self.paused,
            "losses": [(loss.table, loss.first, loss.last, loss.problem) for loss in self.losses],
        }
        body = json.dumps(fields, separators=(",", ":"))
        return crc32(body.encode("ascii")), body

    @classmethod
    def of(cls, crc: object, body: object) -> Meta | None:
        """Read the row; None when it is damaged."""
        if not isinstance(body, str) or crc32(body.encode("utf-8", "surrogateescape")) != crc:
            return None
        fields = json.loads(body)
        return cls(
            fields["commits"],
            Span(*fields["journal"]),
            Span(*fields["jobs"]),
            Span(*fields["attempts"]),
            fields["paused"],
            tuple(Damage(*loss) for loss in fields["losses"]),
        )


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Open the file in SQLite; text that is no UTF-8 (a flipped bit) comes back with lone surrogates.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if readonly:
        sql = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
        )
    else:
        sql = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, cached_statements=256
        )
    sql.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return sql


def row_crc(columns: Sequence[object]) -> int | None:
    """Return the checksum of columns that are text, numbers or NULL; None when one is something else."""
    try:
        return crc32(json.dumps(columns, separators=(",", ":")).encode("ascii"))
    except TypeError:  # octets: the type of the column is damaged
        return None


def block_row(block: Block) -> Row:
    """Return the row of a block, `BLOCK_COLUMNS`."""
    crc = checksum(block.body)
    bounds = (block.first, block.last, float(block.since), float(block.until))
    return (*bounds, crc, crc32(_HEAD.pack(*bounds, crc)), block.body)


def block_head_is_whole(row: Row) -> bool:
    """Tell whether a block's bounds (the first six of `BLOCK_COLUMNS`) are as they were written."""
    first, last, since, until, crc, head = row[:6]
    try:
        return bool(crc32(_HEAD.pack(first, last, since, until, crc)) == head)
    except struct.error:
        return False


def job_row(record: JobRecord) -> Row:
    """Return the row of a job, `JOB_COLUMNS`."""
    head = job_head(record)
    event = json.dumps(record.job.event, separators=(",", ":"))
    return (*head, _event_crc(record.job.id, event), event)


def job_head(record: JobRecord) -> Row:
    """Return the row of a job up to its checksum, `JOB_HEAD`."""
    job = record.job
    columns = (
        record.number,
        job.id,
        job.rule,
        job.part.value,
        json.dumps(job.key),
        record.state.value,
        record.cause,
        float(record.created),
        float(record.due),
        record.step,
        record.attempt,
        record.lane,
        record.box,
        record.problem,
        None if record.ended is None else float(record.ended),
    )
    return (*columns, row_crc(columns))


def job_head_is_whole(row: Row) -> bool:
    """Tell whether `JOB_HEAD` is as it was written."""
    crc = row_crc(row[:_COVERED])
    return crc is not None and crc == row[_COVERED]


def damaged_job(row: Row) -> Damage:
    """Say that `JOB_HEAD` is not as it was written."""
    return Damage("jobs", row[0], row[0], f"its checksum is wrong (id {printable(str(row[1]))})")


def job_of(row: Row) -> JobRecord | Damage:
    """Return the job of a row, `JOB_COLUMNS`, or what is wrong with it."""
    number, event_crc, event = row[0], row[_COVERED + 1], row[_COVERED + 2]
    if not job_head_is_whole(row):
        return damaged_job(row)
    if not isinstance(event, str) or _event_crc(row[1], event) != event_crc:
        return Damage("jobs", number, number, f"the checksum of its event is wrong (id {row[1]})")
    _, identity, rule, part, key, state, cause, created, due, step, attempt, lane, box, problem, ended = row[:_COVERED]
    job = Job(identity, rule, Part(part), tuple(json.loads(key)), json.loads(event))
    return JobRecord(number, job, State(state), cause, created, due, step, attempt, lane, box, problem, ended)


def _event_crc(identity: str, event: str) -> int:
    return crc32(event.encode("utf-8", "surrogateescape"), crc32(identity.encode("utf-8", "surrogateescape")))


def attempt_row(number: int, job: str, ended: float, fields: Mapping[str, FieldValue]) -> Row:
    """Return the row of an attempt, `ATTEMPT_COLUMNS`."""
    body = json.dumps(fields, separators=(",", ":"))
    return (number, job, float(ended), row_crc((number, job, float(ended), body)), body)


def attempt_of(row: Row) -> AttemptRecord | Damage:
    """Return the attempt of a row, `ATTEMPT_COLUMNS`, or what is wrong with it."""
    number, job, ended, crc, body = row
    if crc is None or row_crc((number, job, ended, body)) != crc:
        return Damage("attempts", number, number, f"its checksum is wrong (job {printable(str(job))})")
    return AttemptRecord(number, job, ended, json.loads(body))


def in_powers(rows: Sequence[Row], largest: int = 256) -> Iterator[Sequence[Row]]:
    """Cut rows up into runs of 256, 128, 64 ...: so few lengths that SQLite's statements stay prepared."""
    start = 0
    while left := len(rows) - start:
        size = min(largest, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


def values(rows: Sequence[Row]) -> str:
    """Return the placeholders of some rows: `(?,?),(?,?)`."""
    one = "(" + ",".join("?" * len(rows[0])) + ")"
    return ",".join([one] * len(rows))
