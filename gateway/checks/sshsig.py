"""Signatures of `ssh-keygen -Y sign -n file`, and who may make them (OpenSSH's PROTOCOL.sshsig, ssh-keygen(1)).

The signers' file is an allowed_signers file, or an authorized_keys file: `PRINCIPALS [OPTIONS] TYPE BASE64 [COMMENT]`,
where an authorized_keys line has no principals. Of the options `namespaces`, `valid-after`, `valid-before` and
`expiry-time` are honoured; a line with any other is refused, for an option that is passed over could let somebody in.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from gateway.accounts.public_keys import TYPES, PublicKeyError, key_line, parse_public_key
from gateway.checks.signatures import BadSignature, Data

NAMESPACE = b"file"
"""What `-n` must have said: a signature for a login or a commit is none for a file."""

_MAGIC = b"SSHSIG"
_VERSION = 1
_DIGESTS = {b"sha256": "sha256", b"sha512": "sha512"}
_ARMOR = re.compile(rb"\s*-----BEGIN SSH SIGNATURE-----([A-Za-z0-9+/=\s]*)-----END SSH SIGNATURE-----\s*")
_RSA_HASHES: dict[bytes, hashes.HashAlgorithm] = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_EC_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_EC_NAMES = {"secp256r1": b"nistp256", "secp384r1": b"nistp384", "secp521r1": b"nistp521"}
_FIELD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_OPTION = re.compile(r'([A-Za-z0-9-]+)(?:="([^"]*)")?(?:,|$)')
_MOMENT = re.compile(r"(\d{8})(\d{4}(?:\d{2})?)?(Z?)")
_HONOURED = frozenset({"namespaces", "valid-after", "valid-before", "expiry-time"})


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that may sign.

    Attributes:
        blob: the key (RFC 4253 section 6.6).
        words: the principals of its line, else its comment.
        namespaces: patterns; empty: any.
        begins: when it may sign, in seconds since 1970; None: from ever.
        ends: until when; None: for ever.
    """

    blob: bytes
    words: str = ""
    namespaces: tuple[str, ...] = ()
    begins: float | None = None
    ends: float | None = None

    @property
    def name(self) -> str:
        """Its fingerprint as ssh-keygen prints it, and its words."""
        return f"{fingerprint(self.blob)} {self.words}".rstrip()


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature file, taken apart; nothing of it is believed yet."""

    key: bytes
    namespace: bytes
    reserved: bytes
    algorithm: bytes
    octets: bytes


def fingerprint(blob: bytes) -> str:
    """Return `SHA256:...` of a public key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def parse_keys(text: str) -> list[Key]:
    """Read an allowed_signers or authorized_keys file.

    Raises:
        ValueError: a line is wrong; the words say which.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            try:
                keys.append(_parse_key(entry))
            except (ValueError, NotImplementedError) as error:  # the latter for ECDSA points in compressed form
                raise ValueError(f"line {number}: {error}") from None
    return keys


def _parse_key(line: str) -> Key:
    fields = list(_FIELD.finditer(line))[:3]
    count = next((index for index, found in enumerate(fields) if found[0] in TYPES), None)
    if count is None:
        raise PublicKeyError(f"no public key of a type that can be used: {', '.join(TYPES)}")
    blob, comment = parse_public_key(line[fields[count].start() :])
    before = [each[0] for each in fields[:count]]
    principals = ""
    if len(before) == 2 or (before and not _are_options(before[0])):
        principals = before.pop(0).strip('"')
    options = _options(before[0]) if before else {}
    ends = [_moment(options[name]) for name in ("valid-before", "expiry-time") if name in options]
    return Key(
        blob,
        principals or comment,
        tuple(filter(None, options.get("namespaces", "").split(","))),
        _moment(options["valid-after"]) if "valid-after" in options else None,
        min(ends) if ends else None,
    )


def _are_options(word: str) -> bool:
    """Tell options from principals, which are patterns of addresses."""
    first = _OPTION.match(word)
    return first is not None and (first[2] is not None or first[1].lower() in {"cert-authority", "restrict"})


def _options(word: str) -> dict[str, str]:
    options: dict[str, str] = {}
    place = 0
    while place < len(word):
        found = _OPTION.match(word, place)
        if found is None:
            raise ValueError('options are written NAME="VALUE", with commas between them and no blanks')
        name = found[1].lower()
        if name not in _HONOURED or found[2] is None or name in options:
            raise ValueError(
                f"the option {found[1]} cannot be honoured here; of {', '.join(sorted(_HONOURED))} each may stand once"
            )
        if not found[2]:
            raise ValueError(f"the option {found[1]} is empty")
        options[name] = found[2]
        place = found.end()
    return options


def _moment(text: str) -> float:
    """Read YYYYMMDD[HHMM[SS]][Z]; without Z it is local time, as in OpenSSH."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time; it is written YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC")
    day, clock, zulu = found.groups()
    try:
        moment = datetime.strptime(day + (clock or "0000").ljust(6, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007 -- see next
    except ValueError:
        raise ValueError(f"there is no such time as {text}") from None
    return (moment.replace(tzinfo=UTC) if zulu else moment).timestamp()


def parse_signature(content: bytes) -> Signature:
    """Take a signature file apart (PROTOCOL.sshsig sections 1 and 2).

    Raises:
        BadSignature: it is none.
    """
    armor = _ARMOR.fullmatch(content)
    if armor is None:
        raise BadSignature("it is no armored SSH signature")
    try:
        octets = base64.b64decode(b"".join(armor[1].split()), validate=True)
    except binascii.Error as error:
        raise BadSignature("its armor is damaged") from error
    if not octets.startswith(_MAGIC) or int.from_bytes(octets[6:10]) != _VERSION:
        raise BadSignature("it is no SSH signature of version 1")
    key, namespace, reserved, algorithm, signature = _strings(octets[10:], 5)
    return Signature(key, namespace, reserved, algorithm, signature)


def verify(content: bytes, data: Data, keys: Sequence[Key], now: float) -> str:
    """Verify a signature file at a time in seconds since 1970, and return the signer's name.

    Raises:
        BadSignature: it is wrong, or not by one of the keys, or not now.
        OSError: the data cannot be read.
    """
    signature = parse_signature(content)
    if signature.namespace != NAMESPACE:
        raise BadSignature(
            f"it was made for {signature.namespace[:64].decode('utf-8', 'backslashreplace')!r} and not for a file "
            "(ssh-keygen -Y sign -n file)"
        )
    if signature.algorithm not in _DIGESTS:
        raise BadSignature("it uses a digest other than sha256 and sha512")
    known = [key for key in keys if key.blob == signature.key]
    if not known:
        raise BadSignature(f"it is by the SSH key {fingerprint(signature.key)}, which may not sign here")
    problem = ""
    for key in known:  # a key may stand on several lines, each with its own times
        problem = _not_now(key, now)
        if not problem:
            digest = data.digest(_DIGESTS[signature.algorithm])
            _verify(signature, _MAGIC + b"".join(map(_string, (*_signed_head(signature), digest))), key)
            return key.name
    raise BadSignature(problem)


def _not_now(key: Key, now: float) -> str:
    if key.namespaces and not any(fnmatch.fnmatchcase(NAMESPACE.decode(), pattern) for pattern in key.namespaces):
        return f"the SSH key {key.name} may not sign files, only {', '.join(key.namespaces)}"
    if key.begins is not None and now < key.begins:
        return f"the SSH key {key.name} may not sign yet"
    if key.ends is not None and now >= key.ends:
        return f"the SSH key {key.name} may not sign any more"
    return ""


def _signed_head(signature: Signature) -> tuple[bytes, bytes, bytes]:
    return signature.namespace, signature.reserved, signature.algorithm


def _verify(signature: Signature, message: bytes, key: Key) -> None:
    """Verify the signature itself (RFC 4253 section 6.6, RFC 5656 section 3.1.2, RFC 8332, RFC 8709)."""
    algorithm, octets = _strings(signature.octets, 2)
    public = load_ssh_public_key(key_line(key.blob, "").encode())
    try:
        if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == b"ssh-ed25519":
            public.verify(octets, message)
        elif isinstance(public, rsa.RSAPublicKey) and algorithm in _RSA_HASHES:
            whole = octets.rjust(public.key_size + 7 >> 3, b"\0")  # leading zeros may be left out
            public.verify(whole, message, padding.PKCS1v15(), _RSA_HASHES[algorithm])
        elif (
            isinstance(public, ec.EllipticCurvePublicKey) and algorithm == b"ecdsa-sha2-" + _EC_NAMES[public.curve.name]
        ):
            first, second = (int.from_bytes(number) for number in _strings(octets, 2))
            how = ec.ECDSA(_EC_HASHES[public.curve.name])
            public.verify(utils.encode_dss_signature(first, second), message, how)
        else:
            raise BadSignature("its algorithm is not one that its key may use today")
    except InvalidSignature:
        raise BadSignature(f"it does not fit the file; it is by the SSH key {key.name}") from None


def _strings(octets: bytes, count: int) -> Iterator[bytes]:
    """Cut into strings, each after its length (RFC 4251 section 5), with nothing behind the last."""
    strings = []
    place = 0
    for _ in range(count):
        end = place + 4 + int.from_bytes(octets[place : place + 4])
        if place + 4 > len(octets) or end > len(octets):
            raise BadSignature("it is cut off")
        strings.append(octets[place + 4 : end])
        place = end
    if place != len(octets):
        raise BadSignature("something stands behind its end")
    return iter(strings)


def _string(octets: bytes) -> bytes:
    return len(octets).to_bytes(4) + octets
