"""What a rule's test sends: messages as they would arrive, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from parsers.envelopes.rfc3164 import parse_rfc3164
from parsers.event import Event, FieldValue, printable_value
from parsers.message import Batch, Message, Origin, Trust, one_frame
from parsers.parse import Parser
from rules.example import Send
from rules.own_events import OWN, event_of, own_message

HOST = "host.example"
"""Who sends a text that names no host."""

DATASET = "test"
"""The source through which texts come, and fields that name none."""

_ENVELOPE = Parser(())


def times_of(send: Send, now: float) -> Iterator[tuple[float, str]]:
    """Yield when each message arrives, and its text; an empty one for fields."""
    texts = send.texts or ("",)
    for number in range(send.times * len(texts)):
        yield now + number * send.every, texts[number % len(texts)]


def batches(send: Send, now: float) -> Iterator[Batch]:
    """Yield what the texts of a `send` are delivered as, one message at a time, `every` seconds apart."""
    origin = Origin(DATASET, send.trust, send.address)
    for received, text in times_of(send, now):
        yield Batch(one_frame(frame_of(text, received)), origin, received)


def frame_of(text: str, now: float) -> bytes:
    """Put before a text what it lacks of an RFC 3164 header: only PRI where it is a line of a log file."""
    if not text.startswith("<"):
        stamp = datetime.fromtimestamp(now, UTC)
        header = "" if _has_time(text) else f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} {HOST} "
        text = f"<13>{header}{text}"
    return text.encode("utf-8", "surrogateescape")


@lru_cache(100)  # a test sends the same text often
def _has_time(text: str) -> bool:
    """Tell whether a text begins with a header's time stamp."""
    envelope = parse_rfc3164(text, 0, None, 0.0, UTC)
    return envelope is not None and envelope.timestamp is not None


def message_of(fields: Mapping[str, FieldValue], received: float, send: Send) -> Message:
    """Return the message of an event that a test sends as fields."""
    dataset = str(fields["event.dataset"])
    if dataset in OWN:
        return own_message_of(fields, received, send.trust)
    plain = {name: printable_value(value) for name, value in fields.items()}
    frame = json.dumps(plain, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Message(frame, Origin(dataset, send.trust, send.address), received)


def own_message_of(fields: Mapping[str, FieldValue], received: float, trust: Trust = Trust.LOCAL) -> Message:
    """Return the message of an event of the gateway's own that a test sends."""
    dataset = str(fields["event.dataset"])
    return own_message(fields, received, dataset, Origin(dataset, trust))


def meaning(message: Message, parser: Parser) -> Event:
    """Return what a message that a test sends means."""
    return event_of(message, lambda other: _meaning(other, parser))


def _meaning(message: Message, parser: Parser) -> Event:
    if message.frame.startswith(b"<"):  # as `frame_of` makes them; the frame of fields is JSON
        return parser.parse(message)
    given: dict[str, FieldValue] = json.loads(message.frame)
    stamp = datetime.fromtimestamp(message.received, UTC)
    text = f"<13>1 {stamp.isoformat()} {HOST} - - - - {given.get('message', '')}"
    plain = _ENVELOPE.parse(message._replace(frame=text.encode("utf-8", "surrogateescape")))
    return Event({**plain.fields, **given}, stamp, message)
