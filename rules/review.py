"""Find rules that can never fire, and why: what they ask for excludes itself, or no message has it.

A rule's `match` becomes a list of ways to fulfil it, each a list of conditions that must all hold. A way is closed
when two of its conditions exclude each other, or when neither the envelope nor any form of a grammar can give all the
fields it asks for. Where that is not plain to see, the way counts as open: what is said here is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from parsers.event import FieldValue
from parsers.fields import is_reserved
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from parsers.parse import PRIORITIES, serves
from rules.condition import (
    AllOf,
    Equals,
    Exists,
    Not,
    OneOf,
)
from rules.decrypted import ADDED
from rules.job import PLACEHOLDER
from rules.job import Part as RulePart
from rules.match import compile_condition, plain, wants
from rules.needs import Needs, Producer, can_hold, found_by_rule
from rules.own_events import DROP, EMITTED, FILES, KINDS, Kind, asks_for_own
from rules.rule import Count, Rule
from rules.schema import did_you_mean
from rules.step import Emit, Mail, Pause, texts_of
from rules.ways import Part, Way, exclude, field_of, follows, values_of, ways_to_fulfil
from rules.words import value_words, words

NEVER_FIRES = "it can never fire: "

NEAR = 0.7
"""How like a right value a wrong one must be to pass for its misspelling."""

MAX_LISTED = 24
"""Right values that are listed when a wrong one is like none of them."""

_PROGRAM = ("process.name", "log.syslog.appname")
_OF_ENVELOPE = frozenset({"host.name", "process.name", "process.pid"})
_ADDED_FOR_COMMANDS = frozenset(
    {"@timestamp", "event.ingested", "event.original", "rule.name", "gateway.count", "gateway.key", *ADDED}
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
    """Looks at rules, knowing the grammars that parse the messages, the names of the sources, and all rules."""

    def __init__(
        self, grammars: Iterable[CompiledGrammar], sources: Iterable[str] | None = None, rules: Sequence[Rule] = ()
    ) -> None:
        self._names = {rule.name for rule in rules}
        self._emits = [
            step for rule in rules for part in RulePart for step in rule.steps(part) if isinstance(step, Emit)
        ]
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
        yield from self._closing(rule)
        yield from _odd(rule)

    def _never(self, rule: Rule, ways: Sequence[Way]) -> Doubt | None:
        """Return why a rule never fires; None when it may."""
        found = found_by_rule([rule.match, *([rule.unless] if rule.unless else [])])
        doubts: list[Doubt] = []
        for way in ways:
            doubt = self._excludes_itself(rule, way) or self._excluded(rule, way)
            if doubt is None and asks_for_own(AllOf(way)):
                doubt = self._no_own_event(rule, way)
            elif doubt is None and not self._may_be_emitted(way):
                doubt = self._no_message(rule, way, found) or self._not_counted(rule, way, found)
            if doubt is None:
                return None
            doubts.append(doubt)
        if not doubts:
            return Doubt(rule, f"{NEVER_FIRES}{words(rule.match)} holds for no event")
        first = doubts[0]
        more = f" (and so for all {len(doubts)} ways to fulfil it)" if len(doubts) > 1 else ""
        return Doubt(
            rule,
            f"{NEVER_FIRES}{first.problem}{more}",
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

    def _no_own_event(self, rule: Rule, way: Way) -> Doubt | None:
        """Return why what the gateway says of its own jobs does not fulfil a way."""
        for part in way:
            if not isinstance(part, Equals | OneOf) or part.field != "rule.name":
                continue
            wanted = [plain(value) for value in values_of(part)]
            if wanted == [rule.name]:
                return Doubt(rule, f"{words(part)} is this rule, and a rule never sees what it caused")
            if self._names and self._names.isdisjoint(wanted):
                advice = did_you_mean(wanted[0], self._names) if wanted else ""
                return Doubt(rule, f"there is no rule {' or '.join(wanted)}{advice}")
        return None

    def _may_be_emitted(self, way: Way) -> bool:
        """Tell whether an event that a rule's `emit` makes may fulfil a way."""
        return any(all(_emit_may_hold(step, part) for part in way) for step in self._emits)

    def _closing(self, rule: Rule) -> Iterator[Doubt]:
        """Yield why the event never comes that closes the rule's states."""
        if rule.undo is None or rule.undo.match is None:
            return
        by = rule.undo.by or (rule.when.by if rule.when else ())
        closing = replace(rule, match=rule.undo.match, unless=rule.undo.unless, when=Count(1, 1.0, by))
        ways = ways_to_fulfil(closing.match)
        never = self._never(closing, ways) if ways is not None else None
        if never is not None:
            reason = never.problem.removeprefix(NEVER_FIRES)
            what = "its states never close" if rule.undo.after is None else "no event ever closes its states"
            yield replace(never, rule=rule, problem=f"{what}: {reason}")

    def _no_message(self, rule: Rule, way: Way, found: frozenset[str]) -> Doubt | None:
        """Return why no message fulfils a way."""
        asked = [part for part in way if field_of(part) not in found]
        if self._may_hold(asked):
            return None
        if kinds := _kinds_asked_for(way):
            return _no_event_of(kinds, rule, asked)
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
                kinds = _kinds_asked_for(way)
                advice = did_you_mean(name, _names_of(kinds), NEAR)
                problem = f"it counts by {name}, which no message that it matches has{advice}"
                return Doubt(rule, problem, self._any_field and not kinds)
        return None

    def _unfillable(self, rule: Rule, ways: Sequence[Way]) -> Iterator[Doubt]:
        """Yield fields that a command wants and that none of the rule's messages has."""
        found = found_by_rule([rule.match, *([rule.unless] if rule.unless else [])]) | _ADDED_FOR_COMMANDS
        for step in rule.do:
            # a mail goes out with a dash in the place of what is absent
            texts = [] if isinstance(step, Mail) else texts_of(step)
            names = [match[2] for text in texts for match in PLACEHOLDER.finditer(text) if match[2]]
            for name in dict.fromkeys(names):
                if name in found or any(self._may_have(name, way, found) for way in ways):
                    continue
                kinds = [kind for way in ways for kind in _kinds_asked_for(way)]
                advice = did_you_mean(name, _names_of(kinds), NEAR)
                problem = f"{step.name} wants ${{{name}}}, which no message that it matches has, so it cannot be run"
                yield Doubt(rule, f"{problem}{advice}", self._any_field and not kinds)

    def _may_have(self, name: str, way: Way, found: frozenset[str]) -> bool:
        """Tell whether what fulfils a way may have a field."""
        if asks_for_own(AllOf(way)) or self._may_be_emitted((*way, Exists(name, True))):
            return True
        return self._may_hold([*(part for part in way if field_of(part) not in found), Exists(name, True)])

    def _may_hold(self, parts: Sequence[Part]) -> bool:
        """Tell whether a message of any kind may fulfil all of these, as far as envelope and grammars decide it.

        What the drop box and watched folders say is a message too.
        """
        if any(_kind_may_hold(kind, parts) for kind in KINDS):
            return True
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
        if name == "event.action":
            values |= {action for kind in KINDS for action in kind.actions}
        return sorted(values | self._modules if name == "event.module" else values)


def _odd(rule: Rule) -> Iterator[Doubt]:
    """Yield what a rule does that is plain to see, and probably not meant."""
    for step in (step for part in RulePart for step in rule.steps(part)):
        if isinstance(step, Pause) and step.rule == rule.name:
            yield Doubt(
                rule, f"{step.name} pauses the rule itself: its jobs then wait until somebody resumes it", mild=True
            )
        if isinstance(step, Emit) and _wants_emitted(rule, step):
            yield Doubt(rule, f"{step.name} makes what the rule matches, but a rule never sees what it caused")
    if rule.retry is not None and not rule.idempotent:
        problem = (
            "with `idempotent: false` a task whose end nobody saw is not run again, but `retry` runs one again that "
            "failed; if that may do harm as well, leave it away"
        )
        yield Doubt(rule, problem, mild=True)


def _wants_emitted(rule: Rule, step: Emit) -> bool:
    """Tell whether a rule certainly matches what a step emits."""
    if any(PLACEHOLDER.search(text) for text in texts_of(step)):
        return False
    fields: dict[str, FieldValue] = {**step.fields, "event.dataset": EMITTED, "gateway.trust": Trust.LOCAL.name.lower()}
    return wants(rule.match, rule.unless)(fields) is not None


def _emit_may_hold(step: Emit, part: Part) -> bool:
    """Tell whether an emitted event may fulfil a condition."""
    name = field_of(part)
    value = step.fields.get(name, EMITTED if name == "event.dataset" else None)
    if isinstance(value, str) and PLACEHOLDER.search(value):
        return True
    if value is None and (is_reserved(name) or name.startswith("rule.")):
        return True
    return compile_condition(part)({} if value is None else {name: value})


def _finite_values(sources: Iterable[str] | None) -> Mapping[str, list[str]]:
    """Return all values of the fields of which they are known."""
    values = {name: sorted({plain(fields[name]) for fields in PRIORITIES}) for name in PRIORITIES[0]}
    values["gateway.trust"] = [trust.name.lower() for trust in Trust]
    if sources is not None:
        values["event.dataset"] = sorted(sources)  # ours are looked at apart
    return values


def _kinds_asked_for(way: Way) -> list[Kind]:
    """Return the events of the drop box and watched folders of which a way asks for one; none where others may do."""
    for part in way:
        if isinstance(part, Equals | OneOf) and part.field == "event.dataset":
            datasets = set(map(plain, values_of(part)))
            if datasets and datasets <= {DROP, FILES}:
                return [kind for kind in KINDS if kind.dataset in datasets]
    return []


def _no_event_of(kinds: Sequence[Kind], rule: Rule, asked: Sequence[Part]) -> Doubt:
    """Return why none of these events fulfils what is asked of them."""
    whose = " or ".join(dict.fromkeys(kind.dataset for kind in kinds))
    for part in asked:
        if any(_kind_may_hold(kind, [part]) for kind in kinds):
            continue
        name = field_of(part)
        if name not in _names_of(kinds):
            return Doubt(rule, f"no event of {whose} has the field {name}{did_you_mean(name, _names_of(kinds), NEAR)}")
        known = sorted({value for kind in kinds for value in kind.values_of(name) or ()})
        wanted = plain(values_of(part)[0]) if isinstance(part, Equals | OneOf) and values_of(part) else ""
        advice = did_you_mean(wanted, known, NEAR) or f"; it can be {', '.join(known)}"
        return Doubt(rule, f"no event of {whose} has {words(part)}{advice}")
    for one, other in combinations(asked, 2):
        if not any(_kind_may_hold(kind, [one, other]) for kind in kinds):
            return Doubt(rule, f"no event of {whose} has both {words(one)} and {words(other)}")
    return Doubt(rule, f"no event of {whose} has all of {', '.join(map(words, asked))}")


def _kind_may_hold(kind: Kind, parts: Iterable[Part]) -> bool:
    """Tell whether one of these events may fulfil all of these conditions."""
    for part in parts:
        name, test = field_of(part), compile_condition(part)
        known = kind.values_of(name)
        if known is not None:
            possible = any(test({name: value}) for value in known)
        else:
            possible = name in kind.fields or name in _ADDED_FOR_COMMANDS or test({})
        if not possible:
            return False
    return True


def _names_of(kinds: Iterable[Kind]) -> frozenset[str]:
    return frozenset().union(*(kind.fields for kind in kinds))


def _of_envelope(name: str) -> bool:
    return (is_reserved(name) and name != "event.module") or name in _OF_ENVELOPE


def _without_grammar(part: Part) -> bool:
    """Tell whether a message that no grammar knows may fulfil this."""
    return isinstance(part, Not) or (isinstance(part, Exists) and not part.expected) or _of_envelope(field_of(part))


def _form_may_hold(producer: Producer, part: Part) -> bool:
    name = field_of(part)
    of_header = name in _PROGRAM and not producer.fills(name) and name not in producer.sets
    if of_header and producer.programs and isinstance(part, Equals | OneOf):
        return any(serves(producer.programs, _program(plain(value))) for value in values_of(part))
    return can_hold(producer, part)


def _program(name: str) -> str:
    return name.lower().rpartition("/")[2] if name.startswith("/") else name.lower()
