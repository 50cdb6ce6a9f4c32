"""Datagrams: one batch for each peer and turn, in order; what is dropped is counted and told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from gateway.notices.sources import DatagramsDropped, DatagramsShed, ReceiveBufferGranted
from gateway.sources import datagrams
from gateway.sources.datagrams import SyslogDatagrams, kernel_drops
from parsers.message import Origin, Trust
from tests.gateway.told import Accepted, Told


class Transport:
    """A transport that only has a socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


class Listener:
    """A protocol with all its other sides visible."""

    def __init__(self, receive_buffer: int = 4096) -> None:
        self.told, self.accepted, self.clock, self.full = Told(), Accepted(), Clock(), False
        self.protocol = SyslogDatagrams(
            "udp",
            lambda address: Origin("udp", Trust.DATAGRAM, str(address)),
            self.accepted,
            self.told,
            clock=self.clock,
            now=lambda: 1e9,
            is_full=lambda: self.full,
            receive_buffer=receive_buffer,
        )

    def receive(self, *data: bytes, peer: str = "a") -> None:
        """Let datagrams come."""
        for datagram in data:
            self.protocol.datagramReceived(datagram, peer)


def test_a_turn_is_a_batch_for_each_peer() -> None:
    """What one turn of the reactor reads is handed on together, each peer's in its order."""
    listener = Listener()
    listener.receive(b"one", b"", b"two\n")
    listener.receive(b"other", peer="b")
    listener.receive(b"three")
    assert listener.accepted == []
    listener.clock.advance(0)
    assert [(batch.origin.address, batch.frames.texts()) for batch in listener.accepted] == [
        ("a", [b"one", b"two\n", b"three"]),
        ("b", [b"other"]),
    ]
    assert listener.clock.getDelayedCalls() == []
    listener.receive(b"four")
    listener.clock.advance(0)
    assert listener.accepted.texts()[-1] == b"four"


def test_empty_datagrams_are_nothing() -> None:
    """They make no batch and no timer."""
    listener = Listener()
    listener.receive(b"")
    assert listener.clock.getDelayedCalls() == []


def test_datagrams_that_are_too_many() -> None:
    """While too much waits they are dropped, and the number is told once."""
    listener = Listener()
    listener.protocol.transport = Transport()  # type: ignore[assignment]
    listener.full = True
    listener.receive(b"x", b"y")
    listener.full = False
    listener.receive(b"z")
    listener.clock.advance(0)
    assert listener.accepted.texts() == [b"z"]
    listener.protocol.tell_drops()
    listener.protocol.tell_drops()
    assert listener.told == [DatagramsShed("udp", 2)]
    listener.protocol.transport.socket.close()  # type: ignore[union-attr]


def test_the_end_hands_on_what_was_gathered() -> None:
    """Nothing that was read is lost when the port closes, and no timer is left."""
    listener = Listener()
    listener.receive(b"last")
    listener.full = True
    listener.receive(b"dropped")
    listener.protocol.stopProtocol()
    assert listener.accepted.texts() == [b"last"]
    assert listener.told == [DatagramsShed("udp", 1)]
    assert listener.clock.getDelayedCalls() == []


def test_the_receive_buffer() -> None:
    """What the kernel does not grant is told."""
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    listener = Listener()
    transport = Transport()
    listener.protocol.transport = transport  # type: ignore[assignment]
    with transport.socket:
        listener.protocol.startProtocol()
        assert listener.told == []
        listener.protocol.ask_for_buffer(limit * 2)
    assert listener.told == [ReceiveBufferGranted("udp", limit, limit * 2)]


TABLE = """sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode ref pointer drops
  7: 0100007F:05EA 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 {inode} 2 0 {drops}
  8: 0100007F:05EB 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 2 0 99
"""


def test_what_the_kernel_dropped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The growth of the kernel's count for our socket is told, and nothing when it did not grow."""
    listener, table = Listener(), tmp_path / "udp"
    transport = Transport()
    listener.protocol.transport = transport  # type: ignore[assignment]
    monkeypatch.setattr(datagrams, "KERNEL_DROPS", (tmp_path / "missing", table))
    with transport.socket as sock:
        inode = os.fstat(sock.fileno()).st_ino
        for drops in (0, 5, 5, 12):
            table.write_text(TABLE.format(inode=inode, drops=drops))
            listener.protocol.tell_drops()
        assert kernel_drops(1) == 0
    assert listener.told == [DatagramsDropped("udp", 5), DatagramsDropped("udp", 7)]


def test_the_real_table() -> None:
    """The kernel's own table can be read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert kernel_drops(os.fstat(sock.fileno()).st_ino) == 0


def test_before_it_listens_there_is_nothing_to_tell() -> None:
    """A poll between closing and opening breaks nothing."""
    Listener().protocol.tell_drops()
