"""What a message means: flat fields under Elastic Common Schema names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from parsers.message import Message

FieldValue = str | int | float | bool | None | list["FieldValue"] | dict[str, "FieldValue"]


def printable(text: str) -> str:
    r"""Turn the octets that were no UTF-8 into `\xHH`, so that the text can be encoded.

    Inside an event they are lone surrogates (PEP 383): nothing is lost, and a rule's `.` matches each of them.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a pair, as JSON can write one: "\\ud800"
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def printable_value(value: FieldValue) -> FieldValue:
    """Make all text in a value printable."""
    if isinstance(value, str):
        return value if value.isascii() else printable(value)
    if isinstance(value, list):
        return [printable_value(item) for item in value]
    if isinstance(value, dict):
        return {printable(key): printable_value(item) for key, item in value.items()}
    return value


@dataclass(slots=True)
class Event:
    """One message's meaning.

    Attributes:
        fields: everything but the time and the original, under ECS names; text may hold lone surrogates.
        timestamp: when the sender says it happened, aware; the time of receipt where it does not say.
        message: the frame it came from, and when and where it was received.
        module: the grammar that took the text apart, and the name of the form that matched; None for neither.
    """

    fields: dict[str, FieldValue]
    timestamp: datetime
    message: Message
    form: str | None = None

    def to_dict(self) -> dict[str, FieldValue]:
        """Return all fields ready for JSON, `@timestamp` first and `event.original` last."""
        answer: dict[str, FieldValue] = {"@timestamp": self.timestamp.isoformat()}
        for name, value in self.fields.items():  # most is plain text, and costs no call
            answer[name] = value if isinstance(value, str) and value.isascii() else printable_value(value)
        answer["event.ingested"] = datetime.fromtimestamp(self.message.received, UTC).isoformat()
        answer["event.original"] = self.message.frame.decode("utf-8", "backslashreplace")
        return answer

    def to_json(self) -> str:
        """Render as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def classic_line(self) -> str:
        """Render as `Mmm dd hh:mm:ss host prog[pid]: text`, what rules for log files expect."""
        fields = self.fields
        program = str(fields.get("process.name") or fields.get("log.syslog.appname") or "-")
        pid = fields.get("log.syslog.procid")
        tag = f"{program}[{pid}]" if pid else program
        stamp = self.timestamp
        return (
            f"{stamp:%b} {stamp.day:2d} {stamp:%H:%M:%S} {fields.get('host.name') or '-'} {tag}: "
            f"{fields.get('message', '')}"
        )


def lookup(fields: Mapping[str, FieldValue], name: str) -> FieldValue:
    """Return a field's value, None where it is absent; reaches into structured data by `ID.PARAM`."""
    value = fields.get(name)
    if value is None and name.startswith("log.syslog.structured_data."):
        data = fields.get("log.syslog.structured_data")
        identifier, _, param = name[len("log.syslog.structured_data.") :].rpartition(".")
        element = data.get(identifier) if isinstance(data, dict) else None
        return element.get(param) if isinstance(element, dict) else None
    return value
