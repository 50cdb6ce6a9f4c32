"""Run grammars that were written in pyparsing: lowered to one pattern each, or in pyparsing itself.

A form that has no exact translation (`parsers.translation`) runs in pyparsing, at its place in the order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from re import _constants as regex_constants  # type: ignore[attr-defined]
from re import _parser as regex_parser  # type: ignore[attr-defined]  # tells what a pattern begins with
from typing import Any

import pyparsing as pp

from parsers.event import FieldValue
from parsers.fields import INTEGERS
from parsers.grammar import Form, Grammar
from parsers.pieces import CannotLower
from parsers.translation import EndlessRepeatError, Lowered, lower

__all__ = ["CannotLower", "CompiledGrammar", "EndlessRepeatError", "Lowered", "lower", "parse_with_pyparsing"]

Answer = tuple[Form, dict[str, FieldValue]]

MAX_DIGITS = 18
"""Longest text that becomes a number: it fits 64 bits, and int() raises for some thousands of digits."""


def _count(fields: dict[str, FieldValue], names: Iterable[str]) -> None:
    """Make numbers of these fields where their text is one."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= MAX_DIGITS:
            fields[name] = int(value)


def _value(token: Any) -> FieldValue:
    """Turn what a results name holds into a field's value."""
    if not isinstance(token, pp.ParseResults):
        return token if isinstance(token, str | int | float | bool | None) else str(token)
    texts = [_value(item) for item in token]
    return "".join(text for text in texts if isinstance(text, str)) if all(isinstance(t, str) for t in texts) else texts


def _run_pyparsing(form: Form, text: str) -> dict[str, FieldValue] | None:
    try:
        tokens = form.expression.parse_with_tabs().parse_string(text)
    except (pp.ParseBaseException, RecursionError):  # a stranger may nest what a recursive expression follows
        return None
    values = {str(name): _value(tokens[name]) for name in tokens.keys()}  # type: ignore[no-untyped-call]  # noqa: SIM118
    fields: dict[str, FieldValue] = {name: value for name, value in values.items() if value is not None}
    _count(fields, INTEGERS)
    fields.update(form.sets)
    return None if form.refine is not None and form.refine(fields) is False else fields


def parse_with_pyparsing(grammar: Grammar, text: str) -> Answer | None:
    """Take a message apart with the expressions themselves: slow, and the measure of CompiledGrammar."""
    for form in grammar.forms:
        fields = _run_pyparsing(form, text)
        if fields is not None:
            return form, fields
    return None


_Run = Callable[[str], Answer | int]
"""Tries some neighbouring forms on a text: the answer, or the index of the form to go on with."""

_Reading = tuple[
    Form,
    dict[str, FieldValue],  # all its fields: what the form means, and None where the text has to say
    tuple[str, ...],  # the fields that the text says
    tuple[int, ...],  # and the groups that they are, the form's marker behind them
    tuple[str, ...],  # the fields that may stay unset
    tuple[str, ...],  # the fields that are numbers
    int,  # the form to go on with when this one declines
]
"""How one form's match becomes fields; a plain tuple, for taking it apart is much of what happens per message."""

_Choice = tuple[Callable[[str], re.Match[str] | None], dict[int | None, _Reading]]
"""Some forms in one pattern, and how to read each, by `lastindex`."""


class CompiledGrammar:
    """A grammar ready to run: forms that could be lowered in one pattern, the others in pyparsing at their place.

    A form is lowered when it is first needed, for all of them together are a third of the time of a start. What can
    go wrong then goes wrong for whoever calls `patterns`, which lowers all.
    """

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._count = len(grammar.forms)
        self._lowered: dict[int, Lowered | CannotLower] = {}
        self._runs: dict[int, _Run] = {}

    def _lower(self, index: int) -> Lowered | CannotLower:
        lowered = self._lowered.get(index)
        if lowered is None:
            try:
                lowered = lower(self.grammar.forms[index].expression)
            except CannotLower as reason:
                lowered = reason
            self._lowered[index] = lowered
        return lowered

    def pattern(self, index: int) -> str | None:
        """Return one form's own pattern, for `re.match` on the message; None where it cannot be lowered.

        Raises:
            EndlessRepeatError: pyparsing would never come back from the form.
        """
        lowered = self._lower(index)
        return lowered.pattern if isinstance(lowered, Lowered) else None

    def patterns(self) -> list[tuple[Form, str | None]]:
        """Return each form and its own pattern, as `pattern` does."""
        return [(form, self.pattern(index)) for index, form in enumerate(self.grammar.forms)]

    def reasons(self) -> dict[str, str]:
        """Return why a form (by name) cannot be lowered."""
        lowered = ((form.name, self._lower(index)) for index, form in enumerate(self.grammar.forms))
        return {name: str(reason) for name, reason in lowered if isinstance(reason, CannotLower)}

    def parse(self, text: str) -> Answer | None:
        """Return the first form that matches from the text's first character and its fields; None for no form."""
        answer: Answer | int = 0
        runs = self._runs
        while type(answer) is int:
            if answer == self._count:
                return None
            answer = (runs.get(answer) or self._run(answer))(text)
        return answer  # type: ignore[return-value]  # mypy does not narrow by type()

    def _run(self, at: int) -> _Run:
        """Return what tries the forms from this one on."""
        forms = self.grammar.forms
        ready: list[tuple[int, Form, Lowered]] = []
        for index in range(at, self._count):
            lowered = self._lower(index)
            if not isinstance(lowered, Lowered):
                break
            ready.append((index, forms[index], lowered))
        run = _in_patterns(ready, at + len(ready)) if ready else _in_pyparsing(forms[at], at)
        self._runs[at] = run
        return run


def _in_pyparsing(form: Form, at: int) -> _Run:
    def run(text: str) -> Answer | int:
        fields = _run_pyparsing(form, text)
        return at + 1 if fields is None else (form, fields)

    return run


def _in_patterns(forms: list[tuple[int, Form, Lowered]], stop: int) -> _Run:
    """Try lowered forms: one pattern for each first character that a form asks for, one for all other texts."""
    begins = [_first_character(lowered.pattern) for _, _, lowered in forms]
    known = frozenset(begins)
    choices: dict[str | None, _Choice] = {}

    def choose(key: str | None) -> _Choice:
        # compiled when a message first asks for it: all of them at once would take a second of each start
        wanted = [form for form, begin in zip(forms, begins, strict=True) if begin is None or begin == key]
        choices[key] = _choice(wanted)
        return choices[key]

    def run(text: str) -> Answer | int:
        first = text[:1]
        key = first if first in known else None
        match_forms, readings = choices.get(key) or choose(key)
        match = match_forms(text)
        if match is None:
            return stop
        form, template, names, groups, optional, integers, behind = readings[match.lastindex]
        fields = template.copy()
        for name, value in zip(names, match.group(*groups)):  # noqa: B905 - the marker is left over
            if value is not None:
                fields[name] = value
        for name in optional:
            if fields[name] is None:
                del fields[name]
        if integers:
            _count(fields, integers)
        if form.refine is not None and form.refine(fields) is False:
            return behind
        return form, fields

    return run


def _first_character(pattern: str) -> str | None:
    """Return the character that every match begins with; None where there is no one such character."""
    tree = regex_parser.parse(pattern)
    return chr(tree[0][1]) if len(tree) and tree[0][0] is regex_constants.LITERAL else None


def _choice(forms: list[tuple[int, Form, Lowered]]) -> _Choice:
    parts: list[str] = []
    readings: dict[int | None, _Reading] = {}
    group = 0
    for index, form, lowered in forms:
        # what the form means goes before what the text says
        said = {group + number: name for number, name in enumerate(lowered.names, 1) if name not in form.sets}
        group += len(lowered.names) + 1
        names = tuple(said.values())
        readings[group] = (
            form,
            {**dict.fromkeys(names), **form.sets},
            names,
            (*said, group, group),  # two at least: one alone would come without its tuple
            tuple(name for name in dict.fromkeys(names) if name in lowered.optional),
            tuple(name for name in dict.fromkeys(names) if name in INTEGERS),
            index + 1,
        )
        # an empty group closes last in each form, so that match.lastindex tells which form it was
        parts.append(f"{lowered.pattern}()")
    return re.compile("|".join(parts) if parts else r"(?!)").match, readings
