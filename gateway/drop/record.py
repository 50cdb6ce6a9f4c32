"""What is written down about a file that is whole, so that a crash loses neither the file nor its event.

From the moment on that its record is on disk beside its part, a file is whole: whatever happens, it comes to its place
and its event is kept. `.gateway/parts/<id>` is the part, `.gateway/parts/<id>.json` its record.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from gateway.checks.checks import failed
from gateway.drop.account import OnConflict
from gateway.drop.visit import Client, Way
from parsers.event import FieldValue

VERSION = 1
END = b"}\n"
"""How a record ends. One that does not was being written when the power failed, and its file never was whole."""


COMPLETE = "upload-complete"
SIDECAR = "sidecar-complete"
"""`event.action` of a file that is here, and of one that is only a checksum or signature of others."""


class Standing(enum.Enum):
    """What becomes of a file that is whole."""

    WHOLE = "whole"  # it goes to its name
    HELD = "held"  # it waits for a checksum or signature
    REJECTED = "rejected"  # it goes to quarantine


class Damaged(ValueError):  # noqa: N818 -- it is a finding
    """A record on disk is not what was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file that is whole.

    Attributes:
        id: of the upload: the part's name.
        way: the name it has or gets.
        asked: what the client called it.
        on_conflict: what is done when the name is taken.
        modified: seconds since 1970, as the client said; None: it did not.
        received: when it was whole, in seconds since 1970.
        promised: its client has been told that it is here.
        former: the unfinished name under which it stood.
        quarantine: its name in the account's quarantine, where it is rejected.
        action: `event.action`.
        problem: why it is rejected, or waits, or what a sidecar has found.
        fields: of its event: the connection's, and what the checks found.
    """

    id: str
    account: str
    way: Way
    asked: Way
    client: Client
    size: int
    sha256: str
    modified: float | None
    received: float
    on_conflict: OnConflict = OnConflict.REFUSE
    standing: Standing = Standing.WHOLE
    promised: bool = False
    former: Way | None = None
    quarantine: str | None = None
    action: str = COMPLETE
    problem: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict)

    @property
    def speaks_against(self) -> bool:
        """Whether it is a sidecar that does not fit what it is about, or that cannot be read."""
        return self.action == SIDECAR and failed(self.fields)

    @property
    def bookmark(self) -> str:
        """The name under which the journal knows that the event is kept."""
        return f"upload/{self.account}/{self.id}"

    @property
    def log_bookmark(self) -> str:
        """The name under which the journal knows how far the lines of an uploaded log are kept."""
        return f"log/{self.account}/{self.id}"


def to_octets(record: Record) -> bytes:
    """Write a record as one line of JSON."""
    plain: dict[str, object] = {"version": VERSION}
    for item in fields(Record):
        value = getattr(record, item.name)
        match value:
            case enum.Enum():
                value = value.value
            case Client():
                value = {each.name: getattr(value, each.name) for each in fields(Client)}
                value["fields"] = dict(value["fields"])
            case tuple():
                value = list(value)
            case Mapping():
                value = dict(value)
        plain[item.name] = value
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def from_octets(octets: bytes) -> Record:
    """Read a record.

    Raises:
        Damaged: it is none, or of a version that is not ours.
    """
    try:
        plain = json.loads(octets)
        if plain.pop("version") != VERSION:
            raise Damaged("it was written by another version of the gateway")
        for name in ("way", "asked"):
            plain[name] = tuple(plain[name])
        if plain["former"] is not None:
            plain["former"] = tuple(plain["former"])
        plain["client"] = Client(**plain["client"])
        plain["on_conflict"] = OnConflict(plain["on_conflict"])
        plain["standing"] = Standing(plain["standing"])
        return Record(**plain)
    except Damaged:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"it cannot be read ({type(error).__name__})") from None
