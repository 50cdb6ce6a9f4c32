"""Say why a rule wants an event, or which of its conditions did not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from parsers.event import Event, FieldValue, lookup, printable_value
from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Condition, Not
from rules.correlate import Incident, Match, key_of
from rules.decrypted import example_event
from rules.job import FillError, Job, Part, fill, fill_argv, fill_known
from rules.match import Fields, compile_condition, wants
from rules.plan import is_trusted, plan, trusts
from rules.rule import Rule
from rules.step import DeadLetter, Decrypt, Delete, Emit, Forward, Mail, Move, Pause, Resume, Step, Task, kind_of
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
    """A step that a rule would take: what it comes to, or why it cannot be filled in.

    Attributes:
        task: the step's name.
        kind: `run`, `mail` and so on, as a rule file has it.
        argv: of a process.
        words: of any other step.
    """

    task: str
    kind: str = "run"
    argv: tuple[str, ...] = ()
    words: str = ""
    problem: str | None = None


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


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one rule makes of one event.

    Attributes:
        wanted: the rule's `match` holds and its `unless` does not.
        key: what it counts the event by; None when it does not want the event, or a field of `without` is missing.
        without: the `by` fields that the event has not.
        trusted: the sender may start the rule's processes.
        commands: what it would do once its `when` is fulfilled, as if this event were the last that it took.
        undoing: what it would do when the state closes that it then opened.
        closes: None when no event closes its states.
    """

    rule: Rule
    match: Answer
    unless: Answer | None
    wanted: bool
    key: Key | None = None
    without: tuple[str, ...] = ()
    trusted: bool = False
    commands: tuple[Command, ...] = ()
    undoing: tuple[Command, ...] = ()
    closes: Closes | None = None

    @property
    def missing(self) -> int:
        """How many conditions keep the rule from wanting the event."""
        return self.match.missing + (self.unless is not None and self.unless.holds)

    @property
    def concerned(self) -> bool:
        """Whether the rule wants the event, or closes a state at it."""
        return self.wanted or (self.closes is not None and self.closes.wanted)


def explain_rule(rule: Rule, event: Event, least_trust: Trust) -> Explanation:
    """Test all conditions of a rule on an event and work out what it would do."""
    shown = dict(event.fields)
    match = explain(rule.match, shown)
    unless = explain(rule.unless, shown) if rule.unless is not None else None
    trusted = is_trusted(event.fields, trusts(rule, least_trust))
    closes = _closes(rule, event)
    fields = wants(rule.match, rule.unless)(event.fields)
    if fields is None:
        return Explanation(rule, match, unless, wanted=False, trusted=trusted, closes=closes)
    by = rule.when.by if rule.when else ()
    key = key_of(fields, by)
    without = tuple(name for name in by if lookup(fields, name) is None)
    done: tuple[Command, ...] = ()
    undone: tuple[Command, ...] = ()
    if key is not None:
        jobs = plan(Incident(Match(rule, event, fields, key, trusted), rule.when.count if rule.when else 1))
        done, undone = (_commands(rule.steps(part), jobs) for part in (Part.DO, Part.UNDO))
    return Explanation(rule, match, unless, True, key, without, trusted, done, undone, closes)


def _closes(rule: Rule, event: Event) -> Closes | None:
    if rule.undo is None or rule.undo.match is None:
        return None
    answer = explain(rule.undo.match, dict(event.fields))
    fields = wants(rule.undo.match, rule.undo.unless)(event.fields)
    by = rule.undo.by or (rule.when.by if rule.when else ())
    return Closes(answer, fields is not None, None if fields is None else key_of(fields, by))


def _commands(steps: Iterable[Step], jobs: Sequence[Job]) -> tuple[Command, ...]:
    steps = tuple(steps)
    return tuple(_command(step, example_event(jobs[0].event, steps, number)) for number, step in enumerate(steps))


def _command(step: Step, fields: Mapping[str, FieldValue]) -> Command:
    kind = kind_of(step)
    try:
        if isinstance(step, Task):
            return Command(step.name, kind, tuple(fill_argv(step.argv, fields, options=step.options)))
        return Command(step.name, kind, words=_words(step, fields))
    except FillError as error:
        return Command(step.name, kind, problem=str(error))


def _words(
    step: Decrypt | Delete | Move | Mail | Forward | Emit | Pause | Resume | DeadLetter,
    fields: Mapping[str, FieldValue],
) -> str:
    match step:
        case Decrypt():
            return f"{fill(step.file, fields)} with {step.key or step.passphrase_file}"
        case Delete():
            return fill(step.file, fields)
        case Move():
            return f"{fill(step.file, fields)} to {step.to}"
        case Mail():
            return f"{', '.join(step.to)}: {fill_known(step.subject, fields)}"
        case Forward():
            return step.destination
        case Emit():
            filled = ((name, fill(str(value), fields, options=True)) for name, value in step.fields.items())
            return ", ".join(f"{name}: {value}" for name, value in filled)
        case Pause() | Resume():
            return fill(step.rule, fields)
        case DeadLetter():
            return fill_known(step.box, fields)


def nearest(explanations: Iterable[Explanation], most: int | None = None) -> list[Explanation]:
    """Return the rules that do not want an event, those first of which the fewest conditions failed.

    Args:
        explanations: of all rules.
        most: return at most so many, and only rules of which some condition holds; None: all.
    """
    found = [one for one in explanations if not one.concerned]
    found.sort(key=lambda one: (not one.match.held, one.missing, -one.match.held))
    return found if most is None else [one for one in found[:most] if one.match.held]
