"""The names of fields: which are numbers, which belong to us, and which the Elastic Common Schema knows.

Source: Elastic Common Schema 8, https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html
"""

from __future__ import annotations

INTEGERS = frozenset(
    {
        "client.port",
        "destination.bytes",
        "destination.port",
        "event.duration",
        "file.size",
        "http.request.bytes",
        "http.response.bytes",
        "http.response.status_code",
        "log.syslog.facility.code",
        "log.syslog.priority",
        "log.syslog.severity.code",
        "process.exit_code",
        "process.pid",
        "server.port",
        "source.bytes",
        "source.port",
    }
)
"""Fields whose text, taken out of a message, becomes a number; text that is no number stays text."""

RESERVED_PREFIXES = ("gateway.", "log.source.", "log.syslog.")
RESERVED = frozenset({"@timestamp", "message", "event.dataset", "event.ingested", "event.module", "event.original"})


def is_reserved(name: str) -> bool:
    """Tell whether only the gateway and the envelope may set the field: a message must not claim its own trust."""
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)
