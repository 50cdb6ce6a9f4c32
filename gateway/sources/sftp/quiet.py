"""Conch's own log, unread: it tells each packet, and what an operator should know of a client is a notice."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider


@provider(ILogObserver)
def _unread(event: LogEvent) -> None:
    """Tell nobody."""


QUIET = Logger(observer=_unread)
"""What conch's classes, and ours that are made from them, write to."""
