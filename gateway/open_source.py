"""A source that is open, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IListeningPort

from gateway.notice import host_port
from gateway.source_config import Source

BACKLOG = 1024
"""Connections that the kernel holds for us while we are busy; it caps this at net.core.somaxconn."""


@dataclass(slots=True)
class OpenSource:
    """A source that takes in what comes.

    Attributes:
        address: where, for people.
        follow: gives it other settings, for what comes from then on.
        poll: looks after what changes by itself.
        close: gives up its port; may return a Deferred that fires when that is done.
    """

    source: Source
    address: str
    follow: Callable[[Source], None]
    poll: Callable[[], None]
    close: Callable[[], object]


def bound_to(port: IListeningPort) -> str:
    """Return the address that a port has got."""
    host = port.getHost()
    return host_port(host.host, host.port)  # type: ignore[attr-defined]


def nothing_to_poll() -> None:
    """There is nothing to look after."""
