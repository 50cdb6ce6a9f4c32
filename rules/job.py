"""What there is to do because of an event, and how its values get into the arguments of a command."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.event import FieldValue, lookup, printable


class Part(enum.Enum):
    """Which of a rule's lists of steps a job goes through."""

    DO = "do"
    ELSE = "else"
    UNDO = "undo"
    ON_FAILURE = "on_failure"


@dataclass(frozen=True, slots=True)
class Job:
    """What one incident makes to be done: the steps of one part of a rule, in order, up to the first that fails.

    Attributes:
        id: a function of the rule, the part, the key and the event (32 hex digits): the same cause, the same id.
        event: the event, ready for JSON.
        due: when it is to be done, in seconds since 1970; None: now. A job with `part` UNDO that waits for its time
            is an open state.
    """

    id: str
    rule: str
    part: Part
    key: tuple[str, ...]
    event: Mapping[str, FieldValue]
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one step of a job.

    Attributes:
        id: the job's id and the step's number, `ID-N`: the same for each attempt, so that a process can tell repeats.
        task: the step's name.
        number: 1 for the first.
    """

    id: str
    rule: str
    task: str
    key: tuple[str, ...]
    event: Mapping[str, FieldValue]
    number: int = 1


class FillError(ValueError):
    """A value cannot stand where the argument wants it; the job fails without being started."""


class NoFieldError(FillError):
    """The event has no such field; another event of the same incident may have it."""


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


def fill_known(text: str, fields: Mapping[str, FieldValue]) -> str:
    """Put the event's values into a text that people read: a field that is absent shows as `-`, and nothing fails."""

    def value(match: re.Match[str]) -> str:
        if match[2] is None:
            return "$" if match[1] else match[0]
        try:
            return _text(match[2], lookup(fields, match[2]))
        except FillError:
            return "-"

    return PLACEHOLDER.sub(value, text)


def _text(name: str, value: FieldValue) -> str:
    if value is None:
        raise NoFieldError(f"the event has no field {name}")
    if isinstance(value, list | dict):
        raise FillError(f"the field {name} is a {'list' if isinstance(value, list) else 'table'}, not one value")
    text = printable(str(value).lower() if isinstance(value, bool) else str(value))
    if "\0" in text:
        raise FillError(f"the value of {name} holds a NUL character")
    return text
