"""Detached signatures of OpenPGP (RFC 9580), by certificates from files; the cryptography is Sequoia's (pysequoia).

Sequoia judges a signature at the time that it says it was made. Whoever finds an old key can write any time into it, so
a certificate or subkey that has expired or was revoked, for whatever reason, signs nothing here any more.

pysequoia verifies in one call, 500 MB in a second, and lets no other thread run meanwhile. So what is not small is
verified by a process of its own: this module, run as a program.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import pysequoia
from pysequoia.packet import HashAlgorithm, Packet, PacketPile, SignatureType, Tag

from gateway.checks.signatures import BadSignature, Data, openpgp_signatures

SMALL = 2 * 1024**2
"""Octets of a file that is verified at once: 4 ms. A process costs 0.1 s of CPU."""

MAX_SIGNATURES = 16
"""Of one file; each by a key that is known costs a pass over the data."""

SLOWEST = 5e6
"""Octets in a second below which the process hangs; START is what it may need before the first."""

START = 60.0

_SECRET = b"-----BEGIN PGP PRIVATE KEY BLOCK-----"

Answer = TypeVar("Answer")


class _ByStranger(BadSignature):
    """A signature is by none of the keys; what is wrong with one by a key that is known says more."""


class OpenPgpError(Exception):
    """Sequoia does not take something; the first line of what it said."""


@dataclass(frozen=True, slots=True)
class Subkey:
    """When a key of a certificate ends, in seconds since 1970; None: never."""

    ends: float | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A certificate whose owner may sign; fingerprints are in lower case.

    Attributes:
        octets: all of it, binary.
        words: its first user id.
        subkeys: by fingerprint, with the primary key.
    """

    fingerprint: str
    octets: bytes
    words: str
    subkeys: Mapping[str, Subkey]

    @property
    def name(self) -> str:
        """Its fingerprint as gpg prints it, and its first user id."""
        return f"{self.fingerprint.upper()} {self.words}".rstrip()


def is_certificate(content: bytes) -> bool:
    """Tell whether a file may hold OpenPGP keys: an armor, or a public or secret key packet at its beginning."""
    return b"-----BEGIN PGP P" in content or content[:1] in {b"\x98", b"\x99", b"\xc6", b"\x94", b"\x95", b"\xc5"}


def parse_keys(content: bytes) -> list[Key]:
    """Read a file of certificates, armored (one block or several) or binary.

    Raises:
        ValueError: it holds none, a damaged one, or secret keys.
    """
    try:
        if _SECRET in content or _ask(_has_secret, content):
            raise ValueError("it holds a secret key, which has no business here; export the public one (gpg --export)")
        return [_ask(_key, certificate) for certificate in _ask(pysequoia.Cert.split_bytes, content)]
    except OpenPgpError as error:
        raise ValueError(f"the OpenPGP certificate is damaged: {error}") from None


def verify(content: bytes, data: Data, keys: Sequence[Key], now: float) -> str:
    """Verify a signature file at a time in seconds since 1970, and return the signer's name.

    A file with the signatures of several is right when one of them is right, whoever made the others.

    Raises:
        BadSignature: none of them is right, or by one of the keys, or by one that may sign now.
        OSError: the data cannot be read, or the process that verifies does not start.
    """
    signatures = openpgp_signatures(content)
    if len(signatures) > MAX_SIGNATURES:
        raise BadSignature(f"more than {MAX_SIGNATURES} signatures in one file")
    problems: list[BadSignature] = []
    for octets in signatures:
        try:
            return _verify_one(octets, data, keys, now)
        except BadSignature as error:
            problems.append(error)
    raise min(problems, key=lambda problem: isinstance(problem, _ByStranger))


def _verify_one(octets: bytes, data: Data, keys: Sequence[Key], now: float) -> str:
    try:
        issuer, ends, broken = _ask(_said_of, octets)
    except OpenPgpError as error:
        raise BadSignature(f"it is no OpenPGP signature: {error}") from None
    if not issuer:
        raise BadSignature("it does not say whose it is")
    known = [(key, name) for key in keys for name in key.subkeys if name.endswith(issuer)]
    if not known:
        raise _ByStranger(f"it is by the OpenPGP key {issuer.upper()}, which may not sign here")
    if ends is not None and ends.timestamp() <= now:
        raise BadSignature(f"it ended on {ends:%Y-%m-%d}; it is by the OpenPGP key {known[0][0].name}")
    if broken:
        raise BadSignature(f"it uses MD5 or SHA-1, which prove nothing; it is by the OpenPGP key {known[0][0].name}")
    alive = _alive(known, now)
    for certificate, name in _valid(octets, data, alive):
        for key in alive:
            if key.fingerprint == certificate:
                _must_be_alive(key, name, now)  # who made it stands in it unsigned, and may have been another subkey
                return key.name
    raise BadSignature(f"it does not fit the file; it is by the OpenPGP key {known[0][0].name}")


def _said_of(octets: bytes) -> tuple[str, datetime | None, bool]:
    """Return what a signature says of itself: by which key it is, when it ends, whether its digest is broken."""
    signature = pysequoia.Sig.from_bytes(octets)
    issuer = signature.issuer_fingerprint or signature.issuer_key_id or ""
    broken = any(signature.hash_algorithm == each for each in (HashAlgorithm.MD5, HashAlgorithm.SHA1))
    return issuer.lower(), signature.expiration, broken


def _valid(octets: bytes, data: Data, keys: Sequence[Key]) -> list[tuple[str, str]]:
    """Return certificate and subkey of whoever made this signature of these data; none when it is wrong."""
    certificates = [key.octets for key in keys]
    if data.path is None:
        return check(octets, certificates, content=data.content)
    if data.size <= SMALL:
        return check(octets, certificates, path=str(data.path))
    request = {
        "path": str(data.path),
        "signature": base64.b64encode(octets).decode(),
        "certificates": [base64.b64encode(each).decode() for each in certificates],
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-s", "-m", "gateway.checks.openpgp"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=START + data.size / SLOWEST,
            check=True,
        )
    except subprocess.SubprocessError as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
        words = (said.decode("utf-8", "backslashreplace").strip().splitlines() or [str(error)])[-1]
        raise OSError(f"the process that verifies OpenPGP signatures failed: {words}") from error
    return [(one, other) for one, other in json.loads(done.stdout)]


def check(
    signature: bytes, certificates: Sequence[bytes], *, path: str | None = None, content: bytes = b""
) -> list[tuple[str, str]]:
    """Verify a binary signature; no other thread runs meanwhile.

    Returns:
        Fingerprints of certificate and subkey, in lower case, for each that made it; empty when it is wrong.

    Raises:
        OSError: the file cannot be read.
    """
    if path is not None:
        with open(path, "rb"):  # noqa: PTH123 -- what cannot be read would look like a wrong signature
            pass
    try:
        found = _ask(
            lambda: pysequoia.verify(
                file=path,
                bytes=content if path is None else None,
                store=lambda _ids: [pysequoia.Cert.from_bytes(each) for each in certificates],
                signature=pysequoia.Sig.from_bytes(signature),
            )
        )
    except OpenPgpError:
        return []
    return [(one.certificate.lower(), one.signing_key.lower()) for one in found.valid_sigs]


def _alive(known: Sequence[tuple[Key, str]], now: float) -> list[Key]:
    """Return the certificates whose key may sign now; of one that was renewed there may be an old copy too."""
    alive = []
    problem = None
    for key, name in known:
        try:
            _must_be_alive(key, name, now)
        except BadSignature as error:
            problem = error
        else:
            alive.append(key)
    if not alive and problem is not None:
        raise problem
    return alive


def _must_be_alive(key: Key, fingerprint: str, now: float) -> None:
    for subkey in (key.subkeys[key.fingerprint], key.subkeys.get(fingerprint)):
        if subkey is None or subkey.revoked:
            raise BadSignature(f"its key was revoked: {key.name}")
        if subkey.ends is not None and subkey.ends <= now:
            raise BadSignature(f"its key expired on {datetime.fromtimestamp(subkey.ends, UTC):%Y-%m-%d}: {key.name}")


def _has_secret(content: bytes) -> bool:
    return any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in PacketPile.from_bytes(content))


def _key(certificate: pysequoia.Cert) -> Key:
    octets = bytes(certificate)
    expiration = certificate.expiration
    primary = Subkey(expiration.timestamp() if expiration else None, certificate.is_revoked)
    subkeys = {certificate.fingerprint.lower(): primary}
    current: Packet | None = None
    binding: Packet | None = None
    for packet in PacketPile.from_bytes(octets):
        if packet.tag == Tag.PublicSubkey:
            current, binding = packet, None
            subkeys[_fingerprint(packet)] = Subkey(None, revoked=False)
        elif current is not None and packet.tag == Tag.Signature:
            name = _fingerprint(current)
            if packet.signature_type == SignatureType.SubkeyRevocation:
                subkeys[name] = Subkey(subkeys[name].ends, revoked=True)
            elif packet.signature_type == SignatureType.SubkeyBinding and _is_newer(packet, binding):
                binding = packet
                subkeys[name] = Subkey(_end(current, packet), subkeys[name].revoked)
    user_ids = [str(user_id) for user_id in certificate.user_ids]
    return Key(certificate.fingerprint.lower(), octets, user_ids[0] if user_ids else "", subkeys)


def _fingerprint(packet: Packet) -> str:
    return (packet.fingerprint or "").lower()


def _is_newer(packet: Packet, than: Packet | None) -> bool:
    made, before = packet.signature_created, than.signature_created if than is not None else None
    return before is None or (made is not None and made >= before)


def _end(subkey: Packet, binding: Packet) -> float | None:
    created, period = subkey.key_created, binding.key_validity_period
    return (created + period).timestamp() if created is not None and period else None


def _ask(call: Callable[..., Answer], *arguments: object) -> Answer:
    """Call into Sequoia; its errors have a trace of its own calls from the second line on."""
    try:
        return call(*arguments)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- a Rust panic is no Exception; a peer's octets must not end a thread
        raise OpenPgpError((str(error).splitlines() or [type(error).__name__])[0]) from None


def main() -> None:
    """Verify what standard input asks for as JSON, and answer with JSON on standard output."""
    request = json.load(sys.stdin)
    certificates = [base64.b64decode(each) for each in request["certificates"]]
    json.dump(check(base64.b64decode(request["signature"]), certificates, path=request["path"]), sys.stdout)


if __name__ == "__main__":
    main()
