"""The gateway's own events: how jobs ended, what `emit` makes, what came into drop box and folders, and timers.

They travel as messages whose frame is JSON, so that the journal keeps them beside all others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from parsers.event import Event, FieldValue, printable_value
from parsers.message import Message, Origin, Trust
from rules.condition import AllOf, AnyOf, Condition, Equals, Not, OneOf

GATEWAY = "gateway"
"""`event.dataset` of what the gateway says about its own jobs; only rules that ask for it by this name see it."""

EMITTED = "emit"
"""`event.dataset` of what an `emit` step makes; every rule may see it."""

DROP = "drop"
"""`event.dataset` of what happens at the drop box: uploads, logins."""

FILES = "files"
"""`event.dataset` of files that appear in a watched folder."""

RULES = "rules"
"""`event.dataset` of what the journal keeps of the rules' own doings (`rules.wait_records`); no rule sees it."""

OWN = frozenset({GATEWAY, EMITTED, DROP, FILES, RULES})
"""Names that no source may have: what is said under them nobody else can say."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Events of the drop box, of watched folders or of one timer that are alike.

    Attributes:
        actions: the values that their `event.action` has.
        fields: the names of all fields that one of them can have; most have only some.
    """

    dataset: str
    actions: frozenset[str]
    fields: frozenset[str]

    def values_of(self, name: str) -> Collection[str] | None:
        """Return all values that a field of theirs can have, where they are known."""
        match name:
            case "event.dataset":
                return (self.dataset,)
            case "event.action":
                return self.actions
            case "event.outcome":
                return ("success", "failure")
            case "gateway.trust":
                return [trust.name.lower() for trust in Trust]
        return None


_EVERY = frozenset(
    {"event.action", "event.dataset", "event.outcome", "event.provider", "gateway.trust", "gateway.trusted", "message"}
)
_FILE = frozenset(
    {
        *("file.path", "file.name", "file.directory", "file.extension", "file.size", "file.mtime"),
        *("file.hash.sha256", "file.checksum", "file.signature", "file.signer"),
    }
)
_CLIENT = frozenset(
    {
        *("user.name", "source.ip", "source.port", "network.protocol"),
        *("tls.version_protocol", "tls.version", "tls.cipher"),
        *("ssh.client_version", "ssh.kex", "ssh.cipher", "ssh.method", "ssh.key_type", "ssh.fingerprint"),
    }
)
_TAKEN = frozenset({"event.reason", "gateway.messages"})
_REFUSED = frozenset({"event.reason", "gateway.refusal"})

KINDS = (
    Kind(
        DROP,
        frozenset({"upload-complete", "sidecar-complete", "upload-quarantined", "log-failed"}),
        _EVERY | _CLIENT | _FILE | _TAKEN,
    ),
    Kind(DROP, frozenset({"upload-failed"}), _EVERY | _CLIENT | _REFUSED | {"file.path", "file.name"}),
    Kind(DROP, frozenset({"drop-login"}), _EVERY | _CLIENT | _REFUSED | {"event.category"}),
    Kind(
        FILES,
        frozenset({"file-complete", "sidecar-complete", "file-rejected", "log-failed"}),
        _EVERY | _FILE | _TAKEN,
    ),
)
"""All events of `drop` and `files`; whoever makes one of another action, or with another field, adds it here."""

FINISHED = "job-finished"
"""`event.action` of what the gateway says when an attempt at a step has ended."""

TIMER_MISSED = "gateway.timer.missed"
"""How many due times nobody told of, that an event of a timer now stands for."""


def timer_kind(source: str) -> Kind:
    """Return what the events of a timer are like: their dataset is the timer's name."""
    own = {"event.start", "gateway.timer.late", TIMER_MISSED}
    return Kind(source, frozenset({"timer"}), _EVERY - {"event.outcome", "event.provider"} | own)


ANCESTORS = "gateway.ancestors"
"""The rules that caused an event, the first first."""

MAX_ANCESTORS = 8
"""Generations: rules that feed each other stop here, for ten of them could make ten factorial events of one."""

_ORIGINS = {name: Origin(name, Trust.LOCAL) for name in OWN}


def own_message(
    fields: Mapping[str, FieldValue], now: float, dataset: str = GATEWAY, origin: Origin | None = None
) -> Message:
    """Make the message of an event of our own; `now` is in seconds since 1970.

    `origin` says who caused it, and how far that one is trusted; without one it is we ourselves.
    """
    plain = {name: printable_value(value) for name, value in fields.items()}
    frame = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Message(frame, origin or _ORIGINS[dataset], now)


def is_own_message(message: Message) -> bool:
    """Tell whether the gateway itself said this: nobody else can, for it is a matter of where a message came from."""
    origin = message.origin
    return origin.own or origin.dataset in OWN


def event_of(message: Message, parse: Callable[[Message], Event]) -> Event:
    """Return what a message means, whoever said it; `parse` reads those that are not our own."""
    return own_event(message) if is_own_message(message) else parse(message)


def own_event(message: Message) -> Event:
    """Return what such a message means."""
    fields: dict[str, FieldValue] = json.loads(message.frame)
    origin = message.origin
    fields["event.dataset"] = origin.dataset
    fields["gateway.trust"] = origin.trust.name.lower()
    if origin.trusted:
        fields["gateway.trusted"] = True
    return Event(fields, datetime.fromtimestamp(message.received, UTC), message)


def ancestors_of(fields: Mapping[str, FieldValue], rule: str) -> list[FieldValue]:
    """Return the ancestors of what a rule causes because of an event with these fields."""
    former = fields.get(ANCESTORS)
    return [*(former if isinstance(former, list) else ()), rule]


def said_by_us(fields: Mapping[str, FieldValue]) -> bool:
    """Tell whether an event is one of our own, of whatever dataset."""
    return fields.get("event.dataset") in OWN or TIMER_MISSED in fields


def is_own(fields: Mapping[str, FieldValue]) -> bool:
    """Tell whether an event is about the gateway's own jobs."""
    return fields.get("event.dataset") == GATEWAY


def asks_for_own(condition: Condition) -> bool:
    """Tell whether a condition asks for the gateway's own events by name."""
    return ways_to_own(condition) is not None


def ways_to_own(condition: Condition) -> Condition | None:
    """Return what a condition asks of the gateway's own events, in the ways to fulfil it that ask for them by name.

    `any: [{event.dataset: gateway, event.action: x}, {event.outcome: failure}]` wants failures of others, and of
    ours only those with that action. None: no way asks for them.
    """
    match condition:
        case Equals("event.dataset", value):
            return condition if value == GATEWAY else None
        case OneOf("event.dataset", values):
            return condition if GATEWAY in values else None
        case AllOf(conditions):
            asking = _ways(conditions)
            return AllOf((*conditions, AnyOf(asking))) if asking else None
        case AnyOf(conditions):
            asking = _ways(conditions)
            return AnyOf(asking) if asking else None
        case Not(Not(inner)):
            return ways_to_own(inner)
    return None


def _ways(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    return tuple(way for way in map(ways_to_own, conditions) if way is not None)
