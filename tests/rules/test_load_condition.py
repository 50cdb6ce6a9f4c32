"""Conditions out of YAML."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

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
from rules.load import Defaults, load_rules
from rules.load_condition import as_condition, starred_network
from rules.schema import Problems
from rules.strict_yaml import parse


def load(text: str) -> tuple[Condition | None, Problems]:
    """Read one condition."""
    root, problems = parse(text, "f"), Problems()
    assert root is not None
    return problems.attempt(root, as_condition), problems


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("{}", AllOf(())),
        ("{a: b}", Equals("a", "b")),
        ("{a: b, c: 5}", AllOf((Equals("a", "b"), Equals("c", 5)))),
        ("{a: yes, b: true, c: 0777}", AllOf((Equals("a", "yes"), Equals("b", True), Equals("c", "0777")))),
        ("{a: '5'}", Equals("a", "5")),
        ("{a: [b, 5]}", OneOf("a", ("b", 5))),
        ("{a: {in: [b, 5]}}", OneOf("a", ("b", 5))),
        ("{a: {in: 10.0.0.0/8}}", InNetworks("a", (ip_network("10.0.0.0/8"),))),
        ("{a: {in: ['::1', 192.0.2.1]}}", InNetworks("a", (ip_network("::1"), ip_network("192.0.2.1")))),
        ("{a: {glob: '*/x'}}", Glob("a", "*/x")),
        ("{a: {glob: ['*/x', y?]}}", AnyOf((Glob("a", "*/x"), Glob("a", "y?")))),
        ("{a: {contains: [x, y]}}", AnyOf((Contains("a", "x"), Contains("a", "y")))),
        ("{a: {regex: 'x+'}}", Matches("a", re.compile("x+"))),
        ("{a: {ge: 1, lt: 2.5}}", AllOf((Compare("a", "lt", 2.5), Compare("a", "ge", 1.0)))),
        ("{a: {gt: 0}}", Compare("a", "gt", 0.0)),
        ("{a: {exists: false}}", Exists("a", False)),
        ("{a: {not: b}}", Not(Equals("a", "b"))),
        ("{a: {any: [b, {gt: 5}]}}", AnyOf((Equals("a", "b"), Compare("a", "gt", 5.0)))),
        ("{a: {all: [{contains: x}, {not: xy}]}}", AllOf((Contains("a", "x"), Not(Equals("a", "xy"))))),
        ("{any: [{a: b}, {c: d, e: f}]}", AnyOf((Equals("a", "b"), AllOf((Equals("c", "d"), Equals("e", "f")))))),
        ("{all: [{a: b}, {a: c}]}", AllOf((Equals("a", "b"), Equals("a", "c")))),
        ("{not: {a: b}, c: d}", AllOf((Not(Equals("a", "b")), Equals("c", "d")))),
    ],
)
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    """Plain values are equality, lists any-of, operators what they say, and all of a mapping must hold."""
    found, problems = load(text)
    assert found == condition
    assert not problems.errors
    assert not problems.warnings


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("message ~ x", 'f:1:11: text in quotes is wanted here, not "x"'),
        ("[{a: b}]", "f:1:1: a mapping of fields is wanted; for one of several write {any: [{...}, {...}]}"),
        ("{a: }", 'f:1:5: "a": a value is missing; write {exists: false} for "not there"'),
        ("{a: []}", 'f:1:5: "a": the list is empty'),
        ("{a: {}}", 'f:1:5: "a": an operator is missing'),
        ("{a: [{glob: x}]}", "f:1:6: one value is wanted here, not a mapping"),
        ("{a: {gloob: x}}", 'f:1:6: unknown key "gloob" in "a"; did you mean "glob"?'),
        ("{a: {in: [10.0.0.1/8]}}", "did you mean 10.0.0.0/8?"),
        ("{a: {in: [10.0.0.0/8, b]}}", "f:1:23: a network such as 10.0.0.0/8 or an address is wanted"),
        ("{a: {contains: ''}}", 'f:1:16: "contains": text that is not empty is wanted'),
        ("{a: {gt: high}}", 'f:1:10: "gt": a decimal number without quotes is wanted, not "high"'),
        ("{any: []}", 'f:1:7: "any": the list is empty'),
        ("{'a b': c}", 'f:1:2: "a b" cannot be a field\'s name'),
        (
            "{a: {regex: 'x(y'}}",
            'f:1:15: "regex": the regular expression is wrong: missing ), unterminated subpattern at character 2 of',
        ),
        ('{a: {regex: "\\x41("}}', "at character 2 of the pattern"),
        ("{a: {regex: '(?P<message>x)'}}", 'f:1:14: "regex": the group "message" would fill message'),
        ("{a: {regex: 'x(?P<gateway_trust>y)'}}", "f:1:15: "),
        ("{a: {regex: 'x{99999999999999}'}}", 'f:1:13: "regex": the regular expression is too large'),
    ],
)
def test_a_wrong_condition_says_where(text: str, error: str) -> None:
    """Errors name the column, inside a pattern where its text stands in the file as it is."""
    _, problems = load(text)
    assert error in str(problems.errors[0])


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{source.ip: 10.0.0.0/8}", "f:1:13: this is compared as text; for a network write {in: [10.0.0.0/8]}"),
        ("{file.path: /x/*.csv}", 'the star is compared as it stands; for a pattern write {glob: "/x/*.csv"}'),
        (
            "{message: '*Failed*'}",
            'for a pattern write {glob: "*Failed*"}, for the star itself {glob: "[*]Failed[*]"}',
        ),
        ("{message: [x, 'Failed .* from']}", 'for a regular expression write {regex: "Failed .* from"}'),
        ("'message == \"*[x]\"'", 'for a pattern write {glob: "*[x]"}, for the star itself {glob: "[*][[]x]"}'),
        ("{user.name: '*'}", 'for any value write {exists: true}, for the star itself {glob: "[*]"}'),
        ("{message: '192.0.2.*'}", 'for a pattern write {glob: "192.0.2.*"}'),
        ("{source.port: ssh}", 'f:1:15: source.port is a number and is never "ssh"'),
        ("{a: {regex: '(?:[a-z]+)*$'}}", "this search is stopped after 50 ms, and then finds nothing"),
        ("{a: {regex: '[[a]'}}", "the regular expression: Possible nested set"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(text: str, warning: str) -> None:
    """It loads, and the operator hears of it."""
    found, problems = load(text)
    assert found is not None
    assert not problems.errors
    assert warning in str(problems.warnings[0])


@pytest.mark.parametrize("pattern", ["(?:ab+)+", "(a+)++", "(?:a{1,3})+", "\\(a+\\)+", "[(a+)+]", "(a|b+)*"])
def test_harmless_repetitions_are_not_warned_of(pattern: str) -> None:
    """The doubt is only about one repeated character inside a repeated group."""
    _, problems = load(f"{{a: {{regex: '{pattern}'}}}}")
    assert not problems.warnings


@pytest.mark.parametrize(
    "text",
    [
        "{message: {glob: '[*]Failed[*]'}}",
        "{message: {contains: '*'}}",
        "{message: {regex: '^[*]+ (?P<HOST>x) [<]HOST> %\\(name\\)s %\\{IP:x\\} <host> 5%{2}'}}",
        "{source.ip: {glob: '192.0.2.*'}}",
    ],
)
def test_what_says_that_it_is_meant_is_not_warned_of(text: str) -> None:
    """A star that is a character, or one of a pattern; what only looks like a word of fail2ban's or grok's."""
    _, problems = load(text)
    assert not problems.errors
    assert not problems.warnings


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.*", "192.0.2.0/24"),
        ("192.0.*.*", "192.0.0.0/16"),
        ("192.0.*", "192.0.0.0/16"),
        ("10.*", "10.0.0.0/8"),
        ("300.1.*", None),
        ("192.0.2.7", None),
        ("1.*.2", None),
        ("1.2.3.4.*", None),
        ("*", None),
    ],
)
def test_an_address_with_stars_is_a_network(text: str, network: str | None) -> None:
    """Of whole octets."""
    assert starred_network(text) == network


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("src.ip", "source.ip"),
        ("srcip", "source.ip"),
        ("ip", "source.ip"),
        ("rhost", "source.ip"),
        ("user", "user.name"),
        ("username", "user.name"),
        ("host", "host.name"),
        ("hostname", "host.name"),
        ("program", "process.name"),
    ],
)
def test_other_programs_names_of_fields_are_told(name: str, usual: str) -> None:
    """Wherever a field is named; who makes the field itself, or declares it, means it."""
    for text in (
        f"match: {{{name}: x}}",
        f"match: {name} exists",
        f"match: {{}}\n  when: {{count: 2, within: 1m, by: [{name}]}}",
        f"match: {{}}\n  when: {{distinct: {name}, count: 2, within: 1m, by: []}}",
        f"match: {{}}\n  when: {{absent: {{match: {{}}, by: [{name}]}}, within: 1m, by: [user.id]}}",
        f"match: {{}}\n  suppress: {{for: 1m, by: [{name}]}}",
        f"match: {{}}\n  capture: {{field: {name}, regex: '(?P<user_id>x)'}}",
        f"match: {{}}\n  when: {{count: 2, within: 1m, by: [user.id]}}\n  undo: {{match: {{}}, by: [{name}], do: []}}",
        f"match: {{}}\n  if_open: {{rule: x, by: [{name}]}}",
    ):
        rules = f"- rule: r\n  {text}\n  do: {{run: [x]}}\n"
        loaded = load_rules(rules, "f", Defaults(grammars={}))
        (said,) = [*loaded.warnings, *loaded.errors]
        assert usual in said.problem, text
        declared = load_rules(f"fields: [{name}]\nrules:\n{rules}", "f", Defaults(grammars={}))
        assert (declared.warnings, declared.errors) == ((), ())


def test_a_pattern_own_fields_are_known() -> None:
    """What a rule's own pattern fills is no misspelling."""
    _, problems = load("{message: {regex: '(?P<source_ips>x)'}, source.ips: x}")
    assert not problems.warnings
