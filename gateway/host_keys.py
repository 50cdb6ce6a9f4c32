"""The keys by which SFTP clients know the server: made once, and never written over.

    ssh_host_ed25519_key  ssh_host_rsa_key   and beside each NAME.pub, for the clients' known_hosts

Old clients know no Ed25519, so that the RSA key beside it keeps them from being turned away.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from twisted.conch.ssh.keys import Key

from gateway.notice import Notify
from gateway.notices.sftp import HostKeyExposed
from parsers.errors import OperatorError, Place

HostKeys = dict[bytes, Key]
"""Private keys by their type: `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256` ..."""

RSA_BITS = 3072
"""128 bits of strength, the same as Ed25519's (NIST SP 800-57)."""

MIN_RSA_BITS = 2048
MAX_FILE = 64 * 1024
"""Octets; a key of 16384 bits has 12 KiB."""

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def host_key_files(folder: Path) -> tuple[Path, Path]:
    """Return where the host keys of a folder are, or would be."""
    return folder / "ssh_host_ed25519_key", folder / "ssh_host_rsa_key"


def make_host_keys(folder: Path) -> list[Path]:
    """Make an Ed25519 and an RSA key, readable for nobody else, and their public halves; returns the private files.

    Raises:
        OperatorError: a file is there already, or cannot be written.
    """
    ed25519_file, rsa_file = host_key_files(folder)
    files = [ed25519_file, rsa_file]
    for file in (*files, *map(_public_file, files)):
        if file.exists() or file.is_symlink():
            raise OperatorError("is there already and is kept; remove it to have another one made", Place(str(file)))
    for file in files:
        key = (
            ed25519.Ed25519PrivateKey.generate() if file is ed25519_file else rsa.generate_private_key(65537, RSA_BITS)
        )
        _write(file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), 0o600)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        _write(_public_file(file), public + b"\n", 0o644)
    return files


def load_host_keys(paths: Sequence[Path], notify: Notify | None = None) -> HostKeys:
    """Load private host keys; `notify` hears of files that others can read.

    Raises:
        OperatorError: a file cannot be read, holds no private key in OpenSSH's form or one that cannot serve, or two
            are of the same type.
    """
    keys: HostKeys = {}
    files: dict[bytes, Path] = {}
    for path in paths:
        key = _load(path, notify)
        kind = bytes(key.sshType())
        if kind in keys:
            raise OperatorError(
                f"is a second {kind.decode()} key beside {files[kind]}; one of each type is used", Place(str(path))
            )
        keys[kind], files[kind] = key, path
    if not keys:
        raise OperatorError("an SFTP listener needs a host key; `gateway init DIR` makes them")
    return keys


def _load(path: Path, notify: Notify | None) -> Key:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"cannot be read: {error.strerror}", place) from None
    key = _parse(text, place)
    if mode & 0o077 and notify is not None:
        notify(HostKeyExposed(str(path)))
    return key


def _parse(text: bytes, place: Place) -> Key:
    if not text.lstrip().startswith(_OPENSSH):
        raise OperatorError(_not_openssh(text), place)
    try:
        key = load_ssh_private_key(text, None)
    except TypeError:  # what cryptography says when a passphrase is missing
        raise OperatorError(
            "has a passphrase, and nobody is there to type it; `ssh-keygen -p -f FILE` removes it", place
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"is no private key in OpenSSH's form, or a damaged one ({error})", place) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise OperatorError(
            f"is an RSA key of {key.key_size} bits; clients want {MIN_RSA_BITS} at least: `ssh-keygen -t ed25519` "
            "makes a better one",
            place,
        )
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise OperatorError("is a key of a type that clients no longer take; use Ed25519 and RSA", place)
    return Key(key)


def _not_openssh(text: bytes) -> str:
    """Say what stands there in place of a private key."""
    start = text.lstrip()
    if start.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return "is a public key; the private one is wanted, whose file has no .pub at the end of its name"
    if start.startswith(b"-----BEGIN") and b"PRIVATE KEY" in start[:64]:
        return "is a private key in PEM, not in OpenSSH's form; `ssh-keygen -p -f FILE` writes it anew in that form"
    if start.startswith(b"PuTTY-User-Key-File"):
        return "is PuTTY's form of a key; `puttygen FILE -O private-openssh-new -o NEW` writes OpenSSH's"
    return "is no private key in OpenSSH's form; `ssh-keygen -t ed25519 -f FILE` makes one"


def _public_file(file: Path) -> Path:
    return file.with_name(file.name + ".pub")


def _write(file: Path, octets: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(octets)
    except OSError as error:
        raise OperatorError(f"cannot be written: {error.strerror}", Place(str(file))) from None
