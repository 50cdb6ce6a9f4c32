"""What can be asked of the inside of the gateway, and what is answered; each value goes into JSON and comes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.control.changes import is_held, is_undo_waiting
from gateway.jobs.records import AttemptRecord, Damage, JobRecord, State
from rules.job import Job, Part

PAGE = 200
"""Jobs of one answer; whoever wants more asks for the next page."""

Values = Mapping[str, Any]
"""The members of one JSON object."""

WAITING = "waiting"
RETRYING = "retrying"
PAUSED = "paused"


def shown_state(record: JobRecord, paused: Collection[str]) -> str:
    """Return a job's state as operators see it: what waits also `retries`, or is `paused` with its rule."""
    if record.state is not State.WAITING:
        state: str = record.state.value
        return state
    if is_held(record, paused):
        return PAUSED
    return RETRYING if record.attempt else WAITING


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are wanted, the newest first.

    Attributes:
        states: None: all.
        box: dead letters of this box; None: it does not matter.
        since: created or ended then or later; seconds since 1970.
        shown: states as operators see them (`shown_state`); None: all.
        open_states: those that only wait for their time to be undone, too.
        before: jobs with a number less than this; a page's `following`.
        limit: how many at most.
    """

    states: frozenset[State] | None = None
    rule: str | None = None
    part: Part | None = None
    box: str | None = None
    since: float | None = None
    open_states: bool = True
    before: int | None = None
    limit: int = PAGE
    shown: frozenset[str] | None = None

    def wants(self, record: JobRecord, paused: Collection[str] = ()) -> bool:
        """Tell whether a job is one of them; `paused` are the rules that are."""
        return (
            (self.states is None or record.state in self.states)
            and (self.shown is None or shown_state(record, paused) in self.shown)
            and self.rule in (None, record.job.rule)
            and self.part in (None, record.job.part)
            and self.box in (None, record.box)
            and (self.since is None or max(record.created, record.ended or 0.0) >= self.since)
            and (self.open_states or not is_undo_waiting(record))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "states": None if self.states is None else sorted(state.value for state in self.states),
            "rule": self.rule,
            "part": self.part.value if self.part else None,
            "box": self.box,
            "since": self.since,
            "open_states": self.open_states,
            "before": self.before,
            "limit": self.limit,
            "shown": None if self.shown is None else sorted(self.shown),
        }

    @classmethod
    def from_dict(cls, values: Values) -> JobQuery:
        """Take one apart."""
        states, part, shown = values["states"], values["part"], values.get("shown")
        return cls(
            None if states is None else frozenset(map(State, states)),
            _text_or_none(values["rule"]),
            None if part is None else Part(part),
            _text_or_none(values["box"]),
            _number_or_none(values["since"]),
            bool(values["open_states"]),
            None if values["before"] is None else int(values["before"]),
            min(int(values["limit"]), PAGE),
            None if shown is None else frozenset(map(str, shown)),
        )


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job in a list: its event is left out, `short` is as much of its id as no other job's begins with."""

    record: JobRecord
    short: str

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {**job_to_dict(self.record), "short": self.short}

    @classmethod
    def from_dict(cls, values: Values) -> ListedJob:
        """Take one apart."""
        return cls(job_from_dict(values), str(values["short"]))


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, the newest first.

    Attributes:
        following: the `before` of the next page, None at the end.
        damages: jobs that could not be read, in words.
        paused: rules that are paused, and since when.
    """

    jobs: tuple[ListedJob, ...] = ()
    following: int | None = None
    damages: tuple[str, ...] = ()
    paused: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "jobs": [job.to_dict() for job in self.jobs],
            "following": self.following,
            "damages": list(self.damages),
            "paused": dict(self.paused),
        }

    @classmethod
    def from_dict(cls, values: Values) -> JobPage:
        """Take one apart."""
        return cls(
            tuple(map(ListedJob.from_dict, values["jobs"])),
            values["following"],
            tuple(values["damages"]),
            _paused(values),
        )


@dataclass(frozen=True, slots=True)
class JobDetails:
    """Everything about one job.

    Attributes:
        record: with its event.
        cause_problem: why the journal's entry of the event that caused it cannot be read; None: it can.
        siblings: the jobs of the same rule, key and event: its `do`, its `undo`.
        caused: the jobs that its own attempts caused, the newest first.
        complete: False when there were too many jobs to look through for those it caused.
        paused: rules that are paused, and since when.
    """

    record: JobRecord
    attempts: tuple[AttemptRecord, ...] = ()
    cause_problem: str | None = None
    siblings: tuple[JobRecord, ...] = ()
    caused: tuple[JobRecord, ...] = ()
    complete: bool = True
    paused: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "job": {**job_to_dict(self.record), "event": dict(self.record.job.event)},
            "attempts": [
                {"number": one.number, "job": one.job, "ended": one.ended, "fields": dict(one.fields)}
                for one in self.attempts
            ],
            "cause_problem": self.cause_problem,
            "siblings": list(map(job_to_dict, self.siblings)),
            "caused": list(map(job_to_dict, self.caused)),
            "complete": self.complete,
            "paused": dict(self.paused),
        }

    @classmethod
    def from_dict(cls, values: Values) -> JobDetails:
        """Take one apart."""
        record = job_from_dict(values["job"])
        return cls(
            replace(record, job=replace(record.job, event=values["job"]["event"])),
            tuple(AttemptRecord(one["number"], one["job"], one["ended"], one["fields"]) for one in values["attempts"]),
            _text_or_none(values["cause_problem"]),
            tuple(map(job_from_dict, values["siblings"])),
            tuple(map(job_from_dict, values["caused"])),
            bool(values["complete"]),
            _paused(values),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs a change is for: ids that may be shortened, or all that failed of a rule, of a box, or of any box."""

    ids: tuple[str, ...] = ()
    rule: str | None = None
    box: str | None = None
    all_dead: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"ids": list(self.ids), "rule": self.rule, "box": self.box, "all_dead": self.all_dead}

    @classmethod
    def from_dict(cls, values: Values) -> Choice:
        """Take one apart."""
        return cls(
            tuple(map(str, values["ids"])),
            _text_or_none(values["rule"]),
            _text_or_none(values["box"]),
            bool(values["all_dead"]),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one job that was to be changed; `words` say it, after the job's name."""

    id: str
    rule: str
    done: bool
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"id": self.id, "rule": self.rule, "done": self.done, "words": self.words}

    @classmethod
    def from_dict(cls, values: Values) -> Change:
        """Take one apart."""
        return cls(str(values["id"]), str(values["rule"]), bool(values["done"]), str(values["words"]))


@dataclass(frozen=True, slots=True)
class OpenState:
    """A state that a rule opened and that is not undone yet.

    Attributes:
        record: the job that undoes it.
        times: how often it was opened until now.
        do: the job of `do` that belongs to it, as long as that waits, runs or is tried again; None: it is over.
    """

    record: JobRecord
    times: int
    do: JobRecord | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        do = None if self.do is None else job_to_dict(self.do)
        return {**job_to_dict(self.record), "times": self.times, "do": do}

    @classmethod
    def from_dict(cls, values: Values) -> OpenState:
        """Take one apart."""
        do = values.get("do")
        return cls(job_from_dict(values), int(values["times"]), None if do is None else job_from_dict(do))


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """Which open states are wanted; `before` is the page before's `following`."""

    rule: str | None = None
    before: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"rule": self.rule, "before": self.before}

    @classmethod
    def from_dict(cls, values: Values) -> OpenQuery:
        """Take one apart."""
        return cls(_text_or_none(values["rule"]), None if values["before"] is None else int(values["before"]))


@dataclass(frozen=True, slots=True)
class OpenPage:
    """Some open states, the newest first.

    Attributes:
        following: the `before` of the next page, None at the end.
        damages: jobs that could not be read, in words.
    """

    states: tuple[OpenState, ...] = ()
    following: int | None = None
    damages: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        states = [state.to_dict() for state in self.states]
        return {"states": states, "following": self.following, "damages": list(self.damages)}

    @classmethod
    def from_dict(cls, values: Values) -> OpenPage:
        """Take one apart."""
        return cls(tuple(map(OpenState.from_dict, values["states"])), values["following"], tuple(values["damages"]))


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Which entries of the journal are wanted: numbers from `first` on and less than `stop`, received since then."""

    first: int = 1
    stop: int | None = None
    since: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"first": self.first, "stop": self.stop, "since": self.since}

    @classmethod
    def from_dict(cls, values: Values) -> EntryQuery:
        """Take one apart."""
        stop = values["stop"]
        return cls(int(values["first"]), None if stop is None else int(stop), _number_or_none(values["since"]))


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some entries in the order of their numbers.

    Attributes:
        entries: `{"number", "received", "origin", "frame", "truncated", "offset"}`; a frame is text, in which an octet
            that is no UTF-8 is a lone surrogate (PEP 383), and `origin` an index.
        origins: what those indices mean, as `gateway.jobs.blocks.encode_origin` has it.
        damages: what could not be read.
        following: where the next page begins; None: nothing more was asked for.
        upcoming: the number that the next message to come will get.
    """

    entries: tuple[Values, ...] = ()
    origins: tuple[str, ...] = ()
    damages: tuple[Damage, ...] = ()
    following: int | None = None
    upcoming: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "entries": list(self.entries),
            "origins": list(self.origins),
            "damages": [
                {"table": one.table, "first": one.first, "last": one.last, "problem": one.problem}
                for one in self.damages
            ],
            "following": self.following,
            "upcoming": self.upcoming,
        }

    @classmethod
    def from_dict(cls, values: Values) -> EntryPage:
        """Take one apart."""
        damages = (Damage(one["table"], one["first"], one["last"], one["problem"]) for one in values["damages"])
        return cls(
            tuple(values["entries"]),
            tuple(values["origins"]),
            tuple(damages),
            values["following"],
            int(values["upcoming"]),
        )


def job_to_dict(record: JobRecord) -> dict[str, Any]:
    """Return a job ready for JSON, without its event."""
    return {
        "id": record.job.id,
        "number": record.number,
        "rule": record.job.rule,
        "part": record.job.part.value,
        "key": list(record.job.key),
        "state": record.state.value,
        "cause": record.cause,
        "created": record.created,
        "due": record.due,
        "step": record.step,
        "attempt": record.attempt,
        "lane": record.lane,
        "box": record.box,
        "problem": record.problem,
        "ended": record.ended,
    }


def job_from_dict(values: Values) -> JobRecord:
    """Take a job apart."""
    job = Job(str(values["id"]), str(values["rule"]), Part(values["part"]), tuple(map(str, values["key"])), {})
    return JobRecord(
        int(values["number"]),
        job,
        State(values["state"]),
        int(values["cause"]),
        float(values["created"]),
        float(values["due"]),
        int(values["step"]),
        int(values["attempt"]),
        str(values["lane"]),
        str(values["box"]),
        str(values["problem"]),
        _number_or_none(values["ended"]),
    )


def _paused(values: Values) -> Mapping[str, float]:
    return {str(rule): float(since) for rule, since in values["paused"].items()}


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else float(value)
