"""Add up what happened: how often each rule did something, for which keys, when, and what stayed open."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.backtest.happened import Happened
from rules.job import Part
from rules.rule import Rule
from rules.windows.window import Key

MAX_KEYS = 500_000
"""Keys of one rule that are counted one by one, some 100 MB; what further keys did counts for the rule alone."""

MAX_MARKS = 2_000
"""What one rule did that is kept with its key: more than anybody points at in a picture."""

HELD = "held"
"""The kind of what is held back, beside the parts of a rule."""


@dataclass(slots=True)
class RuleSummary:
    """What one rule did.

    Attributes:
        fired: how often it did its steps; `held` and `otherwise` are not among them.
        undone: how often a state that it opened closed.
        otherwise: how often its `else` was done.
        held: how often it would have done something, if the sender were trusted.
        keys: how often each key did one of these, `undone` apart.
        uncounted: how often others did, that are not in `keys` because there are too many.
        times: of all these, in seconds since 1970, by their kind: `do`, `else`, `held`.
        marks: the first of them with their keys, to be looked at one by one.
        open: since when each state is open that did not close.
        closed: begin and end of each state that did, one after the other.
    """

    fired: int = 0
    undone: int = 0
    otherwise: int = 0
    held: int = 0
    keys: Counter[Key] = field(default_factory=Counter)
    uncounted: int = 0
    times: dict[str, array[float]] = field(default_factory=dict)
    marks: list[tuple[float, Key]] = field(default_factory=list)
    open: dict[Key, float] = field(default_factory=dict)
    closed: array[float] = field(default_factory=lambda: array("d"))
    first: float | None = None
    last: float | None = None

    @property
    def total(self) -> int:
        """How often it did something, `undo` apart."""
        return self.fired + self.otherwise + self.held

    @property
    def silent(self) -> bool:
        """The rule did nothing at all."""
        return self.first is None

    def add(self, happened: Happened) -> None:
        """Count what happened."""
        if self.first is None:
            self.first = happened.time
        self.last = happened.time
        key = happened.key
        if happened.part is Part.UNDO:
            self.undone += 1
            since = self.open.pop(key, None)
            if since is not None:
                self.closed.extend((since, happened.time))
            return
        kind = HELD if happened.held else happened.part.value
        if happened.held:
            self.held += 1
        elif happened.part is Part.DO:
            self.fired += 1
        else:
            self.otherwise += 1
        if happened.opens:
            self.open[key] = happened.time
        if key in self.keys or len(self.keys) < MAX_KEYS:
            self.keys[key] += 1
        else:
            self.uncounted += 1
        self.times.setdefault(kind, array("d")).append(happened.time)
        if len(self.marks) < MAX_MARKS:
            self.marks.append((happened.time, key))

    def count_of_keys(self) -> str:
        """Write how many keys there are, for people; a rule that counts by nothing has none."""
        if not self.keys or set(self.keys) == {()}:
            return "-"
        return f"{len(self.keys):,}{'+' if self.uncounted else ''}"

    def to_dict(self, top: int) -> dict[str, object]:
        """Return the counts ready for JSON, with so many of the keys that did most."""
        return {
            "fired": self.fired,
            "undone": self.undone,
            "else": self.otherwise,
            "held": self.held,
            "open": len(self.open),
            "keys": len(self.keys),
            "top": [{"key": list(key), "count": count} for key, count in self.keys.most_common(top)],
        }


class Summary:
    """What each of some rules did."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules: Mapping[str, RuleSummary] = {rule.name: RuleSummary() for rule in rules}

    def add(self, happened: Happened) -> None:
        """Count what happened."""
        self.rules[happened.rule.name].add(happened)

    def loud(self) -> list[tuple[str, RuleSummary]]:
        """Return the rules that did something, the one first that did most."""
        found = [(name, one) for name, one in self.rules.items() if not one.silent]
        return sorted(found, key=lambda pair: -pair[1].total)

    def silent(self) -> list[str]:
        """Return the names of those that did nothing."""
        return [name for name, one in self.rules.items() if one.silent]


def words_of(key: Iterable[str]) -> str:
    """Write a key for people; one that is empty stands for everything."""
    return " ".join(part or "''" for part in key) or "all"
