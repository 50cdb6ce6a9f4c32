"""Which fields the regular expressions and grammars of a condition may add to an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from parsers.fields import is_reserved
from parsers.grammar import Form
from parsers.lowering import CompiledGrammar

MAX_GRAMMARS = 64
"""Grammars whose fields are remembered."""


@dataclass(frozen=True, slots=True)
class Found:
    """A set of fields.

    Attributes:
        names: these.
        every: and all others that are not reserved: a sender's JSON names its fields itself.
    """

    names: frozenset[str] = frozenset()
    every: bool = False

    def __contains__(self, name: str) -> bool:
        return name in self.names or (self.every and not is_reserved(name))

    def __bool__(self) -> bool:
        return self.every or bool(self.names)

    def __or__(self, other: Found | frozenset[str]) -> Found:
        """Return the fields of both."""
        if isinstance(other, frozenset):
            return Found(self.names | other, self.every)
        return Found(self.names | other.names, self.every or other.every)

    def meets(self, names: Iterable[str]) -> bool:
        """Tell whether one of these is among them."""
        return any(name in self for name in names)


@lru_cache(MAX_GRAMMARS)
def grammar_fields(grammar: CompiledGrammar) -> Found:
    """Return the fields that a grammar's forms may add."""
    names: set[str] = set()
    every = False
    for index, form in enumerate(grammar.grammar.forms):
        names.update(captured_names(form), form.sets, form.derived)
        # what runs in pyparsing may do anything
        every = every or form.any_field or grammar.pattern(index) is None
    return Found(frozenset(name for name in names if not is_reserved(name)), every)


def captured_names(form: Form) -> frozenset[str]:
    """Return the fields that a form's expression can fill."""
    elements = form.expression.visit_all()  # type: ignore[no-untyped-call]
    return frozenset(element.resultsName for element in elements if element.resultsName)
