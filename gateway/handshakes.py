"""How many TLS handshakes may be under way at one time."""

from __future__ import annotations

from typing import Protocol


class Handshake(Protocol):
    """A connection whose peer has not proved anything yet."""

    def give_up(self, problem: str) -> None:
        """End it, and say why."""
        ...


class HalfHandshakes:
    """Limits the handshakes under way at one time, over all listeners that share it.

    When there are too many, the oldest is dropped: an honest peer is through in milliseconds, so that it is not the
    one, and whoever holds handshakes open cannot keep honest peers out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._connections: dict[Handshake, None] = {}

    def __len__(self) -> int:
        """Return how many handshakes are under way."""
        return len(self._connections)

    def enter(self, connection: Handshake) -> None:
        """Count one more; drops the oldest when it is one too many."""
        if len(self._connections) >= self._limit:
            next(iter(self._connections)).give_up("too many handshakes are under way, and this one is the oldest")
        self._connections[connection] = None

    def leave(self, connection: Handshake) -> None:
        """Count one less."""
        self._connections.pop(connection, None)
