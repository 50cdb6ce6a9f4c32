"""Detached signatures: which file is one, of which form, and for which file; told by content, and not by name only.

`report.csv.gpg` is more often an encrypted report than a signature, and `keys.asc` a key. So a name alone makes no
signature: what is none is an ordinary file, and is checked like any other.

A detached signature is about octets. It does not say what the file is called, nor that it is the newest of its kind.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

MAX_SIGNATURE = 256 * 1024
"""Octets of a signature file: the largest post-quantum signature has 50 KiB, armored 70."""

ARMOR_SSH = b"-----BEGIN SSH SIGNATURE-----"
ARMOR_OPENPGP = b"-----BEGIN PGP SIGNATURE-----"
_ARMOR_END = b"-----END PGP SIGNATURE-----"
MINISIGN_COMMENT = b"untrusted comment:"

DEDICATED = (".sig", ".minisig", ".sshsig")
"""What is called so is meant as a signature; if it is none, that is an error."""

SHARED = (".asc", ".gpg", ".pgp")
"""What is called so may be a signature."""

_SIGNATURE_TAG = 2  # RFC 9580 section 5


class BadSignature(Exception):  # noqa: N818 -- it is a judgement
    """A signature cannot be read, is wrong, or is by nobody who may sign; the text is one line for people."""


class Form(enum.Enum):
    """Whose format a signature has."""

    OPENPGP = "OpenPGP"
    MINISIGN = "minisign"
    SSH = "SSH"


@dataclass(slots=True)
class Data:
    """The octets that checks are about: a file that nobody changes meanwhile, or what was read of one.

    Digests are made in one pass each and kept. hashlib lets other threads run meanwhile.
    """

    path: Path | None = None
    content: bytes = b""
    _digests: dict[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Octets."""
        return self.path.stat().st_size if self.path else len(self.content)

    def open(self) -> io.BufferedReader | io.BytesIO:
        """Open it for reading."""
        return self.path.open("rb") if self.path else io.BytesIO(self.content)

    def know(self, algorithm: str, digest: bytes) -> None:
        """Take a digest that was made when the file was written."""
        self._digests[algorithm] = digest

    def digest(self, algorithm: str) -> bytes:
        """Return a digest, by hashlib's name of the algorithm."""
        if algorithm not in self._digests:
            with self.open() as stream:
                made = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
            self._digests[algorithm] = made.digest()
        return self._digests[algorithm]


def subject(name: str) -> str | None:
    """Return the name of the file that a signature of this name would be about, None for other names."""
    for suffix in DEDICATED + SHARED:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix)
    return None


def sidecars_of(name: str) -> tuple[str, ...]:
    """Return all names under which there may be a signature of a file."""
    return tuple(f"{name}{suffix}" for suffix in DEDICATED + SHARED)


def form(content: bytes) -> Form | None:
    """Tell whose format a signature has; None for what is no detached signature."""
    if len(content) > MAX_SIGNATURE:
        return None
    head = content.lstrip()
    if head.startswith(ARMOR_SSH):
        return Form.SSH
    if head.startswith(MINISIGN_COMMENT):
        return Form.MINISIGN
    if head.startswith(ARMOR_OPENPGP) or openpgp_packets(content):
        return Form.OPENPGP
    return None


def openpgp_signatures(content: bytes) -> list[bytes]:
    """Cut a signature file of OpenPGP into its signatures: binary packets; each signer of a file adds one.

    Raises:
        BadSignature: it holds anything else.
    """
    if not content.lstrip().startswith(ARMOR_OPENPGP):
        packets = openpgp_packets(content)
    else:
        packets = []
        for block in content.split(ARMOR_OPENPGP)[1:]:
            body, end, rest = block.partition(_ARMOR_END)
            if rest.strip():
                raise BadSignature("something stands behind its armor")
            packets += openpgp_packets(_unarmored(body)) if end else []
    if not packets:
        raise BadSignature("no whole OpenPGP signature in it")
    return packets


def _unarmored(body: bytes) -> bytes:
    """Return what is in an armor (RFC 9580 section 6.2); its CRC is ignored, as section 6.1 asks."""
    lines = [line.strip() for line in body.splitlines()][1:]
    if b"" in lines:  # armor headers end at the first blank line
        lines = lines[lines.index(b"") + 1 :]
    try:
        return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")), validate=True)
    except binascii.Error as error:
        raise BadSignature("its armor is damaged") from error


def openpgp_packets(content: bytes) -> list[bytes]:
    """Cut binary OpenPGP data into its packets; none when they are not all signatures, and whole."""
    packets: list[bytes] = []
    place = 0
    while place < len(content):
        end = _packet_end(content, place)
        if end is None or end > len(content):
            return []
        packets.append(content[place:end])
        place = end
    return packets


def _packet_end(content: bytes, place: int) -> int | None:
    """Return where a signature packet ends (RFC 9580 section 4.2); None: it is no such packet, or in parts."""
    first = content[place]
    octets = content[place + 1 : place + 6]
    if first & 0xC0 == 0xC0:
        if first & 0x3F != _SIGNATURE_TAG or not octets:
            return None
        if octets[0] < 192:
            return place + 2 + octets[0]
        if octets[0] < 224 and len(octets) > 1:
            return place + 3 + (octets[0] - 192 << 8) + octets[1] + 192
        return place + 6 + int.from_bytes(octets[1:5]) if octets[0] == 255 and len(octets) == 5 else None
    width = 1 << (first & 3)
    if first & 0xFC != 0x80 | _SIGNATURE_TAG << 2 or width == 8 or len(octets) < width:
        return None
    return place + 1 + width + int.from_bytes(octets[:width])
