"""Packets of SSH and the keys under them (RFC 4253 sections 6 and 7), on conch's: it does the arithmetic.

What differs from conch: strict key exchange (OpenSSH's answer to the Terrapin attack, CVE-2023-48795) is offered and
held; a packet is at most 256 KiB long, not 1 MiB; the buffer is not copied for each packet; a MAC's key is set up once.
"""
# ruff: noqa: N802, N803, N815 -- the names are conch's

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from typing import Any

from twisted.conch.ssh.transport import (
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_MAC_ERROR,
    DISCONNECT_PROTOCOL_ERROR,
    SSHCiphers,
    SSHServerTransport,
)
from twisted.python import randbytes

from gateway.sources.sftp.auth import SIGNATURES
from gateway.sources.sftp.packets import Fields
from gateway.sources.sftp.quiet import QUIET
from parsers.errors import RemoteError

MAX_PACKET = 256 * 1024
"""Octets; RFC 4253 section 6.1 asks for 35,000, and no client sends more than the 64 KiB that its channel allows."""

REKEY = 2**36
"""Octets after which we ask for new keys: 2**32 blocks of AES (RFC 4344 section 3.2), and fewer than 2**31 packets
(section 3.1), for each has 48 octets at least."""

STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
STRICT_SERVER = b"kex-strict-s-v00@openssh.com"

MAX_BLOCKED = 1024
"""Messages that wait for the end of a key exchange. A client that does not answer ours, and makes us send on, wants our
memory: what answers requests of SFTP waits elsewhere."""

KEXINIT, NEWKEYS = 20, 21
ECDH_INIT = 30  # the one message of all methods that we offer


class SecurePackets(SSHServerTransport):
    """Takes packets off the stream and puts them on it; whoever inherits from it says what they mean.

    Attributes:
        due: while keys are exchanged, the messages that the client may send next.
        strict: the client exchanges keys strictly.
        received: octets from the client.
    """

    _log = QUIET
    supportedKeyExchanges: list[bytes]
    supportedCiphers = [b"aes128-ctr", b"aes192-ctr", b"aes256-ctr"]  # noqa: RUF012 -- as conch has it
    supportedMACs = [b"hmac-sha2-256", b"hmac-sha2-512"]  # noqa: RUF012
    supportedCompressions = [b"none"]  # noqa: RUF012

    def __init__(self) -> None:
        self.due: frozenset[int] = frozenset()
        self.strict = False
        self.received = 0
        self._sent = 0
        self._rekey_at = REKEY
        self._in = bytearray()
        self._first = b""  # the beginning of the next packet, decrypted
        self._verify: hmac.HMAC | None = None
        self._sign: hmac.HMAC | None = None

    @property
    def closed(self) -> bool:
        """Whether the end has begun."""
        raise NotImplementedError

    def refuse(self, problem: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """Close because of what the client did."""
        raise NotImplementedError

    def secured(self) -> None:
        """Keys have been exchanged."""
        raise NotImplementedError

    # What comes in.

    def getPacket(self) -> bytes | None:
        """Take the next packet off the buffer and return its payload; None as long as it is not there wholly."""
        buffer, encryptions = self._in, self.currentEncryptions
        block, tag = encryptions.decBlockSize or 8, encryptions.verifyDigestSize
        if not self._first:
            if len(buffer) < block:
                return None
            self._first = encryptions.decrypt(bytes(buffer[:block]))
        length = 4 + int.from_bytes(self._first[:4], "big")
        if not 16 <= length <= MAX_PACKET or length % block:
            self.refuse(f"a packet of {length - 4:,} octets; the stream is damaged, or no SSH")
            return None
        if len(buffer) < length + tag:
            return None
        with memoryview(buffer) as view, view[block:length] as rest:
            packet = self._first + encryptions.decrypt(rest)
            given = bytes(view[length : length + tag])
        del buffer[: length + tag]
        self._first = b""
        if self._verify is not None and not _is_right(self._verify, self.incomingPacketSequence, packet, given):
            self.refuse("a packet's MAC is wrong: it was changed on the way", DISCONNECT_MAC_ERROR)
            return None
        self.incomingPacketSequence = (self.incomingPacketSequence + 1) & 0xFFFFFFFF
        padding = packet[4]
        if padding < 4 or padding + 6 > length:
            self.refuse("a packet's padding does not fit into it")
            return None
        return bytes(packet[5:-padding])

    @property
    def exchanging(self) -> bool:
        """Whether keys are being exchanged, so that nothing else can be sent."""
        return bool(self._keyExchangeState != self._KEY_EXCHANGE_NONE)

    def rekey_if_due(self) -> None:
        """Ask for new keys when enough has been sent under these."""
        if self.received + self._sent > self._rekey_at and not self.exchanging:
            self.sendKexInit()

    # Key exchange.

    def negotiate(self, message: int, payload: bytes) -> None:
        """Take a message of a key exchange.

        Raises:
            RemoteError: it is broken.
        """
        steps: dict[int, Callable[[bytes], object]] = {
            KEXINIT: self.ssh_KEXINIT,
            NEWKEYS: self.ssh_NEWKEYS,
            ECDH_INIT: self.ssh_KEX_DH_GEX_REQUEST_OLD,  # that name's number has several meanings
        }
        try:
            steps[message](payload)
        except (ValueError, TypeError, IndexError, struct.error) as error:
            # what conch meets when it takes a broken message apart, and cryptography in a bad public key
            raise RemoteError(f"it is broken ({error})") from None

    def sendKexInit(self) -> None:
        """Offer our algorithms, and a strict exchange in the first offer."""
        offered = self.supportedKeyExchanges
        if self.sessionID is None:
            self.supportedKeyExchanges = [*offered, STRICT_SERVER]
        try:
            super().sendKexInit()  # type: ignore[no-untyped-call]
        finally:
            self.supportedKeyExchanges = offered

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Choose what both have; the first one settles whether exchanges are strict, and is the very first message."""
        if self.sessionID is None and STRICT_CLIENT in Fields(packet, 16).string().split(b","):
            self.strict = True
            if self.incomingPacketSequence != 1:
                raise RemoteError("it is not the first")
        super().ssh_KEXINIT(packet)
        self.due = frozenset({ECDH_INIT})

    def sendExtInfo(self, extensions: list[tuple[bytes, bytes]]) -> None:  # noqa: ARG002 -- as conch calls it
        """Say which signatures a login may have (RFC 8308 section 3.1); conch would name those of our own keys."""
        super().sendExtInfo([(b"server-sig-algs", b",".join(SIGNATURES))])  # type: ignore[no-untyped-call]

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        super()._keySetup(sharedSecret, exchangeHash)
        self.due = frozenset({NEWKEYS})
        if self.strict:
            self.outgoingPacketSequence = 0

    def _newKeys(self) -> None:
        encryptions: SSHCiphers = self.nextEncryptions
        self._verify = _mac(encryptions.inMAC)
        self._sign = _mac(encryptions.outMAC)
        if self.strict:
            self.incomingPacketSequence = 0
        self.due = frozenset()
        self._rekey_at = self.received + self._sent + REKEY
        super()._newKeys()  # type: ignore[no-untyped-call]
        self.secured()

    # What goes out.

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Send a message, or keep it while keys are exchanged and it does not belong to that."""
        if self.closed:
            return
        if self.exchanging and not self._allowedKeyExchangeMessageType(messageType):  # type: ignore[no-untyped-call]
            self._blockedByKeyExchange.append((messageType, payload))
            if len(self._blockedByKeyExchange) > MAX_BLOCKED:
                self.refuse("it does not answer our key exchange", DISCONNECT_KEY_EXCHANGE_FAILED)
            return
        encryptions = self.currentEncryptions
        block = encryptions.encBlockSize or 8
        padding = block - (len(payload) + 6) % block
        if padding < 4:
            padding += block
        length = len(payload) + 2 + padding
        packet = b"%b%b%b" % (
            struct.pack(">LBB", length, padding, messageType),
            payload,
            randbytes.secureRandom(padding),
        )
        octets = encryptions.encrypt(packet)
        if self._sign is not None:
            octets += _tag(self._sign, self.outgoingPacketSequence, packet)
        self.transport.write(octets)  # type: ignore[union-attr]
        self._sent += len(octets)
        self.outgoingPacketSequence = (self.outgoingPacketSequence + 1) & 0xFFFFFFFF


def _mac(parameters: Any) -> hmac.HMAC | None:
    """Set a MAC's key up, once for all packets."""
    return hmac.new(parameters.key, digestmod=parameters[0]().name) if parameters[0] else None


def _tag(mac: hmac.HMAC, sequence: int, packet: bytes) -> bytes:
    one = mac.copy()
    one.update(sequence.to_bytes(4, "big"))
    one.update(packet)
    return one.digest()


def _is_right(mac: hmac.HMAC, sequence: int, packet: bytes, given: bytes) -> bool:
    return hmac.compare_digest(_tag(mac, sequence, packet), given)
