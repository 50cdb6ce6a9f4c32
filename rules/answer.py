"""What a condition, and each that it joins, makes of an event."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.event import FieldValue, lookup, printable_value
from rules.condition import AllOf, AnyOf, Condition, Not
from rules.match import Fields, compile_condition
from rules.searching import TooSlowError
from rules.words import words


@dataclass(frozen=True, slots=True)
class Answer:
    """What one condition makes of an event.

    Attributes:
        words: the condition as a rule file has it; `all`, `any` or `not` where it joins others.
        found: the value of the field that it asks for; None where the event has none, or for what joins.
        parts: the answers of what it joins.
    """

    words: str
    holds: bool
    found: FieldValue = None
    parts: tuple[Answer, ...] = ()

    @property
    def missing(self) -> int:
        """How many conditions would have to hold besides those that do."""
        if self.holds:
            return 0
        match self.words if self.parts else "":
            case "all":
                return sum(part.missing for part in self.parts)
            case "any":
                return min(part.missing for part in self.parts)
            case _:
                return 1

    @property
    def held(self) -> int:
        """How many conditions hold of a value that the event has; what it lacks brings no rule nearer."""
        if self.words == "not":
            return 0
        return sum(part.held for part in self.parts) if self.parts else int(self.holds and self.found is not None)

    def to_dict(self) -> dict[str, FieldValue]:
        """Return it ready for JSON."""
        answer: dict[str, FieldValue] = {"condition": self.words, "holds": self.holds}
        if self.parts:
            answer["parts"] = [part.to_dict() for part in self.parts]
        else:
            answer["found"] = printable_value(self.found)
        return answer


def explain(condition: Condition, fields: Fields) -> Answer:
    """Test a condition and all that it joins; adds to `fields` what its regular expressions find, as matching does."""
    match condition:
        case AllOf(conditions) if conditions:
            parts = tuple(explain(part, fields) for part in conditions)
            return Answer("all", all(part.holds for part in parts), None, parts)
        case AnyOf(conditions) if conditions:
            parts = tuple(explain(part, fields) for part in conditions)
            return Answer("any", any(part.holds for part in parts), None, parts)
        case AllOf() | AnyOf():
            return Answer(words(condition), isinstance(condition, AllOf))
        case Not(inner):
            part = explain(inner, dict(fields))  # what must not hold adds no fields
            return Answer("not", not part.holds, None, (part,))
        case _:
            found = lookup(fields, condition.field)
            try:
                return Answer(words(condition), compile_condition(condition)(fields), found)
            except TooSlowError as error:
                return Answer(f"{words(condition)} (not known: {error})", False, found)
