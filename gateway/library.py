"""The rules that come with the gateway, as they tell of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from gateway.config import ACTING, COSTLY, library_names
from parsers.event import FieldValue
from parsers.message import Message
from parsers.parse import Parser, builtin_grammars
from rules.example import Send
from rules.examples import START
from rules.job import Part
from rules.load import Defaults, load_rules
from rules.look import conditions_of
from rules.match import wants
from rules.rule import Rule
from rules.sent import batches, meaning, message_of
from rules.step import Mail, process_of
from rules.words import value_words

_SCHEMA = "yaml-language-server:"
_OF_TESTS = "In the tests, "


@dataclass(frozen=True, slots=True)
class ShippedRule:
    """One rule."""

    rule: Rule

    @property
    def example(self) -> str:
        """A message of its tests that it is about, or the fields of an event; mostly that is the first."""
        tests = [wants(match, unless) for match, unless in conditions_of(self.rule)]
        for words, message in (pair for step in self.rule.tests if step.send for pair in _messages(step.send)):
            fields = meaning(message, _parser()).fields
            if any(test(dict(fields)) is not None for test in tests):
                return words
        return ""

    @property
    def programs(self) -> tuple[str, ...]:
        """What it runs, and `mail` where it sends any."""
        steps = [step for part in Part for step in self.rule.steps(part)]
        tasks = [task for step in steps if (task := process_of(step)) is not None]
        mails = ["mail"] if any(isinstance(step, Mail) for step in steps) else []
        return tuple(dict.fromkeys([*(task.argv[0] for task in tasks), *mails]))


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """One file of the library.

    Attributes:
        about: the paragraphs at its head; one that begins with four blanks is an example.
    """

    name: str
    about: tuple[str, ...]
    rules: tuple[ShippedRule, ...]

    @property
    def acts(self) -> bool:
        """Whether it does more than tell the log."""
        return self.name in ACTING

    @property
    def costly(self) -> bool:
        """Whether every message has to be parsed because of it."""
        return self.name in COSTLY

    @property
    def summary(self) -> str:
        """Its first sentence."""
        return re.split(r"(?<=[.:])\s", self.about[0], maxsplit=1)[0].rstrip(":.") + "."


def shipped(names: Sequence[str] | None = None) -> tuple[ShippedFile, ...]:
    """Read the library; None: all of it."""
    return tuple(map(_file, library_names() if names is None else names))


def text_of(name: str) -> str:
    """Return a shipped file as it is."""
    return resources.files("rules").joinpath("library", f"{name}.yaml").read_text("utf-8")


@cache
def _parser() -> Parser:
    """Return the parser of the built-in grammars: to compile what it runs takes longer than to read the library."""
    return Parser(builtin_grammars())


def _file(name: str) -> ShippedFile:
    text = text_of(name)
    loaded = load_rules(text, f"library/{name}.yaml", Defaults())
    return ShippedFile(name, tuple(_about(text)), tuple(map(ShippedRule, loaded.rules)))


def _about(text: str) -> Iterator[str]:
    """Yield the paragraphs of the comment at the head of a file, but for what is about its tests."""
    head = re.match(r"(?:#.*\n)*", text)
    lines = [line[2:] for line in head[0].splitlines() if _SCHEMA not in line] if head else []
    for paragraph in "\n".join(lines).split("\n\n"):
        if paragraph.startswith("    "):
            yield paragraph
        elif said := " ".join(paragraph.split()).partition(_OF_TESTS)[0].strip():
            yield said


def _messages(send: Send) -> Iterator[tuple[str, Message]]:
    """Yield what a test sends, as it stands there and as it arrives."""
    if send.fields is not None:
        yield _words(send.fields), message_of(send.fields, START, send)
    for text in send.texts:
        for batch in batches(replace(send, texts=(text,), times=1), START):
            yield from ((text, Message(frame, batch.origin, batch.received)) for frame in batch.frames.texts())


def _words(fields: Mapping[str, FieldValue]) -> str:
    """Render an event as a rule file has it."""
    values = (f"{name}: {value_words(one)}" for name, one in fields.items() if isinstance(one, str | int | float))
    return f"{{{', '.join(values)}}}"
