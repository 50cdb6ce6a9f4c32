"""Public SSH keys as operators have them: the line of a `.pub` file, and what people paste instead of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from rules.schema import did_you_mean
from rules.strict_yaml import shown

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")

LEAST_RSA = 2048
"""Bits; shorter keys are disallowed (NIST SP 800-131A revision 2, section 3)."""

MAX_RSA = 16_384
"""Bits; OpenSSH takes no longer ones either."""

MAX_LINE = 16 * 1024
"""Characters of a key's line: an RSA key of 16,384 bits has 2,800."""

_LEGACY = {
    "ssh-dss": "DSA keys are too weak, and OpenSSH no longer uses them",
    "ssh-dsa": "DSA keys are too weak, and OpenSSH no longer uses them",
}


class PublicKeyError(ValueError):
    """This is no public key that can be used; the text says what it is instead, and what to do."""


def parse_public_key(line: str) -> tuple[bytes, str]:
    """Read `TYPE BASE64 [COMMENT]`, the line of a `.pub` file; return the key's blob and the comment.

    Raises:
        PublicKeyError: it is something else, or a key that is too weak.
    """
    text = line.strip()
    _refuse_other_forms(text)
    kind, _, rest = text.partition(" ")
    if kind not in TYPES:
        raise PublicKeyError(_unknown_kind(kind, text))
    encoded, _, comment = rest.strip().partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not blob:
        raise PublicKeyError("what follows the key's type is not base64; part of the line is missing or changed")
    if blob_type(blob) != kind:
        raise PublicKeyError(f"the line says {kind}, and the key in it is another or damaged; copy the whole line")
    try:
        key = load_ssh_public_key(f"{kind} {encoded}".encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyError("the key is damaged; copy the whole line of the .pub file") from None
    if isinstance(key, RSAPublicKey) and not LEAST_RSA <= key.key_size <= MAX_RSA:
        raise PublicKeyError(
            f"an RSA key of {key.key_size} bits is not taken, {LEAST_RSA} are the least and {MAX_RSA} the most; "
            "`ssh-keygen -t ed25519` makes a good key"
        )
    return blob, comment.strip()


def parse_public_keys(text: str) -> list[tuple[bytes, str]]:
    """Read the keys of a file: a `.pub` file, an `authorized_keys`, or what PuTTY exports (RFC 4716).

    Raises:
        PublicKeyError: there is none, or a line is no key.
    """
    if text.lstrip().startswith("---- BEGIN SSH2 PUBLIC KEY"):
        return [parse_public_key(_exported(text))]
    lines = [line.strip() for line in text.splitlines()]
    if lines and (lines[0].startswith("-----") or _is_putty(lines[0])):
        lines = [text]
    keys = [parse_public_key(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise PublicKeyError("there is no public key in it")
    return keys


def key_line(blob: bytes, comment: str) -> str:
    """Write a key as the line of a `.pub` file."""
    return f"{blob_type(blob)} {base64.b64encode(blob).decode('ascii')} {comment}".rstrip()


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint as `ssh-keygen -l` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def blob_type(blob: bytes) -> str:
    """Return the type that stands in a key's blob (RFC 4253 section 6.6); nothing for what is no blob."""
    if len(blob) < 4:
        return ""
    size = struct.unpack_from(">I", blob)[0]
    return blob[4 : 4 + size].decode("ascii", "replace") if size <= 64 else ""


def _refuse_other_forms(text: str) -> None:
    if not text:
        raise PublicKeyError("a public key is wanted here: ssh-ed25519 AAAA... comment")
    if len(text) > MAX_LINE:
        raise PublicKeyError(f"this is longer than {MAX_LINE:,} characters; is it the right file?")
    if "PRIVATE KEY" in text or text.startswith("PuTTY-User-Key-File-"):
        advice = "PuTTYgen shows it as text to copy" if _is_putty(text) else "it ends with .pub"
        raise PublicKeyError(f"this is a private key: keep it secret; the public one is wanted ({advice})")
    if text.startswith("---- BEGIN SSH2"):
        raise PublicKeyError("this is PuTTY's form; `ssh-keygen -i -f FILE` shows the line that is wanted")
    if text.startswith("-----BEGIN"):
        raise PublicKeyError("this is PEM; `ssh-keygen -i -m PKCS8 -f FILE` shows the line that is wanted")
    if "\n" in text or "\r" in text:
        raise PublicKeyError("a key stands on one line, and here are more")
    if not text.isprintable():
        raise PublicKeyError("there are characters in it that cannot be seen; copy the line again")


def _is_putty(text: str) -> bool:
    return text.startswith("PuTTY-User-Key-File-")


def _unknown_kind(kind: str, text: str) -> str:
    if kind in _LEGACY:
        return f"{_LEGACY[kind]}; `ssh-keygen -t ed25519` makes a good key"
    if kind.startswith("sk-"):
        return "keys on a security token (sk-...) are not supported; use one of type ssh-ed25519"
    if "-cert-v01@" in kind:
        return "this is a certificate; the key itself is wanted, whose file's name has no -cert"
    if kind.startswith("AAAA"):
        return f"the type is missing before the key: {TYPES[0]} AAAA..."
    if re.search(rf"\b(?:{'|'.join(TYPES)}) AAAA", text):
        return "options before a key are not read; say under `networks` where the account may come from"
    return f"{shown(kind)} is no type of key{did_you_mean(kind, TYPES) or '; known are ' + ', '.join(TYPES)}"


def _exported(text: str) -> str:
    """Return the line of a key in the form of RFC 4716."""
    body, comment, continued = [], "", False
    for line in text.strip().splitlines()[1:]:
        if line.startswith("---- END"):
            break
        if continued or ":" in line:
            continued = line.endswith("\\")
            if line.lower().startswith("comment:"):
                comment = line.partition(":")[2].strip().strip('"').rstrip("\\")
        else:
            body.append(line.strip())
    encoded = "".join(body)
    try:
        kind = blob_type(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        raise PublicKeyError("what stands in it is not base64; the file is damaged") from None
    return f"{kind} {encoded} {comment}"
