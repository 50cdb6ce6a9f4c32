"""What the store answers: synchronous work on one database, for a thread of the gateway or for a command."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.control.values import (
    PAGE,
    Choice,
    EntryPage,
    EntryQuery,
    JobDetails,
    JobPage,
    JobQuery,
    ListedJob,
    OpenPage,
    OpenQuery,
    OpenState,
)
from gateway.jobs.blocks import encode_origin
from gateway.jobs.database import Database
from gateway.jobs.records import LIVE, Damage, JobRecord, State
from parsers.errors import OperatorError
from parsers.message import Origin
from rules.job import Part

PAGE_ENTRIES = 500
"""Entries of one answer."""

PAGE_OCTETS = 256 * 1024
"""Octets of frames after which an answer ends: some 512 KiB of JSON."""

SHORT = 8
"""Digits of an id that are shown at least: with 100,000 jobs kept, one in 40,000 needs more."""

LOOKED_THROUGH = 5000
"""Jobs that are looked through for those that a job caused; each is read with its event of some 5 KB."""

OPEN_PAGE = 2000
"""Open states of one answer."""

MOST_CANDIDATES = 5
"""Jobs that are named when an id is too short."""

MOST_DAMAGES = 20
"""Damaged jobs that are named; `gateway journal verify` names them all."""

_ATTEMPT = re.compile(r"([0-9a-fA-F]{32})-[0-9]+")

MOST_CHANGED = 10_000
"""Jobs that one request changes at most; a second request takes the next."""


def find_jobs(database: Database, query: JobQuery, paused: Mapping[str, float]) -> JobPage:
    """Return one page of jobs; it may hold none and still have one that follows.

    Args:
        database: the store.
        query: which jobs.
        paused: rules that are paused, and since when.
    """
    found: list[ListedJob] = []
    wanted = min(query.limit, PAGE)
    records = database.jobs(states=query.states, rule=query.rule, part=query.part, before=query.before, limit=PAGE)
    for record in records:
        if query.wants(record, paused):
            found.append(ListedJob(record, short_id(database, record.job.id)))
            if len(found) >= wanted:
                return JobPage(tuple(found), record.number, _damages(database), paused)
    following = records[-1].number if len(records) == PAGE else None
    return JobPage(tuple(found), following, _damages(database), paused)


def _damages(database: Database) -> tuple[str, ...]:
    return tuple(str(damage) for damage in database.damages if damage.table == "jobs")[:MOST_DAMAGES]


def short_id(database: Database, identity: str) -> str:
    """Return as much of a job's id as no other job's begins with."""
    for length in range(SHORT, len(identity), 4):
        if len(database.find(identity[:length])) < 2:
            return identity[:length]
    return identity


def find_job(database: Database, prefix: str) -> JobRecord:
    """Return the job whose id begins so; the whole id may be that of an attempt, `ID-STEP`, as GATEWAY_JOB has it.

    Raises:
        OperatorError: there is none, or there are several.
    """
    if (attempt := _ATTEMPT.fullmatch(prefix)) is not None:
        prefix = attempt[1]
    if not prefix or set(prefix) - set(string.hexdigits):
        raise OperatorError(f"{prefix!r} is no job's id: those are hex digits; `gateway jobs` lists them")
    records = database.find(prefix.lower())
    if not records:
        raise OperatorError(f"there is no job {prefix}; `gateway jobs list --all` lists those that are kept")
    if len(records) > 1:
        shown = [f"{short_id(database, one.job.id)} ({one.job.rule})" for one in records[:MOST_CANDIDATES]]
        more = f" and {len(records) - len(shown)} more" if len(records) > len(shown) else ""
        raise OperatorError(f"the ids of {len(records)} jobs begin with {prefix}: {', '.join(shown)}{more}")
    return records[0]


def job_details(database: Database, prefix: str, paused: Mapping[str, float]) -> JobDetails:
    """Return everything about one job; `paused` are the rules that are, and since when.

    Raises:
        OperatorError: as `find_job`.
    """
    record = find_job(database, prefix)
    siblings: list[JobRecord] = []
    caused: list[JobRecord] = []
    looked = 0
    for other in _later(database, record.created):
        looked += 1
        if looked > LOOKED_THROUGH:
            break
        if other.job.id == record.job.id:
            continue
        if other.job.event.get("gateway.job.id") == record.job.id:
            caused.append(other)
        elif (other.cause, other.job.rule, other.job.key) == (record.cause, record.job.rule, record.job.key):
            siblings.append(other)
    cause = database.entry(record.cause)
    problem = cause.problem if isinstance(cause, Damage) else None if cause else "it is kept no longer"
    attempts = tuple(database.attempts(record.job.id))
    return JobDetails(record, attempts, problem, tuple(siblings), tuple(caused), looked <= LOOKED_THROUGH, paused)


def _later(database: Database, created: float) -> Iterator[JobRecord]:
    """Yield the jobs stored then or later, the newest first; old ones that got a new number stand among them."""
    before = None
    while records := database.jobs(before=before, limit=PAGE):
        fresh = [record for record in records if record.created >= created]
        yield from fresh
        if not fresh:
            return
        before = records[-1].number


def chosen_jobs(database: Database, choice: Choice) -> list[JobRecord]:
    """Return the jobs that a change is for.

    Raises:
        OperatorError: as `find_job`.
    """
    if choice.ids:
        return list({record.job.id: record for record in (find_job(database, one) for one in choice.ids)}.values())
    dead_only = choice.all_dead or choice.box is not None
    states = frozenset({State.DEAD}) if dead_only else frozenset({State.DEAD, State.FAILED})
    found: list[JobRecord] = []
    before = None
    while len(found) < MOST_CHANGED:
        records = database.jobs(states=states, rule=choice.rule, before=before, limit=PAGE)
        found += [record for record in records if choice.box in (None, record.box)]
        if len(records) < PAGE:
            break
        before = records[-1].number
    return found[:MOST_CHANGED][::-1]  # the oldest first, as they came


def find_open_states(database: Database, query: OpenQuery) -> OpenPage:
    """Return one page of the open states, the newest first."""
    times = database.openings(0.0)
    records = database.jobs(states=LIVE, rule=query.rule, part=Part.UNDO, before=query.before, limit=OPEN_PAGE)

    def state(record: JobRecord) -> OpenState:
        """Join an undo with the `do` of the same event."""
        job = record.job
        do = next((live for live in database.live(job.rule, job.key) if live.cause == record.cause), None)
        return OpenState(record, times.get((job.rule, job.key), 1), do)

    following = records[-1].number if len(records) == OPEN_PAGE else None
    return OpenPage(tuple(map(state, records)), following, _damages(database))


def find_open_state(database: Database, rule: str | None, key: tuple[str, ...]) -> JobRecord:
    """Return the open state of a key; `key` may also be its values as one word, as the commands show them.

    Raises:
        OperatorError: there is none, or it is open for several rules.
    """
    found: list[JobRecord] = []
    before = None
    while records := database.jobs(states=LIVE, rule=rule, part=Part.UNDO, before=before, limit=OPEN_PAGE):
        found += [record for record in records if record.job.key == key or key == (show_key(record.job.key),)]
        before = records[-1].number
    words = show_key(key)
    if not found:
        whose = f" of {rule}" if rule else ""
        raise OperatorError(f"no state{whose} is open for {words}; `gateway open` lists those that are")
    rules = sorted({record.job.rule for record in found})
    if len(rules) > 1:
        raise OperatorError(f"{words} is open for {len(rules)} rules: {', '.join(rules)}; say which with --rule")
    return found[0]


def show_key(key: Sequence[str]) -> str:
    """Write a key as one word of a table."""
    return ",".join(key) or "-"


def entry_page(database: Database, query: EntryQuery) -> EntryPage:
    """Return some of the journal, from one number on."""
    entries: list[dict[str, object]] = []
    damages: list[Damage] = []
    origins: dict[Origin, int] = {}
    octets = 0
    following = None
    upcoming = database.next_number
    for entry in database.entries(first=query.first, since=query.since):
        number = (entry.first or query.first) if isinstance(entry, Damage) else entry.number
        if query.stop is not None and number >= query.stop:
            break
        if octets >= PAGE_OCTETS or len(entries) + len(damages) >= PAGE_ENTRIES:
            following = number
            break
        if isinstance(entry, Damage):
            beyond = query.stop is not None and entry.last is not None and entry.last >= query.stop
            damages.append(replace(entry, last=query.stop - 1) if beyond and query.stop is not None else entry)
            continue
        message = entry.message
        octets += len(message.frame)
        entries.append(
            {
                "number": number,
                "received": message.received,
                "origin": origins.setdefault(message.origin, len(origins)),
                "frame": message.frame.decode("utf-8", "surrogateescape"),
                "truncated": message.truncated,
                "offset": message.offset,
            }
        )
    lines = tuple(encode_origin(origin).decode("ascii") for origin in origins)
    return EntryPage(tuple(entries), lines, tuple(damages), following, upcoming)
