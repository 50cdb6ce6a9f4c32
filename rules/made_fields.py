"""Which fields of events a file makes itself, so that a name of one's own is told from a misspelt one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from parsers.fields import field_of_group
from parsers.lowering import CompiledGrammar
from rules.found import grammar_fields
from rules.match import found_fields
from rules.pieces import Pieces
from rules.strict_yaml import MappingNode, Node, ScalarNode

_GROUP = re.compile(r"\(\?P<(\w+)>")


@dataclass(frozen=True, slots=True)
class OwnFields:
    """The fields that a file makes, and those that the operator's grammars make.

    Attributes:
        made: by regular expressions and by `emit`, wherever in the file: a rule may use what a later one makes.
        grammars: are asked only for a name that is not among them.
    """

    made: frozenset[str]
    grammars: tuple[CompiledGrammar, ...] = ()

    def __contains__(self, name: object) -> bool:
        return name in self.made or any(name in grammar_fields(grammar).names for grammar in self.grammars)


def own_fields(root: Node | None, pieces: Pieces | None = None, grammars: Iterable[CompiledGrammar] = ()) -> OwnFields:
    """Return the fields that a file makes, and the macros and grammars that it may use."""
    conditions = (macro.condition for macro in (pieces.macros.values() if pieces else ()))
    captured = (name for condition in conditions if condition for name in found_fields(condition).names)
    return OwnFields(frozenset((*_made(root), *captured)), tuple(grammars))


def _made(node: Node | None) -> Iterator[str]:
    """Yield the fields that the regular expressions and the `emit` steps below a node make."""
    if node is None:
        return
    if isinstance(node, ScalarNode):
        if "(?P<" in node.text:
            yield from map(field_of_group, _GROUP.findall(node.text))
    elif isinstance(node, MappingNode):
        for entry in node.entries:
            if entry.key == "emit" and isinstance(entry.value, MappingNode):
                yield from (made.key for made in entry.value.entries)
            yield from _made(entry.value)
    else:
        for item in node.items:
            yield from _made(item)
