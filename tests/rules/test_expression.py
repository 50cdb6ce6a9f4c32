"""Conditions as expressions come to what the mapping comes to, and say where they are wrong."""

from __future__ import annotations

import re
import time
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    Scalar,
)
from rules.expression import MAX_DEPTH, MAX_LENGTH
from rules.load_condition import as_condition
from rules.schema import Problems
from rules.strict_yaml import parse
from rules.words import words

MAX_SECONDS = 2.0
"""For what a stranger could not send and an operator should not write; the slowest takes 0.1 s."""


def load(text: str) -> tuple[Condition | None, Problems]:
    """Read one condition out of YAML."""
    root, problems = parse(text, "f"), Problems()
    assert root is not None
    return problems.attempt(root, as_condition), problems


def quoted(text: str) -> str:
    """Write an expression as a YAML scalar."""
    return "'" + text.replace("'", "''") + "'"


SAME = [
    ("a == 'b'", "{a: b}"),
    ("a == 5", "{a: 5}"),
    ("a == '5'", "{a: '5'}"),
    ("a == true", "{a: true}"),
    ("a == -2.5", "{a: -2.5}"),
    ("a == 192.0.2.7", "{a: 192.0.2.7}"),
    ("a != 'b'", "{a: {not: b}}"),
    ("a ~ 'x+'", "{a: {regex: x+}}"),
    (r"a ~ '^\d+\.\w'", r"{a: {regex: '^\d+\.\w'}}"),
    ("a !~ 'x'", "{a: {not: {regex: x}}}"),
    ("a ~ ['x', 'y']", "{a: {regex: [x, y]}}"),
    ("a < 1", "{a: {lt: 1}}"),
    ("a <= 1.5", "{a: {le: 1.5}}"),
    ("a > -1", "{a: {gt: -1}}"),
    ("a >= 1", "{a: {ge: 1}}"),
    ("a in ['b', 5]", "{a: {in: [b, 5]}}"),
    ("a in ('b')", "{a: {in: b}}"),
    ("a in 10.0.0.0/8", "{a: {in: 10.0.0.0/8}}"),
    ("a in [::1, '2001:db8::/32', 192.0.2.1]", "{a: {in: ['::1', '2001:db8::/32', 192.0.2.1]}}"),
    ("a not in ['b']", "{a: {not: {in: b}}}"),
    ("a contains 'x'", "{a: {contains: x}}"),
    ("a not contains ['x', 'y']", "{a: {not: {contains: [x, y]}}}"),
    ("a glob '*/x?'", "{a: {glob: '*/x?'}}"),
    ("a not glob '*'", "{a: {not: {glob: '*'}}}"),
    ("a exists", "{a: {exists: true}}"),
    ("a not exists", "{a: {exists: false}}"),
    ("not a exists", "{not: {a: {exists: true}}}"),
    ("not not a exists", "{not: {not: {a: {exists: true}}}}"),
    ("a == 1 and b == 2 and c == 3", "{all: [{a: 1}, {b: 2}, {c: 3}]}"),
    ("a == 1 or b == 2 and c == 3", "{any: [{a: 1}, {all: [{b: 2}, {c: 3}]}]}"),
    ("(a == 1 or b == 2) and c == 3", "{all: [{any: [{a: 1}, {b: 2}]}, {c: 3}]}"),
    ("not (a == 1 and b == 2)", "{not: {a: 1, b: 2}}"),
    ("a=='it''s'", '{a: "it\'s"}'),
    ('a == "say ""hi"""', "{a: 'say \"hi\"'}"),
    (r"a == 'C:\'", r"{a: 'C:\'}"),
    ("'odd/name' == 1", "{odd/name: 1}"),
    ('"in" == 1 and android == 2', "{in: 1, android: 2}"),
    ("log.syslog.structured_data.x@32473.iut exists", "{log.syslog.structured_data.x@32473.iut: {exists: true}}"),
    ("@timestamp exists", "{'@timestamp': {exists: true}}"),
    ("  a\t==\t1  ", "{a: 1}"),
]


@pytest.mark.parametrize(("expression", "mapping"), SAME)
def test_an_expression_is_what_the_mapping_is(expression: str, mapping: str) -> None:
    """Both forms make the same condition, and neither has anything to be said against."""
    (found, problems), (wanted, others) = load(quoted(expression)), load(mapping)
    assert wanted is not None
    assert found == wanted
    assert not problems.errors
    assert not others.errors


@pytest.mark.parametrize(
    "text",
    [
        'message ~ "Failed .* from" and log.syslog.severity.code <= 4',
        "'message ~ \"Failed .* from\" and log.syslog.severity.code <= 4'",
        '>\n  message ~ "Failed .* from"\n  and log.syslog.severity.code <= 4\n',
        '|\n  message ~ "Failed .* from"\n    and log.syslog.severity.code <= 4\n',
        "{all: ['message ~ \"Failed .* from\"', {log.syslog.severity.code: {le: 4}}]}",
    ],
)
def test_an_expression_stands_in_any_scalar(text: str) -> None:
    """Plain, quoted, folded or as a part of a mapping."""
    found, problems = load(text)
    wanted = AllOf((Matches("message", re.compile("Failed .* from")), Compare("log.syslog.severity.code", "le", 4.0)))
    assert found == wanted
    assert not problems.errors
    assert not problems.warnings


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = 1", 'f:1:3: an operator such as ==, ~, <=, in or exists is wanted here, not "="; write "=="'),
        ("a == 1 && b == 2", 'f:1:8: "and", "or" or the end is wanted here, not "&&"; write "and"'),
        ("a == 1 AND b == 2", 'f:1:8: "and", "or" or the end is wanted here, not "AND"; write "and"'),
        ("a == 1 adn b == 2", 'not "adn"; did you mean "and"?'),
        ("(a == 1 adn b", 'f:1:9: ")", "and" or "or" is wanted here, not "adn"; did you mean "and"?'),
        ('a conains "x"', 'f:1:3: an operator such as ==, ~, <=, in or exists is wanted here, not "conains"; did you'),
        ('a not conains "x"', 'f:1:7: "in", "contains", "glob" or "exists" is wanted here, not "conains"; did you'),
        ('a matches "x"', 'write "~"'),
        (
            "a is absent",
            'f:1:3: an operator such as ==, ~, <=, in or exists is wanted here, not "is"; write "==", "exists"',
        ),
        ("a == root", 'f:1:6: a value: text in quotes, a number, true or false is wanted here, not "root"; put text'),
        ("a == [1, 2]", 'f:1:6: a value: text in quotes, a number, true or false is wanted here, not "["; for one'),
        ("a == $x", 'f:1:6: a value: text in quotes, a number, true or false is wanted here, not "$x"; for a value'),
        ('a < "5"', "f:1:5: a number is wanted here, not a quote; leave the quotes away"),
        ("a in office", 'not "office"; put text in quotes, or $office for a list'),
        ("a in [1 2]", 'f:1:9: "," or "]" is wanted here, not "2"'),
        ("a in []", "f:1:6: the list is empty"),
        ("a ~ x", 'f:1:5: text in quotes is wanted here, not "x"; put text in quotes'),
        ("a ~ 'x(y'", "f:1:7: the regular expression is wrong: missing ), unterminated subpattern"),
        ("b == 1 and a ~ '(?P<message>x)'", 'f:1:17: the group "message" would fill message'),
        ("a in 10.0.0.1/8", 'f:1:6: "10.0.0.1/8" is an address inside a network; did you mean 10.0.0.0/8?'),
        ("a in [10.0.0.0/8, 'b']", 'f:1:19: a network such as 10.0.0.0/8 or an address is wanted, not "b"'),
        ("a contains ''", "f:1:12: text that is not empty is wanted"),
        ("a", "f:1:2: an operator such as ==, ~, <=, in or exists is wanted behind this"),
        ("a ==", "f:1:5: a value: text in quotes, a number, true or false is wanted behind this"),
        ("a == 1 or", 'f:1:10: a field, "not", "(" or a macro such as $name is wanted behind this'),
        ("(a == 1", 'f:1:8: ")", "and" or "or" is wanted behind this'),
        ("a == 1)", 'f:1:7: "and", "or" or the end is wanted here, not ")"'),
        ("'5'", "f:1:2: a field,"),
        ("true", 'f:1:1: a field, "not", "(" or a macro such as $name is wanted here, not "true"; if a field is'),
        ('a == "x', "f:1:6: the closing quote is missing; in YAML a blank and # begin a comment"),
        ('message ~ "a #b"', "f:1:11: the closing quote is missing; in YAML a blank and # begin a comment"),
        (r'''a == "say \"hi\""''', "f:1:13: a quote inside of quotes is written twice"),
        ("~", "f:1:1: a condition is missing"),
        ("'\"a b\" == 1'", 'f:1:2: "a b" cannot be a field\'s name'),
        ("$nope", "f:1:1: there is no macro $nope"),
        ("a == 1 and b in $nope", "f:1:17: there is no list $nope"),
        ("|\n  a == 1\n  or b == c\n", "f:1:1: a value: text in quotes, a number, true or false is wanted here"),
        ("|\n  a == 1\n  or b == c\n", "(line 2, character 9 of the expression)"),
        ("'a == ''x'' b'", '"and", "or" or the end is wanted here, not "b" (character 10 of the expression)'),
    ],
)
def test_a_wrong_expression_says_where(text: str, error: str) -> None:
    """Errors name the column in the file where that is plain, else the character, and what was wanted there."""
    _, problems = load(text)
    (found,) = problems.errors
    assert error in str(found)


def test_doubts_are_those_of_the_mapping() -> None:
    """A value that a field never has and a regular expression that may take long are warned of at their place."""
    _, problems = load("source.port == 'ssh' and a ~ '(?:[a-z]+)*$'")
    first, second = map(str, problems.warnings)
    assert first == 'f:1:16: source.port is a number and is never "ssh"'
    assert second.startswith("f:1:3")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1000 + "a == 1" + ")" * 1000,
        "(" * 100_000,
        "[" * 5000,
        "a == 1 and " * 10_000,
        "not " * 2000 + "a == 1",
        "a == '" + "'" * (MAX_LENGTH - 100),
        '"' + "'" * (MAX_LENGTH - 100),
        "a in [" + "1," * 2000,
        "not (" * (MAX_DEPTH + 1) + "a exists" + ")" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_too_long_or_too_deep_is_an_error_at_once(text: str) -> None:
    """Neither the stack nor the clock runs out."""
    began = time.process_time()
    found, problems = load(quoted(text))
    assert found is None
    assert len(problems.errors) == 1
    assert time.process_time() - began < MAX_SECONDS


def test_the_longest_and_deepest_is_read() -> None:
    """What is within the limits is read, in little time, and with most of the stack left."""
    deep = "a == 1"
    for _ in range(MAX_DEPTH):
        deep = f"b == 2 or not ({deep})"
    long = " and ".join(["a == 1"] * (MAX_LENGTH // 12))
    began = time.process_time()
    for text in (deep, long):
        found, problems = load(quoted(text))
        assert found is not None
        assert not problems.errors
    assert time.process_time() - began < MAX_SECONDS


NAMES = st.sampled_from(["a", "user.name", "source.ip", "@timestamp", "in", "not", "odd/name", "x-y", "andy", "a:b"])
WORDS = st.sampled_from(["a", "user.name", "source.ip", "odd/name", "x-y", "andy"])
LETTERS = "ab'\"\\ $()[]=~,{}#&é"
NETWORKS = st.sampled_from(["10.0.0.0/8", "::1", "2001:db8::/32", "192.0.2.7"]).map(ip_network)
PATTERNS = st.sampled_from([r"a+\.b", "x'y", 'say "x"', r"\\", "(?P<user_name>a)", r"^\s*$"]).map(re.compile)
NUMBERS = st.one_of(st.integers(-(10**5), 10**5).map(float), st.sampled_from([0.5, -2.25]))


def conditions(names: st.SearchStrategy[str], letters: str) -> st.SearchStrategy[Condition]:
    """Return any conditions over these fields, with texts of these letters."""
    texts = st.text(st.sampled_from(letters), max_size=8)
    scalars: st.SearchStrategy[Scalar] = st.one_of(texts, st.integers(-(10**17), 10**17), st.booleans())
    leaves: st.SearchStrategy[Condition] = st.one_of(
        st.builds(Equals, names, scalars),
        st.builds(OneOf, names, st.lists(scalars, min_size=1, max_size=3).map(tuple)),
        st.builds(InNetworks, names, st.lists(NETWORKS, min_size=1, max_size=3, unique=True).map(tuple)),
        st.builds(Glob, names, texts.filter(bool)),
        st.builds(Contains, names, texts.filter(bool)),
        st.builds(Matches, names, PATTERNS),
        st.builds(Compare, names, st.sampled_from(["gt", "lt", "ge", "le"]), NUMBERS),
        st.builds(Exists, names, st.booleans()),
    )
    return st.recursive(leaves, _joined, max_leaves=6)


def _joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(several.map(AllOf), several.map(AnyOf), parts.map(Not))


SIGNS = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}
PLAIN = re.compile(r"(?!(?:in|not)$)@?[a-z][\w.:-]*")


def in_quotes(text: str) -> str:
    """Write text as an expression does."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'"


def value_text(value: Scalar) -> str:
    """Write a value as an expression does."""
    if isinstance(value, str):
        return in_quotes(value)
    return str(value).lower()


def expression(condition: Condition) -> str:
    """Write a condition as an expression, with every parenthesis that could be needed."""
    match condition:
        case AllOf(parts):
            return " and ".join(f"({expression(part)})" for part in parts)
        case AnyOf(parts):
            return " or ".join(f"({expression(part)})" for part in parts)
        case Not(inner):
            return f"not ({expression(inner)})"
    name = condition.field if PLAIN.fullmatch(condition.field) else in_quotes(condition.field)
    match condition:
        case Equals(_, value):
            return f"{name} == {value_text(value)}"
        case OneOf(_, values):
            return f"{name} in [{', '.join(map(value_text, values))}]"
        case InNetworks(_, networks):
            return f"{name} in ({', '.join(map(str, networks))})"
        case Glob(_, pattern):
            return f"{name} glob {in_quotes(pattern)}"
        case Contains(_, text):
            return f"{name} contains {in_quotes(text)}"
        case Matches(_, pattern):
            return f"{name} ~ {in_quotes(pattern.pattern)}"
        case Compare(_, operator, number):
            return f"{name} {SIGNS[operator]} {number:f}"
        case Exists(_, expected):
            return f"{name} {'' if expected else 'not '}exists"
    raise AssertionError(condition)


@settings(max_examples=50, deadline=None)
@given(conditions(NAMES, LETTERS + "\n"))
def test_any_condition_can_be_written_as_an_expression(condition: Condition) -> None:
    """Written as an expression and read again, every condition is the same."""
    found, problems = load('"' + expression(condition).encode("unicode_escape").decode().replace('"', '\\"') + '"')
    assert not problems.errors
    assert found == condition


@settings(max_examples=40, deadline=None)
@given(conditions(WORDS, LETTERS))
def test_both_forms_of_any_condition_are_the_same(condition: Condition) -> None:
    """Written as a mapping, in the words of `explain`, it comes to what it comes to as an expression."""
    mapping, problems = load(f"{{{words(condition)}}}")
    written, others = load(quoted(expression(condition)))
    assert not problems.errors
    assert not others.errors
    assert mapping == written == condition


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("ab01 .'\"()[]$=!~<>,&|#\n")), st.sampled_from(["", "a == ", "a in [", "a == 1 and "]))
def test_any_text_is_read_or_refused(text: str, before: str) -> None:
    """No text is a bug of ours: it is a condition, or one error with its place."""
    escaped = (before + text).encode("unicode_escape").decode().replace('"', '\\"')
    found, problems = load(f'"{escaped}"')
    assert (found is None) == bool(problems.errors)
    assert all(error.place is not None for error in problems.errors)
