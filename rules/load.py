"""Rules out of a file: a rule that is wrong is off and loud, the others of the file load."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parsers.errors import OperatorError, Place
from parsers.message import Trust
from rules.job import Task
from rules.load_condition import as_condition, as_field
from rules.load_task import as_steps
from rules.rule import Count, Expect, Rule, Send, TestStep
from rules.schema import Fields, Problems, Reader, as_list
from rules.strict_yaml import MappingNode, Node, SequenceNode, parse
from rules.values import as_address, as_choice, as_duration, as_int, as_text, choices

NAME = r"[a-z0-9][a-z0-9-]{0,99}"
MAX_WINDOW = 1_000_000
"""Events that one window may have to count: each costs memory until it leaves the window."""
MAX_TIMES = 1_000_000
"""Messages that one test step may send."""

TRUST = choices(Trust)


BUILTIN = Task(name="", argv=())
"""How a process runs when nobody says anything."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a rule leaves out: the least trust that starts processes, and how a process runs."""

    trust: Trust = Trust.ACCOUNT
    run: Task = BUILTIN


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """What one file gave: the rules that are right, and what is wrong with the rest.

    Attributes:
        warnings: what loads but probably does not do what was meant.
    """

    file: str
    rules: tuple[Rule, ...]
    errors: tuple[OperatorError, ...] = ()
    warnings: tuple[OperatorError, ...] = ()


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
    return LoadedFile(file, tuple(rules.values()), problems.errors, problems.warnings)


def merge(files: Iterable[LoadedFile]) -> tuple[tuple[Rule, ...], tuple[OperatorError, ...]]:
    """Put the rules of several files together; of two with one name the first stays, the second is an error.

    Returns:
        All rules, and the errors found here; each file's own errors stay in the file.
    """
    rules: dict[str, Rule] = {}
    errors: list[OperatorError] = []
    for rule in (rule for loaded in files for rule in loaded.rules):
        if first := rules.get(rule.name):
            errors.append(OperatorError(_twice(rule, first), rule.place))
        else:
            rules[rule.name] = rule
    return tuple(rules.values()), tuple(errors)


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
            name = fields.require("rule", as_text(NAME, "a name of a-z, 0-9 and - (at most 100)"), "give it a name")
            fields.take("description", as_text(), None)
            match = fields.require("match", as_condition, "write {} to match every event")
            unless = fields.take("unless", as_condition, None)
            when = fields.take("when", _count, None)
            do = fields.take("do", as_steps(name or "?", defaults.run), ())
            trust = fields.take("trust", as_choice(TRUST), None)
            tests = fields.take("test", as_list(_test_step), ())
        return Rule(name, place, match, unless, when, do, trust, tests) if name and match else None

    return read


def _count(node: Node, problems: Problems) -> Count | None:
    with Fields(node, problems, "when") as fields:
        count = fields.require("count", as_int(1, MAX_WINDOW))
        within = fields.require("within", as_duration())
        by = fields.require("by", as_list(as_field()), "list the fields to count by, [] counts all events together")
    if by is not None and len(set(by)) < len(by):
        problems.error('"by": a field stands twice', node.place)
    return None if count is None or within is None or by is None else Count(count, within, by)


def _test_step(node: Node, problems: Problems) -> TestStep:
    with Fields(node, problems, "test") as fields:
        for key in ("times", "every", "from", "trust"):
            if key in fields and "send" not in fields:
                problems.error(f'"{key}" says how to send, but there is no "send"', fields.place_of(key))
        if not any(key in fields for key in ("send", "advance", "expect")):
            problems.error("a test step needs send, advance or expect", node.place)
        text = fields.take("send", as_text(r"(?s).+", "a message's text"), None)
        send = Send(
            text or "",
            times=fields.take("times", as_int(1, MAX_TIMES), 1),
            every=fields.take("every", as_duration(zero=True), 0.0),
            address=fields.take("from", as_address(), "127.0.0.1"),
            trust=fields.take("trust", as_choice(TRUST), Trust.LOCAL),
        )
        advance = fields.take("advance", as_duration(), 0.0)
        expect = fields.take("expect", _expect, None)
    return TestStep(node.place, None if text is None else send, advance, expect)


def _expect(node: Node, problems: Problems) -> Expect:
    with Fields(node, problems, "expect") as fields:
        do = fields.require("do", as_int(0, MAX_TIMES), "write how many jobs there must be")
        if "argv" in fields and do == 0:
            problems.error('"argv" says how the first job is called, but no job is expected', fields.place_of("argv"))
        argv = fields.take("argv", as_list(as_text(), least=1), None)
    return Expect(do or 0, argv)
