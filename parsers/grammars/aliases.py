"""Which ECS field a key of a self-describing format (logfmt, JSON, CEF, LEEF) fills.

A key that is an ECS name passes; a common short word has its alias; all others become `labels.KEY`. So does what a
message must not say of itself: its trust (`gateway.*`), how it came here (`log.syslog.*`), and the host and program
that wrote it, which the envelope and the peer's certificate tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

from parsers.event import FieldValue
from parsers.fields import INTEGERS, is_reserved

FIELD_SETS = frozenset(
    {
        *("agent", "as", "client", "cloud", "code_signature", "container", "data_stream", "destination", "device"),
        *("dll", "dns", "ecs", "elf", "email", "error", "event", "faas", "file", "geo", "group", "hash", "host"),
        *("http", "interface", "labels", "log", "network", "observer", "orchestrator", "organization", "os"),
        *("package", "pe", "process", "registry", "related", "risk", "rule", "server", "service", "source", "span"),
        *("threat", "tls", "trace", "transaction", "url", "user", "user_agent", "vlan", "volume", "vulnerability"),
        "x509",
    }
)
"""The field sets of ECS 8: a key below one of them passes as it is."""

ENVELOPE = frozenset({"host.name", "host.hostname", "process.name"})
"""Fields that say who wrote the message; a rule that trusts them must not be fooled by the text."""

ALIASES: Mapping[str, str] = {
    "@timestamp": "log.time",
    "time": "log.time",
    "timestamp": "log.time",
    "ts": "log.time",
    "level": "log.level",
    "lvl": "log.level",
    "loglevel": "log.level",
    "severity": "log.level",
    "logger": "log.logger",
    "msg": "log.message",
    "message": "log.message",
    "err": "error.message",
    "error": "error.message",
    "exception": "error.message",
    "stack": "error.stack_trace",
    "stacktrace": "error.stack_trace",
    "action": "event.action",
    "outcome": "event.outcome",
    "reason": "event.reason",
    "user": "user.name",
    "username": "user.name",
    "usr": "user.name",
    "uid": "user.id",
    "ip": "source.ip",
    "src": "source.ip",
    "src_ip": "source.ip",
    "srcip": "source.ip",
    "source_ip": "source.ip",
    "client_ip": "source.ip",
    "clientip": "source.ip",
    "remote_addr": "source.ip",
    "remote_ip": "source.ip",
    "spt": "source.port",
    "sport": "source.port",
    "src_port": "source.port",
    "srcport": "source.port",
    "source_port": "source.port",
    "remote_port": "source.port",
    "dst": "destination.ip",
    "dst_ip": "destination.ip",
    "dstip": "destination.ip",
    "dest_ip": "destination.ip",
    "dpt": "destination.port",
    "dport": "destination.port",
    "dst_port": "destination.port",
    "dstport": "destination.port",
    "dest_port": "destination.port",
    "proto": "network.transport",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "status_code": "http.response.status_code",
    "path": "url.path",
    "query": "url.query",
    "uri": "url.original",
    "url": "url.original",
    "user_agent": "user_agent.original",
    "useragent": "user_agent.original",
    "referer": "http.request.referrer",
    "referrer": "http.request.referrer",
    "request_id": "http.request.id",
    "bytes": "http.response.body.bytes",
    "pid": "process.pid",
    "cmd": "process.command_line",
    "exit_code": "process.exit_code",
    "file": "file.path",
    "filename": "file.path",
    "service": "service.name",
    "rule": "rule.name",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "tags": "tags",
}
"""Short words, in lower case. `duration` has none: ECS counts nanoseconds, and the word does not say what it counts."""

_MAX_DIGITS = 18
"""Longest text that becomes a number: it fits 64 bits, and what reads our JSON keeps it exact enough to compare."""

_NAME = re.compile(r"[A-Za-z@_][A-Za-z0-9_@-]*(?:\.[A-Za-z0-9_@-]+)+")


@lru_cache(maxsize=4096)  # a program has some dozens of keys; keys that a stranger makes up must not fill memory
def field_name(key: str) -> str:
    """Return the field that a key fills."""
    alias = ALIASES.get(key) or ALIASES.get(key.lower())
    if alias:
        return alias
    known = _NAME.fullmatch(key) and key[: key.index(".")] in FIELD_SETS
    if not known or is_reserved(key) or key in ENVELOPE:
        return f"labels.{key}"
    return key


def put(fields: dict[str, FieldValue], key: str, value: FieldValue, name: str | None = None) -> None:
    """Set the field that a key fills; what is already there stays, and the newcomer goes to `labels.KEY`.

    Text becomes a number where the field is one, and an address only where it is one: `source.ip` can be trusted to
    hold an IP address, other text goes to `source.address`.

    Args:
        fields: changed in place.
        key: as the message writes it.
        value: None fills nothing.
        name: the field, where the format's own dictionary knows better than `field_name`.
    """
    if value is None:
        return
    name = name or field_name(key)
    if isinstance(value, str):
        if name in INTEGERS:
            if len(value) <= _MAX_DIGITS and value.isascii() and value.isdigit():
                value = int(value)
        elif name.endswith(".ip") and not name.startswith("labels.") and not is_ip_address(value):
            name = f"{name[:-3]}.address"
    if name in fields:
        name = f"labels.{key}"
    if not is_reserved(name):
        fields.setdefault(name, value)


def is_ip_address(text: str) -> bool:
    """Tell whether text is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
