"""Rules out of a file: a rule that is wrong is off and loud, the others of the file load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo

from parsers.errors import OperatorError, Place
from parsers.lowering import CompiledGrammar
from parsers.message import Trust
from rules.condition import AllOf, Condition
from rules.gone_files import warn_of_gone
from rules.habits import OF_RETRY, OF_RULE
from rules.job import Part
from rules.lists import Listed
from rules.load_capture import as_capture, joined
from rules.load_condition import as_condition
from rules.load_defaults import RULE_KEYS, refuse_file, take_rule_keys, trial_rule, without_own
from rules.load_examples import TRUST, as_test
from rules.load_pieces import ReadFile, take_pieces
from rules.load_step import RULE_NAME, StepReader
from rules.load_task import as_lock, as_task_defaults
from rules.load_undo import MAX_GROWTH, WITH_ELSE, as_undo, has_else
from rules.load_when import as_hours, as_open_of, as_suppress, as_when
from rules.made_fields import own_fields
from rules.pieces import Pieces
from rules.rule import Busy, Rate, Retry, Rule
from rules.schema import Fields, Problems, Reader, as_list, sequence_of
from rules.step import Task
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, parse
from rules.values import as_bool, as_choice, as_duration, as_int, as_number, as_percent, as_text, choices
from rules.when import Circumstances

__all__ = ["BUILTIN", "TRUST", "Defaults", "LoadedFile", "load_rules"]

MAX_RETRIES = 1000
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
        zone: of hours of the calendar that name none.
        rule: what stands for keys that a rule leaves out, unread.
        pieces: the lists and macros that it may use.
        read_file: reads lists that stand in files; None: there are none.
        grammars: those that `capture` may use, by their names; None: they are not known, and none is wrong.
    """

    trust: Trust = Trust.ACCOUNT
    run: Task = BUILTIN
    destinations: frozenset[str] | None = None
    zone: tzinfo = UTC
    rule: Mapping[str, Entry] = field(default_factory=dict)
    pieces: Pieces = field(default_factory=Pieces, compare=False)
    read_file: ReadFile | None = field(default=None, compare=False)
    grammars: Mapping[str, CompiledGrammar] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """What one file gave: the rules that are right, and what is wrong with the rest.

    Attributes:
        warnings: what loads but probably does not do what was meant.
        places: where each step stands, by its name.
        lists: its own that stand in files.
        used: where the lists and macros stand that it uses.
        filled: where a step first names a field in `${...}`, by the step's name and the field's.
        off: the names of the rules that are wrong.
        lost: its own lists whose files cannot be read, and the error of each.
    """

    file: str
    rules: tuple[Rule, ...]
    errors: tuple[OperatorError, ...] = ()
    warnings: tuple[OperatorError, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    lists: tuple[Listed, ...] = ()
    used: frozenset[Place] = frozenset()
    filled: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    lost: Mapping[Listed, OperatorError] = field(default_factory=dict)


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
    grammars = defaults.grammars
    known = None if grammars is None else own_fields(root, defaults.pieces, grammars.values())
    problems = Problems(defaults.pieces, known)
    if root is None:
        problems.warn("this file holds no rules", Place(file, 1, 1))
        return LoadedFile(file, (), (), problems.warnings)
    rules: dict[str, Rule] = {}
    off: set[str] = set()
    former = defaults.pieces
    nodes, defaults = problems.attempt(root, _as_file(defaults)) or ((), defaults)
    for node in nodes:
        before = problems.count
        rule = problems.attempt(node, _as_rule(defaults))
        if rule is None or problems.count > before:
            off.update(_name_of(node))
        elif first := rules.get(rule.name):
            problems.error(twice(rule, first), rule.place)
        else:
            rules[rule.name] = rule
    own, used = problems.pieces, frozenset(problems.used)
    doubts = () if problems.count else own.unused(used, former)
    lists = tuple(each for each in own.files() if each not in former.files())
    lost = {each: error for each, error in own.lost().items() if each not in former.lost()}
    warnings = (*problems.warnings, *doubts)
    return LoadedFile(
        file,
        tuple(rules.values()),
        (*lost.values(), *problems.errors),
        warnings,
        problems.places,
        lists,
        used,
        problems.filled,
        frozenset(off.difference(rules)),
        lost,
    )


def _name_of(node: Node) -> Iterator[str]:
    """Yield the name of a rule that is wrong, where it has one."""
    for entry in node.entries if isinstance(node, MappingNode) else ():
        if entry.key == "rule" and isinstance(entry.value, ScalarNode):
            yield entry.value.text


def twice(rule: Rule, first: Rule) -> str:
    """Say that a rule is there already."""
    return f'the rule "{rule.name}" is there already, at {first.place}; this one is off: choose another name'


def _as_file(defaults: Defaults) -> Reader[tuple[tuple[Node, ...], Defaults]]:
    """Read what a rule file is: a list of rules, or a mapping with `rules` and what they share."""

    def read(node: Node, problems: Problems) -> tuple[tuple[Node, ...], Defaults]:
        if isinstance(node, SequenceNode):
            return node.items, defaults
        refuse_file(node)
        with Fields(node, problems) as fields:
            take_pieces(fields, defaults.pieces, defaults.read_file)
            own = fields.take("defaults", as_defaults(defaults, (*RULE_KEYS, "trust")), defaults)
            rules = fields.require("rules", lambda inner, _: sequence_of(inner), "[] for none")
        return rules.items if rules else (), own

    return read


def as_defaults(base: Defaults, keys: Iterable[str] = RULE_KEYS) -> Reader[Defaults]:
    """Read `defaults`: how processes run, and these keys of rules."""

    def read(node: Node, problems: Problems) -> Defaults:
        with Fields(node, problems, "defaults") as fields:
            trust = base.trust if "trust" in keys else fields.take("trust", as_choice(TRUST), base.trust)
            run = fields.take("run", as_task_defaults(base.run), base.run)
            taken = take_rule_keys(fields, keys)
        before = problems.count
        problems.attempt(trial_rule(taken, node.place), _as_rule(replace(base, rule={})))
        fitting = {} if problems.count > before else taken
        return replace(base, trust=trust, run=run, rule={**base.rule, **fitting})

    return read


def _as_rule(defaults: Defaults) -> Reader[Rule | None]:
    def read(node: Node, problems: Problems) -> Rule | None:
        with Fields(node, problems, usual=without_own(defaults.rule, node), habits=OF_RULE) as fields:
            place = fields.place_of("rule")
            wanted = "a name of a-z, 0-9 and - (at most 100)"
            name = fields.require("rule", as_text(RULE_NAME, wanted), "give it a name")
            description = fields.take("description", as_text(), "")
            match = _match(fields)
            captures = fields.take("capture", as_capture(defaults.grammars), ())
            unless = fields.take("unless", as_condition, None)
            waits = "when" in fields
            when = fields.take("when", as_when, None)
            whole = when is not None or not waits  # else what depends on it cannot be judged
            suppress = fields.take("suppress", as_suppress(when) if whole else _unread, None)
            circumstances = _circumstances(fields, defaults.zone)
            _warn_of_idle(fields, problems)
            lock = fields.take("lock", as_lock, None)
            usual = defaults.run if lock is None else replace(defaults.run, lock=lock)

            def steps(part: Part) -> StepReader:
                return StepReader(name or "?", part, usual, defaults.destinations)

            do = fields.take("do", steps(Part.DO).read, ())
            by_fields = len(when.by) if when else 0 if whole else None
            undo = fields.take("undo", as_undo(steps(Part.UNDO), by_fields), None)
            else_at = fields.place_of("else")
            otherwise = fields.take("else", steps(Part.ELSE).read, ())
            if otherwise and whole and not has_else(when):
                problems.error(f'"else" never happens: it is for {WITH_ELSE}', else_at)
            retry = fields.take("retry", _retry, None)
            on_failure = fields.take("on_failure", steps(Part.ON_FAILURE).read, ())
            busy_at = fields.place_of("busy")
            busy = fields.take("busy", as_choice(choices(Busy)), Busy.QUEUE)
            if busy is not Busy.QUEUE and undo is not None:
                problem = '"busy" means nothing beside "undo": while the state is open, repeats are swallowed'
                problems.error(f"{problem}; leave it away", busy_at)
            rate = fields.take("rate", _rate, None)
            idempotent = fields.take("idempotent", as_bool(), True)
            trust = fields.take("trust", as_choice(TRUST), None)
            tests = fields.take("test", as_list(as_test), ())
        for part in (do, undo.steps if undo else (), otherwise, on_failure):
            warn_of_gone(part, problems)
        if not name or not match:
            return None
        return Rule(
            name=name,
            place=place,
            match=joined(match, captures),
            unless=unless,
            when=when,
            circumstances=circumstances,
            suppress=suppress,
            do=do,
            undo=undo,
            retry=retry,
            otherwise=otherwise,
            on_failure=on_failure,
            busy=busy,
            rate=rate,
            idempotent=idempotent,
            trust=trust,
            tests=tests,
            description=description,
        )

    return read


def _unread(_: Node, __: Problems) -> None:
    return None


def _warn_of_idle(fields: Fields, problems: Problems) -> None:
    """Warn of what says how something is done where nothing is."""
    if any(key in fields for key in ("do", "undo", "else")):
        return
    for key in ("retry", "on_failure", "busy", "rate", "idempotent", "lock"):
        if key in fields:
            problems.warn(f'"{key}" means nothing without "do": this rule only tells the log', fields.place_of(key))


def _match(fields: Fields) -> Condition | None:
    """Read what an event must be; where each of several events has its own condition, it may be left away."""
    if "match" in fields or not _has_stages(fields):
        return fields.require("match", as_condition, "write {} to match every event")
    fields.pop("match")
    return AllOf(())


def _has_stages(fields: Fields) -> bool:
    when = fields.value_of("when")
    return isinstance(when, MappingNode) and any(entry.key in ("all", "sequence") for entry in when.entries)


def _circumstances(fields: Fields, zone: tzinfo) -> Circumstances:
    return Circumstances(
        during=fields.take("during", as_hours(zone), ()),
        outside=fields.take("outside", as_hours(zone), ()),
        if_open=fields.take("if_open", as_open_of, ()),
        unless_open=fields.take("unless_open", as_open_of, ()),
    )


def _retry(node: Node, problems: Problems) -> Retry:
    usual = Retry()
    if isinstance(node, ScalarNode) and node.text.isdecimal():
        raise OperatorError(f"a mapping is wanted: {{times: {node.text}}}", node.place)
    with Fields(node, problems, "retry", habits=OF_RETRY) as fields:
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
