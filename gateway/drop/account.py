"""An account of the drop box: who may come in, what it may do, and what becomes of its files."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rules.condition import Network

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""What an account may be called: it is a folder's name and an argument of commands."""

OWN_FOLDER = ".gateway"
"""The folder inside an account's folder that is ours: parts of uploads, and files that wait. No client sees it."""


class Right(enum.Enum):
    """What an account may do beside logging in."""

    UPLOAD = "upload"
    FOLDERS = "folders"  # make folders, and remove empty ones
    LIST = "list"  # see names, sizes and times
    READ = "read"  # download
    RENAME = "rename"  # any file; without it, only what was uploaded under an unfinished name
    DELETE = "delete"


WRITE_ONLY = frozenset({Right.UPLOAD, Right.FOLDERS})


class OnConflict(enum.Enum):
    """What becomes of an upload whose name is taken."""

    REFUSE = "refuse"
    RENAME = "rename"  # report.csv becomes report-1.csv
    REPLACE = "replace"


class Content(enum.Enum):
    """What an account's files are."""

    FILES = "files"
    SYSLOG = "syslog"  # logs: each line is a message, also in gz, zst, xz and tar


class Demand(enum.Enum):
    """Whether a file comes with a checksum, or a signature."""

    OFF = "off"
    OPTIONAL = "optional"  # checked where there is one
    REQUIRED = "required"  # the file waits for it, and is no event before


class After(enum.Enum):
    """What becomes of an uploaded log once all it caused is kept."""

    KEEP = "keep"
    DELETE = "delete"
    MOVE = "move"  # into the drop box's folder `processed`


@dataclass(frozen=True, slots=True)
class Checks:
    """What is checked about a file before it is an event.

    Attributes:
        signers: files with the public keys of those who may sign: OpenPGP certificates, minisign keys, SSH keys.
        wait: seconds that a file waits for a checksum or signature that is required.
    """

    checksum: Demand = Demand.OPTIONAL
    signature: Demand = Demand.OFF
    signers: tuple[Path, ...] = ()
    wait: float = 3600.0


@dataclass(frozen=True, slots=True)
class Unpacking:
    """How much an archive may become.

    Attributes:
        octets: of all that is in it.
        ratio: how many times its own size; small archives may reach 16 MiB in any case.
        members: files in a tar.
    """

    octets: int = 16 * 1024**3
    ratio: int = 250
    members: int = 10_000


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be in an account's folder at a time; None: as much as the disk holds."""

    octets: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What can be said for all accounts (`drop:`) and for one (its entry in the accounts file).

    Attributes:
        max_file: octets of one file.
        unfinished: patterns of names under which an upload is not whole yet; renaming it makes it so.
        speed: octets a second of one transfer; None: as fast as can be.
        sessions: logins at a time of one account.
        plain: it may log in without encryption, also from other machines.
    """

    rights: frozenset[Right] = WRITE_ONLY
    on_conflict: OnConflict = OnConflict.REFUSE
    max_file: int = 4 * 1024**3
    unfinished: tuple[str, ...] = ("*.part", "*.filepart", "*.partial", "*.tmp", ".*")
    quota: Quota = Quota()
    checks: Checks = Checks()
    content: Content = Content.FILES
    after: After = After.KEEP
    unpacking: Unpacking = Unpacking()
    speed: int | None = None
    sessions: int = 64
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One account.

    Attributes:
        folder: its own, absolute; everything it sees is below.
        password: the hash as argon2 writes it (`$argon2id$...`); None: no login by password.
        external: its password is judged by the drop box's `checker`.
        keys: public SSH keys, each as its blob (RFC 4253 section 6.6) with the comment that its line has.
        networks: where it may come from; empty: from anywhere.
        expires: when it ends, in seconds since 1970.
        anonymous: any password lets in.
    """

    name: str
    folder: Path
    password: str | None = field(default=None, repr=False)
    external: bool = False
    keys: Mapping[bytes, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    expires: float | None = None
    disabled: bool = False
    anonymous: bool = False
    terms: Terms = Terms()
