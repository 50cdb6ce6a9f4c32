"""The rules of several files put together: what they say of each other must hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from parsers.errors import OperatorError, Place
from rules.feeding import Feeding
from rules.job import Part
from rules.load import LoadedFile, twice
from rules.load_step import OWN_RULE
from rules.rule import Rule
from rules.schema import did_you_mean
from rules.step import Pause, Resume
from rules.when import OpenOf


class Merged(NamedTuple):
    """The rules of all files.

    Attributes:
        errors: what is wrong between the rules; each file's own errors stay in the file.
        warnings: rules that are off because another one is.
        off: the names of all rules that are not there because something is wrong.
    """

    rules: tuple[Rule, ...]
    errors: tuple[OperatorError, ...]
    warnings: tuple[OperatorError, ...]
    off: frozenset[str]


def merge(files: Iterable[LoadedFile]) -> Merged:
    """Put the rules of several files together.

    Of two with one name the first stays, the second is an error. A rule is off, too, that asks for the state of a
    rule, or pauses one, which is not there; and one that closes a circle of rules that feed each other.
    """
    files = tuple(files)
    rules: dict[str, Rule] = {}
    errors: list[OperatorError] = []
    off = {name for loaded in files for name in loaded.off}
    for rule in (rule for loaded in files for rule in loaded.rules):
        if first := rules.get(rule.name):
            errors.append(OperatorError(twice(rule, first), rule.place))
        else:
            rules[rule.name] = rule
    places = {name: place for loaded in reversed(files) for name, place in loaded.places.items()}
    off.difference_update(rules)
    feeding = Feeding()
    for rule in tuple(rules.values()):
        wrong = [*_wrong_names(rule, rules, off, places)]
        if not wrong and (circle := feeding.wrong(rule, places)) is not None:
            wrong = [circle]
        errors += wrong
        if wrong:
            off.add(rule.name)
    warnings = _spoil(rules, off, places)
    return Merged(
        tuple(rule for rule in rules.values() if rule.name not in off), tuple(errors), warnings, frozenset(off)
    )


def _spoil(rules: Mapping[str, Rule], off: set[str], places: Mapping[str, Place]) -> tuple[OperatorError, ...]:
    """Turn off what asks for a rule that is off, and what asks for that, and so on; return what there is to say."""
    warnings: list[OperatorError] = []
    found = True
    while found:
        found = False
        for rule in rules.values():
            for name, place in _asked(rule, places):
                if name in off and rule.name not in off:
                    warnings.append(OperatorError(f"the rule {rule.name} is off as well, for {name} is wrong", place))
                    off.add(rule.name)
                    found = True
    return tuple(warnings)


def _asked(rule: Rule, places: Mapping[str, Place]) -> Iterator[tuple[str, Place]]:
    """Yield the rules that a rule cannot do without, and where it names them."""
    for asked in (*rule.circumstances.if_open, *rule.circumstances.unless_open):
        yield asked.rule, asked.place or rule.place
    for step in (step for part in Part for step in rule.steps(part)):
        if isinstance(step, Pause | Resume) and step.rule != OWN_RULE:
            yield step.rule, places.get(step.name, rule.place)


def _wrong_names(
    rule: Rule, known: Mapping[str, Rule], off: set[str], places: Mapping[str, Place]
) -> Iterator[OperatorError]:
    """Yield what is wrong with the names of other rules in a rule."""
    for name, place in _asked(rule, places):
        if name not in known and name not in off:
            advice = did_you_mean(name, known)
            yield OperatorError(f'there is no rule "{name}"{advice}; the rule {rule.name} is off', place)
    for asked in (*rule.circumstances.if_open, *rule.circumstances.unless_open):
        other = known.get(asked.rule)
        if other is not None and (wrong := _unfit_state(rule, asked, other)) is not None:
            problem, at = wrong
            yield OperatorError(f"{problem}; the rule {rule.name} is off", at or rule.place)


def _unfit_state(rule: Rule, asked: OpenOf, other: Rule) -> tuple[str, Place | None] | None:
    """Return why the state of another rule can never be open for an event of a rule, and where that stands."""
    if other is rule:
        return "a rule cannot ask for its own state: while that is open, its repeats are swallowed anyway", asked.place
    if other.undo is None:
        return f'the rule "{asked.rule}" opens no state: it has no `undo`', asked.place
    keyed = other.when.by if other.when else ()
    if asked.by is not None and len(asked.by) != len(keyed):
        fields = f"{len(keyed)} field{'s' * (len(keyed) != 1)}"
        return f'"{asked.rule}" counts by {fields}, and `by` names {len(asked.by)}', asked.by_place or asked.place
    return None
