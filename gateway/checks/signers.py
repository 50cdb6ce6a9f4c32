"""The keys of those who may sign files: OpenPGP, minisign and SSH, told apart by content."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.accounts.public_keys import TYPES
from gateway.checks import minisign, openpgp, sshsig
from gateway.notice import Notify
from gateway.notices.checks import SignersKept, SignersReloaded
from parsers.errors import OperatorError, Place

MAX_FILE = 16 * 1024**2
"""Octets of a file with keys: a keyring of a large distribution has 4 MiB."""

_MINISIGN = "RW"
"""How the Base64 of minisign's public keys begins."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of some files, by the form of their signatures."""

    openpgp: tuple[openpgp.Key, ...] = ()
    minisign: tuple[minisign.Key, ...] = ()
    ssh: tuple[sshsig.Key, ...] = ()

    def __add__(self, other: Keys) -> Keys:
        """Return the keys of both."""
        return Keys(self.openpgp + other.openpgp, self.minisign + other.minisign, self.ssh + other.ssh)

    def __len__(self) -> int:
        """Count them."""
        return len(self.openpgp) + len(self.minisign) + len(self.ssh)


def parse_signers(content: bytes) -> Keys:
    """Read the keys in a file; it holds those of one form.

    Raises:
        ValueError: it holds none, or something else; the words say what.
    """
    if openpgp.is_certificate(content):
        return Keys(openpgp=tuple(openpgp.parse_keys(content)))
    if b"PRIVATE KEY-----" in content or b"minisign encrypted secret key" in content:
        raise ValueError("it is a secret key, which has no business here; name the file with the public one")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if any(word in TYPES for line in lines for word in line.split()):
        return Keys(ssh=tuple(sshsig.parse_keys(text)))
    if any(line.startswith(_MINISIGN) for line in lines):
        return Keys(minisign=tuple(minisign.parse_keys(text)))
    raise ValueError(
        "no public key in it; it may hold OpenPGP certificates (gpg --export), public keys of minisign, or SSH keys in "
        "the form of allowed_signers or authorized_keys"
    )


def read_signers(file: Path) -> Keys:
    """Read the keys in a file.

    Raises:
        OperatorError: it cannot be read, or holds no keys.
    """
    place = Place(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"the keys of signers cannot be read: {error.strerror}", place) from error
    if len(content) > MAX_FILE:
        raise OperatorError(f"more than {MAX_FILE} octets, which no file of keys has", place)
    try:
        keys = parse_signers(content)
        if not len(keys):
            raise ValueError("no public key in it")
    except ValueError as error:
        raise OperatorError(str(error), place) from error
    return keys


class Signers:
    """The keys of all files that were asked for, read once and again when they change; for several threads."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[tuple[int, ...] | None, Keys]] = {}

    def keys(self, files: Sequence[Path]) -> Keys:
        """Return the keys of some files together, as they are now.

        A file that was read once and is broken now keeps the keys that it had, and that is said once.

        Raises:
            OperatorError: one that never was read cannot be.
        """
        with self._lock:
            return sum((self._keys(file) for file in files), Keys())

    def _keys(self, file: Path) -> Keys:
        state = _state(file)
        if file not in self._read:
            self._read[file] = state, read_signers(file)
            return self._read[file][1]
        before, keys = self._read[file]
        if state == before:
            return keys
        try:
            keys = read_signers(file)
        except OperatorError as error:
            self._notify(SignersKept(str(file), str(error)))
        else:
            self._notify(SignersReloaded(str(file), len(keys)))
        self._read[file] = state, keys
        return keys


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
