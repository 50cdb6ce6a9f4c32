"""What there is to do: the tasks that the rules name, and the jobs that events make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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


PLACEHOLDER = re.compile(r"\$(?:(\$)|\{([^{}]*)\}|(\{))")
"""`$$`, `${field}`, or a `${` that is not closed; any other dollar sign stands for itself."""

FIELD_NAME = re.compile(r"[\w@][\w@.-]*|log\.syslog\.structured_data\.[^\s{}]+")


def check_argument(argument: str) -> None:
    """Check one argument of a task as far as that can be done without an event, for whoever loads rules.

    Raises:
        FillError: it holds a NUL, a `${` that is not closed, or braces around what is no field's name.
    """
    if "\0" in argument:
        raise FillError("an argument cannot hold a NUL character")
    for match in PLACEHOLDER.finditer(argument):
        if match[3]:
            raise FillError(f"'${{' is not closed in {argument!r}; for the two characters write '$${{'")
        if match[2] is not None and not FIELD_NAME.fullmatch(match[2]):
            raise FillError(f"{match[2]!r} is no name of a field; for a dollar sign write '$$'")


def check_argv(argv: Sequence[str]) -> None:
    """Check all arguments of a task; which program runs must not depend on an event.

    Raises:
        FillError: as `check_argument`, or there is no program, or its name is to come from an event.
    """
    if not argv or not argv[0]:
        raise FillError("there is no program to run")
    for argument in argv:
        check_argument(argument)
    if any(match[2] is not None for match in PLACEHOLDER.finditer(argv[0])):
        raise FillError(f"the program cannot come from an event: {argv[0]!r}")


def fill_argv(argv: Sequence[str], fields: Mapping[str, FieldValue], *, options: bool = False) -> list[str]:
    """Put the event's values into the arguments of a task: as many as before, whatever the values hold.

    Raises:
        FillError: as `fill` and `check_argv`.
    """
    check_argv(argv)
    return [fill(argument, fields, options=options) for argument in argv]


def fill(argument: str, fields: Mapping[str, FieldValue], *, options: bool = False) -> str:
    """Put the event's values into one argument; `$$` is a dollar sign.

    The argument stays one argument whatever the values hold: nothing splits it afterwards.

    Raises:
        FillError: a field is absent, is no single value, holds a NUL, or would begin the argument with `-`; or a
            `${` is not closed.
    """

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if match[3]:
            raise FillError(f"'${{' is not closed in {argument!r}")
        return _text(match[2], lookup(fields, match[2]))

    filled = PLACEHOLDER.sub(value, argument)
    # The whole is looked at, not each value: an empty one may bring the next to the front.
    if filled.startswith("-") and not argument.startswith("-") and not options:
        raise FillError(f"the value of {argument} begins with '-' and would be an option: {filled[:80]!r}")
    return filled


def _text(name: str, value: FieldValue) -> str:
    if value is None:
        raise FillError(f"the event has no field {name}")
    if isinstance(value, list | dict):
        raise FillError(f"the field {name} is a {'list' if isinstance(value, list) else 'table'}, not one value")
    text = printable(str(value).lower() if isinstance(value, bool) else str(value))
    if "\0" in text:
        raise FillError(f"the value of {name} holds a NUL character")
    return text
