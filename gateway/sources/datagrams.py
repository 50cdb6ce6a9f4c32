"""Syslog in datagrams: UDP (RFC 5426) and the local unix socket; one message a datagram, nothing acknowledged."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from gateway.notice import Notify
from gateway.notices.sources import DatagramsDropped, DatagramsShed, ReceiveBufferGranted
from gateway.pipeline import Accept
from parsers.message import Batch, Frames, Origin

MAX_DATAGRAM = 65_536
"""Octets; no datagram is larger."""

KERNEL_DROPS = Path("/proc/net/udp"), Path("/proc/net/udp6")


class SyslogDatagrams(DatagramProtocol):
    """Gathers what one turn of the reactor delivers into a batch for each peer.

    Args:
        origin_of: makes the origin of a peer's address.
        is_full: too much is pending, so that datagrams are dropped and counted.
    """

    def __init__(
        self,
        source: str,
        origin_of: Callable[[object], Origin],
        accept: Accept,
        notify: Notify,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        is_full: Callable[[], bool],
        receive_buffer: int,
    ) -> None:
        self.source = source
        self.origin_of = origin_of
        self._accept = accept
        self._notify = notify
        self._clock = clock
        self._now = now
        self._is_full = is_full
        self._receive_buffer = receive_buffer
        self._gathered: dict[object, list[bytes]] = {}
        self._flush_call: IDelayedCall | None = None
        self._drops_seen = 0
        self._shed = 0

    def startProtocol(self) -> None:
        """Ask for the receive buffer."""
        self.ask_for_buffer(self._receive_buffer)

    def stopProtocol(self) -> None:
        """Hand on what was gathered, and say what was dropped."""
        if self._flush_call is not None and self._flush_call.active():
            self._flush_call.cancel()
        self.flush()
        self._tell_shed()

    def ask_for_buffer(self, octets: int) -> None:
        """Ask the kernel for a receive buffer, and say what it granted."""
        self._receive_buffer = octets
        assert self.transport is not None  # noqa: S101 -- Twisted has just set it
        sock: socket.socket = self.transport.socket  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it (socket(7))
        if granted < self._receive_buffer:
            self._notify(ReceiveBufferGranted(self.source, granted, self._receive_buffer))

    def datagramReceived(self, data: bytes, addr: object) -> None:
        """Keep a datagram until the reactor has read them all."""
        if self._is_full():
            self._shed += 1
            return
        if not data:
            return
        if not self._gathered:
            self._flush_call = self._clock.callLater(0, self.flush)
        self._gathered.setdefault(addr, []).append(data)

    def flush(self) -> None:
        """Hand on what was gathered."""
        gathered, self._gathered = self._gathered, {}
        now = self._now()
        for addr, datagrams in gathered.items():
            stops = tuple(accumulate(map(len, datagrams)))
            frames = Frames(b"".join(datagrams), (0, *stops[:-1]), stops)
            self._accept(Batch(frames, self.origin_of(addr), now))

    def tell_drops(self) -> None:
        """Say how many datagrams the kernel and we have dropped since the last time."""
        if self.transport is None:
            return
        self._tell_shed()
        sock: socket.socket = self.transport.socket  # type: ignore[attr-defined]
        drops = kernel_drops(os.fstat(sock.fileno()).st_ino)
        if drops > self._drops_seen:
            self._notify(DatagramsDropped(self.source, drops - self._drops_seen))
        self._drops_seen = drops

    def _tell_shed(self) -> None:
        if self._shed:
            self._notify(DatagramsShed(self.source, self._shed))
            self._shed = 0


def kernel_drops(inode: int) -> int:
    """Return how many datagrams the kernel has dropped for a UDP socket (proc(5), /proc/net/udp)."""
    for table in KERNEL_DROPS:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if len(columns) > 12 and columns[9] == str(inode):
                return int(columns[12])
    return 0
