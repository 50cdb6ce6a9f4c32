"""Say why a rule wants an event, or which of its conditions did not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parsers.event import Event, FieldValue, lookup, printable_value
from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Condition, Not
from rules.correlate import Incident, Match, key_of
from rules.job import FillError, fill_argv
from rules.match import Fields, compile_condition, wants
from rules.plan import is_trusted, plan
from rules.rule import Rule
from rules.window import Key
from rules.words import words


@dataclass(frozen=True, slots=True)
class Answer:
    """What one condition makes of an event.

    Attributes:
        words: the condition as a rule file has it; `all`, `any` or `not` where it joins others.
        found: the value of the field that it asks for; None where the event has none, or for what joins.
        parts: the answers of what it joins.
    """

    words: str
    holds: bool
    found: FieldValue = None
    parts: tuple[Answer, ...] = ()

    @property
    def missing(self) -> int:
        """How many conditions would have to hold besides those that do."""
        if self.holds:
            return 0
        match self.words if self.parts else "":
            case "all":
                return sum(part.missing for part in self.parts)
            case "any":
                return min(part.missing for part in self.parts)
            case _:
                return 1

    @property
    def held(self) -> int:
        """How many conditions hold of a value that the event has; what it lacks brings no rule nearer."""
        if self.words == "not":
            return 0
        return sum(part.held for part in self.parts) if self.parts else int(self.holds and self.found is not None)

    def to_dict(self) -> dict[str, FieldValue]:
        """Return it ready for JSON."""
        answer: dict[str, FieldValue] = {"condition": self.words, "holds": self.holds}
        if self.parts:
            answer["parts"] = [part.to_dict() for part in self.parts]
        else:
            answer["found"] = printable_value(self.found)
        return answer


def explain(condition: Condition, fields: Fields) -> Answer:
    """Test a condition and all that it joins; adds to `fields` what its regular expressions find, as matching does."""
    match condition:
        case AllOf(conditions) if conditions:
            parts = tuple(explain(part, fields) for part in conditions)
            return Answer("all", all(part.holds for part in parts), None, parts)
        case AnyOf(conditions) if conditions:
            parts = tuple(explain(part, fields) for part in conditions)
            return Answer("any", any(part.holds for part in parts), None, parts)
        case AllOf() | AnyOf():
            return Answer(words(condition), isinstance(condition, AllOf))
        case Not(inner):
            part = explain(inner, dict(fields))  # what must not hold adds no fields
            return Answer("not", not part.holds, None, (part,))
        case _:
            return Answer(words(condition), compile_condition(condition)(fields), lookup(fields, condition.field))


@dataclass(frozen=True, slots=True)
class Command:
    """A process that a rule would start: its arguments, or why they cannot be filled in."""

    task: str
    argv: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one rule makes of one event.

    Attributes:
        wanted: the rule's `match` holds and its `unless` does not.
        key: what it counts the event by; None when it does not want the event, or a field of `without` is missing.
        without: the `by` fields that the event has not.
        trusted: the sender may start the rule's processes.
        commands: what it would run once its `when` is fulfilled, as if this event were the last that it took.
    """

    rule: Rule
    match: Answer
    unless: Answer | None
    wanted: bool
    key: Key | None = None
    without: tuple[str, ...] = ()
    trusted: bool = False
    commands: tuple[Command, ...] = ()

    @property
    def missing(self) -> int:
        """How many conditions keep the rule from wanting the event."""
        return self.match.missing + (self.unless is not None and self.unless.holds)


def explain_rule(rule: Rule, event: Event, least_trust: Trust) -> Explanation:
    """Test all conditions of a rule on an event and work out what it would do."""
    shown = dict(event.fields)
    match = explain(rule.match, shown)
    unless = explain(rule.unless, shown) if rule.unless is not None else None
    fields = wants(rule.match, rule.unless)(event.fields)
    if fields is None:
        return Explanation(rule, match, unless, wanted=False)
    by = rule.when.by if rule.when else ()
    key = key_of(fields, by)
    trusted = is_trusted(fields, rule, least_trust)
    without = tuple(name for name in by if lookup(fields, name) is None)
    commands = _commands(Match(rule, event, fields, key, trusted)) if key is not None else ()
    return Explanation(rule, match, unless, True, key, without, trusted, commands)


def _commands(match: Match) -> tuple[Command, ...]:
    rule = match.rule
    jobs = plan(Incident(match, rule.when.count if rule.when else 1))
    found: list[Command] = []
    for task, job in zip(rule.do, jobs, strict=True):
        try:
            found.append(Command(task.name, tuple(fill_argv(task.argv, job.event, options=task.options))))
        except FillError as error:
            found.append(Command(task.name, (), str(error)))
    return tuple(found)


def nearest(explanations: Iterable[Explanation], most: int | None = None) -> list[Explanation]:
    """Return the rules that do not want an event, those first of which the fewest conditions failed.

    Args:
        explanations: of all rules.
        most: return at most so many, and only rules of which some condition holds; None: all.
    """
    found = [one for one in explanations if not one.wanted]
    found.sort(key=lambda one: (not one.match.held, one.missing, -one.match.held))
    return found if most is None else [one for one in found[:most] if one.match.held]
