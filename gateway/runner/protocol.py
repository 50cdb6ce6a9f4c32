"""What the gateway and its runner say to each other: one JSON object a line, on a unix stream socket.

The runner may be root while the gateway is not, so every line is checked in full before anything is made of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from parsers.event import FieldValue
from rules.outcome import Ending, Outcome

MAX_OUTPUT = 4 * 1024 * 1024
"""Octets kept of each output whatever a task asks for, so that an outcome fits into one line."""

MAX_LINE = 16 * 1024 * 1024
"""Octets of one line: two outputs of MAX_OUTPUT in base64, or the event of a frame 100 times the usual limit."""

MAX_NAME = 1024
"""Octets of a name: the longest rule name that anybody writes, many times over."""

JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")

FOLDER_OF_JOB = re.compile(r"[0-9a-f]{32}")
"""The name of a job's private folder: the id of the job itself, without the number of a step."""


class ProtocolError(Exception):
    """A line that the other side should not have sent: a bug of ours, or a gateway that was broken into."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a task for an event; `fields` is the event ready for JSON."""

    job: str
    task: str
    rule: str
    key: tuple[str, ...]
    fields: Mapping[str, FieldValue]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a job, or forget it when it waits; it has an outcome all the same."""

    job: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Load the tasks again."""


@dataclass(frozen=True, slots=True)
class Clean:
    """Remove the private folders of a job that has ended; there is no reply."""

    job: str


Request = Start | Cancel | Reload | Clean


@dataclass(frozen=True, slots=True)
class Room:
    """How many jobs of one task are of use to the runner at a time.

    Attributes:
        jobs: so many may run, and as many again may wait there; of a stream: so many events, out or in line.
        stream: it is a stream, whose events are not among the jobs that the runner's limit counts.
    """

    jobs: int
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The runner is there.

    Attributes:
        tasks: what it has room for.
        error: why it has no tasks, or old ones.
        folders: the ids of jobs of which there are private folders.
    """

    pid: int
    tasks: Mapping[str, Room]
    error: str | None = None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waits:
    """Said by the outer process: another runner, whose process this is, still holds the lock."""

    pid: int


@dataclass(frozen=True, slots=True)
class Starting:
    """The job's process is about to be started, or its event to be given to a stream: from now on it may have run.

    It is said before it is done, so that no job runs twice when the runner dies between the two.
    """

    job: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The job is over."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The job was not taken, and why; another time it may be."""

    job: str
    words: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The tasks were loaded; those of before are gone."""

    tasks: Mapping[str, Room]


@dataclass(frozen=True, slots=True)
class ReloadFailed:
    """The tasks of before stay, and why."""

    words: str


Reply = Ready | Waits | Starting | Ended | NotTaken | Reloaded | ReloadFailed


class Lines:
    """Cuts a stream into lines; a line over the limit is a ProtocolError."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now, without their newlines."""
        first, newline, rest = data.partition(b"\n")
        if len(self._rest) + len(first) > self._limit:
            raise ProtocolError(f"a line is longer than {self._limit} octets")
        self._rest += first
        if not newline:
            return []
        lines = [bytes(self._rest)]
        *more, tail = rest.split(b"\n")
        self._rest = bytearray(tail)
        return lines + more


def _line(kind: str, values: Mapping[str, Any]) -> bytes:
    return json.dumps({"frame": kind, **values}, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def request_line(request: Request) -> bytes:
    """Write a request as one line.

    Raises:
        ProtocolError: the other side would take it for no request.
    """
    match request:
        case Start():
            if not JOB_ID.fullmatch(request.job):
                raise ProtocolError(f"no job has the id {request.job[:80]!r}")
            if max(len(request.task), len(request.rule)) > MAX_NAME:
                raise ProtocolError(f"the name of its rule is longer than {MAX_NAME} characters")
            values = {
                "job": request.job,
                "task": request.task,
                "rule": request.rule,
                "key": request.key,
                "fields": request.fields,
                "attempt": request.attempt,
            }
            try:
                return _line("start", values)
            except (ValueError, RecursionError) as error:
                raise ProtocolError(f"its event cannot be written as JSON: {error}") from None
        case Cancel():
            return _line("cancel", {"job": request.job})
        case Reload():
            return _line("reload", {})
        case Clean():
            return _line("clean", {"job": request.job})


def reply_line(reply: Reply) -> bytes:
    """Write a reply as one line."""
    match reply:
        case Ready():
            values = {"pid": reply.pid, "tasks": _rooms(reply.tasks), "error": reply.error, "folders": reply.folders}
            return _line("ready", values)
        case Waits():
            return _line("waits", {"pid": reply.pid})
        case Starting():
            return _line("starting", {"job": reply.job})
        case Ended():
            return _line("ended", _outcome_values(reply.outcome))
        case NotTaken():
            return _line("not-taken", {"job": reply.job, "words": reply.words})
        case Reloaded():
            return _line("reloaded", {"tasks": _rooms(reply.tasks)})
        case ReloadFailed():
            return _line("reload-failed", {"words": reply.words})


def _rooms(tasks: Mapping[str, Room]) -> dict[str, list[Any]]:
    return {name: [room.jobs, room.stream] for name, room in tasks.items()}


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    return {
        "job": outcome.job,
        "ending": outcome.ending.value,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "seconds": round(outcome.seconds, 6),
        "error": outcome.error,
        "stdout": base64.b64encode(outcome.stdout).decode("ascii"),
        "stderr": base64.b64encode(outcome.stderr).decode("ascii"),
        "stdout_dropped": outcome.stdout_dropped,
        "stderr_dropped": outcome.stderr_dropped,
        "survivors": outcome.survivors,
    }


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Values:
    """The members of one frame, each asked for by name and type; what is not asked for is an error."""

    def __init__(self, line: bytes) -> None:
        try:
            values = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            raise ProtocolError(f"a line is no JSON ({error}): {line[:80]!r}") from None
        if not isinstance(values, dict):
            raise ProtocolError(f"a line is no object: {line[:80]!r}")
        self._values = values
        self.kind = self.text("frame")

    def _take(self, name: str, *kinds: type) -> Any:
        value = self._values.pop(name, ...)
        if type(value) not in kinds:  # not isinstance: True is no number here
            raise ProtocolError(f"the member {name!r} is missing or of a wrong type")
        return value

    def text(self, name: str, limit: int = MAX_NAME) -> str:
        value: str = self._take(name, str)
        if len(value) > limit:
            raise ProtocolError(f"the member {name!r} is longer than {limit} characters")
        return value

    def words(self, name: str) -> str | None:
        value: str | None = self._take(name, str, type(None))
        return value

    def job(self) -> str:
        value = self.text("job")
        if not JOB_ID.fullmatch(value):
            raise ProtocolError(f"no job has the id {value!r}")
        return value

    def folder(self) -> str:
        value = self.text("job")
        if not FOLDER_OF_JOB.fullmatch(value):
            raise ProtocolError(f"no job's folder is called {value!r}")
        return value

    def number(self, name: str, least: int = 0) -> int:
        value: int = self._take(name, int)
        if value < least:
            raise ProtocolError(f"the member {name!r} is less than {least}")
        return value

    def number_or_none(self, name: str) -> int | None:
        value: int | None = self._take(name, int, type(None))
        return value

    def seconds(self, name: str) -> float:
        return float(self._take(name, int, float))

    def octets(self, name: str) -> bytes:
        try:
            return base64.b64decode(self._take(name, str), validate=True)
        except (binascii.Error, ValueError):
            raise ProtocolError(f"the member {name!r} is no base64") from None

    def texts(self, name: str) -> tuple[str, ...]:
        value: list[Any] = self._take(name, list)
        if not all(isinstance(item, str) for item in value):
            raise ProtocolError(f"the member {name!r} is no list of texts")
        return tuple(value)

    def table(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = self._take(name, dict)
        return value

    def rooms(self, name: str) -> dict[str, Room]:
        rooms = {}
        for task, value in self.table(name).items():
            if not isinstance(value, list) or [type(item) for item in value] != [int, bool]:
                raise ProtocolError(f"the member {name!r} does not say how many jobs of {task!r} there is room for")
            rooms[task] = Room(*value)
        return rooms

    def end(self) -> None:
        if self._values:
            raise ProtocolError(f"a {self.kind!r} frame has no member {next(iter(self._values))!r}")


def read_request(line: bytes) -> Request:
    """Take a request apart.

    Raises:
        ProtocolError: the line is no request.
    """
    values = _Values(line)
    request: Request
    match values.kind:
        case "start":
            request = Start(
                job=values.job(),
                task=values.text("task"),
                rule=values.text("rule"),
                key=values.texts("key"),
                fields=values.table("fields"),
                attempt=values.number("attempt", 1),
            )
        case "cancel":
            request = Cancel(values.job())
        case "reload":
            request = Reload()
        case "clean":
            request = Clean(values.folder())
        case other:
            raise ProtocolError(f"there is no request {other!r}")
    values.end()
    return request


def read_reply(line: bytes) -> Reply:
    """Take a reply apart.

    Raises:
        ProtocolError: the line is no reply.
    """
    values = _Values(line)
    reply: Reply
    match values.kind:
        case "ready":
            reply = Ready(
                values.number("pid", 1), values.rooms("tasks"), values.words("error"), values.texts("folders")
            )
        case "waits":
            reply = Waits(values.number("pid"))
        case "starting":
            reply = Starting(values.job())
        case "ended":
            reply = Ended(_read_outcome(values))
        case "not-taken":
            reply = NotTaken(values.job(), values.words("words") or "")
        case "reloaded":
            reply = Reloaded(values.rooms("tasks"))
        case "reload-failed":
            reply = ReloadFailed(values.words("words") or "")
        case other:
            raise ProtocolError(f"there is no reply {other!r}")
    values.end()
    return reply


def _read_outcome(values: _Values) -> Outcome:
    ending = values.text("ending")
    if ending not in {item.value for item in Ending}:
        raise ProtocolError(f"there is no ending {ending!r}")
    return Outcome(
        job=values.job(),
        ending=Ending(ending),
        exit_code=values.number_or_none("exit_code"),
        signal=values.number_or_none("signal"),
        seconds=values.seconds("seconds"),
        error=values.words("error"),
        stdout=values.octets("stdout"),
        stderr=values.octets("stderr"),
        stdout_dropped=values.number("stdout_dropped"),
        stderr_dropped=values.number("stderr_dropped"),
        survivors=values.number("survivors"),
    )
