"""Folders and files as lines for clients: MLSD's facts (RFC 3659 section 7), LIST's as of ls(1), and times."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

from gateway.drop.account import Right
from gateway.drop.visit import Entry
from gateway.sources.ftp.replies import Declined

FACTS = ("type", "size", "modify", "perm")
"""The facts that MLSD and MLST know."""

RECENT = 182 * 86400.0
"""Seconds after which ls(1) shows the year and not the time of day."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FOLDER_PERMISSIONS = {Right.UPLOAD: "c", Right.LIST: "l", Right.FOLDERS: "mpd", Right.RENAME: "f"}
_FILE_PERMISSIONS = {Right.READ: "r", Right.DELETE: "d", Right.RENAME: "f"}


def time_value(modified: float) -> str:
    """Write a time as RFC 3659 section 2.3 has it: UTC, `20260131235959`."""
    moment = _moment(modified)
    return f"{moment.year:04d}{moment:%m%d%H%M%S}"


def as_time(text: str) -> float:
    """Read RFC 3659's time value, fractions of a second included; returns seconds since 1970.

    Raises:
        Declined: 501, it is none.
    """
    match = re.fullmatch(r"([0-9]{14})(\.[0-9]{1,9})?", text, re.ASCII)
    try:
        if match is None:
            raise ValueError
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise Declined(501, "a time is wanted such as 20260131235959, in UTC") from None
    return moment.timestamp() + float(match[2] or 0)


def facts_line(entry: Entry, name: str, facts: Collection[str], rights: Collection[Right], kind: str = "") -> str:
    """Write one entry with the facts that the client wants; `kind`: another type than `dir`, such as `cdir`."""
    permissions = _FOLDER_PERMISSIONS if entry.is_folder else _FILE_PERMISSIONS
    letters = "e" if entry.is_folder else ""
    known = {
        "type": kind or ("dir" if entry.is_folder else "file"),
        "size": "" if entry.is_folder else str(entry.size),
        "modify": time_value(entry.modified),
        "perm": letters + "".join(letter for right, letter in permissions.items() if right in rights),
    }
    shown = "".join(f"{fact}={known[fact]};" for fact in FACTS if fact in facts and (known[fact] or fact == "perm"))
    return f"{shown} {name}"


def list_line(entry: Entry, owner: str, now: float) -> str:
    """Write one entry as `ls -l` does; what clients read of it is the first letter, the size, the time and the name."""
    moment = _moment(entry.modified)
    recent = -3600 < now - entry.modified < RECENT
    when = f"{moment:%H:%M}" if recent else f"{moment.year:5d}"
    mode = "drwx------" if entry.is_folder else "-rw-------"
    month = _MONTHS[moment.month - 1]  # not strftime: it would speak the language of the operator
    return f"{mode} 1 {owner:<8} {owner:<8} {entry.size:>12} {month} {moment.day:>2} {when:>5} {entry.name}"


def _moment(modified: float) -> datetime:
    """Make a calendar's time; disks hold some that no calendar has, and those are 1970."""
    try:
        return datetime.fromtimestamp(modified, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
