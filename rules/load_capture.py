"""The `capture` of a rule: what is taken out of an event's text into fields of their own."""

from __future__ import annotations

from collections.abc import Mapping

from parsers.errors import OperatorError
from parsers.lowering import CompiledGrammar
from rules.condition import AllOf, Condition, Matches, Parses
from rules.load_condition import as_field
from rules.load_pattern import compiled
from rules.schema import Fields, Problems, Reader, as_list, did_you_mean, scalar_of
from rules.strict_yaml import MappingNode, Node, SequenceNode, shown
from rules.values import as_text

MESSAGE = "message"
"""The field that is meant where none is named."""


def as_capture(grammars: Mapping[str, CompiledGrammar] | None) -> Reader[tuple[Condition, ...]]:
    """Read what adds fields: a regular expression with named groups, a mapping, or a list of these.

    An event in which one of them is not found is not the rule's, so they are conditions as well.

    Args:
        grammars: by their names; None: they are not known, and none is wrong.
    """

    def one(node: Node, problems: Problems) -> Condition | None:
        if not isinstance(node, MappingNode):
            return _regex(MESSAGE, grammars)(node, problems)
        with Fields(node, problems, "capture") as fields:
            name = fields.take("field", as_field(), MESSAGE)
            if "grammar" in fields and "regex" in fields:
                place = fields.place_of("grammar")
                problems.error('"grammar" stands beside "regex"; write two captures in a list', place)
            if "grammar" in fields:
                found = fields.take("grammar", _grammar(name, grammars), None)
                fields.pop("regex")
                return found
            fields.pop("grammar")
            return fields.require("regex", _regex(name, grammars), 'or "grammar"')

    def read(node: Node, problems: Problems) -> tuple[Condition, ...]:
        found = as_list(one, least=1)(node, problems) if isinstance(node, SequenceNode) else (one(node, problems),)
        return tuple(condition for condition in found if condition is not None)

    return read


def joined(match: Condition, captures: tuple[Condition, ...]) -> Condition:
    """Return the condition that both what an event must be and what is captured from it make together."""
    if not captures:
        return match
    parts = (*(match.conditions if isinstance(match, AllOf) else (match,)), *captures)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _regex(name: str, grammars: Mapping[str, CompiledGrammar] | None) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        pattern = compiled(scalar_of(node, "a regular expression with named groups"), problems)
        if grammars is not None and pattern.pattern in grammars:
            written = f"{{grammar: {pattern.pattern}}}"
            raise OperatorError(
                f"this is a regular expression, and captures nothing; a grammar is {written}", node.place
            )
        if not pattern.groupindex:
            advice = "(?P<NAME>...) instead of (...)" if pattern.groups else "(?P<user_name>...)"
            raise OperatorError(f"it captures nothing; name a group: {advice}", node.place)
        return Matches(name, pattern)

    return read


def _grammar(name: str, grammars: Mapping[str, CompiledGrammar] | None) -> Reader[Condition]:
    def read(node: Node, problems: Problems) -> Condition:
        wanted = as_text(r".+", "a grammar's name")(node, problems)
        if grammars is None:
            return Parses(name, wanted)
        if wanted not in grammars:
            advice = did_you_mean(wanted, grammars) or f"; there are {', '.join(sorted(grammars))}"
            raise OperatorError(f"there is no grammar {shown(wanted)}{advice}", node.place)
        return Parses(name, wanted, grammars[wanted])

    return read
