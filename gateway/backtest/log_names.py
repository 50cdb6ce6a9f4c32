"""Which files are one log that was rotated, and in what order they were written, told by their names.

logrotate numbers them (`auth.log.2.gz`, `auth.log.1`, `auth.log`), or dates them (`dateext`: `auth.log-20260101.gz`;
with `extension`: `auth-20260101.log`); what is not rotated yet has the name alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PACKED = re.compile(r"\.(?:gz|bz2|xz|lzma|zst|zstd)\Z", re.IGNORECASE)
_YEAR, _MONTH, _DAY = r"(?:19|20)[0-9]{2}", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12][0-9]|3[01])"
_DATED = re.compile(
    rf"[-._](?P<date>{_YEAR}(?P<dash>-?){_MONTH}(?P=dash){_DAY}(?:[-T_]?[0-9]{{2}}(?:[-:]?[0-9]{{2}}){{0,2}})?"
    r"|1[0-9]{9})(?P<extension>\.[A-Za-z]\w*)?\Z"
)
_NUMBERED = re.compile(r"\.(?P<number>[0-9]{1,4}|old)(?P<extension>\.[A-Za-z]\w*)?\Z")


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file with lines of a log.

    Attributes:
        path: None: standard input.
        member: its number in the tar archive `path`; None: it is the file itself.
        name: what it is called for people: its path, and behind a colon its name in the archive.
        size: octets to be read of it; of a member, what it holds.
        modified: when it was changed last, in seconds since 1970.
    """

    path: Path | None
    name: str
    size: int = 0
    modified: float = 0.0
    member: int | None = None


@dataclass(frozen=True, slots=True)
class Rotated:
    """A log in the files that it was rotated into, the oldest first."""

    name: str
    files: tuple[LogFile, ...]


@dataclass(frozen=True, slots=True)
class _Rank:
    """What a name says: of which log it is, and where in it.

    Attributes:
        number: how often it was rotated; -1: not yet. None where the name has a date.
        date: its digits; empty where the name has none.
    """

    log: str
    number: int | None
    date: str = ""


def _rank(name: str) -> _Rank:
    plain = _PACKED.sub("", name)
    if dated := _DATED.search(plain):
        digits = re.sub(r"\D", "", dated["date"])
        # 2026010203 is an hour, 1767225600 are seconds since 1970: both have ten digits, and a log has one kind
        return _Rank(plain[: dated.start()] + (dated["extension"] or ""), None, digits)
    if numbered := _NUMBERED.search(plain):
        number = 1 if numbered["number"] == "old" else int(numbered["number"])
        return _Rank(plain[: numbered.start()] + (numbered["extension"] or ""), number)
    return _Rank(plain, -1)


def rotated(files: Iterable[LogFile]) -> tuple[list[Rotated], list[LogFile]]:
    """Put files that are one log together.

    Returns:
        The logs in the order in which they are named first, each with its oldest file first; and the files that are
        there in another form too (`auth.log.1` beside `auth.log.1.gz`: logrotate was interrupted) and are left out.
    """
    logs: defaultdict[str, list[tuple[_Rank, LogFile]]] = defaultdict(list)
    forms: dict[str, LogFile] = {}
    twice: list[LogFile] = []
    for file in files:
        folder, slash, name = file.name.rpartition("/")
        plain = f"{folder}{slash}{_PACKED.sub('', name)}"
        if plain in forms:
            twice.append(file)
            continue
        forms[plain] = file
        rank = _rank(name)
        logs[f"{folder}{slash}{rank.log}"].append((rank, file))
    return [Rotated(name, _in_order(ranked)) for name, ranked in logs.items()], twice


def _in_order(ranked: list[tuple[_Rank, LogFile]]) -> tuple[LogFile, ...]:
    kinds = {rank.number is None for rank, _ in ranked if rank.number != -1}

    def place(one: tuple[_Rank, LogFile]) -> tuple[object, ...]:
        rank, file = one
        if len(kinds) > 1:  # numbers and dates, from before and after a change of logrotate's settings: ask the files
            return rank.number == -1, file.modified, file.name
        # a short date is the midnight that begins the day
        return rank.number == -1, rank.date.ljust(14, "0") if rank.date else "", -(rank.number or 0), file.name

    return tuple(file for _, file in sorted(ranked, key=place))
