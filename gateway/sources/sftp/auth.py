"""Logins (RFC 4252): by a key whose owner signs for it, or by a password; one try after the other.

A key that is only offered costs no try: agents offer all they have. Somebody who offers many, or who leaves after
offering some, is told of as one failed login.
"""
# ruff: noqa: N802, N803 -- the names are conch's

from __future__ import annotations

import base64
import hashlib
import struct
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.drop.visit import Client, LoginRefused, Session
from gateway.notices.sftp import SftpFailed
from gateway.sources.sftp.packets import Fields, Malformed, string
from gateway.sources.sftp.quiet import QUIET

if TYPE_CHECKING:
    from gateway.sources.sftp.factory import SftpFactory
    from gateway.sources.sftp.transport import SftpTransport

SIGNATURES = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
}
"""What a login may be signed with, and the type of its key (RFC 8332 for RSA: none with SHA-1)."""

MAX_OFFERS = 32
"""Keys that a client may offer, and other requests that cost no try; OpenSSH's agent holds a handful."""

MAX_WAITING = 8
"""Requests that a client may send ahead (RFC 4252 section 5.1): those that we know send one."""

MAX_NAME = 128
"""Characters of an account's name that are looked at; none is longer than 64."""

MAX_PASSWORD = 1024
"""Octets."""

_REQUEST, _FAILURE, _SUCCESS, _PK_OK = 50, 51, 52, 60


class UserAuth(SSHService):
    """The service `ssh-userauth` of one connection."""

    name = b"ssh-userauth"
    _log = QUIET

    def __init__(self, factory: SftpFactory) -> None:
        self._factory = factory
        self._waiting: deque[bytes] = deque()
        self._busy = False
        self._over = False
        self._tries = 0
        self._free = 0  # requests that cost no try
        self._offered = 0
        self._offered_as = ""

    def serviceStopped(self) -> None:
        """Stop; whoever only offered keys has tried to log in, too."""
        if self._over:
            return
        self._over = True
        self._waiting.clear()
        if self._offered and not self._tries and not self._busy:
            self._tell_offers(self._offered_as)

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Take a request; it waits until those before it are answered."""
        if messageNum != _REQUEST:
            raise Malformed("it has no meaning in a login")
        if len(self._waiting) >= MAX_WAITING:
            raise Malformed(f"{MAX_WAITING} logins wait for their answers")
        self._waiting.append(packet)
        self._proceed()

    def _proceed(self) -> None:
        while self._waiting and not self._busy and not self._over:
            self._take(Fields(self._waiting.popleft()))

    def _take(self, fields: Fields) -> None:
        user = fields.string()
        name = user.decode("utf-8", "backslashreplace")[:MAX_NAME]
        service, method = fields.string(), fields.string()
        if service != b"ssh-connection":
            self._connection.end(DISCONNECT_SERVICE_NOT_AVAILABLE, "there is no such service")
        elif method == b"publickey":
            self._by_key(user, name, fields)
        elif method == b"password":
            self._by_password(name, fields)
        else:  # `none` asks what there is
            self._refuse_freely()

    # By password.

    def _by_password(self, name: str, fields: Fields) -> None:
        change = fields.octet()
        password = fields.string()
        client = self._client("password")
        if not self._factory.source.passwords:
            self._try(self._factory.logins.refuse(client, name, "passwords are not taken here"))
        elif change or len(password) > MAX_PASSWORD:
            problem = "it asked to change the password" if change else "the password is too long"
            self._try(self._factory.logins.refuse(client, name, problem))
        else:
            self._try(self._factory.logins.by_password(client, name, password))

    # By key.

    def _by_key(self, user: bytes, name: str, fields: Fields) -> None:
        signed = bool(fields.octet())
        algorithm, blob = fields.string(), fields.string()
        known = SIGNATURES.get(algorithm) == _type_of(blob) and self._factory.logins.has_key(name, blob)
        if not signed:
            if known:
                self._free += 1
                self._send(_PK_OK, string(algorithm) + string(blob))
                if self._free > MAX_OFFERS:
                    self._give_up()
            else:
                self._offered += 1
                self._offered_as = name
                self._refuse_freely()
            return
        client = self._client("publickey", blob)
        shown = client.fields["ssh.fingerprint"]
        if not known:
            self._try(self._factory.logins.refuse(client, name, f"the account has no key {shown} that may sign so"))
        elif not _is_signed(blob, algorithm, fields.string(), self._signed(user, algorithm, blob)):
            self._try(self._factory.logins.refuse(client, name, f"the signature of key {shown} is wrong"))
        else:
            self._try(self._factory.logins.by_key(client, name, blob))

    def _signed(self, user: bytes, algorithm: bytes, blob: bytes) -> bytes:
        """Return what is to be signed (RFC 4252 section 7)."""
        session = self._connection.sessionID or b""
        head = string(session) + bytes((_REQUEST,)) + string(user) + string(b"ssh-connection")
        return head + string(b"publickey") + b"\1" + string(algorithm) + string(blob)

    # What comes of it.

    def _try(self, session: Deferred[Session]) -> None:
        self._tries += 1
        self._busy = True
        session.addCallbacks(self._let_in, self._keep_out)
        session.addErrback(self._broke)

    def _let_in(self, session: Session) -> None:
        self._busy = False
        if self._over:
            session.leave()
            return
        self._send(_SUCCESS, b"")
        self._connection.logged_in(session)

    def _keep_out(self, failure: Failure) -> None:
        self._busy = False
        if failure.check(LoginRefused) is None:
            self._broke(failure)
        if self._over:
            return
        if self._tries >= self._factory.tries:
            self._give_up()
            return
        self._refuse()
        self._proceed()

    def _broke(self, failure: Failure) -> None:
        connection = self._connection
        self._factory.notify(
            SftpFailed(self._factory.source.name, connection.shown_address, "a login", repr(failure.value))
        )

    def _refuse_freely(self) -> None:
        self._free += 1
        if self._free > MAX_OFFERS:
            if self._offered and not self._tries:
                self._tell_offers(self._offered_as)
            self._give_up()
        else:
            self._refuse()

    def _refuse(self) -> None:
        methods = b"publickey,password" if self._factory.source.passwords else b"publickey"
        self._send(_FAILURE, string(methods) + b"\0")

    def _tell_offers(self, name: str) -> None:
        count = "a key" if self._offered == 1 else f"{self._offered} keys"
        refused = self._factory.logins.refuse(
            self._client("publickey"), name, f"it offered {count} that the account does not have"
        )
        self._offered = 0
        refused.addErrback(lambda failure: failure.trap(LoginRefused) and None)

    def _give_up(self) -> None:
        self._over = True
        self._connection.end(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, "too many logins that failed")

    def _client(self, method: str, blob: bytes | None = None) -> Client:
        client = self._connection.client
        fields = {**client.fields, "ssh.method": method}
        if blob is not None:
            fields["ssh.key_type"] = _type_of(blob).decode("ascii", "backslashreplace")
            fields["ssh.fingerprint"] = fingerprint(blob)
        return replace(client, fields=fields)

    def _send(self, message: int, payload: bytes) -> None:
        self._connection.sendPacket(message, payload)

    @property
    def _connection(self) -> SftpTransport:
        return cast("SftpTransport", self.transport)


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as OpenSSH writes it: `SHA256:` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _type_of(blob: bytes) -> bytes:
    try:
        return Fields(blob).string()[:64]
    except Malformed:
        return b""


def _is_signed(blob: bytes, algorithm: bytes, signature: bytes, octets: bytes) -> bool:
    """Tell whether a signature is right, and made with this algorithm: conch would take the one that it names."""
    try:
        if Fields(signature).string() != algorithm:
            return False
        return bool(Key.fromString(blob, type="BLOB").verify(signature, octets))
    except (Malformed, BadKeyError, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, struct.error):
        return False
