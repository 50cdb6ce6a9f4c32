"""Find rules that can never fire, and why: what they ask for excludes itself, or no message has it.

A rule's `match` becomes a list of ways to fulfil it, each a list of conditions that must all hold. A way is closed
when two of its conditions exclude each other, or when neither the envelope nor any form of a grammar can give all the
fields it asks for. Where that is not plain to see, the way counts as open: what is said here is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from parsers.event import FieldValue
from parsers.fields import INTEGERS, is_reserved
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from parsers.parse import PRIORITIES, serves
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InNetworks,
    Matches,
    Not,
    OneOf,
)
from rules.job import PLACEHOLDER
from rules.match import compile_condition, plain
from rules.needs import Needs, Producer, can_hold, found_by_rule
from rules.rule import Rule
from rules.schema import did_you_mean
from rules.words import value_words, words

MAX_WAYS = 200
"""Ways to fulfil one rule that are looked at; a rule with more counts as one that can fire."""

NEAR = 0.7
"""How like a right value a wrong one must be to pass for its misspelling."""

MAX_LISTED = 24
"""Right values that are listed when a wrong one is like none of them."""

Leaf = Equals | OneOf | InNetworks | Glob | Matches | Contains | Compare | Exists
Part = Leaf | Not
"""A condition that joins no others; the inner one of a Not is a leaf."""
Way = tuple[Part, ...]

_PROGRAM = ("process.name", "log.syslog.appname")
_OF_ENVELOPE = frozenset({"host.name", "process.name", "process.pid"})
_ADDED_FOR_COMMANDS = frozenset(
    {"@timestamp", "event.ingested", "event.original", "rule.name", "gateway.count", "gateway.key"}
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is probably not meant.

    Attributes:
        only_any_field: what is said holds for all messages but those whose sender names the fields itself (JSON,
            key=value).
        mild: that may well be what is meant.
    """

    rule: Rule
    problem: str
    only_any_field: bool = False
    mild: bool = False

    @property
    def words(self) -> str:
        """The problem, and for whom it is none."""
        return (
            f"{self.problem} (only a JSON or key=value message could have that)"
            if self.only_any_field
            else self.problem
        )


class Review:
    """Looks at rules, knowing the grammars that parse the messages and the names of the sources."""

    def __init__(self, grammars: Iterable[CompiledGrammar], sources: Iterable[str] | None = None) -> None:
        producers = Needs(grammars).producers
        self._any_field = any(producer.form.any_field for producer in producers)
        self._modules = {plain(one.sets["event.module"]) for one in producers if one.form.any_field}
        self._producers = [producer for producer in producers if not producer.form.any_field]
        self._filled = {name for one in self._producers for name in (*one.captured, *one.sets, *one.form.derived)}
        self._lists = {
            name
            for one in self._producers
            for name in (*one.form.derived, *(name for name, value in one.sets.items() if isinstance(value, list)))
        }
        self._values = _finite_values(sources)

    def of(self, rule: Rule) -> Iterator[Doubt]:
        """Yield what is wrong with a rule; one reason for never firing is enough."""
        ways = ways_to_fulfil(rule.match)
        if ways is None:
            return
        never = self._never(rule, ways)
        if never is not None:
            yield never
            return
        yield from self._unfillable(rule, ways)

    def _never(self, rule: Rule, ways: Sequence[Way]) -> Doubt | None:
        """Return why a rule never fires; None when it may."""
        found = found_by_rule([rule.match, *([rule.unless] if rule.unless else [])])
        doubts: list[Doubt] = []
        for way in ways:
            doubt = (
                self._excludes_itself(rule, way)
                or self._excluded(rule, way)
                or self._no_message(rule, way, found)
                or self._not_counted(rule, way, found)
            )
            if doubt is None:
                return None
            doubts.append(doubt)
        if not doubts:
            return Doubt(rule, f"it can never fire: {words(rule.match)} holds for no event")
        first = doubts[0]
        more = f" (and so for all {len(doubts)} ways to fulfil it)" if len(doubts) > 1 else ""
        return Doubt(
            rule,
            f"it can never fire: {first.problem}{more}",
            any(doubt.only_any_field for doubt in doubts),
            any(doubt.mild for doubt in doubts),
        )

    def _excludes_itself(self, rule: Rule, way: Way) -> Doubt | None:
        for one, other in combinations(way, 2):
            if exclude(one, other):
                name = field_of(one)
                of_values = not isinstance(one, Not | Exists) and not isinstance(other, Not | Exists)
                if of_values and name in self._lists:  # of a list, one value may fulfil this and another that
                    continue
                listed = of_values and self._any_field and not is_reserved(name)
                but = f', unless a JSON message makes "{name}" a list' if listed else ""
                return Doubt(rule, f"{words(one)} and {words(other)} exclude each other{but}")
        return None

    def _excluded(self, rule: Rule, way: Way) -> Doubt | None:
        if rule.unless is None or not follows(rule.unless, way):
            return None
        return Doubt(rule, f"`unless` excludes all that `match` wants: {words(rule.unless)}")

    def _no_message(self, rule: Rule, way: Way, found: frozenset[str]) -> Doubt | None:
        """Return why no message fulfils a way."""
        asked = [part for part in way if field_of(part) not in found]
        if self._may_hold(asked):
            return None
        for part in asked:
            if not self._may_hold([part]):
                return self._nobody_has(rule, part)
        for one, other in combinations(asked, 2):
            if not self._may_hold([one, other]):
                return Doubt(rule, f"no message has both {words(one)} and {words(other)}", self._any_field)
        return Doubt(rule, f"no message has all of {', '.join(map(words, asked))}", self._any_field)

    def _nobody_has(self, rule: Rule, part: Part) -> Doubt:
        name = field_of(part)
        envelope = is_reserved(name) and name != "event.module"
        only_any_field = self._any_field and not is_reserved(name)
        known = self._values.get(name) or self._constants(name)
        if isinstance(part, Equals | OneOf) and known:
            wanted = part.values if isinstance(part, OneOf) else (part.value,)
            advice = did_you_mean(plain(wanted[0]), known, NEAR)
            if not advice and envelope and len(known) <= MAX_LISTED:
                advice = f"; it can be {', '.join(map(value_words, sorted(known)))}"
            what = " or ".join(value_words(value) for value in wanted[:5])
            who = "nothing" if envelope else "no grammar"
            mild = only_any_field and not advice
            return Doubt(rule, f"{who} gives {name} the value {what}{advice}", only_any_field, mild)
        if known:
            return Doubt(rule, f"no value that {name} can have fulfils {words(part)}", only_any_field)
        return Doubt(rule, f"no grammar fills the field {name}", only_any_field)

    def _not_counted(self, rule: Rule, way: Way, found: frozenset[str]) -> Doubt | None:
        """Return which field it counts by that none of its messages has."""
        asked = [part for part in way if field_of(part) not in found]
        for name in rule.when.by if rule.when else ():
            if name not in found and not self._may_hold([*asked, Exists(name, expected=True)]):
                return Doubt(rule, f"it counts by {name}, which no message that it matches has", self._any_field)
        return None

    def _unfillable(self, rule: Rule, ways: Sequence[Way]) -> Iterator[Doubt]:
        """Yield fields that a command wants and that none of the rule's messages has."""
        found = found_by_rule([rule.match, *([rule.unless] if rule.unless else [])]) | _ADDED_FOR_COMMANDS
        for task in rule.do:
            names = [match[2] for argument in task.argv for match in PLACEHOLDER.finditer(argument) if match[2]]
            for name in dict.fromkeys(names):
                if name in found or any(
                    self._may_hold([*(part for part in way if field_of(part) not in found), Exists(name, True)])
                    for way in ways
                ):
                    continue
                problem = f"{task.name} wants ${{{name}}}, which no message that it matches has, so it cannot be run"
                yield Doubt(rule, problem, self._any_field)

    def _may_hold(self, parts: Sequence[Part]) -> bool:
        """Tell whether a message of any kind may fulfil all of these, as far as envelope and grammars decide it."""
        if not all(self._envelope_may_hold(part) for part in parts if _of_envelope(field_of(part))):
            return False
        if self._any_field and any(map(self._of_any_field, parts)):
            return True
        return all(_without_grammar(part) for part in parts) or any(
            all(_form_may_hold(producer, part) for part in parts) for producer in self._producers
        )

    def _envelope_may_hold(self, part: Part) -> bool:
        values = self._values.get(field_of(part))
        if values is None:
            return True
        test = compile_condition(part)
        return any(test({field_of(part): value}) for value in values)

    def _of_any_field(self, part: Part) -> bool:
        """Tell whether this is plainly about messages whose senders name the fields."""
        name = field_of(part)
        if name == "event.module":
            test = compile_condition(part)
            return any(test({name: module}) for module in self._modules)
        return name not in self._filled and not _of_envelope(name)

    def _constants(self, name: str) -> list[str]:
        """Return the values that the forms themselves give a field."""
        values = {plain(value) for one in self._producers if (value := one.sets.get(name)) is not None}
        return sorted(values | self._modules if name == "event.module" else values)


def _finite_values(sources: Iterable[str] | None) -> Mapping[str, list[str]]:
    """Return all values of the fields of which they are known."""
    values = {name: sorted({plain(fields[name]) for fields in PRIORITIES}) for name in PRIORITIES[0]}
    values["gateway.trust"] = [trust.name.lower() for trust in Trust]
    if sources is not None:
        values["event.dataset"] = sorted(sources)
    return values


def field_of(part: Part) -> str:
    """Return the field that a condition asks for."""
    leaf = part.condition if isinstance(part, Not) else part
    assert not isinstance(leaf, AllOf | AnyOf | Not)  # noqa: S101 -- `ways_to_fulfil` took those apart
    return leaf.field


def _of_envelope(name: str) -> bool:
    return (is_reserved(name) and name != "event.module") or name in _OF_ENVELOPE


def _without_grammar(part: Part) -> bool:
    """Tell whether a message that no grammar knows may fulfil this."""
    return isinstance(part, Not) or (isinstance(part, Exists) and not part.expected) or _of_envelope(field_of(part))


def _form_may_hold(producer: Producer, part: Part) -> bool:
    name = field_of(part)
    of_header = name in _PROGRAM and not producer.fills(name) and name not in producer.sets
    if of_header and producer.programs and isinstance(part, Equals | OneOf):
        return any(serves(producer.programs, _program(plain(value))) for value in _values_of(part))
    return can_hold(producer, part)


def _program(name: str) -> str:
    return name.lower().rpartition("/")[2] if name.startswith("/") else name.lower()


def ways_to_fulfil(condition: Condition) -> list[Way] | None:
    """Return every way to fulfil a condition as conditions that must all hold; None when they are too many."""
    match condition:
        case AllOf(conditions):
            return _all_ways(conditions)
        case AnyOf(conditions):
            return _any_way(conditions)
        case Not(AllOf(conditions)):
            return _any_way([Not(part) for part in conditions])
        case Not(AnyOf(conditions)):
            return _all_ways([Not(part) for part in conditions])
        case Not(Not(inner)):
            return ways_to_fulfil(inner)
        case _:
            return [(condition,)]


def _any_way(conditions: Iterable[Condition]) -> list[Way] | None:
    ways: list[Way] = []
    for part in conditions:
        more = ways_to_fulfil(part)
        if more is None or len(ways) + len(more) > MAX_WAYS:
            return None
        ways.extend(more)
    return ways


def _all_ways(conditions: Iterable[Condition]) -> list[Way] | None:
    ways: list[Way] = [()]
    for part in conditions:
        more = ways_to_fulfil(part)
        if more is None or len(ways) * len(more) > MAX_WAYS:
            return None
        ways = [tuple(dict.fromkeys(one + other)) for one, other in product(ways, more)]
    return ways


def exclude(one: Part, other: Part) -> bool:
    """Tell whether two conditions can never both hold for one value of a field."""
    if field_of(one) != field_of(other):
        return False
    if (isinstance(one, Not) and one.condition == other) or (isinstance(other, Not) and other.condition == one):
        return True
    for first, second in ((one, other), (other, one)):
        match first:
            case Exists(_, False):
                return not isinstance(second, Not) and second != first
            case Equals() | OneOf():
                test = compile_condition(second)
                return not any(test({first.field: value}) for value in _values_of(first))
    match one, other:
        case Compare(), Compare():
            return _bounds_exclude(one, other)
        case InNetworks(_, networks), InNetworks(_, others):
            return not any(a.version == b.version and a.overlaps(b) for a in networks for b in others)
    return False


def _values_of(condition: Equals | OneOf) -> Sequence[FieldValue]:
    return condition.values if isinstance(condition, OneOf) else (condition.value,)


def _bounds_exclude(one: Compare, other: Compare) -> bool:
    low, high = (one, other) if one.operator in ("gt", "ge") else (other, one)
    if low.operator not in ("gt", "ge") or high.operator not in ("lt", "le"):
        return False
    if low.number == high.number:
        return low.operator == "gt" or high.operator == "lt"
    if low.number > high.number:
        return True
    # between 4 and 5 there is no whole number
    return low.field in INTEGERS and low.operator == "gt" and high.operator == "lt" and high.number - low.number <= 1


def follows(condition: Condition, way: Way) -> bool:
    """Tell whether a condition holds for every event that fulfils this way."""
    match condition:
        case AllOf(conditions):
            return all(follows(part, way) for part in conditions)
        case AnyOf(conditions):
            return any(follows(part, way) for part in conditions)
        case Not(inner):
            return condition in way or (isinstance(inner, Not) and follows(inner.condition, way))
        case _:
            return condition in way or any(_implies(part, condition) for part in way)


def _implies(part: Part, condition: Leaf) -> bool:
    if field_of(part) != condition.field or isinstance(part, Not):
        return False
    if isinstance(condition, Exists):
        return condition.expected and not isinstance(part, Exists)
    if isinstance(part, Equals | OneOf):
        test = compile_condition(condition)
        return bool(_values_of(part)) and all(test({condition.field: value}) for value in _values_of(part))
    return False
