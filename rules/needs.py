"""What a rule needs to see in the raw octets of a message, before anything is parsed.

A condition on a field holds only for messages that give the field its value: through the envelope, where the value
stands in the octets as it is, or through a form of a grammar, which has a shape of its own. Every way is one
alternative. Of conditions that must all hold, the one whose alternatives are the rarest is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache, partial, reduce
from operator import or_

from parsers.event import FieldValue
from parsers.fields import is_reserved
from parsers.grammar import Form
from parsers.lowering import CompiledGrammar
from parsers.parse import DEFAULT_PRIORITY, PRIORITIES
from rules.condition import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InList,
    Matches,
    Not,
    OneOf,
    Parses,
    Single,
)
from rules.found import Found, captured_names
from rules.match import compile_condition, found_fields, one_passes, plain, value_test
from rules.necessary import MIN_LITERAL, Necessary, of_literal, of_regex
from rules.own_events import OWN

Need = tuple[Necessary, ...]
"""Alternatives: every message in question holds at least one of them; of none, there is no such message."""

MAX_ALTERNATIVES = 2000
"""More alternatives than this for one condition are not worth their place in the database."""

_Conjunction = tuple[Condition, ...]

MAX_GRAMMARS = 64
"""Grammars whose producers are remembered: each rule's tests ask for all of them anew."""

_OF_HEADER = frozenset(
    {"message", "log.syslog.appname", "log.syslog.hostname", "log.syslog.msgid", "log.syslog.procid"}
)
_OF_PROGRAM = frozenset({"process.name", "process.pid"})
"""Fields that the header fills and a form may fill anew."""
_STRUCTURED_DATA = "log.syslog.structured_data."
_ESCAPED_IN_STRUCTURED_DATA = frozenset('"\\]')
_OF_NUMBERS = frozenset("0123456789.e+-")
_OF_SOURCE = ("gateway.", "log.source.", "event.dataset", "host.name")


@dataclass(frozen=True)
class Producer:
    """A form of a grammar, and what it can make of a message.

    Its pattern is written when a rule first asks for it: all of them together are half of the time of a start.

    Attributes:
        programs: whose messages the grammar serves; empty: all.
        sets: what the form itself means, with its module.
        captured: the fields that its expression fills out of the text.
        pattern: returns what it runs as; None when it runs in pyparsing.
    """

    form: Form
    programs: Sequence[str]
    sets: Mapping[str, FieldValue]
    captured: frozenset[str]
    pattern: Callable[[], str | None]

    @cached_property
    def lowered(self) -> bool:
        """It runs as a pattern, and so its expression says all: what runs in pyparsing may do anything."""
        return self.pattern() is not None

    @cached_property
    def shape(self) -> Need | None:
        """What its pattern makes necessary."""
        pattern = self.pattern()
        necessary = of_regex(pattern) if pattern is not None else None
        return (necessary,) if necessary else None

    def fills(self, name: str) -> bool:
        """Tell whether the text may decide on the field; what the form itself means is certain."""
        if name in self.form.derived:
            return True
        if name == "event.module":
            return False
        if self.form.any_field:
            return name != "process.name" if self.lowered else name not in self.sets
        if name in self.sets:
            return False
        return name in self.captured or not self.lowered  # the dearest question last


class Needs:
    """Works out needs, given the grammars that will parse the messages, and the sources that bring none: timers."""

    def __init__(self, grammars: Iterable[CompiledGrammar], timers: Iterable[str] = ()) -> None:
        self._own = OWN.union(timers)
        self.producers = [producer for grammar in grammars for producer in _producers(grammar)]

    def of(self, condition: Condition) -> Need | None:
        """Return what is necessary for the condition to hold; None when every message may fulfil it."""
        return self._need(condition, (condition,), found_by_rule((condition,)))

    def _need(self, condition: Condition, conjunction: _Conjunction, found: Found) -> Need | None:
        """Work out one condition.

        Args:
            condition: what must hold.
            conjunction: what must hold as well, itself included.
            found: fields that the whole condition's regular expressions and grammars may add, whatever the form.
        """
        match condition:
            case AllOf(conditions):
                together = (*conjunction, *conditions)
                return _rarest(self._need(part, together, found) for part in conditions)
            case AnyOf(conditions):
                return _either(self._need(part, (*conjunction, part), found) for part in conditions)
            case Not() | Exists(_, False):
                return None
            case _ if condition.field in found:
                return None
            case _:
                return self._of_field(condition, [part for part in _flat(conjunction) if part.field not in found])

    def _of_field(self, condition: Single, conjunction: Sequence[Single]) -> Need | None:
        name = condition.field
        if name in PRIORITIES[DEFAULT_PRIORITY]:
            return _of_priority(condition)
        if name in _OF_HEADER:
            return _of_value(condition)
        if name in _OF_PROGRAM:
            return _either((_of_value(condition), self._of_grammars(condition, conjunction)))
        if name.startswith(_STRUCTURED_DATA):
            return _of_structured_data(condition)
        if name == "event.dataset" and _names_only(condition, self._own):
            return ()
        if name.startswith(_OF_SOURCE) or (is_reserved(name) and name != "event.module"):
            return None
        return self._of_grammars(condition, conjunction)

    def _of_grammars(self, condition: Single, conjunction: Sequence[Single]) -> Need | None:
        """Go through the forms that can give the field a value that passes, and pass all else that is asked."""
        return _either(
            _of_form(condition, producer)
            for producer in self.producers
            if all(can_hold(producer, part) for part in conjunction) and can_hold(producer, condition, of_form=True)
        )


@lru_cache(MAX_GRAMMARS)
def _producers(grammar: CompiledGrammar) -> tuple[Producer, ...]:
    return tuple(
        Producer(
            form,
            grammar.grammar.programs,
            {**form.sets, "event.module": grammar.grammar.name},
            captured_names(form),
            partial(grammar.pattern, index),
        )
        for index, form in enumerate(grammar.grammar.forms)
    )


def _of_form(condition: Single, producer: Producer) -> Need | None:
    """Return what a message of this form needs to hold for the condition."""
    form, name = producer.form, condition.field
    if not producer.lowered or name in form.derived or not producer.fills(name):
        return producer.shape
    value = _of_value(condition)
    if form.any_field and value is not None:
        others = [form.escape] if form.escape else []
        if _may_be_number(condition):
            others.extend(form.numbers)
        value = _either((value, *(_of_pattern(other) for other in others)))
    return _rarest((value, producer.shape))  # at a tie: a form's words come more often than one value


def _of_pattern(pattern: str) -> Need | None:
    necessary = of_regex(pattern, least=0)
    return (necessary,) if necessary else None


def _may_be_number(condition: Single) -> bool:
    """Tell whether a number's text may pass; True where that is not plain to see."""
    match condition:
        case Equals(_, value):
            texts = [plain(value)]
        case OneOf(_, values):
            texts = [plain(value) for value in values]
        case Contains(_, text):
            texts = [text]
        case _:
            return True
    return any(_OF_NUMBERS.issuperset(text) for text in texts)


def _flat(conditions: Iterable[Condition]) -> Iterator[Single]:
    """Yield the conditions on one field that must all hold."""
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from _flat(condition.conditions)
        elif not isinstance(condition, AnyOf | Not):
            yield condition


def found_by_rule(conditions: Iterable[Condition]) -> Found:
    """Return the fields that regular expressions and grammars in these conditions may add."""
    return reduce(or_, map(found_fields, conditions), Found())


def can_hold(producer: Producer, condition: Condition, *, of_form: bool = False) -> bool:
    """Tell whether an event of this form can fulfil the condition; True where that is not plain to see.

    With `of_form` the field's value is to be the form's doing, not the header's.
    """
    if isinstance(condition, AllOf | AnyOf | Not):
        return True
    name = condition.field
    if producer.fills(name):
        return True
    if name in producer.sets:
        return _passes(condition, producer.sets[name])
    if not of_form and (is_reserved(name) or name in _OF_PROGRAM or name == "host.name"):
        return True
    return isinstance(condition, Exists) and not condition.expected


def _passes(condition: Single, value: FieldValue) -> bool:
    if isinstance(condition, Exists):
        return condition.expected is (value is not None)
    if isinstance(condition, InList):
        return True  # what the list holds may change while the sieve stays
    if isinstance(condition, Matches):
        search = condition.pattern.search
        return one_passes(lambda found: search(plain(found)) is not None, value)
    if isinstance(condition, Parses):
        return compile_condition(condition)({condition.field: value})
    return one_passes(value_test(condition), value)


def _of_priority(condition: Single) -> Need | None:
    name = condition.field
    passing = [number for number, fields in enumerate(PRIORITIES) if _passes(condition, fields[name])]
    if DEFAULT_PRIORITY in passing:
        return None  # a message without a priority has this one
    return (Necessary(f"<(?:{'|'.join(map(str, passing))})>", 3),) if passing else ()


def _names_only(condition: Single, names: frozenset[str]) -> bool:
    """Tell whether the condition holds for none but these values."""
    match condition:
        case Equals(_, value):
            return value in names
        case OneOf(_, values):
            return names.issuperset(values)
    return False


def _of_structured_data(condition: Single) -> Need | None:
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


def _of_value(condition: Single) -> Need | None:
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
        case Parses(_, _, CompiledGrammar() as grammar):
            return _either(producer.shape for producer in _producers(grammar))
        case _:
            return None
    return None if None in found else tuple(need for need in found if need is not None)


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
    together = tuple(dict.fromkeys(found))
    return together if len(together) <= MAX_ALTERNATIVES else None
