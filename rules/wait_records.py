"""What the journal keeps of time: that a wait was over, how long nobody watched, and that the clock was set.

A wait ends by the clock, and no message says so. Such a record takes its place in the journal, beside the jobs that
it caused: at a restart the rules see it where it stands among the messages, so that no wait ends twice.
"""

from __future__ import annotations

from parsers.event import Event, FieldValue
from parsers.message import Message
from rules.findings import Due
from rules.own_events import RULES, own_message

_OVER = "wait-over"
_RESUMED = "watch-resumed"
_CLOCK_SET = "clock-set"


def over(due: Due, now: float) -> Message:
    """Make the record of a wait that is over."""
    fields: dict[str, FieldValue] = {
        "event.action": _OVER,
        "rule.name": due.rule,
        "gateway.key": list(due.key),
        "gateway.due": due.time,
    }
    if due.state:
        fields["gateway.state"] = True
    return own_message(fields, now, RULES)


def resumed(seconds: float, now: float) -> Message:
    """Make the record of a time in which nothing could be received."""
    return own_message({"event.action": _RESUMED, "gateway.away": seconds}, now, RULES)


def clock_set(seconds: float, now: float) -> Message:
    """Make the record of a wall clock that was set forward by so much: what was counted before moved along."""
    return own_message({"event.action": _CLOCK_SET, "gateway.step": seconds}, now, RULES)


def read_over(event: Event) -> Due | None:
    """Return the wait that a record is about; None where it is about something else."""
    fields = event.fields
    key, time = fields.get("gateway.key"), fields.get("gateway.due")
    if fields.get("event.action") != _OVER or not isinstance(key, list) or not isinstance(time, float | int):
        return None
    return Due(float(time), str(fields.get("rule.name")), tuple(map(str, key)), fields.get("gateway.state") is True)


def read_resumed(event: Event) -> float | None:
    """Return the time in which nothing could be received; None where a record is about something else."""
    return _number(event, "gateway.away")


def read_clock_set(event: Event) -> float | None:
    """Return by how much the wall clock was set; None where a record is about something else."""
    return _number(event, "gateway.step")


def _number(event: Event, name: str) -> float | None:
    value = event.fields.get(name)
    return float(value) if isinstance(value, float | int) else None
