r"""Sidecar checksums: `NAME.sha256` beside one file, `SHA256SUMS` beside many; pure parsing.

What coreutils, BSD, openssl and people write is read: `HEX  name`, `HEX *name`, `HEX name`, coreutils' escaped names (a
backslash before the line), `SHA256 (name) = HEX`, and in a file beside one file a bare HEX; blank lines, `#` comments,
CRLF; UTF-8, and UTF-16 with its byte order mark, as PowerShell's `>` writes it.

A checksum shows that a file came as it was sent. It does not show who sent it, and MD5 and SHA-1 stop accidents only:
two files with one sum can be made at will. What must be from somebody needs a signature.

A list is about the files of its own folder: a name with a path in it names nothing here, whatever it is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

MAX_SIDECAR = 1024**2
"""Octets of a sidecar: enough for eight thousand names; more is not read."""

MAX_LINES = 32_768
"""So that a list of nothing costs no more than one of files."""

SHOWN = 80
"""Characters of a name in a message."""

ALGORITHMS = ("sha512", "sha256", "sha1", "md5")
"""As hashlib calls them, the strongest first."""

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}

_LISTS: Mapping[str, str] = {
    name: algorithm
    for algorithm in ALGORITHMS
    for name in (
        f"{algorithm.upper()}SUMS",
        f"{algorithm.upper()}SUMS.txt",
        f"{algorithm}sums",
        f"{algorithm}sums.txt",
        f"{algorithm}sum.txt",
    )
}
"""What a list may be called. They are looked for by name, so there is no more than what is common."""

_TAGGED = re.compile(r"(MD5|SHA1|SHA256|SHA512|SHA2-256|SHA2-512) ?\((.*)\) ?= ?([0-9A-Fa-f]+)", re.DOTALL)
_PLAIN = re.compile(r"([0-9A-Fa-f]+)(?:[ \t][ *]?(.*))?", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES = {"\\": "\\", "n": "\n", "r": "\r"}


class _Unreadable(Exception):  # noqa: N818 -- it becomes words, with the line's number
    """A line is no checksum."""


@dataclass(frozen=True, slots=True)
class Sum:
    """One line: what a file's digest is; `name` as it stands there, None for a bare digest; `line` counts from 1."""

    algorithm: str
    digest: str
    name: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a checksum file says.

    Attributes:
        name: its own.
        sums: by the name of the file in this folder; a list's names with a path are not in it.
        problem: about the first line that cannot be read: `line 3: ...`; empty when all can.
    """

    name: str
    sums: Mapping[str, tuple[Sum, ...]] = field(default_factory=dict)
    problem: str = ""


def is_list(name: str) -> bool:
    """Tell whether a file of this name has the checksums of many."""
    return name in _LISTS


def subject(name: str) -> str | None:
    """Return the name of the one file that `NAME.sha256` is about, None for a file that is no such thing."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and suffix.lower() in DIGITS and suffix in {suffix.lower(), suffix.upper()} else None


def is_sidecar(name: str) -> bool:
    """Tell whether a file of this name has checksums of others."""
    return is_list(name) or subject(name) is not None


def sidecars_of(name: str) -> tuple[str, ...]:
    """Return all names under which there may be a checksum of a file, lists last."""
    own = (f"{name}.{suffix}" for algorithm in ALGORITHMS for suffix in (algorithm, algorithm.upper()))
    return (*own, *(() if name in _LISTS else _LISTS))


@lru_cache(maxsize=8)  # a list of ten thousand names is asked for each of ten thousand files
def parse(name: str, content: bytes) -> Sidecar:
    """Read a checksum file; never fails, for lines that cannot be read are its `problem`.

    Args:
        name: the checksum file's own, which says the algorithm.
        content: at most MAX_SIDECAR + 1 octets of it.
    """
    about = subject(name)
    algorithm = _LISTS[name] if name in _LISTS else name.rpartition(".")[2].lower()
    try:
        lines = _lines(content)
    except _Unreadable as error:
        return Sidecar(name, problem=str(error))
    sums: dict[str, list[Sum]] = {}
    problem = ""
    for number, text in enumerate(lines, 1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            found = _read_line(text, algorithm, number, bare=about is not None)
            key = _file_named(found.name, about)
        except _Unreadable as error:
            problem = problem or f"line {number}: {error}"
        else:
            if key is not None:
                sums.setdefault(key, []).append(found)
    if not sums and not problem and about is not None:
        problem = "no checksum in it"
    return Sidecar(name, {key: tuple(found) for key, found in sums.items()}, problem)


def _lines(content: bytes) -> list[str]:
    if len(content) > MAX_SIDECAR:
        raise _Unreadable(f"it is larger than {MAX_SIDECAR} octets, which no checksum file needs")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            text = content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise _Unreadable("it begins as UTF-16 and is not") from error
    else:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    if text.count("\n") > MAX_LINES:
        raise _Unreadable(f"it has more than {MAX_LINES} lines")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _read_line(text: str, algorithm: str, number: int, *, bare: bool) -> Sum:
    escaped = text.startswith("\\")
    line = text[1:] if escaped else text
    if tagged := _TAGGED.fullmatch(line.rstrip()):
        tag, name, digest = tagged.groups()
        if tag.lower().replace("sha2-", "sha") != algorithm:
            raise _Unreadable(f"{tag} in a file of {algorithm.upper()} checksums")
    else:
        plain = _PLAIN.fullmatch(line)
        if plain is None:
            raise _Unreadable(f"no checksum: {shown(text)}")
        digest, name = plain.groups()
        if name is None or not name.strip():
            if not bare:
                raise _Unreadable("a checksum without a name")
            name = None
    if len(digest) != DIGITS[algorithm]:
        raise _Unreadable(f"{len(digest)} hex digits, where {algorithm.upper()} has {DIGITS[algorithm]}")
    if escaped and name is not None:
        name = _ESCAPE.sub(_unescape, name)
    return Sum(algorithm, digest.lower(), name, number)


def _unescape(found: re.Match[str]) -> str:
    try:
        return _ESCAPES[found[1]]
    except KeyError:
        raise _Unreadable("a backslash that escapes nothing") from None


def _file_named(name: str | None, about: str | None) -> str | None:
    """Return the name of the file here that a line is about; None: it is about a file elsewhere.

    Beside one file a path may stand before the name, for `sha256sum /build/x.csv > x.csv.sha256` writes it there; the
    checksum file's own name says which file is meant.
    """
    if about is None:
        here = (name or "").removeprefix("./")
        return None if "/" in here or here in {"", ".", ".."} else here
    if name is not None and re.split(r"[/\\]", name)[-1] != about and name != about:
        raise _Unreadable(f"names {shown(name)}, and not {shown(about)}")
    return about


def shown(text: str) -> str:
    """Quote what a peer wrote, in one line of bounded length."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
