"""Conditions out of a rule file: `match`, `unless` and what may stand inside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Literal

from parsers.errors import OperatorError, Place
from parsers.fields import INTEGERS, KNOWN, is_reserved
from parsers.grammars.aliases import ALIASES, field_name
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InList,
    InNetworks,
    Matches,
    Not,
    OneOf,
    Scalar,
)
from rules.expression import PIECE, Comparison, Expression, Joined, Named, Negation, parse_expression
from rules.habits import OF_FIELD
from rules.load_pattern import compiled
from rules.pieces import NamedList
from rules.schema import (
    Fields,
    Problems,
    Reader,
    SpoiltError,
    as_list,
    as_one_or_more,
    did_you_mean,
    nearest,
    scalar_of,
)
from rules.strict_yaml import Entry, MappingNode, Node, ScalarNode, SequenceNode, shown
from rules.values import as_bool, as_network, as_number, as_text

FIELD = r"@?[A-Za-z_][^\s${}]*"
"""The shape of a field's name; JSON senders may have any letters in theirs."""

_BROKEN_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){2,}(?:/[0-9]*)?", re.ASCII)

_STARRED_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}(?:\.\*){1,3}", re.ASCII)

_ANY_TEXT = re.compile(r"(?<![\w*])\.\*|\.\*(?=[\w ])")
"""What a regular expression has for any text, and hardly a shell pattern."""

ALIKE = 0.87
"""How like a known field's name an unknown one must be to pass for its misspelling."""

COMPARISONS: tuple[Literal["gt", "lt", "ge", "le"], ...] = ("gt", "lt", "ge", "le")
OPERATORS = ("in", "glob", "regex", "contains", *COMPARISONS, "exists", "any", "all", "not")


def as_condition(node: Node, problems: Problems) -> Condition:
    """Read an expression, or a mapping of fields, all of which must be as it says.

    A mapping without keys holds for every event.
    """
    if isinstance(node, ScalarNode):
        return _expressed(parse_expression(node), problems)
    if isinstance(node, SequenceNode):
        raise OperatorError("a mapping of fields is wanted; for one of several write {any: [{...}, {...}]}", node.place)
    found = [_entry(entry, problems) for entry in node.entries]
    return _all([condition for condition in found if condition])


def as_field(wanted: str = "a field's name") -> Reader[str]:
    """Read the name of a field; one that is nearly a known one is an error."""
    read_text = as_text(FIELD, wanted)

    def read(node: Node, problems: Problems) -> str:
        name = read_text(node, problems)
        check_field(name, node.place, problems)
        return name

    return read


def check_field(name: str, place: Place, problems: Problems) -> None:
    """Refuse a field's name that is nearly a known one, and warn of others that no message has.

    What the file makes and what `fields` names is right.
    """
    if problems.fields is None or name in KNOWN or name in problems.fields or name in problems.pieces.fields:
        return
    declare = f'declare it: "fields: [{name}]"'
    declared = f"; if senders really have it, {declare}"
    made = f"; if a rule or a grammar makes it, {declare}"
    bare, bar, operator = name.partition("|")
    if bar:
        known = {"startswith": "glob", "endswith": "glob", "re": "regex", "cidr": "in"}.get(operator, operator)
        advice = f"{{{bare}: {{{known if known in OPERATORS else 'contains'}: ...}}}}"
        problems.error(f"what the field must be stands behind the colon: {advice}{declared}", place)
    elif near := did_you_mean(name, KNOWN, ALIKE):
        problems.error(f'"{name}" is a field nobody knows{near}{declared}', place)
    elif usual := OF_FIELD.get(name.lower()) or ALIASES.get(name.lower()):
        problems.warn(f'the field "{name}" is called {usual} here{made}', place)
    elif (called := field_name(name)) != name and not is_reserved(name):
        problems.warn(f'no message has a field "{name}": what a sender calls so is {called} here{made}', place)


def _entry(entry: Entry, problems: Problems) -> Condition | None:
    match entry.key:
        case "any" | "all":
            parts = problems.attempt(entry.value, as_list(as_condition, least=1), entry.key)
            return None if parts is None else _any(parts) if entry.key == "any" else _all(parts)
        case "not":
            inner = problems.attempt(entry.value, as_condition, entry.key)
            return Not(inner) if inner else None
    if not re.fullmatch(FIELD, entry.key):
        problems.error(f"{shown(entry.key)} cannot be a field's name", entry.place)
    check_field(entry.key, entry.place, problems)
    return problems.attempt(entry.value, _test_of(entry.key), entry.key)


def _all(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _any(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def _expressed(expression: Expression, problems: Problems) -> Condition:
    """Read the parts of an expression with the readers of the mapping's, so that both come to the same."""
    match expression:
        case Joined(word, parts):
            conditions = [_expressed(part, problems) for part in parts]
            return _all(conditions) if word == "and" else _any(conditions)
        case Negation(inner):
            return Not(_expressed(inner, problems))
        case Named(name, place):
            return _macro(name, place, problems)
        case Comparison(field, operator, negated, operand):
            if not field.plain and not re.fullmatch(FIELD, field.text):
                raise OperatorError(f"{shown(field.text)} cannot be a field's name", field.place)
            check_field(field.text, field.place, problems)
            if operand is None:
                return Exists(field.text, not negated)
            condition = _OF_OPERATOR[operator](field.text)(operand, problems)
            return Not(condition) if negated else condition


def _macro(name: str, place: Place, problems: Problems) -> Condition:
    pieces = problems.pieces
    macro = pieces.macros.get(name)
    if macro is None:
        if name in pieces.lists:
            raise OperatorError(f'${name} is a list, not a condition; write "FIELD in ${name}"', place)
        raise OperatorError(f"there is no macro ${name}{_near_piece(name, pieces.macros)}", place)
    problems.used.add(macro.place)
    if macro.circle:
        raise OperatorError(f"the macro uses itself: {macro.circle}", place)
    if macro.condition is None:
        raise SpoiltError(f"off as well, for the macro ${name} is wrong: see {macro.place}", place)
    return macro.condition


def _list(name: str, place: Place, problems: Problems) -> NamedList:
    pieces = problems.pieces
    found = pieces.lists.get(name)
    if found is None:
        if name in pieces.macros:
            raise OperatorError(f"${name} is a macro, not a list; it stands where a condition does", place)
        raise OperatorError(f"there is no list ${name}{_near_piece(name, pieces.lists)}", place)
    problems.used.add(found.place)
    if found.wrong:
        raise SpoiltError(f"off as well, for the list ${name} is wrong: see {found.place}", place)
    return found


def _near_piece(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean ${near}?" if near else "; write what it is under `lists` or `macros`"


def _test_of(name: str) -> Reader[Condition]:
    """Return a reader of what one field must be: a value, a list of values, or a mapping of operators."""

    def read(node: Node, problems: Problems) -> Condition:
        if isinstance(node, MappingNode):
            return _operators(name, node, problems)
        if isinstance(node, SequenceNode):
            if any(map(_piece, node.items)):
                return _in(name)(node, problems)
            return OneOf(name, as_list(_value_of(name), least=1)(node, problems))
        return Equals(name, _value_of(name)(node, problems))

    return read


def _value_of(name: str) -> Reader[Scalar]:
    def read(node: Node, problems: Problems) -> Scalar:
        if isinstance(node, ScalarNode) and node.plain and node.value() is None:
            raise OperatorError('a value is missing; write {exists: false} for "not there", "" for empty', node.place)
        scalar = scalar_of(node)
        value = scalar.value()
        assert value is not None  # noqa: S101 -- the line above has refused it
        _doubt(name, scalar, problems)
        return value

    return read


def _doubt(name: str, node: ScalarNode, problems: Problems) -> None:
    """Warn of values that are compared as they stand but look like patterns.

    Raises:
        OperatorError: it looks like an address, and is none.
    """
    if name.endswith(".ip") and _BROKEN_ADDRESS.fullmatch(node.text) and not _is_network(node.text):
        raise OperatorError(f"{shown(node.text)} is no address", node.place)
    if name.endswith(".ip") and (network := starred_network(node.text)):
        raise OperatorError(f"{shown(node.text)} is no address; for a network write {{in: [{network}]}}", node.place)
    if (piece := _piece(node)) and piece in problems.pieces.lists:
        problems.warn(f"this is compared as text; for a value of the list write {{in: {node.text}}}", node.place)
    elif name in INTEGERS and not node.text.lstrip("-").isdecimal():
        problems.warn(f"{name} is a number and is never {shown(node.text)}", node.place)
    elif "/" in node.text and _is_network(node.text):
        problems.warn(f"this is compared as text; for a network write {{in: [{node.text}]}}", node.place)
    elif "*" in node.text:
        problems.warn(f"the star is compared as it stands; {_instead_of_stars(node.text)}", node.place)


def _instead_of_stars(text: str) -> str:
    """Say what to write for what a text with stars probably means, and for what it says."""
    literal = f"for the star itself {{glob: {shown(text.replace('[', '[[]').replace('*', '[*]'))}}}"
    if not text.strip("*"):
        return f"for any value write {{exists: true}}, {literal}"
    if _ANY_TEXT.search(text):
        return f"for a regular expression write {{regex: {shown(text)}}}, {literal}"
    return f"for a pattern write {{glob: {shown(text)}}}, {literal}"


def starred_network(text: str) -> str | None:
    """Return the network that is meant by an address with stars: `192.0.2.*`; None for any other text."""
    if not _STARRED_ADDRESS.fullmatch(text):
        return None
    known = text.partition(".*")[0].split(".")
    network = f"{'.'.join((*known, '0', '0', '0')[:4])}/{8 * len(known)}"
    return network if _is_network(network) else None


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _operators(name: str, node: MappingNode, problems: Problems) -> Condition:
    """Read operators, all of which must hold."""
    found: list[Condition] = []
    with Fields(node, problems, name) as fields:
        if within := fields.take("in", _in(name), None):
            found.append(within)
        for operator, one in (("glob", _glob(name)), ("regex", _regex(name)), ("contains", _contains(name))):
            if several := fields.take(operator, as_one_or_more(one), None):
                found.append(_any(several))
        for comparison in COMPARISONS:
            number = fields.take(comparison, as_number(), None)
            if number is not None:
                found.append(Compare(name, comparison, number))
        exists = fields.take("exists", as_bool(), None)
        if exists is not None:
            found.append(Exists(name, exists))
        for joined, join in (("any", _any), ("all", _all)):
            if parts := fields.take(joined, as_list(_test_of(name), least=1), None):
                found.append(join(parts))
        if inner := fields.take("not", _test_of(name), None):
            found.append(Not(inner))
    if not node.entries:
        raise OperatorError(f"an operator is missing; known are {', '.join(OPERATORS)}", node.place)
    return _all(found)


def _in(name: str) -> Reader[Condition]:
    """Read `in:`, networks when one of the values is one, else values; `$name` stands for what a list holds."""

    def read(node: Node, problems: Problems) -> Condition:
        items = node.items if isinstance(node, SequenceNode) else (node,)
        lists = [_list(piece, item.place, problems) for item in items if (piece := _piece(item)) is not None]
        own = tuple(item for item in items if _piece(item) is None)
        listed = frozenset(each for one in lists for each in one.files)
        networks = [network for one in lists for network in one.networks]
        values = [value for one in lists for value in one.values]
        if any(isinstance(item, ScalarNode) and _is_network(item.text) for item in own):
            networks += as_list(as_network())(SequenceNode(node.place, own), problems)
        elif own or not lists:
            values += as_list(_value_of(name), least=1)(SequenceNode(node.place, own), problems)
        found: list[Condition] = []
        if networks:
            found.append(InNetworks(name, tuple(dict.fromkeys(networks))))
        if values:
            found.append(OneOf(name, tuple(values)))
        found += [InList(name, each) for each in sorted(listed, key=lambda each: (each.name, each.path))]
        return _any(found)

    return read


def _piece(node: Node) -> str | None:
    """Return the name of the list that a value without quotes stands for, None for any other."""
    is_named = isinstance(node, ScalarNode) and node.plain and re.fullmatch(rf"\${PIECE}", node.text)
    return node.text[1:] if is_named and isinstance(node, ScalarNode) else None


def _glob(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Glob(name, as_text(r"(?s).+", "a pattern such as */invoices/*.csv")(node, problems))

    return read


def _contains(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Contains(name, as_text(r"(?s).+", "text that is not empty")(node, problems))

    return read


def _regex(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Matches(name, compiled(scalar_of(node, "a regular expression"), problems))

    return read


def _equal(name: str) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        return Equals(name, _value_of(name)(node, problems))

    return read


def _several(one: Callable[[str], Reader[Condition]]) -> Callable[[str], Reader[Condition]]:
    def of(name: str) -> Reader[Condition]:
        def read(node: Node, problems: Problems) -> Condition:
            return _any(as_one_or_more(one(name))(node, problems))

        return read

    return of


def _compare(comparison: Literal["gt", "lt", "ge", "le"]) -> Callable[[str], Reader[Condition]]:
    def of(name: str) -> Reader[Condition]:
        def read(node: Node, problems: Problems) -> Condition:
            return Compare(name, comparison, as_number()(node, problems))

        return read

    return of


_OF_OPERATOR: Mapping[str, Callable[[str], Reader[Condition]]] = {
    "==": _equal,
    "~": _several(_regex),
    "contains": _several(_contains),
    "glob": _several(_glob),
    "in": _in,
    "<": _compare("lt"),
    "<=": _compare("le"),
    ">": _compare("gt"),
    ">=": _compare("ge"),
}
"""How an expression's operators are read; they are those of a mapping under other names."""
