"""Time zones as operators write them."""

from __future__ import annotations

import os
import re
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from rules.schema import did_you_mean
from rules.strict_yaml import shown


def parse_zone(text: str) -> tzinfo:
    """Return the zone of `Europe/Zurich`, `UTC`, `+02:00`, or `local` for this machine's.

    Raises:
        ValueError: it is none of these; the words say what to write.
    """
    if text == "local":
        return local_zone()
    if match := re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError is one; OSError: a folder's name
        known = available_timezones()
        advice = did_you_mean(text, known) if known else "; this system has no time zones: install the package tzdata"
        raise ValueError(f"{shown(text)} is no time zone{advice}") from None


def local_zone() -> tzinfo:
    """Return this machine's time zone, with its summer time: $TZ, else /etc/localtime, else UTC."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if name and not name.startswith("/"):
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            return UTC  # what the C library makes of a name that it does not know
    try:
        with Path(name or "/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (OSError, ValueError):
        return UTC
