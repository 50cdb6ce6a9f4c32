"""What the gateway says of a rule that came true, so that other rules can act upon it without a copy of it.

Such an event is made only for rules that ask for it by name, `event.dataset: gateway` and `event.action: rule-fired`.
It has the fields of the event that made the rule come true. The journal does not keep it: whoever shows the rules that
event again has this one again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parsers.event import Event, FieldValue
from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Condition, Equals, Not, OneOf
from rules.correlate import Match
from rules.findings import Decision
from rules.own_events import ANCESTORS, GATEWAY, ancestors_of, own_event, own_message
from rules.plan import fields_of

FIRED = "rule-fired"
"""`event.action` of what the gateway says of a rule that came true."""

CAUSE = "gateway.cause."
"""Begins the names of what the first event of a chain had of its own: action, dataset, rule and trust."""

_OF_CAUSE = {
    "event.action": "action",
    "event.dataset": "dataset",
    "gateway.trust": "trust",
    "rule.name": "rule",
}
_OF_MESSAGE = ("@timestamp", "event.ingested", "event.original", "gateway.trusted")
"""What the event says of its own message."""


def asks_for_fired(conditions: Iterable[Condition]) -> bool:
    """Tell whether one of these conditions asks by name for what is said of rules that came true."""
    return any(map(_asks, conditions))


def _asks(condition: Condition) -> bool:
    match condition:
        case Equals("event.action", value):
            return value == FIRED
        case OneOf("event.action", values):
            return FIRED in values
        case AllOf(conditions) | AnyOf(conditions):
            return any(map(_asks, conditions))
        case Not(Not(inner)):
            return _asks(inner)
    return False


def fired(decision: Decision, least: Trust, now: float) -> Event:
    """Return the event that says that a rule came true.

    Who sent what made it come true is trusted as far as the rule asks, for a window may hold messages of many: those
    of senders that it trusts are counted apart, and of the others nothing is known.

    Args:
        decision: what made it so, which is no `else`.
        least: the trust that the rule asks for.
        now: seconds since 1970.
    """
    match = decision.incident.match
    fields = fields_of(decision.incident)
    for name in _OF_MESSAGE:
        fields.pop(name, None)
    causes: dict[str, FieldValue] = {CAUSE + short: fields[name] for name, short in _OF_CAUSE.items() if name in fields}
    if match.event.fields.get("event.action") == FIRED:
        causes = {}  # they are those of the event before
    elif "rule.name" not in match.event.fields:
        del causes[f"{CAUSE}rule"]
    own: dict[str, FieldValue] = {
        "event.kind": "alert",
        "event.action": FIRED,
        "rule.name": match.rule.name,
        ANCESTORS: ancestors_of(match.event.fields, match.rule.name),
    }
    trust = least if match.trusted else Trust.DATAGRAM
    origin = replace(match.event.message.origin, dataset=GATEWAY, trust=trust, trusted=False)
    message = own_message({**fields, **causes, **own}, now, origin=origin)
    # two equal lines of one batch are two causes
    return own_event(message._replace(offset=match.event.message.offset))


def cause_of(match: Match) -> tuple[str, str]:
    """Return through which source a match came and how its sender is trusted, for a chain those of its first event."""
    fields = match.fields
    dataset = fields.get(f"{CAUSE}dataset") or match.event.message.origin.dataset
    return str(dataset), str(fields.get(f"{CAUSE}trust") or fields["gateway.trust"])
