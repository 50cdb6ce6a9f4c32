"""Which rules an event may concern at all, found by the values of a few fields instead of by asking each.

Most rules say what an event's action, module, program or dataset must be. Those are found by the value; only the
others are asked about every event. Events with the same values of all such fields are of one kind, and what was found
for a kind is remembered. It is a shortcut, and decides nothing: who is found is still asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from parsers.event import FieldValue
from rules.condition import AllOf, AnyOf, Compare, Condition, Equals, OneOf, Single, loosened
from rules.found import Found
from rules.match import Fields, any_of, compile_condition, found_fields, plain

FIELDS = ("event.action", "event.module", "process.name", "event.dataset")
"""By which rules are found, the one first that tells most apart."""

KIND = (*FIELDS, "event.outcome", "log.syslog.severity.code", "http.response.status_code")
"""Fields that make an event's kind: few values, and asked for by most rules."""

MAX_KINDS = 4096
"""How many kinds are remembered; a stranger may invent any number of them."""

MAX_VALUE = 64
"""Characters of a value of a kind that is remembered."""

_Asked = Mapping[int, Sequence[Condition]]
_Values = frozenset[tuple[str, str]]
"""Fields with their values: an event that has none of them does not fulfil the condition."""


class Dispatch:
    """The rules by the values that they ask for."""

    def __init__(self, asked: _Asked) -> None:
        """Sort rules.

        Args:
            asked: for each rule, by its index, the conditions of which one must hold for the rule to see an event.
        """
        self._may = {
            rule: any_of([compile_condition(_of_kind(condition)) for condition in conditions])
            for rule, conditions in asked.items()
        }
        self._known: dict[tuple[FieldValue, ...], tuple[int, ...]] = {}
        always: set[int] = set()
        found: dict[str, dict[str, set[int]]] = {name: {} for name in FIELDS}
        for rule, conditions in asked.items():
            values = _of_any(conditions, Found())
            if values is None:
                always.add(rule)
            for name, value in values or ():
                found[name].setdefault(value, set()).add(rule)
        self._always, self._by_value = always, found

    def of(self, fields: Fields) -> Sequence[int]:
        """Return the rules that may want an event with these fields, in their order."""
        kind = tuple(map(fields.get, KIND))
        try:
            return self._known[kind]
        except (KeyError, TypeError):  # a list has no hash
            return self._find(fields, kind)

    def _find(self, fields: Fields, kind: tuple[FieldValue, ...]) -> tuple[int, ...]:
        found = set(self._always)
        for name, value in zip(FIELDS, kind, strict=False):
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    found |= self._by_value[name].get(plain(one), set())
        rules = tuple(rule for rule in sorted(found) if self._may[rule](fields))
        if all(map(_is_key, kind)):
            if len(self._known) >= MAX_KINDS:
                self._known.clear()
            self._known[kind] = rules
        return rules


def _is_key(value: FieldValue) -> bool:
    """Tell whether a value is to be remembered; none that a truth value equals, which is another for conditions."""
    if isinstance(value, str):
        return len(value) <= MAX_VALUE
    return value is None or (isinstance(value, int) and value not in {0, 1})


def _of_kind(condition: Condition) -> Condition:
    """Return what an event's kind says about a condition."""

    def kept(one: Single, found: Found) -> Condition:
        lasting = isinstance(one, Equals | OneOf | Compare)  # not so a list that may change, or a search
        return one if lasting and one.field in KIND and one.field not in found else AllOf(())

    return loosened(condition, partial(kept, found=found_fields(condition)))


def _of(condition: Condition, added: Found) -> _Values | None:
    """Return values of `FIELDS`, of which an event that fulfils the condition has one.

    Args:
        condition: what must hold.
        added: fields that regular expressions and grammars around it may add, which need not be the event's then.

    Returns:
        None where there are no such values.
    """
    match condition:
        case AllOf(conditions):
            added = added | found_fields(condition)
            ways = [values for part in conditions if (values := _of(part, added)) is not None]
            return min(ways, key=_rank, default=None)
        case AnyOf(conditions):
            return _of_any(conditions, added)
        case Equals(name, value) if name in FIELDS and name not in added:
            return frozenset({(name, plain(value))})
        case OneOf(name, values) if name in FIELDS and name not in added:
            return frozenset((name, plain(value)) for value in values)
    return None


def _of_any(conditions: Iterable[Condition], added: Found) -> _Values | None:
    together: set[tuple[str, str]] = set()
    for condition in conditions:
        values = _of(condition, added)
        if values is None:
            return None
        together |= values
    return frozenset(together)


def _rank(values: _Values) -> tuple[int, int]:
    """Order by how well the fields tell events apart, then by how few values there are."""
    return max((FIELDS.index(name) for name, _ in values), default=0), len(values)
