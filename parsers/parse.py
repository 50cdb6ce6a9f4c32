"""Turn a message into an event: its envelope, the grammar of its program, and what its source knows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import parsers.grammars
from parsers.envelopes.envelope import Envelope, parse_envelope
from parsers.event import Event, FieldValue
from parsers.grammar import Grammar
from parsers.lowering import CompiledGrammar
from parsers.message import HostnamePolicy, Message, Origin, Trust

DEFAULT_PRIORITY = 13
"""user.notice, for a message without a valid PRI (RFC 3164, section 4.3.3)."""

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock", *(f"local{number}" for number in range(8))),
)
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")

PRIORITIES: tuple[dict[str, FieldValue], ...] = tuple(
    {
        "log.syslog.priority": priority,
        "log.syslog.facility.code": priority >> 3,
        "log.syslog.facility.name": FACILITIES[priority >> 3],
        "log.syslog.severity.code": priority & 7,
        "log.syslog.severity.name": SEVERITIES[priority & 7],
    }
    for priority in range(192)
)

MAX_PROGRAMS = 4096
"""How many program names keep their choice of grammars; a stranger may invent any number of them."""


def builtin_grammars() -> tuple[Grammar, ...]:
    """Return the grammars of `parsers.grammars`, in the order of their modules' names."""
    modules = (
        importlib.import_module(f"parsers.grammars.{module.name}")
        for module in pkgutil.iter_modules(parsers.grammars.__path__)
    )
    return tuple(module.GRAMMAR for module in modules if hasattr(module, "GRAMMAR"))


class Parser:
    """Parses messages with these grammars, an earlier one first; never raises for what a peer sent."""

    def __init__(self, grammars: Iterable[Grammar]) -> None:
        self.grammars: tuple[CompiledGrammar, ...] = tuple(CompiledGrammar(grammar) for grammar in grammars)
        self.serving = lru_cache(MAX_PROGRAMS)(self._choose)
        self._origin: Origin | None = None
        self._of_origin: dict[str, FieldValue] = {}

    def _choose(self, program: str | None) -> tuple[CompiledGrammar, ...]:
        """Return the grammars of one program, those that serve any message last."""
        name = (program or "").lower()
        if name.startswith("/"):
            name = name.rpartition("/")[2]
        return tuple(grammar for grammar in self.grammars if serves(grammar.grammar.programs, name)) + tuple(
            grammar for grammar in self.grammars if not grammar.grammar.programs
        )

    def parse(self, message: Message) -> Event:
        """Parse one message; text that no grammar knows makes an event without further fields."""
        origin = message.origin
        envelope = parse_envelope(message.frame, message.received, origin.zone)
        if origin is not self._origin:
            self._origin, self._of_origin = origin, _of_origin(origin)  # a connection's messages all have the same
        fields = _header(envelope, origin, self._of_origin)
        if message.truncated:
            fields["gateway.truncated"] = True
        form = None
        for grammar in self.serving(envelope.appname):
            found = grammar.parse(envelope.message)
            if found is not None:
                fields["event.module"] = grammar.grammar.name
                form = found[0].name
                fields.update(found[1])
                break
        timestamp = envelope.timestamp or datetime.fromtimestamp(message.received, UTC)
        return Event(fields, timestamp, message, form)


def serves(programs: Sequence[str], name: str) -> bool:
    """Tell whether a grammar for these programs serves the one of this name, which is in lower case and no path."""
    return any(
        name == program or (program.endswith("*") and name.startswith(program[:-1])) for program in programs if name
    )


def _of_origin(origin: Origin) -> dict[str, FieldValue]:
    """Name what the source knows of the sender, whatever the message says."""
    fields: dict[str, FieldValue] = {"event.dataset": origin.dataset}
    if origin.address is not None:
        fields["log.source.address"] = origin.address
    fields["gateway.trust"] = origin.trust.name.lower()
    if origin.trusted:
        fields["gateway.trusted"] = True
    if origin.account is not None:
        fields["gateway.account"] = origin.account
    if origin.file is not None:
        fields["log.file.path"] = origin.file
    peer = origin.peer
    host = origin.address or origin.host
    if peer is not None:
        host = peer.identity or origin.address
        fields["gateway.peer.identity"] = host
        fields["gateway.peer.subject"] = peer.subject
        fields["gateway.peer.fingerprint"] = peer.fingerprint
    if host is not None:
        fields["host.name"] = host
    return fields


def _header(envelope: Envelope, origin: Origin, of_origin: dict[str, FieldValue]) -> dict[str, FieldValue]:
    """Name what the envelope and the source say."""
    fields = PRIORITIES[DEFAULT_PRIORITY if envelope.priority is None else envelope.priority] | of_origin
    if envelope.version is not None:
        fields["log.syslog.version"] = str(envelope.version)
    hostname = envelope.hostname
    if hostname is not None:
        fields["log.syslog.hostname"] = hostname
        if origin.peer is None:
            fields["host.name"] = hostname
        else:
            _settle_host(fields, hostname, origin)
    if envelope.appname is not None:
        fields["log.syslog.appname"] = fields["process.name"] = envelope.appname
    procid = envelope.procid
    if procid is not None:
        fields["log.syslog.procid"] = procid
        if procid.isdecimal() and procid.isascii() and len(procid) < 10:
            fields["process.pid"] = int(procid)
    if envelope.msgid is not None:
        fields["log.syslog.msgid"] = envelope.msgid
    if envelope.structured_data:
        fields["log.syslog.structured_data"] = {
            identifier: dict(params) for identifier, params in envelope.structured_data.items()
        }
    fields["message"] = envelope.message
    return fields


def _settle_host(fields: dict[str, FieldValue], claimed: str, origin: Origin) -> None:
    """Decide by the source's hostname policy whether the claimed host name holds against the certificate's.

    With `must-agree` a message that claims another host than its certificate keeps the certificate's name and is
    trusted no further than plain TCP.
    """
    identity = str(fields.get("host.name", ""))
    if origin.hostname is HostnamePolicy.MUST_AGREE and not _agrees(claimed, origin.names or (identity,)):
        fields["gateway.peer.agrees"] = False
        fields["gateway.trust"] = min(origin.trust, Trust.NETWORK).name.lower()
    elif origin.hostname is not HostnamePolicy.CERTIFICATE:
        fields["host.name"] = claimed


def _agrees(claimed: str, names: Sequence[str]) -> bool:
    """Tell whether a host's full name or its first label is one of the certificate's names."""
    host = claimed.rstrip(".").lower()
    return any(host in (name.lower(), name.lower().partition(".")[0]) for name in names)
