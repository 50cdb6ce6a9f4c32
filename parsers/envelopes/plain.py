"""The envelope, and the plainest of its forms: text that nobody put into one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple


class Envelope(NamedTuple):
    """Who sent a message and when, and what is left: the message's text.

    Attributes:
        protocol: the form it was read as; `plain` when no header was found.
        priority: 8 * facility + severity; None when the frame has no valid PRI.
        version: of RFC 5424; None in the other forms.
        timestamp: aware; None when the sender does not say.
        structured_data: SD-ID to PARAM-NAME to PARAM-VALUE; None for none. Structured data that is not well formed is
            kept as it stands under `MALFORMED`.
    """

    protocol: Literal["rfc5424", "rfc3164", "plain"]
    priority: int | None
    version: int | None
    timestamp: datetime | None
    hostname: str | None
    appname: str | None
    procid: str | None
    msgid: str | None
    structured_data: dict[str, dict[str, str]] | None
    message: str


MALFORMED = "-"
"""Stands for the SD-ID where structured data could not be taken apart; its one PARAM is `raw`."""


def plain(text: str, priority: int | None) -> Envelope:
    """Return text without a header."""
    return Envelope("plain", priority, None, None, None, None, None, None, None, text)
