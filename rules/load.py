"""Rules out of a file: a rule that is wrong is off and loud, the others of the file load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from parsers.errors import OperatorError, Place
from parsers.message import Trust
from rules.job import Part
from rules.load_condition import as_condition, as_field
from rules.load_examples import TRUST, as_test
from rules.load_step import OWN_RULE, RULE_NAME, StepReader, check_decrypted, steps_among
from rules.load_task import as_lock
from rules.rule import Busy, Count, Rate, Retry, Rule, Undo
from rules.schema import Fields, Problems, Reader, as_list, did_you_mean
from rules.step import Pause, Resume, Step, Task
from rules.strict_yaml import MappingNode, Node, SequenceNode, parse
from rules.values import as_bool, as_choice, as_duration, as_int, as_number, as_percent, as_text, choices

__all__ = ["BUILTIN", "TRUST", "Defaults", "LoadedFile", "load_rules", "merge"]

MAX_WINDOW = 1_000_000
"""Events that one window may have to count: each costs memory until it leaves the window."""

MAX_RETRIES = 1000
MAX_GROWTH = 100.0
MAX_RATE = 1_000_000

BUILTIN = Task(name="", argv=())
"""How a process runs when nobody says anything."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a rule takes from the configuration.

    Attributes:
        trust: the least trust that starts processes.
        run: how a process runs.
        destinations: the names that `forward` may use; None: they are not known, and none is wrong.
    """

    trust: Trust = Trust.ACCOUNT
    run: Task = BUILTIN
    destinations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """What one file gave: the rules that are right, and what is wrong with the rest.

    Attributes:
        warnings: what loads but probably does not do what was meant.
        places: where each step stands, by its name.
    """

    file: str
    rules: tuple[Rule, ...]
    errors: tuple[OperatorError, ...] = ()
    warnings: tuple[OperatorError, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)


def load_rules(text: str, file: str, defaults: Defaults) -> LoadedFile:
    """Read a rule file; never raises for what stands in it.

    Args:
        text: the file's text.
        file: what the file is called in errors.
        defaults: what a step leaves out is taken from here; a rule's trust is left None for the caller.
    """
    try:
        root = parse(text, file)
    except OperatorError as error:
        return LoadedFile(file, (), (error,))
    problems = Problems()
    if root is None:
        problems.warn("this file holds no rules", Place(file, 1, 1))
        return LoadedFile(file, (), (), problems.warnings)
    rules: dict[str, Rule] = {}
    for node in problems.attempt(root, _rule_nodes) or ():
        before = problems.count
        rule = problems.attempt(node, _as_rule(defaults))
        if rule is None or problems.count > before:
            continue
        if first := rules.get(rule.name):
            problems.error(_twice(rule, first), rule.place)
        else:
            rules[rule.name] = rule
    return LoadedFile(file, tuple(rules.values()), problems.errors, problems.warnings, problems.places)


def merge(files: Iterable[LoadedFile]) -> tuple[tuple[Rule, ...], tuple[OperatorError, ...]]:
    """Put the rules of several files together.

    Of two with one name the first stays, the second is an error; so is a rule that pauses or resumes one which is
    not there, and it is off.

    Returns:
        The rules, and the errors found here; each file's own errors stay in the file.
    """
    rules: dict[str, Rule] = {}
    errors: list[OperatorError] = []
    files = tuple(files)
    for rule in (rule for loaded in files for rule in loaded.rules):
        if first := rules.get(rule.name):
            errors.append(OperatorError(_twice(rule, first), rule.place))
        else:
            rules[rule.name] = rule
    places = {name: place for loaded in reversed(files) for name, place in loaded.places.items()}
    wrong = {rule.name: tuple(_unknown_rules(rule, rules, places)) for rule in rules.values()}
    errors += [error for found in wrong.values() for error in found]
    return tuple(rule for rule in rules.values() if not wrong[rule.name]), tuple(errors)


def _unknown_rules(rule: Rule, known: Mapping[str, Rule], places: Mapping[str, Place]) -> Iterator[OperatorError]:
    for step in (step for part in Part for step in rule.steps(part)):
        if isinstance(step, Pause | Resume) and step.rule not in known and step.rule != OWN_RULE:
            advice = did_you_mean(step.rule, known)
            problem = f'there is no rule "{step.rule}"{advice or ", or it does not load"}; the rule {rule.name} is off'
            yield OperatorError(problem, places.get(step.name, rule.place))


def _twice(rule: Rule, first: Rule) -> str:
    return f'the rule "{rule.name}" is there already, at {first.place}; this one is off: choose another name'


def _rule_nodes(node: Node, problems: Problems) -> tuple[Node, ...]:  # noqa: ARG001 -- a reader's signature
    if isinstance(node, SequenceNode):
        return node.items
    if isinstance(node, MappingNode) and any(entry.key == "rule" for entry in node.entries):
        raise OperatorError('a rule file is a list: begin each rule with "- rule: NAME"', node.place)
    raise OperatorError('a rule file is a list of rules, each begins with "- rule: NAME"', node.place)


def _as_rule(defaults: Defaults) -> Reader[Rule | None]:
    def read(node: Node, problems: Problems) -> Rule | None:
        with Fields(node, problems) as fields:
            place = fields.place_of("rule")
            wanted = "a name of a-z, 0-9 and - (at most 100)"
            name = fields.require("rule", as_text(RULE_NAME, wanted), "give it a name")
            fields.take("description", as_text(), None)
            match = fields.require("match", as_condition, "write {} to match every event")
            unless = fields.take("unless", as_condition, None)
            when = fields.take("when", _count, None)
            _warn_of_idle(fields, problems)
            lock = fields.take("lock", as_lock, None)
            usual = defaults.run if lock is None else replace(defaults.run, lock=lock)

            def steps(part: Part) -> StepReader:
                return StepReader(name or "?", part, usual, defaults.destinations)

            do = fields.take("do", steps(Part.DO).read, ())
            undo = fields.take("undo", _as_undo(steps(Part.UNDO), when), None)
            retry = fields.take("retry", _retry, None)
            on_failure = fields.take("on_failure", steps(Part.ON_FAILURE).read, ())
            busy_at = fields.place_of("busy")
            busy = fields.take("busy", as_choice(choices(Busy)), Busy.QUEUE)
            if busy is not Busy.QUEUE and undo is not None:
                problem = '"busy" means nothing beside "undo": while the state is open, repeats are swallowed'
                problems.error(problem, busy_at)
            rate = fields.take("rate", _rate, None)
            idempotent = fields.take("idempotent", as_bool(), True)
            trust = fields.take("trust", as_choice(TRUST), None)
            tests = fields.take("test", as_list(as_test), ())
        if not name or not match:
            return None
        return Rule(
            name=name,
            place=place,
            match=match,
            unless=unless,
            when=when,
            do=do,
            undo=undo,
            retry=retry,
            on_failure=on_failure,
            busy=busy,
            rate=rate,
            idempotent=idempotent,
            trust=trust,
            tests=tests,
        )

    return read


def _warn_of_idle(fields: Fields, problems: Problems) -> None:
    """Warn of what says how something is done where nothing is."""
    if "do" in fields or "undo" in fields:
        return
    for key in ("retry", "on_failure", "busy", "rate", "idempotent", "lock"):
        if key in fields:
            problems.warn(f'"{key}" means nothing without "do": this rule only tells the log', fields.place_of(key))


def _count(node: Node, problems: Problems) -> Count | None:
    with Fields(node, problems, "when") as fields:
        count = fields.require("count", as_int(1, MAX_WINDOW))
        within = fields.require("within", as_duration())
        by = fields.require("by", as_list(as_field()), "list the fields to count by, [] counts all events together")
    if by is not None and len(set(by)) < len(by):
        problems.error('"by": a field stands twice', node.place)
    return None if count is None or within is None or by is None else Count(count, within, by)


def _as_undo(steps: StepReader, when: Count | None) -> Reader[Undo]:
    def read(node: Node, problems: Problems) -> Undo:
        with Fields(node, problems, "undo") as fields:
            given = [key for key in ("grow", "max", "unless", "by") if key in fields]
            timed, at_event = "after" in fields, "match" in fields
            places = {key: fields.place_of(key) for key in (*given, "do")}
            after = fields.take("after", as_duration(), None)
            grow = fields.take("grow", as_number(1, MAX_GROWTH), 1.0)
            limit = fields.take("max", as_duration(), None)
            match = fields.take("match", as_condition, None)
            unless = fields.take("unless", as_condition, None)
            by = fields.take("by", as_list(as_field()), ())
            undoing = _undoing(fields, steps)
        if not timed and not at_event:
            problems.error('"undo" never happens: say "after" what time, or at which event ("match")', node.place)
        for key, wants, is_there in (
            ("grow", "after", timed),
            ("max", "after", timed),
            ("unless", "match", at_event),
            ("by", "match", at_event),
        ):
            if key in given and not is_there:
                problems.error(f'"{key}" means nothing without "{wants}"', places[key])
        if "max" in given and "grow" not in given and timed:
            problems.warn('"max" bounds what grows, and there is no "grow"', places["max"])
        if after is not None and limit is not None and limit < after:
            problems.error('"max" is shorter than "after"', places["max"])
        wanted = len(when.by) if when else 0
        if "by" in given and len(by) != wanted:
            counts = f"{wanted} field{'s' * (wanted != 1)}" if wanted else "no fields"
            problems.error(f'"by": the rule counts by {counts}, and this names {len(by)}', places["by"])
        return Undo(undoing, after, grow, limit, match, unless, by)

    return read


def _undoing(fields: Fields, steps: StepReader) -> tuple[Step, ...]:
    """Read what undoes: one step, whose keys stand among the others, or a list under `do`, which may be empty."""
    if "do" not in fields and not steps_among(fields):
        fields.require("run", as_list(as_text()), 'or, when nothing is to be done, "do: []"')
        return ()
    if "do" not in fields:
        fields.pop("do")
        step = steps.of(fields)
        check_decrypted([step] if step else [], fields.problems)
        return (step,) if step else ()
    for kind in steps_among(fields):
        fields.problems.error(f'"{kind}" stands beside "do"; write all steps in one list', fields.place_of(kind))
        fields.pop(kind)
    return fields.take("do", _none_or(steps.read), ())


def _none_or(reader: Reader[tuple[Step, ...]]) -> Reader[tuple[Step, ...]]:
    def read(node: Node, problems: Problems) -> tuple[Step, ...]:
        return () if isinstance(node, SequenceNode) and not node.items else reader(node, problems)

    return read


def _retry(node: Node, problems: Problems) -> Retry:
    usual = Retry()
    with Fields(node, problems, "retry") as fields:
        place, bounded = fields.place_of("max"), "max" in fields
        retry = Retry(
            times=fields.take("times", as_int(1, MAX_RETRIES), usual.times),
            wait=fields.take("wait", as_duration(), usual.wait),
            grow=fields.take("grow", as_number(1, MAX_GROWTH), usual.grow),
            limit=fields.take("max", as_duration(), usual.limit),
            jitter=fields.take("jitter", as_percent(), usual.jitter),
        )
    if bounded and retry.limit < retry.wait:
        problems.error('"max" is shorter than "wait"', place)
    return replace(retry, limit=max(retry.limit, retry.wait))


def _rate(node: Node, problems: Problems) -> Rate | None:
    with Fields(node, problems, "rate") as fields:
        count = fields.require("count", as_int(1, MAX_RATE))
        within = fields.require("within", as_duration())
    return None if count is None or within is None else Rate(count, within)
