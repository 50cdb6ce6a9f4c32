"""What a grammar is: the forms of one program's messages, written in pyparsing, with their examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyparsing import ParserElement

from parsers.event import FieldValue


@dataclass(frozen=True, slots=True)
class Form:
    """One shape of a message.

    Attributes:
        name: what the shape is called in `gateway explain`, `failed-password` say.
        expression: matches the message from its first character; a results name is the field it fills
            (`ip_address("source.ip")`). Fields of `parsers.fields.INTEGERS` become numbers.
        sets: the fields that the shape itself means (`event.action`, `event.outcome`).
        refine: changes the fields after the match, where no expression can (a URL taken apart, escapes undone);
            it must never raise. None where the match says it all. Returning False declines the match.
        derived: the fields that `refine` may set or change.
        any_field: `refine` may set any field but those that are reserved and those that say who wrote the message
            (JSON, key=value).
        escape: a regular expression that finds in the message text the escapes which `refine` undoes; where it
            finds none, every string value stands in the message as it is. None: values are always literal.
        numbers: regular expressions that find in the message text the numbers which a rule would not compare as they
            stand there (4.43e2 is 443); where none does, every number's text is part of the message.
    """

    name: str
    expression: ParserElement
    sets: Mapping[str, FieldValue] = field(default_factory=dict)
    refine: Callable[[dict[str, FieldValue]], bool | None] | None = None
    derived: tuple[str, ...] = ()
    any_field: bool = False
    escape: str | None = None
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A message of the program, in our own words after its documentation, and every field it must yield.

    `fields` is the whole answer of the grammar; None says that no form matches.
    """

    text: str
    fields: Mapping[str, FieldValue] | None
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """The forms of one program's messages.

    Attributes:
        name: becomes `event.module`.
        programs: the names it serves, in lower case and without path; a trailing `*` stands for any rest
            (`postfix/*`). Empty: tried on every message that no program's grammar took.
        forms: tried in this order; the first that matches wins.
    """

    name: str
    programs: tuple[str, ...]
    forms: tuple[Form, ...]
    examples: tuple[Example, ...]
