"""What `forward` sends: the original message where it is syslog, else one of ours that carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from parsers.event import FieldValue
from rules.own_events import said_by_us

PRIORITY = "<13>"
"""user.notice: what RFC 3164 section 4.3.3 has a relay write where there is no PRI."""

APP_NAME = "gateway"

CEE = "@cee: "
"""Says that JSON follows; rsyslog (mmjsonparse), syslog-ng (json-parser) and our own parser know it."""

_SYSLOG = re.compile(r"<(?:0|[1-9][0-9]{0,2})>")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
MAX_HOSTNAME = 255
MAX_PRIORITY = 191


def forwarded(event: Mapping[str, FieldValue], hostname: str) -> bytes:
    """Return the message that tells another syslog server of an event.

    A message that came with a PRI goes on as it came. Other text is the MSG of an RFC 5424 message with the time of
    the event and our name; an event of our own is that too, as JSON.

    Args:
        event: as `Attempt.event`.
        hostname: this machine's name.
    """
    original = event.get("event.original")
    text = original if isinstance(original, str) and not said_by_us(event) else None
    if text is not None and _is_syslog(text):
        return text.encode("utf-8", "backslashreplace")
    if text is None:
        fields = {name: value for name, value in event.items() if name != "event.original"}
        text = CEE + json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    stamp = str(event.get("@timestamp"))
    stamp = stamp if _TIMESTAMP.fullmatch(stamp) else "-"
    host = _NOT_PRINTABLE.sub("?", hostname)[:MAX_HOSTNAME] or "-"
    return f"{PRIORITY}1 {stamp} {host} {APP_NAME} - - - {text}".encode("utf-8", "backslashreplace")


def _is_syslog(text: str) -> bool:
    found = _SYSLOG.match(text)
    return found is not None and int(found[0][1:-1]) <= MAX_PRIORITY
