"""Signatures of minisign, and its public keys (https://jedisct1.github.io/minisign/#signature-format).

A signature has four lines: an untrusted comment; algorithm, key id and signature in Base64; a trusted comment; and the
global signature, by the same key, over signature and trusted comment together. Both signatures must be right.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.checks.signatures import BadSignature, Data

MAX_LEGACY = 16 * 1024**2
"""Octets of a file whose signature is over the file itself: all of it must be in memory at once, and the signature is
verified in one call that lets no other thread run."""

_PURE = b"Ed"
_HASHED = b"ED"
_COMMENT = "untrusted comment:"
_TRUSTED = "trusted comment:"
_KEY_LENGTH = 2 + 8 + 32
_SIGNATURE_LENGTH = 2 + 8 + 64


@dataclass(frozen=True, slots=True)
class Key:
    """A public key; `words` is what its file says of it."""

    number: bytes
    octets: bytes
    words: str = ""

    @property
    def name(self) -> str:
        """Its id as minisign prints it, and what its file says of it."""
        return f"{_printed(self.number)} {self.words}".rstrip()


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature file, taken apart; nothing of it is believed yet."""

    hashed: bool
    number: bytes
    octets: bytes
    comment: bytes
    over_comment: bytes


def parse_keys(text: str) -> list[Key]:
    """Read public keys: each a comment and a line of Base64, or the line alone, as it stands on web pages.

    Raises:
        ValueError: it holds anything else; the words say which line.
    """
    keys: list[Key] = []
    comment = ""
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if entry.startswith(_COMMENT):
            comment = entry.removeprefix(_COMMENT).strip()
        elif entry and not entry.startswith("#"):
            octets = _decoded(entry)
            if octets is None or len(octets) != _KEY_LENGTH or not octets.startswith(_PURE):
                raise ValueError(f"line {number} is no public key of minisign")
            key = Key(octets[2:10], octets[10:], _own_words(comment))
            keys.append(key)
            comment = ""
    return keys


def parse_signature(content: bytes) -> Signature:
    """Take a signature file apart.

    Raises:
        BadSignature: it is none.
    """
    try:
        lines = [line.rstrip("\r") for line in content.decode("utf-8").strip().split("\n")]
    except UnicodeDecodeError as error:
        raise BadSignature("it is no text") from error
    if len(lines) == 2:
        raise BadSignature("it has no trusted comment: signatures of signify are not read, those of minisign are")
    if len(lines) != 4 or not lines[0].startswith(_COMMENT) or not lines[2].startswith(_TRUSTED):
        raise BadSignature("it does not have the four lines of a minisign signature")
    octets, over_comment = _decoded(lines[1]), _decoded(lines[3])
    if octets is None or len(octets) != _SIGNATURE_LENGTH or octets[:2] not in {_PURE, _HASHED}:
        raise BadSignature("line 2 is no minisign signature")
    if over_comment is None or len(over_comment) != 64:
        raise BadSignature("line 4 is no minisign signature")
    comment = lines[2].removeprefix(_TRUSTED).removeprefix(" ").encode()
    return Signature(octets[:2] == _HASHED, octets[2:10], octets[10:], comment, over_comment)


def verify(content: bytes, data: Data, keys: Sequence[Key]) -> str:
    """Verify a signature file, and return the signer's name.

    Raises:
        BadSignature: it is wrong, or not by one of the keys.
        OSError: the data cannot be read.
    """
    signature = parse_signature(content)
    known = [key for key in keys if key.number == signature.number]
    if not known:
        raise BadSignature(f"it is by the minisign key {_printed(signature.number)}, which may not sign here")
    if signature.hashed:
        message = data.digest("blake2b")
    elif data.size > MAX_LEGACY:
        raise BadSignature(f"signatures over files of more than {MAX_LEGACY} octets must be prehashed (minisign -S -H)")
    else:
        with data.open() as stream:
            message = stream.read()
    for key in known:  # ids are eight octets at random: two keys may have one
        public = Ed25519PublicKey.from_public_bytes(key.octets)
        try:
            public.verify(signature.octets, message)
        except InvalidSignature:
            continue
        try:
            public.verify(signature.over_comment, signature.octets + signature.comment)
        except InvalidSignature:
            raise BadSignature("its trusted comment was changed") from None
        return key.name
    raise BadSignature(f"it does not fit the file; it is by the minisign key {known[0].name}")


def _own_words(comment: str) -> str:
    """Leave out the comment that minisign writes itself, which says no more than the id."""
    return "" if comment.startswith("minisign public key") else comment


def _printed(number: bytes) -> str:
    """Write a key's id as minisign does: a little-endian number in hex."""
    return f"{int.from_bytes(number, 'little'):X}"


def _decoded(line: str) -> bytes | None:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
