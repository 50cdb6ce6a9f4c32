"""The jobs: inserted, found, changed; every row that is read is checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.jobs.records import LIVE, AttemptRecord, Damage, JobRecord, State, Turn
from gateway.jobs.schema import (
    ATTEMPT_COLUMNS,
    JOB_CHANGES,
    JOB_COLUMNS,
    JOB_HEAD,
    Row,
    Span,
    attempt_of,
    attempt_row,
    damaged_job,
    job_head,
    job_head_is_whole,
    job_of,
    job_row,
)
from gateway.jobs.unit_of_work import UnitOfWork
from parsers.event import FieldValue
from rules.job import Job, Part
from rules.plan import NEVER

_SELECT = f"SELECT {JOB_COLUMNS} FROM jobs "
_INSERT = f"INSERT INTO jobs ({JOB_COLUMNS}) VALUES "
_UPDATE = (
    "UPDATE jobs SET "
    + ", ".join(f"{name} = v.column{place}" for place, name in enumerate(JOB_CHANGES, 3))
    + " FROM (VALUES "
)
_UPDATED = ") AS v WHERE jobs.number = v.column1 AND jobs.id = v.column2"
_PLACES = [JOB_HEAD.split(", ").index(name) for name in ("number", "id", *JOB_CHANGES)]
_IS_LIVE = "state IN ('waiting', 'running')"
_LAST = "\U0010ffff"
_AT_A_TIME = 2000  # rows in hand at a time while all live jobs are changed


class JobRows(UnitOfWork):
    """The tables `jobs` and `attempts`."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(folder, *arguments)
        self._fresh: dict[str, JobRecord] = {}
        self._changed: dict[str, JobRecord] = {}
        self._attempts: list[Row] = []

    # Jobs: change

    def insert(
        self,
        job: Job,
        *,
        cause: int,
        now: float,
        lane: str,
        state: State = State.WAITING,
        attempt: int = 0,
    ) -> JobRecord | None:
        """Keep a job; return None when its id is there already. Its own time becomes the record's `due`."""
        if job.id in self._fresh or self._exists(job.id):
            return None
        number = self._meta.jobs.next
        due = now if job.due is None else job.due
        record = JobRecord(number, replace(job, due=None), state, cause, now, due, 0, attempt, lane)
        self._fresh[job.id] = record
        self._meta.jobs = Span(self._meta.jobs.first, number + 1)
        return record

    def update(self, record: JobRecord) -> None:
        """Keep what changed of a job: all but its `number`, `cause` and `job`, which stay as they were stored.

        A job that is not in the store (LookupError) is said at the commit, or when a query has to see it.
        """
        self._change()
        fresh = self._fresh.get(record.job.id)
        if fresh is None:
            self._changed[record.job.id] = record
        else:
            self._fresh[record.job.id] = replace(record, number=fresh.number)

    def shift(self, seconds: float) -> int:
        """Move the times of live jobs along with a wall clock that was set; return how many there are."""

        def shifted(record: JobRecord) -> JobRecord:
            due = record.due if record.due >= NEVER else record.due + seconds
            return replace(record, due=due, created=record.created + seconds)

        return self._change_live(shifted)

    def change_lanes(self, lane_of: Callable[[JobRecord], str]) -> int:
        """Let the live jobs wait in other lanes; return how many had to move."""
        return self._change_live(lambda record: replace(record, lane=lane_of(record)))

    def _change_live(self, change: Callable[[JobRecord], JobRecord]) -> int:
        self._flush()
        changed, number = 0, 0
        while rows := self._sql.execute(
            f"{_SELECT}WHERE number > ? AND +{_IS_LIVE} ORDER BY number LIMIT ?", (number, _AT_A_TIME)
        ).fetchall():
            number = rows[-1][0]
            for record in self._checked(rows):
                if (new := change(record)) != record:
                    self.update(new)
                    changed += 1
            self._flush()
        return changed

    # Jobs: find

    def job(self, identity: str) -> JobRecord | None:
        """Return the job of an id."""
        pending = self._fresh.get(identity) or self._changed.get(identity)
        if pending is not None:
            return pending
        found = self._select("WHERE id = ?", (identity,))
        return found[0] if found else None

    def find(self, prefix: str) -> list[JobRecord]:
        """Return the jobs whose ids begin so, in the order of their ids."""
        self._flush()
        return self._select("WHERE id >= ? AND id < ? ORDER BY id", (prefix, prefix + _LAST))

    def due(self, after: float, until: float, limit: int) -> list[JobRecord]:
        """Return jobs that wait and are due after the one time and not after the other, in the order of their times.

        Jobs that are due at the very same time are not torn apart: there may be more of the last time than `limit`.
        """
        self._flush()
        found: list[JobRecord] = []
        condition = "WHERE state = 'waiting' AND due > ? AND due <= ? ORDER BY due, number"
        for record in self._records(condition, (after, until)):
            if len(found) >= limit and record.due != found[-1].due:
                break
            found.append(record)
        return found

    def due_in(self, lane: str, first: Turn, until: float, limit: int) -> list[JobRecord]:
        """Return jobs that wait in a lane and are due, in the order of their turns, none before `first`."""
        self._flush()
        condition = (
            "WHERE state = 'waiting' AND lane = ? AND (due, number) >= (?, ?) AND due <= ? ORDER BY due, number LIMIT ?"
        )
        return list(self._records(condition, (lane, *first, until, limit)))

    def next_due(self, after: float) -> float | None:
        """Return when the next job that waits is due after a time."""
        self._flush()
        (due,) = self._sql.execute("SELECT min(due) FROM jobs WHERE state = 'waiting' AND due > ?", (after,)).fetchone()
        return None if due is None else float(due)

    def live(self, rule: str, key: tuple[str, ...], part: Part = Part.DO) -> list[JobRecord]:
        """Return the live jobs of a rule and key, the oldest first."""
        found = self._select(
            f"WHERE {_IS_LIVE} AND rule = ? AND key = ? AND part = ? ORDER BY number",
            (rule, json.dumps(key), part.value),
        )
        if not self._fresh and not self._changed:
            return found
        pending = {**self._changed, **self._fresh}
        found = [record for record in found if record.job.id not in pending]
        found += [
            record
            for record in pending.values()
            if record.state in LIVE and (record.job.rule, record.job.key, record.job.part) == (rule, key, part)
        ]
        return sorted(found, key=lambda record: record.number)

    def open_states(self, rule: str | None = None) -> list[JobRecord]:
        """Return the undo jobs that are still to be done, of one rule or of all, the oldest first."""
        self._flush()
        if rule is None:
            return self._select(f"WHERE {_IS_LIVE} AND part = 'undo' ORDER BY +number")
        return self._select(f"WHERE {_IS_LIVE} AND rule = ? AND part = 'undo' ORDER BY +number", (rule,))

    def states_since(self, since: float) -> list[JobRecord]:
        """Return the undo jobs, of any state, that were created at a time or later, or ended then."""
        self._flush()
        return self._select(
            "WHERE number IN (SELECT number FROM jobs WHERE part = 'undo' AND created >= ? "
            "UNION SELECT number FROM jobs WHERE part = 'undo' AND ended IS NOT NULL AND ended >= ?) ORDER BY number",
            (since, since),
        )

    def openings(self, since: float) -> dict[tuple[str, tuple[str, ...]], int]:
        """Count how often a state was opened at a time or later, by rule and key."""
        self._flush()
        counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        statement = f"SELECT {JOB_HEAD} FROM jobs WHERE part = 'undo' AND created >= ?"
        for row in self._rows("jobs", statement, (since,)):
            if job_head_is_whole(row):
                counts[row[2], tuple(json.loads(row[4]))] += 1
            else:
                self._tell(damaged_job(row))
        return dict(counts)

    def running(self) -> list[JobRecord]:
        """Return the jobs that were claimed and have not ended, the oldest first."""
        self._flush()
        return self._select("WHERE state = 'running' ORDER BY number")

    def jobs(
        self,
        *,
        states: Collection[State] | None = None,
        rule: str | None = None,
        part: Part | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[JobRecord]:
        """Return jobs, those with the highest numbers first; `before` is a number, to go on where a page ended."""
        self._flush()
        wanted: dict[str, object] = {}
        if before is not None:
            wanted["number < ?"] = before
        if rule is not None:
            wanted["rule = ?"] = rule
        if part is not None:
            wanted["part = ?"] = part.value
        where = [*wanted]
        if states is not None:
            where.append(f"state IN ({', '.join(repr(state.value) for state in states)})")
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        return list(islice(self._records(f"{condition}ORDER BY number DESC", (*wanted.values(),)), limit))

    # Attempts

    def add_attempt(self, job_id: str, fields: Mapping[str, FieldValue], now: float) -> int:
        """Keep how an attempt at a job ended; return its number."""
        self._change()
        first, number = self._meta.attempts
        self._attempts.append(attempt_row(number, job_id, now, fields))
        self._meta.attempts = Span(first, number + 1)
        return number

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return how the attempts at a job ended, the first first."""
        self._flush()
        found = []
        statement = f"SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE job = ? ORDER BY number"
        for row in self._rows("attempts", statement, (job_id,)):
            attempt = attempt_of(row)
            if isinstance(attempt, Damage):
                self._tell(attempt)
            else:
                found.append(attempt)
        return found

    # Below

    def _exists(self, identity: str) -> bool:
        self._change()
        return self._sql.execute("SELECT 1 FROM jobs WHERE id = ?", (identity,)).fetchone() is not None

    def _select(self, condition: str, parameters: Sequence[object] = ()) -> list[JobRecord]:
        return list(self._records(condition, parameters))

    def _records(self, condition: str, parameters: Sequence[object] = ()) -> Iterator[JobRecord]:
        return self._checked(self._rows("jobs", _SELECT + condition, parameters))

    def _checked(self, rows: Iterable[Row]) -> Iterator[JobRecord]:
        for row in rows:
            record = job_of(row)
            if isinstance(record, Damage):
                self._tell(record)
            else:
                yield record

    def _flush(self) -> None:
        super()._flush()
        if self._fresh:
            rows = [job_row(record) for record in self._fresh.values()]
            self._fresh.clear()
            self._write_rows(_INSERT, rows)
        if self._changed:
            records = list(self._changed.values())
            self._changed.clear()
            if self._write_changes(records) < len(records):
                self._write_changes(self._renumbered(records))
        if self._attempts:
            rows, self._attempts = self._attempts, []
            self._write_rows(f"INSERT INTO attempts ({ATTEMPT_COLUMNS}) VALUES ", rows)

    def _write_changes(self, records: Iterable[JobRecord]) -> int:
        rows = []
        for record in records:
            head = job_head(record)
            rows.append(tuple(head[place] for place in _PLACES))
        return self._write_rows(_UPDATE, rows, _UPDATED)

    def _renumbered(self, records: Iterable[JobRecord]) -> list[JobRecord]:
        """Give records the numbers that they have by now: retention moves jobs that outlive their neighbours."""
        answer = []
        for record in records:
            row = self._sql.execute("SELECT number FROM jobs WHERE id = ?", (record.job.id,)).fetchone()
            if row is None:
                raise LookupError(f"the job {record.job.id} is not in the store")
            answer.append(replace(record, number=row[0]))
        return answer

    def _forget(self) -> None:
        super()._forget()
        self._fresh.clear()
        self._changed.clear()
        self._attempts.clear()
