"""What there is to do: the tasks that the rules name, and the jobs that events make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from parsers.event import FieldValue, lookup, printable

DEFAULT_TIMEOUT = 60.0
"""Seconds; fail2ban's limit, which its users know."""

DEFAULT_GRACE = 5.0
"""Seconds between TERM and KILL."""

DEFAULT_OUTPUT = 64 * 1024
"""Octets kept of each of standard output and standard error: a page of traceback and then some."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process, as setrlimit(2) takes them; None leaves the runner's own.

    `processes` counts all processes of the user and is not enforced for root.
    """

    cpu: int | None = None  # seconds
    address_space: int | None = None  # octets
    file_size: int | None = None  # octets
    open_files: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One `run:` step as the configuration gives it; the network side can ask for it only by its name.

    Attributes:
        name: `RULE/do/N`, N counting from 1.
        argv: the program and its arguments; `${field}` is filled in each element after the split.
        options: values that fill `${field}` may begin with `-`.
        stdin: the event goes to standard input as one JSON document; else it is empty.
        concurrency: how many of this task run at a time.
    """

    name: str
    argv: tuple[str, ...]
    timeout: float = DEFAULT_TIMEOUT
    grace: float = DEFAULT_GRACE
    user: str | None = None
    group: str | None = None
    cwd: str = "/"
    umask: int = 0o077
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    options: bool = False
    stdin: bool = True
    output: int = DEFAULT_OUTPUT
    limits: Limits = Limits()
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do because of one event.

    Attributes:
        id: a function of the rule, the step, the key and the event (32 hex digits): the same cause, the same id.
        task: the name of the task.
        event: the event, ready for JSON.
    """

    id: str
    rule: str
    task: str
    key: tuple[str, ...]
    event: Mapping[str, FieldValue]
    attempt: int = 1


class FillError(ValueError):
    """A value cannot stand where the argument wants it; the job fails without being started."""


PLACEHOLDER = re.compile(r"\$(?:(\$)|\{([^{}]*)\})")


def fill(argument: str, fields: Mapping[str, FieldValue], *, options: bool = False) -> str:
    """Put the event's values into one argument; `$$` is a dollar sign.

    The argument stays one argument whatever the values hold: nothing splits it afterwards.

    Raises:
        FillError: a field is absent, is no single value, holds a NUL, or would begin the argument with `-`.
    """

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        found = lookup(fields, match[2])
        if found is None:
            raise FillError(f"the event has no field {match[2]}")
        if isinstance(found, list | dict):
            raise FillError(
                f"the field {match[2]} is a {'list' if isinstance(found, list) else 'table'}, not one value"
            )
        text = printable(str(found).lower() if isinstance(found, bool) else str(found))
        if "\0" in text:
            raise FillError(f"the value of {match[2]} holds a NUL character")
        if text.startswith("-") and match.start() == 0 and not options:
            raise FillError(f"the value of {match[2]} begins with '-' and would be an option: {text[:80]!r}")
        return text

    return PLACEHOLDER.sub(value, argument)
