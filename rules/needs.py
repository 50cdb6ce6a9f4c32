"""What a rule needs to see in the raw octets of a message, before anything is parsed.

A condition on a field holds only for messages that give the field its value: through the envelope, where the value
stands in the octets as it is, or through a form of a grammar, which has a shape of its own. Every way is one
alternative. Of conditions that must all hold, the one whose alternatives are the rarest is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from parsers.event import FieldValue
from parsers.fields import INTEGERS, field_of_group, is_reserved
from parsers.grammar import Form
from parsers.lowering import CompiledGrammar
from parsers.parse import DEFAULT_PRIORITY, PRIORITIES
from rules.condition import AllOf, AnyOf, Condition, Contains, Equals, Exists, Glob, Matches, Not, OneOf
from rules.match import plain, value_test
from rules.necessary import MIN_LITERAL, Necessary, of_literal, of_regex

Need = tuple[Necessary, ...]
"""Alternatives: every message in question holds at least one of them."""

MAX_ALTERNATIVES = 2000
"""More alternatives than this for one condition are not worth their place in the database."""

_LITERAL_IN_HEADER = frozenset(
    {"message", "log.syslog.appname", "log.syslog.hostname", "log.syslog.msgid", "log.syslog.procid", "process.name"}
)
_STRUCTURED_DATA = "log.syslog.structured_data."
_ESCAPED_IN_STRUCTURED_DATA = frozenset('"\\]')
_OF_SOURCE = ("event.dataset", "host.name")


@dataclass(frozen=True, slots=True)
class _Producer:
    """A form of a grammar, and what its pattern makes necessary."""

    form: Form
    sets: Mapping[str, FieldValue]
    captured: frozenset[str]
    shape: Necessary | None


class Needs:
    """Works out needs, given the grammars that will parse the messages."""

    def __init__(self, grammars: Iterable[CompiledGrammar]) -> None:
        self._producers = [
            _Producer(
                form,
                {**form.sets, "event.module": grammar.grammar.name},
                frozenset(_names(form)),
                of_regex(pattern) if pattern is not None else None,
            )
            for grammar in grammars
            for form, pattern in grammar.patterns()
        ]

    def of(self, condition: Condition) -> Need | None:
        """Return what is necessary for the condition to hold; None when every message may fulfil it."""
        return self._need(condition, (condition,))

    def _need(self, condition: Condition, conjunction: tuple[Condition, ...]) -> Need | None:
        match condition:
            case AllOf(conditions):
                together = _flatten(conditions)
                return _rarest(self._need(part, together) for part in together)
            case AnyOf(conditions):
                return _either(self.of(part) for part in conditions)
            case Not():
                return None
            case _:
                return self._of_field(condition, conjunction)

    def _of_field(self, condition: Condition, conjunction: tuple[Condition, ...]) -> Need | None:
        assert not isinstance(condition, AllOf | AnyOf | Not)  # noqa: S101 -- _need took those
        if isinstance(condition, Exists) and not condition.expected:
            return None
        name = condition.field
        if name in _found_by_rule(conjunction) or name.startswith(("gateway.", "log.source.")) or name in _OF_SOURCE:
            return None
        if name in PRIORITIES[DEFAULT_PRIORITY]:
            return _of_priority(condition)
        if name in _LITERAL_IN_HEADER:
            return _of_value(condition)
        if name.startswith(_STRUCTURED_DATA):
            return _of_structured_data(condition)
        if name == "process.pid" or (is_reserved(name) and name != "event.module"):
            return None
        return self._of_grammars(condition, conjunction)

    def _of_grammars(self, condition: Condition, conjunction: tuple[Condition, ...]) -> Need | None:
        """Go through the forms that can give the field a value that passes, and pass all else that is asked."""
        alternatives: list[Necessary] = []
        for producer in self._producers:
            if not all(_can_hold(producer, part) for part in conjunction):
                continue
            need = self._of_form(condition, producer)
            if need is None:
                return None
            alternatives.extend(need)
        found = tuple(dict.fromkeys(alternatives))
        return found if len(found) <= MAX_ALTERNATIVES else None

    def _of_form(self, condition: Condition, producer: _Producer) -> Need | None:
        assert not isinstance(condition, AllOf | AnyOf | Not)  # noqa: S101 -- _need took those
        form, name = producer.form, condition.field
        shape = (producer.shape,) if producer.shape else None
        if name in producer.sets and name not in form.derived:
            return shape
        if name in INTEGERS or name in form.derived or (form.any_field and name.endswith((".port", ".bytes"))):
            return shape
        value = _of_value(condition)
        if form.any_field and value is not None and form.escape is not None:
            escape = _weak(form.escape)
            value = (*value, escape) if escape else None
        return _rarest((shape, value))


def _names(form: Form) -> Iterable[str]:
    """Return the fields that the form's expression can fill."""
    names: set[str] = set()
    for element in form.expression.visit_all():  # type: ignore[no-untyped-call]
        if element.resultsName:
            names.add(element.resultsName)
    return names


def _flatten(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    return tuple(
        inner
        for condition in conditions
        for inner in (_flatten(condition.conditions) if isinstance(condition, AllOf) else (condition,))
    )


def _found_by_rule(conjunction: Iterable[Condition]) -> frozenset[str]:
    """Return the fields that the rule's own regular expressions may add."""
    found: set[str] = set()
    for condition in conjunction:
        match condition:
            case Matches(_, pattern):
                found.update(field_of_group(group) for group in pattern.groupindex)
            case AnyOf(conditions) | AllOf(conditions):
                found |= _found_by_rule(conditions)
            case _:
                pass
    return frozenset(found)


def _can_hold(producer: _Producer, condition: Condition) -> bool:
    """Tell whether an event of this form can fulfil the condition; True where that is not plain to see."""
    if isinstance(condition, AllOf | AnyOf | Not):
        return True
    form, name = producer.form, condition.field
    if name == "event.module":
        return _passes(condition, producer.sets[name])
    if form.any_field or name in form.derived or _of_envelope(name):
        return True
    if isinstance(condition, Exists):
        return name in producer.captured or condition.expected is (name in producer.sets)
    if name in producer.sets:
        return _passes(condition, producer.sets[name])
    return name in producer.captured


def _of_envelope(name: str) -> bool:
    return is_reserved(name) or name in ("host.name", "process.name", "process.pid")


def _passes(condition: Condition, value: FieldValue) -> bool:
    if isinstance(condition, Matches):
        test: Callable[[FieldValue], bool] = lambda found: condition.pattern.search(plain(found)) is not None  # noqa: E731
    elif isinstance(condition, AllOf | AnyOf | Not | Exists):
        return True
    else:
        test = value_test(condition)
    if value is None:
        return True
    return any(map(test, value)) if isinstance(value, list) else test(value)


def _of_priority(condition: Condition) -> Need | None:
    passing = [number for number, fields in enumerate(PRIORITIES) if _passes(condition, fields[_field(condition)])]
    if DEFAULT_PRIORITY in passing or isinstance(condition, Exists) or not passing:
        return None
    return (Necessary("<(?:" + "|".join(map(str, passing)) + ")>", 3),)


def _field(condition: Condition) -> str:
    return "" if isinstance(condition, AllOf | AnyOf | Not) else condition.field


def _of_structured_data(condition: Condition) -> Need | None:
    match condition:
        case Equals(_, value):
            texts = [plain(value)]
        case OneOf(_, values):
            texts = [plain(value) for value in values]
        case Contains(_, text):
            texts = [text]
        case _:
            return None
    if any(_ESCAPED_IN_STRUCTURED_DATA.intersection(text) for text in texts):
        return None
    return _of_value(condition)


def _of_value(condition: Condition) -> Need | None:
    """Return what must stand in a text that is to pass the condition, as it is."""
    match condition:
        case Equals(_, value):
            found = [of_literal(plain(value))]
        case OneOf(_, values):
            found = [of_literal(plain(value)) for value in values]
        case Contains(_, text):
            found = [of_literal(text)]
        case Glob(_, pattern):
            found = [of_regex(translate(pattern))]
        case Matches(_, pattern):
            found = [of_regex(pattern.pattern, pattern.flags)]
        case _:
            return None
    return None if None in found else tuple(need for need in found if need is not None)


def _weak(pattern: str) -> Necessary | None:
    """Return what is necessary for a pattern that may be as short as one character."""
    necessary = of_regex(pattern)
    if necessary is not None or not re.fullmatch(r"\\?[^\w\s]", pattern):
        return necessary
    return Necessary(re.escape(pattern[-1]), 1)


def _rarest(needs: Iterable[Need | None]) -> Need | None:
    """Of needs that all hold, choose the one that is met least often."""
    known = [need for need in needs if need is not None]
    return max(known, key=_rarity, default=None)


def _rarity(need: Need) -> tuple[int, int]:
    # eight fixed octets in a row are rare enough; then fewer alternatives cost less
    return min((min(necessary.literal, 8) for necessary in need), default=MIN_LITERAL + 8), -len(need)


def _either(needs: Iterable[Need | None]) -> Need | None:
    """Of needs of which one holds, take all."""
    found: list[Necessary] = []
    for need in needs:
        if need is None:
            return None
        found.extend(need)
    return tuple(dict.fromkeys(found))
