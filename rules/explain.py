"""Say why a rule wants an event, or which of its conditions did not hold."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from parsers.event import Event, FieldValue, lookup, printable, printable_value
from parsers.message import Trust
from rules.answer import Answer, explain
from rules.command import Command, commands_of
from rules.condition import AllOf, Condition
from rules.correlate import Incident, Match, key_of
from rules.job import Part
from rules.look import conditions_of
from rules.match import Fields, holds, plain, wants
from rules.plan import is_trusted, plan, trusts
from rules.rule import Rule
from rules.when import Absent, Count, Digest, Distinct, Every, OpenOf, Sequence, Settled, When
from rules.windows.window import Key, remembered


class Role(enum.Enum):
    """What a rule does with an event that fulfils one of its stages."""

    TAKES = "takes"
    BREAKS = "breaks"  # `unless` of a sequence
    ENDS = "ends"  # what `absent` waits for


@dataclass(frozen=True, slots=True)
class StageAnswer:
    """What one of the events that a rule looks for makes of an event.

    Attributes:
        name: `match`, `all 2`, `sequence 1`, `unless`, `absent`.
        number: the stage's, as windows count them.
        by: the fields that hold the key.
        wanted: `match` holds and `unless` does not.
        key: what it counts the event by; None when it does not want the event, or a field of `without` is missing.
        without: the fields that it would have to have in order to count.
        found: what the rule's regular expressions and grammars have found.
        fields: the event's, with those.
    """

    name: str
    number: int
    role: Role
    match: Answer
    unless: Answer | None
    by: tuple[str, ...]
    wanted: bool = False
    key: Key | None = None
    without: tuple[str, ...] = ()
    found: Mapping[str, FieldValue] = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many conditions keep it from wanting the event."""
        return self.match.missing + (self.unless is not None and self.unless.holds)

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "stage": self.name,
            "role": self.role.value,
            "wanted": self.wanted,
            "match": self.match.to_dict(),
            "unless": self.unless.to_dict() if self.unless else None,
            "key": list(self.key) if self.key is not None else None,
            "without": list(self.without),
            "found": {name: printable_value(value) for name, value in self.found.items()},
        }


@dataclass(frozen=True, slots=True)
class Closes:
    """What the event that closes a rule's states makes of an event.

    Attributes:
        wanted: it is such an event.
        key: whose state it closes, if that is open; None when it is no such event, or lacks a field of the key.
    """

    match: Answer
    wanted: bool
    key: Key | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        key = list(self.key) if self.key is not None else None
        return {"wanted": self.wanted, "key": key, "match": self.match.to_dict()}


@dataclass(frozen=True, slots=True)
class Circumstance:
    """Something else that must be so, for the rule to see the event.

    Attributes:
        words: as a rule file has it.
        holds: None: another rule's state decides, and that is not known.
        state: that rule's name, and the key that the event has for it; None where the hours decide.
        open: whether that state must be open, or must not be.
    """

    words: str
    holds: bool | None
    state: tuple[str, Key] | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one rule makes of one event.

    Attributes:
        stages: the events that it looks for.
        trusted: the sender may start the rule's processes.
        circumstances: what else must be so.
        commands: what it would do once its `when` is fulfilled, as if this event were the last that it took.
        otherwise: what it would do where its `when` ends without coming true.
        undoing: what it would do when the state closes that it then opened.
        closes: None when no event closes its states.
        part: of a digest, the section that the event belongs to; of a set of files, the patterns that its name fits;
            of different values, the event's. None: it is none of these.
    """

    rule: Rule
    stages: tuple[StageAnswer, ...]
    trusted: bool = False
    circumstances: tuple[Circumstance, ...] = ()
    commands: tuple[Command, ...] = ()
    otherwise: tuple[Command, ...] = ()
    undoing: tuple[Command, ...] = ()
    closes: Closes | None = None
    part: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is one of the events that the rule looks for."""
        return any(stage.wanted for stage in self.stages)

    @property
    def stage(self) -> StageAnswer:
        """Return the first stage that the event fulfils for some key; else the one that it comes nearest to."""

        def rank(stage: StageAnswer) -> tuple[bool, bool, bool, bool, int, int]:
            answer = stage.match
            breaks = stage.role is Role.BREAKS
            return not stage.wanted, bool(stage.without), breaks, not answer.held, stage.missing, -answer.held

        return min(self.stages, key=rank)

    @property
    def match(self) -> Answer:
        """What that stage's condition says."""
        return self.stage.match

    @property
    def unless(self) -> Answer | None:
        """What must not hold of that stage's events."""
        return self.stage.unless

    @property
    def key(self) -> Key | None:
        """What the rule counts the event by; None when it does not."""
        return self.stage.key

    @property
    def without(self) -> tuple[str, ...]:
        """The fields that the event would have to have in order to count."""
        return self.stage.without

    @property
    def missing(self) -> int:
        """How many conditions keep the rule from wanting the event."""
        return self.stage.missing

    @property
    def concerned(self) -> bool:
        """Whether the rule wants the event, or closes a state at it."""
        return self.wanted or (self.closes is not None and self.closes.wanted)

    def fulfilled(self) -> tuple[StageAnswer, ...]:
        """Return the stages that the event fulfils for the key."""
        key = self.key
        return tuple(stage for stage in self.stages if stage.wanted and stage.key == key)


def explain_rule(rule: Rule, event: Event, least_trust: Trust, others: Mapping[str, Rule] | None = None) -> Explanation:
    """Test all conditions of a rule on an event and work out what it would do.

    Args:
        rule: is asked.
        event: its time of receipt is the one by which hours hold or do not.
        least_trust: of senders that may start processes, where the rule does not say.
        others: the rules whose states its circumstances ask for, by their names.
    """
    stages = tuple(_stages(rule, event))
    trusted = is_trusted(event.fields, trusts(rule, least_trust))
    found = Explanation(rule, stages, trusted, closes=_closes(rule, event))
    stage = found.stage
    fields = stage.fields if stage.wanted else event.fields
    around = tuple(_circumstances(rule, fields, event.message.received, others or {}))
    match = None
    if stage.key is not None and stage.role is not Role.BREAKS:
        match = Match(rule, event, fields, stage.key, trusted)
    return replace(
        found,
        circumstances=around,
        commands=_commands(match, Part.DO),
        otherwise=_commands(match, Part.ELSE),
        undoing=_commands(match, Part.UNDO),
        part=_part(rule.when, fields) if stage.wanted else None,
    )


def _stages(rule: Rule, event: Event) -> Iterator[StageAnswer]:
    """Yield the answer of each event that the rule looks for, but that of what closes its states."""
    fields = event.fields
    for number, ((name, role, by), (match, unless)) in enumerate(zip(_places(rule), conditions_of(rule), strict=False)):
        shown = dict(fields)
        answer = explain(_plainly(match), shown)
        against = explain(unless, shown) if unless is not None else None
        wanted = wants(match, unless)(fields)
        if wanted is None:
            yield StageAnswer(name, number, role, answer, against, by)
            continue
        needed = (*by, rule.when.field) if isinstance(rule.when, Distinct) else by
        without = tuple(one for one in dict.fromkeys(needed) if lookup(wanted, one) is None)
        found = {one: value for one, value in wanted.items() if one not in fields}
        key = None if without else key_of(wanted, by)
        yield StageAnswer(name, number, role, answer, against, by, True, key, without, found, wanted)


def _places(rule: Rule) -> Iterator[tuple[str, Role, tuple[str, ...]]]:
    """Yield for each stage what it is called, what it does and what it counts by; in the order of `conditions_of`."""
    when = rule.when
    by = when.by if when else ()
    match when:
        case Every(stages) | Sequence(stages):
            kind = "all" if isinstance(when, Every) else "sequence"
            for number, stage in enumerate(stages, 1):
                yield f"{kind} {number}", Role.TAKES, stage.by or by
            if isinstance(when, Sequence) and when.unless is not None:
                yield "unless", Role.BREAKS, when.unless.by or by
        case Absent(stage) if stage is not None:
            yield "match", Role.TAKES, by
            yield "absent", Role.ENDS, stage.by or by
        case _:
            yield "match", Role.TAKES, by


def _plainly(condition: Condition) -> Condition:
    """Leave away what holds of everything, beside something else."""
    if not isinstance(condition, AllOf):
        return condition
    parts = tuple(part for part in condition.conditions if part != AllOf(()))
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _commands(match: Match | None, part: Part) -> tuple[Command, ...]:
    """Return what a part comes to where the rule comes true at this event, with such fields as its window would add."""
    if match is None:
        return ()
    when, count, added = match.rule.when, 1, dict[str, FieldValue]()
    match when:
        case Count(count):
            pass
        case Distinct(name, count):
            added["gateway.values"] = [remembered(printable(plain(lookup(match.fields, name))))]
        case Every(stages) | Sequence(stages):
            count = len(stages)
        case Digest():
            line = printable(match.event.classic_line())
            title = _part(when, match.fields) or ""
            added = {"gateway.digest": line, "gateway.sections": [{"title": title, "count": 1, "lines": [line]}]}
        case Settled(files=patterns) if patterns:
            added = {"gateway.files": [lookup(match.fields, "file.path")], "gateway.missing": ""}
    jobs = plan(Incident(match, count, otherwise=part is Part.ELSE, added=added))
    return next((commands_of(match.rule.steps(part), job.event) for job in jobs if job.part is part), ())


def _part(when: When | None, fields: Fields) -> str | None:
    """Return what is told of an event beside its key."""
    match when:
        case Distinct(name):
            value = lookup(fields, name)
            return None if value is None else remembered(printable(plain(value)))
        case Digest(sections=sections) if sections:
            shown = dict(fields)
            return next((one.title for one in sections if holds(one.match)(shown)), "")
        case Settled(files=patterns) if patterns:
            name = str(fields.get("file.name", ""))
            return ", ".join(pattern for pattern in patterns if fnmatchcase(name, pattern))
    return None


def _closes(rule: Rule, event: Event) -> Closes | None:
    if rule.undo is None or rule.undo.match is None:
        return None
    answer = explain(rule.undo.match, dict(event.fields))
    fields = wants(rule.undo.match, rule.undo.unless)(event.fields)
    by = rule.undo.by or (rule.when.by if rule.when else ())
    return Closes(answer, fields is not None, None if fields is None else key_of(fields, by))


def _circumstances(rule: Rule, fields: Fields, now: float, others: Mapping[str, Rule]) -> Iterator[Circumstance]:
    asked = rule.circumstances
    if asked.during:
        holds = any(hours.hold(now) for hours in asked.during)
        yield Circumstance(f"during: {' or '.join(map(str, asked.during))}", holds)
    if asked.outside:
        holds = not any(hours.hold(now) for hours in asked.outside)
        yield Circumstance(f"outside: {' and '.join(map(str, asked.outside))}", holds)
    for one in asked.if_open:
        yield _of_state(one, fields, others, wanted=True)
    for one in asked.unless_open:
        yield _of_state(one, fields, others, wanted=False)


def _of_state(asked: OpenOf, fields: Fields, others: Mapping[str, Rule], *, wanted: bool) -> Circumstance:
    """Return what is asked of another rule's state; without the key's fields, or without that rule, it is not open."""
    text = f"{'if_open' if wanted else 'unless_open'}: {asked.rule}"
    other = others.get(asked.rule)
    usual = other.when.by if other is not None and other.when else ()
    key = key_of(fields, usual if asked.by is None else asked.by)
    if key is None or other is None or other.undo is None:
        return Circumstance(text, not wanted, open=wanted)
    return Circumstance(text, None, (asked.rule, key), wanted)


def nearest(explanations: Iterable[Explanation], most: int | None = None) -> list[Explanation]:
    """Return the rules that do not want an event, those first of which the fewest conditions failed.

    Args:
        explanations: of all rules.
        most: return at most so many, and only rules of which some condition holds; None: all.
    """
    found = [one for one in explanations if not one.concerned]
    found.sort(key=lambda one: (not one.match.held, one.missing, -one.match.held))
    return found if most is None else [one for one in found[:most] if one.match.held]
