"""What the FTP way into the drop box has to tell, beside logins and uploads, which are events."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notices.sources import PeerTrouble


@dataclass(frozen=True, slots=True)
class TalksOtherwise(PeerTrouble):
    """A client speaks another protocol than FTP, or TLS before it asked for it; its connection is closed."""


@dataclass(frozen=True, slots=True)
class TooManyBadCommands(PeerTrouble):
    """A client sent so many commands that are none that its connection was closed."""


@dataclass(frozen=True, slots=True)
class InjectedPlainText(PeerTrouble):
    """Octets came in plain text behind AUTH TLS; they were thrown away (CVE-2011-0411)."""


@dataclass(frozen=True, slots=True)
class BounceRefused(PeerTrouble):
    """A client wanted us to connect to another machine, or to a port of the system (RFC 2577)."""


@dataclass(frozen=True, slots=True)
class ForeignData(PeerTrouble):
    """A data connection came from another address than the commands; it was closed unread."""


@dataclass(frozen=True, slots=True)
class NoDataPort(PeerTrouble):
    """A client could not be given a port for data: all of `passive_ports` are taken."""


@dataclass(frozen=True, slots=True)
class CommandBroke(PeerTrouble):
    """We failed to obey a command, and that is our own fault; the client was told 451."""

    level = "error"
