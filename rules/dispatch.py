"""Which rules an event may concern at all, found by the values of a few fields instead of by asking each.

Most rules say what an event's action, module, program or dataset must be. Those are found by the value; only the
others are asked about every event. It is a shortcut, and decides nothing: who is found is still asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from parsers.event import FieldValue
from rules.condition import AllOf, AnyOf, Condition, Equals, OneOf
from rules.found import Found
from rules.match import found_fields, plain

FIELDS = ("event.action", "event.module", "process.name", "event.dataset")
"""By which rules are found, the one first that tells most apart; each costs every event a look."""

OUTCOME, OUTCOMES = "event.outcome", (None, "success", "failure", "unknown")
"""What most rules about an action ask for as well: there is an index for each."""

_Asked = Mapping[int, Iterable[Condition]]
_Values = frozenset[tuple[str, str]]
"""Fields with their values: an event that has none of them does not fulfil the condition."""


_Index = tuple[tuple[int, ...], tuple[tuple[str, Mapping[str, tuple[int, ...]]], ...]]
"""Rules that are asked always, and for each field by which others are found the rules by its values."""


class Dispatch:
    """The rules by the values that they ask for."""

    def __init__(self, asked: _Asked) -> None:
        """Sort rules.

        Args:
            asked: for each rule, by its index, the conditions of which one must hold for the rule to see an event.
        """
        outcomes = {rule: _of_any(conditions, Found(), (OUTCOME,)) for rule, conditions in asked.items()}
        self._all = _index(asked)
        self._of_outcome: dict[FieldValue, _Index] = {
            outcome: _index(
                {rule: asked[rule] for rule, of in outcomes.items() if of is None or (OUTCOME, outcome) in of}
            )
            for outcome in OUTCOMES
        }

    def of(self, fields: Mapping[str, FieldValue]) -> Sequence[int]:
        """Return the rules that may want an event with these fields, in their order."""
        outcome, index = fields.get(OUTCOME), self._all
        if outcome is None or isinstance(outcome, str):
            index = self._of_outcome.get(outcome, index)
        found, tables = index
        always = found
        for name, table in tables:
            value = fields.get(name)
            if value is None:
                continue
            if isinstance(value, str):
                hit = table.get(value, always)
            else:
                hit = tuple(_of_values(table, value if isinstance(value, list) else [value])) or always
            if hit is not always:
                found = hit if found is always else tuple(sorted({*found, *hit}))
        return found


def _of_values(table: Mapping[str, tuple[int, ...]], values: Iterable[FieldValue]) -> list[int]:
    return sorted({rule for value in values for rule in table.get(plain(value), ())})


def _index(asked: _Asked) -> _Index:
    always: set[int] = set()
    found: dict[str, dict[str, set[int]]] = {}
    for rule, conditions in asked.items():
        values = _of_any(conditions, Found(), FIELDS)
        if values is None:
            always.add(rule)
            continue
        for name, value in values:
            found.setdefault(name, {}).setdefault(value, set()).add(rule)
    tables = (
        (name, {value: tuple(sorted(rules | always)) for value, rules in found[name].items()})
        for name in FIELDS
        if name in found
    )
    return tuple(sorted(always)), tuple(tables)


def _of(condition: Condition, added: Found, names: Sequence[str]) -> _Values | None:
    """Return values of fields with these names, of which an event that fulfils the condition has one.

    Args:
        condition: what must hold.
        added: fields that regular expressions and grammars around it may add, which need not be the event's then.
        names: the first of them tells most.

    Returns:
        None where there are no such values.
    """
    match condition:
        case AllOf(conditions):
            added = added | found_fields(condition)
            ways = [values for part in conditions if (values := _of(part, added, names)) is not None]
            return min(ways, key=lambda values: _rank(values, names), default=None)
        case AnyOf(conditions):
            return _of_any(conditions, added, names)
        case Equals(name, value) if name in names and name not in added:
            return frozenset({(name, plain(value))})
        case OneOf(name, values) if name in names and name not in added:
            return frozenset((name, plain(value)) for value in values)
    return None


def _of_any(conditions: Iterable[Condition], added: Found, names: Sequence[str]) -> _Values | None:
    together: set[tuple[str, str]] = set()
    for condition in conditions:
        values = _of(condition, added, names)
        if values is None:
            return None
        together |= values
    return frozenset(together)


def _rank(values: _Values, names: Sequence[str]) -> tuple[int, int]:
    """Order by how well the fields tell events apart, then by how few values there are."""
    return max((names.index(name) for name, _ in values), default=0), len(values)
