"""What a backtest finds: that a rule did something, or would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from parsers.event import FieldValue
from rules.command import Command, commands_of
from rules.job import Part
from rules.rule import Rule
from rules.windows.window import Key

__all__ = ["Happened", "iso"]


@dataclass(frozen=True, slots=True)
class Happened:
    """A rule did something for a key.

    Attributes:
        time: when, in seconds since 1970.
        part: which of its steps are done: `do`, `else` or `undo`.
        count: how many events it took; 0 for `undo`.
        held: the sender is not trusted far enough, so that nothing is done.
        opens: a state is open from now on, until an `undo`.
        reason: why a state closes: `time`, `event`, or `surplus` where too many are open.
        event: from which the steps are filled; None: it is not known.
    """

    time: float
    rule: Rule
    part: Part
    key: Key
    count: int = 0
    held: bool = False
    opens: bool = False
    reason: str = ""
    event: Mapping[str, FieldValue] | None = None

    def commands(self) -> tuple[Command, ...]:
        """Return what is run, or would be; none where it is held back."""
        if self.held or self.event is None:
            return ()
        return commands_of(self.rule.steps(self.part), self.event)

    def to_dict(self, zone: tzinfo) -> dict[str, object]:
        """Return it ready for JSON."""
        answer: dict[str, object] = {
            "time": iso(self.time, zone),
            "rule": self.rule.name,
            "part": self.part.value,
            "key": list(self.key),
        }
        if self.count:
            answer["count"] = self.count
        if self.held:
            answer["held"] = True
        if self.reason:
            answer["reason"] = self.reason
        answer["commands"] = [
            {
                "task": one.task,
                "kind": one.kind,
                "argv": list(one.argv),
                "words": one.words,
                "problem": one.problem,
            }
            for one in self.commands()
        ]
        return answer


def iso(seconds: float, zone: tzinfo) -> str:
    """Write a time as ISO 8601, to the second where it is a whole one."""
    return datetime.fromtimestamp(seconds, zone).isoformat()
